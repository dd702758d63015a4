/**
 * A picture that is dropped, pasted or opened anywhere on the page. One that Nonette drew brings its
 * settings along; any other, and any at all in the edit view, is told to the document as
 * `nonette-source` with `{file}`, for whoever edits.
 */

import * as api from "../api.js";
import { take as blend } from "../blending.js";
import { fail, say, use } from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { onEnd } from "../signals.js";
import { store } from "../store.js";

const KINDS = "image/png,image/jpeg,image/webp";

class Drop extends Panel {
  build() {
    const stop = new AbortController();
    const options = { signal: stop.signal };
    onEnd(() => stop.abort());
    const mark = (/** @type {boolean} */ is) => document.body.classList.toggle("is-target", is);
    addEventListener("dragover", (event) => {
      if (!hasFile(event.dataTransfer)) return;
      event.preventDefault();
      mark(true);
    }, options);
    addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false), options);
    addEventListener("drop", (event) => {
      if (!hasFile(event.dataTransfer)) return;
      event.preventDefault();
      mark(false);
      take(pictureIn(event.dataTransfer));
    }, options);
    addEventListener("paste", (event) => {
      const file = pictureIn(event.clipboardData);
      if (!file) return;
      event.preventDefault();
      take(file);
    }, options);
    const input = h("input", {
      type: "file", accept: KINDS, hidden: true, tabindex: "-1", "aria-hidden": "true",
      onchange: () => {
        take(input.files?.[0]);
        input.value = "";
      },
    });
    return [
      input,
      h("button", { type: "button", class: "plain", onclick: () => input.click() }, () => t("drop.open")),
      h("p", { class: "about" }, () => t("drop.about")),
    ];
  }
}

/** @param {File | null | undefined} file */
async function take(file) {
  if (!file) return;
  store.failure.value = null;
  if (store.view.value === "edit") return tell(file);
  if (store.view.value === "blend") return blend(file);
  try {
    const record = await api.recall(file);
    use(record);
    say(t(typeof record.prompt === "string" ? "recall.done" : "recall.wordless"));
  } catch (failure) {
    if (failure instanceof api.Failure && failure.code === "no_settings") return tell(file);
    fail(failure);
  }
}

/** @param {File} file */
const tell = (file) => document.dispatchEvent(new CustomEvent("nonette-source", { detail: { file } }));

/** @param {DataTransfer | null} data */
const hasFile = (data) => data?.types.includes("Files") ?? false;

/** @param {DataTransfer | null} data */
const pictureIn = (data) => [...(data?.files ?? [])].find((one) => one.type.startsWith("image/"));

define("nonette-drop", Drop);
