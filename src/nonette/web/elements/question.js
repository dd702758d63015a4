/** The one dialog that asks before something is done for good. */

import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { attempt, room } from "../rooms.js";
import { effect } from "../signals.js";

class Question extends Panel {
  build() {
    const asked = () => room.question.value;
    const yes = async () => {
      const question = asked();
      dialog.close();
      if (question) await attempt(question.act);
    };
    const dialog = h(
      "dialog",
      { class: "sheet", role: "alertdialog", "aria-labelledby": "question", onclose: () => (room.question.value = null) },
      h("h2", { id: "question" }, () => asked()?.text ?? ""),
      h(
        "div",
        { class: "row ends" },
        h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, () => t("history.keep")),
        h("button", { type: "button", class: "primary", onclick: yes }, () => asked()?.yes ?? ""),
      ),
    );
    effect(() => {
      if (asked() && !dialog.open) dialog.showModal();
    });
    return [dialog];
  }
}

define("nonette-question", Question);
