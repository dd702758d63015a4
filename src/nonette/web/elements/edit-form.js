/** What belongs there, and the button that asks for it. */

import { run } from "../editing/acts.js";
import { obstacle, session } from "../editing/session.js";
import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { isOpen } from "../store.js";

const MOST = 2000; // characters, as the server takes

class Form extends Panel {
  build() {
    const field = h("textarea", {
      id: "edit-sentence", rows: "2", maxlength: String(MOST), spellcheck: "true", autocapitalize: "sentences",
      "aria-keyshortcuts": "Control+Enter", enterkeyhint: "go", "aria-describedby": "edit-why",
      value: () => session.prompt.value, oninput: () => (session.prompt.value = field.value),
    });
    const isBusy = () => session.isSending.value || isOpen(session.job.value);
    const isDone = () => Boolean(session.job.value) && !isBusy();
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
        h("p", { class: "about" }, () => t(`edit.about.${session.mode.value}`)),
        h("label", { for: "edit-sentence", hidden: () => session.mode.value === "enlarge" },
          () => t(`edit.sentence.${session.mode.value === "vary" ? "vary" : "edit"}`)),
        h("div", { hidden: () => session.mode.value === "enlarge" }, field),
        h("div", { class: "row", hidden: () => isDone() },
          h("button", { type: "submit", class: "primary", "aria-disabled": () => (isBusy() || obstacle() ? "true" : null) },
            () => t(session.isSending.value ? "run.sending" : "run")),
          h("kbd", { class: "hint", "aria-hidden": "true" }, "Ctrl ⏎")),
        h("p", { class: "about", id: "edit-why", role: "status", text: () => (isBusy() || isDone() ? "" : obstacle()) }),
      ),
    ];
  }
}

define("nonette-edit-form", Form);
