/** The whole page: its frame, what it shows, and what keys do. */

import { define, h, Panel } from "../dom.js";
import { t, titleOf } from "../i18n.js";
import { listen } from "../keys.js";
import { effect } from "../signals.js";
import { store } from "../store.js";
import "./actions.js";
import "./blend.js";
import "./collections.js";
import "./edit.js";
import "./gallery.js";
import "./grid.js";
import "./header.js";
import "./history.js";
import "./keys-dialog.js";
import "./more.js";
import "./operator.js";
import "./publish.js";
import "./question.js";
import "./sentence.js";
import "./shared.js";
import "./sign-in.js";
import "./status.js";
import "./trouble.js";
import "./viewer.js";

class Studio extends Panel {
  build() {
    const isDrawing = () => store.view.value === "draw";
    const isBlending = () => store.view.value === "blend";
    listen();
    effect(() => {
      const job = isDrawing() || isBlending() ? store.job.value : null;
      document.title = job ? `${titleOf(job.request)} · Nonette` : "Nonette";
    });
    return [
      h("a", { class: "skip", href: "#main" }, () => t("skip")),
      element("nonette-header"),
      h(
        "main",
        { id: "main", tabindex: "-1" },
        h("div", { class: "draw", hidden: () => !isDrawing() && !isBlending() },
          h("h1", { class: "unseen" }, () => t(isBlending() ? "view.blend" : "view.draw")),
          h("div", { class: "begin", hidden: () => !isDrawing() }, element("nonette-sentence")),
          h("div", { class: "begin", hidden: () => !isBlending() }, element("nonette-blend")),
          ...["trouble", "status", "grid", "actions"].map((name) => element(`nonette-${name}`))),
        h("div", { class: "editing", hidden: () => store.view.value !== "edit" }, element("nonette-edit")),
        ...["history", "gallery", "operator"].map((name) =>
          h("div", { class: "past", hidden: () => store.view.value !== name },
            element("nonette-trouble"), element(`nonette-${name}`))),
        h("div", { class: "past", hidden: () => store.view.value !== "shared" }, element("nonette-shared")),
      ),
      h("p", { class: "notice", role: "status", text: () => store.notice.value }),
      ...["viewer", "collect", "publish", "question", "keys", "sign-in"].map((name) => element(`nonette-${name}`)),
    ];
  }
}

/** @param {string} name */
const element = (name) => document.createElement(name);

define("nonette-studio", Studio);
