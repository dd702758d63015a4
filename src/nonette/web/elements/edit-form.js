/** What belongs there, and the button that asks for it. */

import { run } from "../editing/acts.js";
import { obstacle, session } from "../editing/session.js";
import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { isOpen } from "../store.js";

const MOST = 2000; // characters, as the server takes
const SOFTEST = 64; // pixels, as the server takes

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
        more(),
        h("div", { class: "row", hidden: () => isDone() },
          h("button", { type: "submit", class: "primary", "aria-disabled": () => (isBusy() || obstacle() ? "true" : null) },
            () => t(session.isSending.value ? "run.sending" : "run")),
          h("kbd", { class: "hint", "aria-hidden": "true" }, "Ctrl ⏎")),
        h("p", { class: "about", id: "edit-why", role: "status", text: () => (isBusy() || isDone() ? "" : obstacle()) }),
      ),
    ];
  }
}

/** How softly what is new begins, for those who want to say it. */
function more() {
  const chosen = () => session.feather[session.mode.value] ?? session.feather.edit;
  const input = h("input", {
    id: "edit-feather", type: "range", min: "0", max: String(SOFTEST), step: "1", "aria-describedby": "edit-feather-about",
    value: () => String(chosen().value), oninput: () => (chosen().value = Number(input.value)),
    "aria-valuetext": () => t("edit.feather.told", { n: chosen().value }),
  });
  return h("details", { class: "more", hidden: () => !(session.mode.value in session.feather) },
    h("summary", {}, () => t("edit.more")),
    h("div", { class: "slider" },
      h("label", { for: "edit-feather" }, () => t("edit.feather")), input,
      h("output", { for: "edit-feather" }, () => t("edit.feather.told", { n: chosen().value }))),
    h("p", { class: "about", id: "edit-feather-about" }, () => t("edit.feather.about")));
}

define("nonette-edit-form", Form);
