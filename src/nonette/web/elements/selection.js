/** Pictures that are chosen together, and what can be done with all of them. */

import * as rooms from "../api-rooms.js";
import { say } from "../commands.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { askToDelete, attempt, changed, collect, offerToPublish, room } from "../rooms.js";
import { effect, signal } from "../signals.js";
import { saveBlob } from "../share.js";

/** @typedef {import("../api.js").Kept} Kept */

/** @type {import("../signals.js").Signal<Set<string>>} */
const chosen = signal(new Set());

export const selection = {
  /** Whether a click chooses a picture. */
  isOn: signal(false),
  begin: () => void (selection.isOn.value = true),
  end() {
    selection.isOn.value = false;
    chosen.value = new Set();
  },
  /** @param {string} id */
  has: (id) => chosen.value.has(id),
  /** @param {string} id */
  turn(id) {
    const next = new Set(chosen.value);
    if (!next.delete(id)) next.add(id);
    chosen.value = next;
  },
};

/**
 * The bar below the pictures while some are chosen.
 * @param {import("../signals.js").Signal<Kept[]>} found what may be chosen
 * @param {import("../signals.js").Signal<string>} collection the collection that is shown, or ""
 */
export function selectionBar(found, collection) {
  effect(() => { // what is no longer shown is no longer chosen
    const shown = new Set(found.value.map(({ id }) => id));
    const left = [...chosen.peek()].filter((id) => shown.has(id));
    if (left.length < chosen.peek().size) chosen.value = new Set(left);
  });
  const ids = () => [...chosen.value];
  const areMarked = () => found.value.filter(({ id }) => chosen.value.has(id)).every((one) => one.is_favourite);
  const mark = () => attempt(async () => {
    const isFavourite = !areMarked();
    for (const id of ids()) await rooms.change(id, { is_favourite: isFavourite });
    changed();
  });
  const take = () => attempt(async () => {
    await collect(collection.value, ids(), false);
    say(t("collection.taken"));
  });
  const save = () => attempt(async () => saveBlob(await rooms.zip(ids()), "nonette.zip"));
  const isNone = () => chosen.value.size === 0;
  /** @param {string} key @param {() => unknown} action @param {Record<string, any>} [more] */
  const button = (key, action, more = {}) =>
    h("button", { type: "button", class: "plain", disabled: isNone, onclick: action, ...more }, () => t(key));
  return h(
    "div",
    { class: "bar", role: "toolbar", "aria-label": () => t("chosen.bar"), hidden: () => !selection.isOn.value },
    h("p", { role: "status" }, () => t("chosen", { n: chosen.value.size })),
    button("favourite", mark, { "aria-pressed": () => String(!isNone() && areMarked()) }),
    button("collect", () => (room.collecting.value = ids())),
    button("collection.take", take, { hidden: () => !collection.value }),
    button("publish", () => offerToPublish(ids()[0]), { disabled: () => chosen.value.size !== 1 }),
    button("save.one", save),
    button("history.delete", () => askToDelete(ids())),
    h("button", { type: "button", class: "second", onclick: selection.end }, () => t("chosen.end")),
  );
}
