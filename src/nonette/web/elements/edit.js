/** The edit view: a picture to begin with, the steps it went through, and the tools around it. */

import * as api from "../api.js";
import { arrive, layAside, open, take, turnTo, visit } from "../editing/acts.js";
import { remember } from "../editing/memory.js";
import { current, MODES, session } from "../editing/session.js";
import { fail } from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { titleOf, t } from "../i18n.js";
import { effect, onEnd, signal, untracked } from "../signals.js";
import { store } from "../store.js";
import "./easel.js";
import "./edit-form.js";
import { save } from "./edit-results.js";
import "./edit-tools.js";
import "./world.js";

const RECENT = 12; // pictures to begin with

class Edit extends Panel {
  build() {
    effect(() => {
      if (store.view.value === "edit") untracked(() => arrive(new URLSearchParams(location.search)));
    });
    remember();
    const source = (/** @type {Event} */ event) => {
      const { file, picture } = /** @type {CustomEvent} */ (event).detail ?? {};
      if (file instanceof Blob) take(file, "edit");
      else if (picture) open(picture);
    };
    document.addEventListener("nonette-source", source);
    onEnd(() => document.removeEventListener("nonette-source", source));
    const isEmpty = () => !current();
    return [
      h("h1", {}, () => t("edit.title")),
      this.#start(isEmpty),
      h("div", { class: "bench", hidden: isEmpty },
        modes(),
        h("div", { class: "bench-stage" },
          h("div", { hidden: () => session.mode.value === "extend" }, document.createElement("nonette-easel")),
          h("div", { hidden: () => session.mode.value !== "extend" }, document.createElement("nonette-world")),
          document.createElement("nonette-edit-tools")),
        h("div", { class: "bench-side" },
          document.createElement("nonette-trouble"),
          document.createElement("nonette-edit-form"),
          document.createElement("nonette-edit-results"),
          strip(),
          h("div", { class: "row" },
            save(() => (session.job.value ? null : current()?.kept ?? null)),
            h("button", { type: "button", class: "plain", onclick: layAside }, () => t("edit.other"))))),
      h("p", { class: "unseen", role: "status", text: () => session.told.value }),
    ];
  }

  /** Where nothing is there to be edited yet. @param {() => boolean} isEmpty */
  #start(isEmpty) {
    const recent = signal(/** @type {api.Kept[]} */ ([]));
    effect(() => {
      if (store.view.value !== "edit" || !isEmpty()) return;
      api.pictures({ search: "", favourites: false, limit: RECENT }).then((found) => (recent.value = found), fail);
    });
    const tiles = h("div", { class: "strip" });
    effect(() => tiles.replaceChildren(...recent.value.map((kept) =>
      tile(kept, () => t("edit.this", { prompt: titleOf(kept) }), { onclick: () => open(kept) }))));
    return h("div", { class: "start", hidden: () => !isEmpty() },
      h("p", {}, () => t("edit.start")),
      h("div", { class: "row" }, chooser("edit.choose", "primary")),
      h("h2", { hidden: () => !recent.value.length }, () => t("edit.recent")),
      tiles);
  }
}

/** What to do with the picture. */
const modes = () =>
  h("div", { class: "modes", role: "group", "aria-label": () => t("edit.modes") },
    ...MODES.map((mode) =>
      h("button", {
        type: "button", class: "plain", "aria-pressed": () => String(session.mode.value === mode), onclick: () => turnTo(mode),
      }, () => t(`edit.mode.${mode}`))));

/** A button that asks for a file. @param {string} key @param {string} kind */
function chooser(key, kind) {
  const input = h("input", {
    type: "file", accept: "image/png,image/jpeg,image/webp", hidden: true,
    onchange: () => {
      const [file] = input.files ?? [];
      if (file) take(file);
      input.value = "";
    },
  });
  return h("span", {}, input, h("button", { type: "button", class: kind, onclick: () => input.click() }, () => t(key)));
}

/** The steps that led here, each to go back to. */
function strip() {
  const list = h("ol", { class: "steps" });
  effect(() => {
    const steps = session.steps.value;
    list.replaceChildren(...untracked(() => steps.map((step, place) =>
      h("li", {}, tile(step, () => t("edit.step", { place: place + 1, count: steps.length }), {
        "aria-current": () => (session.at.value === place ? "step" : null), onclick: () => visit(place),
      })))));
  });
  return h("section", { class: "steps-of", hidden: () => session.steps.value.length < 2, "aria-label": () => t("edit.steps") },
    h("h2", {}, () => t("edit.steps")), list);
}

/**
 * A small picture as a button.
 * @param {{url: string, width: number, height: number}} picture
 * @param {() => string} label
 * @param {Record<string, any>} properties
 */
const tile = ({ url, width, height }, label, properties) =>
  h("button", { type: "button", class: "tile", "aria-label": label, ...properties },
    h("img", { src: url, alt: label, loading: "lazy", width: String(width), height: String(height) }));

define("nonette-edit", Edit);
