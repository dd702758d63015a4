/** What became of the picture: how far it is, the candidates, and going on with one of them. */

import * as api from "../api.js";
import { cancel, choose, discard, keep, run } from "../editing/acts.js";
import { candidate, current, session } from "../editing/session.js";
import { left } from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { effect, onEnd, signal, untracked } from "../signals.js";
import { isOpen, store } from "../store.js";
import { headline } from "./status.js";

const UNMANNED_MS = 4000; // a job that waits longer than this asks whether anyone is there to draw

class Results extends Panel {
  build() {
    const isBusy = () => isOpen(session.job.value);
    const hasResults = () => Boolean(session.job.value?.results.length);
    const bar = h("progress", { max: "1", "aria-label": () => t("progress"), hidden: () => !isBusy() });
    effect(() => {
      const { done, total } = session.job.value?.progress ?? { done: 0, total: 0 };
      if (session.job.value?.state === "running" && total) bar.value = done / total;
      else bar.removeAttribute("value");
    });
    const isUnmanned = unmanned();
    const hint = () => (!isBusy() ? "" : session.isLost.value ? t("lost") : isUnmanned.value ? t("unmanned") : "");
    const tiles = h("div", { class: "candidates", role: "group", "aria-label": () => t("edit.candidates"), hidden: () => !hasResults() });
    effect(() => {
      const job = session.job.value;
      tiles.replaceChildren(...(job?.results.length ? untracked(() => candidates(job)) : []));
    });
    return [
      h("section", { class: "results", "aria-label": () => t("edit.results"), hidden: () => !session.job.value },
        h("p", { class: "state", role: "status", text: () => headline(session.job.value) }),
        bar,
        h("p", { class: "about", hidden: () => !isBusy() }, () => (session.job.value ? left(session.job.value) : "")),
        h("p", { class: "warn", role: "status", hidden: () => !hint(), text: hint }),
        sheet(),
        tiles,
        h("div", { class: "row" },
          button("cancel", "plain", isBusy, cancel),
          button("edit.keep", "primary", () => hasResults() && candidate() !== undefined, () => toStage(keep)),
          button("again", "plain", () => !isBusy() && session.mode.value !== "enlarge", again),
          button("edit.discard", "plain", () => !isBusy(), () => toStage(discard)),
          save(() => candidate() && session.job.value ? { job: session.job.value, picture: /** @type {api.Picture} */ (candidate()) } : null)),
      ),
    ];
  }
}

/** Whether the job waits and nobody is there to draw it. */
function unmanned() {
  const is = signal(false);
  effect(() => {
    is.value = false;
    if (session.job.value?.state !== "waiting") return;
    let isWanted = true;
    const ask = () => api.isReady().then((isReady) => isWanted && (is.value = !isReady), () => {});
    const timer = setTimeout(ask, UNMANNED_MS);
    onEnd(() => {
      isWanted = false;
      clearTimeout(timer);
    });
  });
  return is;
}

/** The candidates as far as they are drawn. */
function sheet() {
  const image = h("img", { class: "sheet-so-far", alt: () => t("edit.candidates"), hidden: true });
  effect(() => {
    const job = session.job.value;
    if (job?.state !== "running" || !job.progress.done) return void (image.hidden = true);
    const next = new Image();
    let isWanted = true;
    onEnd(() => (isWanted = false));
    next.onload = () => {
      if (!isWanted) return;
      image.src = next.src;
      image.hidden = false;
    };
    next.src = api.previewUrl(job);
  });
  return image;
}

/** The step as it was, and each candidate. @param {api.Job} job */
function candidates(job) {
  const count = job.results.length;
  const tile = (/** @type {number} */ place, /** @type {string} */ url) => {
    const label = () => (place < 0 ? t("edit.before") : t("edit.candidate", { place: place + 1, count }));
    return h("button", {
      type: "button", class: "tile", "aria-pressed": () => String(session.chosen.value === place),
      "aria-label": label, onclick: () => choose(place),
    }, h("img", { src: url, alt: label }), place < 0 && h("span", { class: "tag", "aria-hidden": "true" }, () => t("edit.before")));
  };
  return [tile(-1, current()?.url ?? ""), ...job.results.map(({ url }, place) => tile(place, url))];
}

/** Do something that hides what was pressed, and put the focus where the work goes on. @param {() => void} action */
function toStage(action) {
  action();
  const places = { edit: ".board", extend: ".frame", vary: "#edit-strength", enlarge: "#edit-factor" };
  const place = document.querySelector(places[session.mode.value]);
  if (place instanceof HTMLElement) place.focus({ preventScroll: true });
}

/** Others of the same. */
function again() {
  discard();
  run();
}

/** A link that saves a picture. @param {() => {job: api.Job, picture: api.Picture} | null} found */
export const save = (found) =>
  h("a", {
    class: "button plain", download: true, hidden: () => !found(),
    href: () => {
      const kept = found();
      return kept && api.fileUrl(kept.job, kept.picture, store.tells.value);
    },
  }, () => t("save.one"));

/**
 * @param {string} key
 * @param {string} kind
 * @param {() => boolean} isShown
 * @param {() => unknown} action
 */
const button = (key, kind, isShown, action) =>
  h("button", { type: "button", class: kind, hidden: () => !isShown(), onclick: action }, () => t(key));

define("nonette-edit-results", Results);
