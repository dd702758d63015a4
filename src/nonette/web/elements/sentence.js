/** The sentence, the button that draws it, and a sentence for those who have none. */

import * as commands from "../commands.js";
import { define, h, icon, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { effect } from "../signals.js";
import { chosenModel, isOpen, store } from "../store.js";
import { inStyle, split, WORDS } from "../styles.js";

const DICE = "M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2ZM8 8h.01M16 8h.01M12 12h.01M8 16h.01M16 16h.01";
const MOST = 2000; // characters, as the server takes

class Sentence extends Panel {
  build() {
    const field = h("textarea", {
      id: "sentence", rows: "2", maxlength: String(MOST), required: true, autocapitalize: "sentences",
      spellcheck: "true", "aria-keyshortcuts": "Control+Enter", enterkeyhint: "go",
      placeholder: () => t("sentence.placeholder"),
      oninput: () => (store.prompt.value = field.value),
    });
    effect(() => {
      if (field.value !== store.prompt.value) field.value = store.prompt.value;
      grow(field);
    });
    const hasExamples = () => Boolean(chosenModel()?.capabilities?.example_prompts.length);
    const isBusy = () => store.isSending.value;
    return [
      h(
        "form",
        {
          class: "sentence",
          onsubmit: (/** @type {Event} */ event) => {
            event.preventDefault();
            commands.draw();
          },
        },
        h("label", { for: "sentence" }, () => t("sentence.label")),
        field,
        h(
          "div",
          { class: "row" },
          h(
            "button",
            { type: "submit", class: "primary", "aria-disabled": () => (isBusy() ? "true" : null) },
            () => t(isBusy() ? "run.sending" : isOpen(store.job.value) ? "run.another" : "run"),
          ),
          h(
            "button",
            { type: "button", class: "plain", hidden: () => !hasExamples(), onclick: commands.surprise },
            icon(DICE), () => t("surprise"),
          ),
          styles(),
          h("kbd", { class: "hint", "aria-hidden": "true" }, "Ctrl ⏎"),
        ),
        document.createElement("nonette-more"),
      ),
    ];
  }
}

/** The manners of painting; the one that is chosen stands in the sentence, in words. */
function styles() {
  const select = h("select", {
    class: "plain", "aria-label": () => t("style"),
    onchange: () => (store.prompt.value = inStyle(store.prompt.value, select.value)),
  });
  effect(() => {
    select.replaceChildren(
      h("option", { value: "" }, t("style.none")),
      ...Object.keys(WORDS).map((style) => h("option", { value: style }, t(`style.${style}`))),
    );
    select.value = split(store.prompt.value).style;
  });
  return select;
}

/** As high as what is in it. @param {HTMLTextAreaElement} field */
function grow(field) {
  field.style.height = "auto";
  if (field.scrollHeight) field.style.height = `${field.scrollHeight + 2}px`;
}

define("nonette-sentence", Sentence);
