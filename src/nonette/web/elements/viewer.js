/** One picture, large: the others by arrow keys or a swipe, saving it, and what draws it again. */

import * as api from "../api.js";
import { begin } from "../blending.js";
import { enter, fail, use } from "../commands.js";
import { open } from "../editing/acts.js";
import { define, fill, h, icon, Panel } from "../dom.js";
import { moment, number, t, titleOf } from "../i18n.js";
import { MODES } from "../editing/session.js";
import { effect, onEnd, signal } from "../signals.js";
import * as share from "../share.js";
import { store } from "../store.js";
import "./keep.js";

const LEFT = "M15 5l-7 7 7 7";
const RIGHT = "M9 5l7 7-7 7";
const CLOSE = "M6 6l12 12M18 6L6 18";
const SWIPE = 40; // pixels that a finger must go

/** Settings that are told, in this order; others that a request may hold follow as they are. */
const TOLD = ["second_prompt", "mix", "negative_prompt", "guidance", "steps", "sampler", "temperature", "top_k", "top_p"];

class Viewer extends Panel {
  build() {
    const image = h("img", { alt: "", draggable: "true" });
    const facts = h("dl", { class: "facts" });
    const command = h("code", {});
    const again = h("div", {}, h("p", { class: "about" }, () => t("viewer.command")), h("pre", { tabindex: "0" }, command));
    const heading = h("h2", { id: "viewer-title" });
    const dialog = h(
      "dialog",
      {
        class: "viewer", "aria-labelledby": "viewer-title",
        onclose: () => (store.open.value = -1),
        onkeydown: (/** @type {KeyboardEvent} */ event) => key(event),
        onclick: (/** @type {Event} */ event) => event.target === dialog && dialog.close(),
      },
      h(
        "div",
        { class: "stage" },
        arrow("viewer.previous", LEFT, "previous", () => step(-1)),
        h("figure", {}, image),
        arrow("viewer.next", RIGHT, "next", () => step(1)),
      ),
      h(
        "div",
        { class: "side" },
        h("button", {
          type: "button", class: "quiet close", "aria-label": () => t("close"), onclick: () => dialog.close(),
        }, icon(CLOSE)),
        heading,
        h("p", { class: "place", role: "status", text: () => where() }),
        h(
          "div",
          { class: "row" },
          h("button", { type: "button", class: "second", onclick: () => onPicture(share.save) }, () => t("save.one")),
          star(),
          h("button", { type: "button", class: "plain", onclick: share.copyLink }, () => t("copy")),
          h("button", {
            type: "button", class: "plain", hidden: () => store.job.value?.request.task === "blend", onclick: () => use(settings()),
          }, () => t("viewer.use")),
          ...MODES.map((mode) =>
            h("button", { type: "button", class: "plain", onclick: () => toEdit(mode) }, () => t(`edit.mode.${mode}`))),
          h("button", { type: "button", class: "plain", onclick: toBlend }, () => t("view.blend")),
        ),
        document.createElement("nonette-keep"),
        h(
          "details",
          { class: "more" },
          h("summary", {}, () => t("viewer.details")),
          facts,
          again,
        ),
      ),
    );
    swipes(dialog, step);

    effect(() => {
      const job = store.job.value;
      const picture = job?.results[store.open.value];
      if (!job || !picture) return dialog.open ? dialog.close() : undefined;
      image.src = picture.url;
      image.alt = heading.textContent = titleOf(job.request);
      image.width = picture.width;
      image.height = picture.height;
      command.textContent = commandOf(job, picture);
      again.hidden = job.request.task !== "draw"; // others need their source beside them
      facts.replaceChildren();
      fill(facts, rows(job, picture));
      if (!dialog.open) dialog.showModal();
    });
    return [dialog];
  }
}

