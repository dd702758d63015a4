/** The table of keys. */

import { define, fill, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { EDIT_OTHERS, EDIT_SHORTCUTS } from "../edit-keys.js";
import { isTableOpen, OTHERS, SHORTCUTS } from "../keys.js";
import { effect } from "../signals.js";

class Keys extends Panel {
  build() {
    const rows = h("tbody");
    const ofEdit = h("tbody");
    const dialog = h(
      "dialog",
      {
        class: "sheet", "aria-labelledby": "keys-title",
        onclose: () => (isTableOpen.value = false),
        onclick: (/** @type {Event} */ event) => event.target === dialog && dialog.close(),
      },
      h("h2", { id: "keys-title" }, () => t("keys.title")),
      h("table", {}, rows),
      h("h3", {}, () => t("edit.title")),
      h("table", {}, ofEdit),
      h("button", { type: "button", class: "second", onclick: () => dialog.close() }, () => t("close")),
    );
    for (const one of [...OTHERS.slice(0, 1), ...SHORTCUTS, ...OTHERS.slice(1)]) rows.append(row(one));
    for (const one of [...EDIT_OTHERS, ...EDIT_SHORTCUTS]) ofEdit.append(row(one));
    effect(() => {
      if (isTableOpen.value && !dialog.open) dialog.showModal();
    });
    return [dialog];
  }
}

/** @param {{keys: string[], does: string}} shortcut */
function row({ keys, does }) {
  const shown = keys.length > 3 ? [keys[0], " – ", keys[keys.length - 1]] : keys;
  const cell = h("th", { scope: "row" });
  fill(cell, shown.map((key) => (key === " – " ? key : h("kbd", {}, key))));
  return h("tr", {}, cell, h("td", {}, () => t(does)));
}

define("nonette-keys", Keys);
