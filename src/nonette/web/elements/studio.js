/** The whole page: its frame, what it shows, what keys do, and what happens to dropped pictures. */

import * as commands from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { listen } from "../keys.js";
import { effect } from "../signals.js";
import { store } from "../store.js";
import "./actions.js";
import "./edit.js";
import "./grid.js";
import "./header.js";
import "./history.js";
import "./keys-dialog.js";
import "./more.js";
import "./sentence.js";
import "./shared.js";
import "./sign-in.js";
import "./status.js";
import "./trouble.js";
import "./viewer.js";

class Studio extends Panel {
  build() {
    const isDrawing = () => store.view.value === "draw";
    listen();
    this.#takeDrops();
    effect(() => {
      const sentence = store.job.value?.request.prompt;
      document.title = sentence && isDrawing() ? `${sentence} · Nonette` : "Nonette";
    });
    return [
      h("a", { class: "skip", href: "#main" }, () => t("skip")),
      element("nonette-header"),
      h(
        "main",
        { id: "main", tabindex: "-1" },
        h("div", { class: "draw", hidden: () => !isDrawing() },
          ...["sentence", "trouble", "status", "grid", "actions"].map((name) => element(`nonette-${name}`))),
        h("div", { class: "editing", hidden: () => store.view.value !== "edit" }, element("nonette-edit")),
        h("div", { class: "past", hidden: () => store.view.value !== "history" },
          element("nonette-trouble"), element("nonette-history")),
        h("div", { class: "past", hidden: () => store.view.value !== "shared" }, element("nonette-shared")),
      ),
      h("p", { class: "notice", role: "status", text: () => store.notice.value }),
      element("nonette-viewer"),
      element("nonette-keys"),
      element("nonette-sign-in"),
    ];
  }

  /** A picture that is dropped or pasted anywhere recalls its settings. */
  #takeDrops() {
    const take = (/** @type {DataTransfer | null} */ data) => {
      const file = [...(data?.files ?? [])].find((one) => one.type.startsWith("image/"));
      if (file) commands.recall(file);
      return Boolean(file);
    };
    const isFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    this.addEventListener("dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      this.classList.add("is-target");
    });
    this.addEventListener("dragleave", (event) => {
      if (!(event.relatedTarget instanceof Node)) this.classList.remove("is-target");
    });
    this.addEventListener("drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      this.classList.remove("is-target");
      take(event.dataTransfer);
    });
    this.addEventListener("paste", (event) => {
      if (take(event.clipboardData)) event.preventDefault();
    });
  }
}

/** @param {string} name */
const element = (name) => document.createElement(name);

define("nonette-studio", Studio);