/** A button that marks the open picture as a favourite. */
function star() {
  const isMarked = signal(false);
  effect(() => {
    const picture = store.job.value?.results[store.open.value];
    if (!picture) return;
    let isWanted = true;
    onEnd(() => (isWanted = false));
    api.picture(picture.id).then((kept) => isWanted && (isMarked.value = kept.is_favourite), fail);
  });
  const turn = (/** @type {api.Picture} */ picture) =>
    api.mark(picture.id, !isMarked.value).then((kept) => (isMarked.value = kept.is_favourite), fail);
  return h("button", {
    type: "button", class: "plain", "aria-pressed": () => String(isMarked.value),
    onclick: () => onPicture(turn),
  }, () => (isMarked.value ? "★ " : "☆ "), () => t("favourite"));
}

/** @param {KeyboardEvent} event */
function key(event) {
  const last = (store.job.value?.results.length ?? 0) - 1;
  /** @type {Record<string, () => unknown>} */
  const keys = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    Home: () => (store.open.value = 0),
    End: () => (store.open.value = last),
    s: () => onPicture(share.save),
    c: () => share.copyLink(),
  };
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
}

/** @param {number} by */
function step(by) {
  const count = store.job.value?.results.length ?? 0;
  if (count) store.open.value = (store.open.value + by + count) % count;
}

/** @param {(picture: api.Picture) => void} action */
function onPicture(action) {
  const picture = store.job.value?.results[store.open.value];
  if (picture) action(picture);
}

/** Go on with the open picture in the edit view. @param {import("../editing/session.js").Mode} mode */
function toEdit(mode) {
  onPicture((picture) => open({ ...picture, prompt: store.job.value?.request.prompt }, mode));
}

/** Blend the open picture with another one. */
function toBlend() {
  onPicture((picture) => {
    begin(picture);
    enter("blend");
  });
}

/** What draws the open picture again. */
function settings() {
  const job = store.job.value;
  return { ...job?.request, seed: job?.results[store.open.value]?.seed };
}

/** @returns {string} */
const where = () =>
  t("viewer.place", { place: store.open.value + 1, count: store.job.value?.results.length ?? 0 });

/**
 * @param {api.Job} job
 * @param {api.Picture} picture
 */
function rows(job, picture) {
  /** @type {[string, string][]} */
  const pairs = [
    [t("seed"), String(picture.seed)],
    [t("model"), job.model],
    [t("size"), `${picture.width}×${picture.height}`],
  ];
  if (picture.score !== null) pairs.push([t("viewer.score"), number(picture.score, 3)]);
  if (job.request.candidates) pairs.push([t("candidates"), number(job.request.candidates)]);
  for (const name of TOLD) {
    const value = job.request[name];
    if (value) pairs.push([t(`setting.${name}`), String(value)]);
  }
  if (job.finished_at) pairs.push([t("viewer.drawn"), moment(job.finished_at)]);
  return pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
}

/**
 * The line that draws this picture alone, for a shell; the sentence is quoted so that nothing in it
 * is read by the shell.
 * @param {api.Job} job
 * @param {api.Picture} picture
 */
function commandOf(job, picture) {
  const quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;
  const words = ["nonette draw", `--model ${job.model}`, `--seed ${picture.seed}`, "-n 1", "--candidates 1"];
  if (job.request.negative_prompt) words.push(`--negative ${quoted(job.request.negative_prompt)}`);
  return `${words.join(" ")} -- ${quoted(job.request.prompt)}`;
}

/**
 * @param {HTMLElement} surface
 * @param {(by: number) => void} turned
 */
function swipes(surface, turned) {
  let start = { x: 0, y: 0 };
  surface.addEventListener("touchstart", ({ touches }) => {
    start = { x: touches[0].clientX, y: touches[0].clientY };
  }, { passive: true });
  surface.addEventListener("touchend", ({ changedTouches }) => {
    const [x, y] = [changedTouches[0].clientX - start.x, changedTouches[0].clientY - start.y];
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) turned(x < 0 ? 1 : -1);
  }, { passive: true });
}

/**
 * @param {string} name
 * @param {string} path
 * @param {string} side
 * @param {() => void} action
 */
const arrow = (name, path, side, action) =>
  h("button", { type: "button", class: `arrow ${side}`, "aria-label": () => t(name), onclick: action }, icon(path));

define("nonette-viewer", Viewer);
