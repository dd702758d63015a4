/** Named collections: the bar that shows one, and the form that puts pictures into them. */

import * as rooms from "../api-rooms.js";
import { Failure } from "../api.js";
import { say } from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { ask, collect, learnCollections, room } from "../rooms.js";
import { effect, signal, untracked } from "../signals.js";
import { store } from "../store.js";

const LONGEST = "100"; // characters of a name, as the server takes

/**
 * Which collection is shown, and what can be done with it.
 * @param {import("../signals.js").Signal<string>} shown its id, or ""
 */
export function collectionBar(shown) {
  const bar = h("div", { class: "row", role: "group", "aria-label": () => t("collections") });
  const naming = signal(/** @type {"" | "new" | "rename"} */ (""));
  effect(() => {
    if (store.view.value === "history") untracked(learnCollections);
  });
  /** @param {string} id @param {string} name */
  const pick = (id, name) =>
    h("button", {
      type: "button", class: "plain", "aria-pressed": () => String(shown.value === id),
      onclick: () => (shown.value = id),
    }, name);
  const current = () => room.collections.value.find(({ id }) => id === shown.value);
  effect(() => {
    const all = room.collections.value;
    bar.replaceChildren(
      pick("", t("collections.all")),
      ...all.map(({ id, name, pictures }) => pick(id, `${name} (${pictures.length})`)),
      h("button", { type: "button", class: "quiet", onclick: () => (naming.value = "new") }, `+ ${t("collection.new")}`),
    );
  });
  const forget = () => ask({
    text: t("collection.delete.sure", { name: current()?.name ?? "" }),
    yes: t("collection.delete"),
    act: async () => {
      await rooms.removeCollection(shown.value);
      shown.value = "";
      await learnCollections();
    },
  });
  const own = h(
    "div",
    { class: "row", hidden: () => !current() },
    h("button", { type: "button", class: "quiet", onclick: () => (naming.value = "rename") }, () => t("collection.rename")),
    h("button", { type: "button", class: "quiet", onclick: forget }, () => t("collection.delete")),
  );
  const name = async (/** @type {string} */ text) => {
    const made = naming.value === "new" ? await rooms.newCollection(text) : await rooms.renameCollection(shown.value, text);
    await learnCollections();
    shown.value = made.id;
  };
  return h("div", { class: "collections" }, bar, own, nameDialog(naming, () => current()?.name ?? "", name));
}

/**
 * @param {import("../signals.js").Signal<"" | "new" | "rename">} naming what the name is for; "" while none is asked
 * @param {() => string} held the name so far
 * @param {(text: string) => Promise<void>} act
 */
function nameDialog(naming, held, act) {
  const trouble = signal("");
  const field = nameField("collection-name");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    trouble.value = await told(() => act(field.value.trim()));
    if (!trouble.value) dialog.close();
  };
  const dialog = h(
    "dialog",
    { class: "sheet", "aria-labelledby": "naming-title", onclose: () => (naming.value = "") },
    h("h2", { id: "naming-title" }, () => t(naming.value === "rename" ? "collection.rename" : "collection.new")),
    h(
      "form",
      { onsubmit: submit },
      h("label", { for: "collection-name" }, () => t("collection.name")),
      field,
      h("p", { class: "warn", role: "alert", text: () => trouble.value, hidden: () => !trouble.value }),
      h(
        "div",
        { class: "row ends" },
        h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, () => t("leave")),
        h("button", { type: "submit", class: "primary" }, () => t("keep")),
      ),
    ),
  );
  effect(() => {
    if (!naming.value) return;
    field.value = naming.value === "rename" ? untracked(held) : "";
    trouble.value = "";
    if (!dialog.open) dialog.showModal();
  });
  return dialog;
}

/** Puts pictures into collections: one box each, and a field for a new one. */
class Collect extends Panel {
  build() {
    const trouble = signal("");
    const list = h("div", { class: "boxes" });
    const ids = () => room.collecting.value;
    effect(() => {
      if (ids().length) untracked(learnCollections);
    });
    effect(() => list.replaceChildren(...room.collections.value.map((one) => box(one, ids(), trouble))));
    const field = nameField("new-collection");
    const make = async (/** @type {Event} */ event) => {
      event.preventDefault();
      trouble.value = await told(async () => {
        const { id } = await rooms.newCollection(field.value.trim());
        await collect(id, ids(), true);
        field.value = "";
        say(t("collection.put"));
      });
    };
    const dialog = h(
      "dialog",
      { class: "sheet", "aria-labelledby": "collect-title", onclose: () => (room.collecting.value = []) },
      h("h2", { id: "collect-title" }, () => t("collect.title", { n: ids().length })),
      list,
      h(
        "form",
        { onsubmit: make },
        h("label", { for: "new-collection" }, () => t("collection.new")),
        h("div", { class: "row" }, field, h("button", { type: "submit", class: "plain" }, () => t("collection.make"))),
        h("p", { class: "warn", role: "alert", text: () => trouble.value, hidden: () => !trouble.value }),
      ),
      h("button", { type: "button", class: "second", onclick: () => dialog.close() }, () => t("close")),
    );
    effect(() => {
      if (!ids().length) return;
      trouble.value = field.value = "";
      if (!dialog.open) dialog.showModal();
    });
    return [dialog];
  }
}

/**
 * @param {rooms.Collection} one
 * @param {string[]} ids
 * @param {import("../signals.js").Signal<string>} trouble
 */
function box(one, ids, trouble) {
  const inside = ids.filter((id) => one.pictures.includes(id)).length;
  const input = h("input", {
    type: "checkbox", id: `in-${one.id}`, checked: ids.length > 0 && inside === ids.length,
    onchange: async () => {
      trouble.value = await told(() => collect(one.id, ids, input.checked));
      document.getElementById(input.id)?.focus();
    },
  });
  input.indeterminate = inside > 0 && inside < ids.length;
  return h("div", { class: "check" }, input, h("label", { for: input.id }, one.name));
}

/** @param {string} id */
const nameField = (id) => h("input", { id, type: "text", autocomplete: "off", required: true, maxlength: LONGEST, pattern: ".*\\S.*" });

/** What went wrong, in words, or "". @param {() => Promise<unknown>} action @returns {Promise<string>} */
export async function told(action) {
  try {
    await action();
    return "";
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (failure.code === "name_taken") return t("collection.taken.name");
    return failure.kind === "offline" ? t("trouble.offline") : failure.message;
  }
}

define("nonette-collect", Collect);
