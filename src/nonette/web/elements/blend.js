/** Two pictures or two sentences, a slider between them, and the button that draws what lies there. */

import * as api from "../api.js";
import { blending, obstacle, put, recall, run, take } from "../blending.js";
import { fail } from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { number, titleOf, t } from "../i18n.js";
import { effect, signal, untracked } from "../signals.js";
import { isOpen, store } from "../store.js";

const MOST = 2000; // characters, as the server takes
const RECENT = 12; // pictures to choose from
const KINDS = /** @type {const} */ (["pictures", "sentences"]);
const NAMES = /** @type {const} */ (["first", "second"]);

class Blend extends Panel {
  build() {
    let known = "";
    effect(() => {
      const job = store.job.value;
      if (job?.request.task !== "blend" || job.id === known) return;
      known = job.id;
      untracked(() => recall(job));
    });
    const isOf = (/** @type {string} */ kind) => blending.of.value === kind;
    const why = () => (isOpen(store.job.value) ? "" : obstacle());
    return [
      h(
        "form",
        {
          class: "sentence",
          onsubmit: (/** @type {Event} */ event) => {
            event.preventDefault();
            run();
          },
        },
        h("p", { class: "about" }, () => t("blend.about")),
        h("div", { class: "row", role: "group", "aria-label": () => t("blend.of") },
          ...KINDS.map((kind) => h("button", {
            type: "button", class: "plain", "aria-pressed": () => String(isOf(kind)), onclick: () => (blending.of.value = kind),
          }, () => t(`blend.of.${kind}`)))),
        h("div", { class: "pair", hidden: () => !isOf("pictures") }, side(0), side(1)),
        h("div", { class: "both", hidden: () => !isOf("pictures") }, recent(), field("wanted", blending.wanted)),
        h("div", { class: "both", hidden: () => !isOf("sentences") }, 
          ...NAMES.map((name, place) => field(name, blending.sentences[place]))),
        mix(),
        h("div", { class: "row" },
          h("button", { type: "submit", class: "primary", "aria-disabled": () => (store.isSending.value || why() ? "true" : null) },
            () => t(store.isSending.value ? "run.sending" : "run")),
          h("kbd", { class: "hint", "aria-hidden": "true" }, "Ctrl ⏎")),
        h("p", { class: "about", id: "blend-why", role: "status", text: why }),
      ),
    ];
  }
}

/** A picture's place, which is pressed to be filled next, and a file for it. @param {import("../blending.js").Place} place */
function side(place) {
  const name = NAMES[place];
  const held = blending.pictures[place];
  const shown = h("span", { class: "half-shown" });
  effect(() => shown.replaceChildren(
    held.value ? h("img", { alt: t(`blend.${name}`), src: held.value.url }) : document.createTextNode(t(`blend.${name}`))));
  const input = h("input", {
    type: "file", accept: "image/png,image/jpeg,image/webp", hidden: true,
    onchange: () => {
      const [file] = input.files ?? [];
      blending.next.value = place;
      if (file) take(file);
      input.value = "";
    },
  });
  return h("div", { class: "of-pair" },
    h("button", {
      type: "button", class: "half", "aria-pressed": () => String(blending.next.value === place),
      "aria-label": () => t(`blend.${name}.${held.value ? "there" : "empty"}`), onclick: () => (blending.next.value = place),
    }, shown),
    input,
    h("button", { type: "button", class: "plain", "aria-label": () => t(`blend.${name}.file`), onclick: () => input.click() },
      () => t("blend.file")));
}

/** One's latest pictures, each to be put on the side that is next. */
function recent() {
  const found = signal(/** @type {api.Kept[]} */ ([]));
  effect(() => {
    if (store.view.value !== "blend" || isOpen(store.job.value)) return;
    api.pictures({ search: "", favourites: false, limit: RECENT }).then((kept) => (found.value = kept), fail);
  });
  const tiles = h("div", { class: "strip" });
  effect(() => tiles.replaceChildren(...found.value.map((kept) =>
    h("button", {
      type: "button", class: "tile", "aria-label": () => t("blend.take", { prompt: titleOf(kept) }), onclick: () => put(kept),
    }, h("img", { src: kept.url, alt: titleOf(kept), loading: "lazy", width: String(kept.width), height: String(kept.height) })))));
  return h("section", { class: "both", "aria-labelledby": "blend-recent", hidden: () => !found.value.length },
    h("p", { class: "about", id: "blend-recent" }, () => t("blend.recent")), tiles);
}

/** @param {string} name @param {import("../signals.js").Signal<string>} held */
function field(name, held) {
  const id = `blend-${name}`;
  const area = h("textarea", {
    id, rows: "2", maxlength: String(MOST), spellcheck: "true", autocapitalize: "sentences", enterkeyhint: "go",
    "aria-keyshortcuts": "Control+Enter", value: () => held.value, oninput: () => (held.value = area.value),
  });
  return h("div", {}, h("label", { for: id }, () => t(`blend.${name}.words`)), area);
}

/** How far from the first to the second. */
function mix() {
  const told = () => t("blend.mix.told", { share: number(100 * blending.mix.value) });
  const input = h("input", {
    id: "blend-mix", type: "range", min: "0", max: "100", step: "5", "aria-valuetext": told,
    value: () => String(Math.round(100 * blending.mix.value)), oninput: () => (blending.mix.value = Number(input.value) / 100),
  });
  return h("div", { class: "both" },
    h("div", { class: "slider wide-slider" },
      h("label", { for: "blend-mix" }, () => t("blend.mix")), input, h("output", { for: "blend-mix" }, told)));
}

define("nonette-blend", Blend);
