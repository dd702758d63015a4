/** Keys of the whole page, in one table; `?` shows it. Keys of the enlarged picture are its own. */

import * as commands from "./commands.js";
import { isTyping } from "./dom.js";
import { EDIT_SHORTCUTS, withControl } from "./edit-keys.js";
import { placed } from "./editing/acts.js";
import { signal } from "./signals.js";
import * as share from "./share.js";
import { store, VIEWS } from "./store.js";

/** Whether the table of keys is shown. */
export const isTableOpen = signal(false);

/** @typedef {{keys: string[], does: string, run: (key: string) => void}} Shortcut */

/** @type {Shortcut[]} */
const EVERYWHERE = [
  { keys: ["h"], does: "keys.history", run: () => turn() },
  { keys: ["?"], does: "keys.show", run: () => (isTableOpen.value = true) },
];

/** What single keys do while nobody types; `does` is the text's key. @type {Shortcut[]} */
export const SHORTCUTS = [
  { keys: ["/"], does: "keys.sentence", run: () => toSentence() },
  { keys: ["r"], does: "keys.again", run: () => commands.again() },
  { keys: ["x"], does: "keys.cancel", run: () => commands.cancel() },
  { keys: ["z"], does: "keys.surprise", run: () => commands.surprise() },
  { keys: [..."123456789"], does: "keys.open", run: (key) => enlarge(Number(key) - 1) },
  { keys: ["s"], does: "keys.saveAll", run: () => share.saveAll() },
  { keys: ["g"], does: "keys.saveSheet", run: () => share.saveSheet() },
  { keys: ["c"], does: "keys.copy", run: () => share.copyLink() },
  ...EVERYWHERE,
];

/** Keys that work elsewhere than on the page itself, for the table. */
export const OTHERS = [
  { keys: ["Ctrl", "Enter"], does: "keys.draw" },
  { keys: ["←", "→"], does: "keys.next" },
  { keys: ["Esc"], does: "keys.close" },
];

/** Let the keys do what the table says. */
export function listen() {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const isEdit = store.view.value === "edit";
    if (isEdit && (event.ctrlKey || event.metaKey) && !isModal()) {
      if (withControl(event)) event.preventDefault();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      const form = document.querySelector(store.view.value === "blend" ? "nonette-blend form" : "form");
      if (!isModal() && form instanceof HTMLFormElement) form.requestSubmit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping() || isModal()) return;
    const found = (isEdit ? [...EDIT_SHORTCUTS, ...EVERYWHERE] : SHORTCUTS).find(({ keys }) => keys.includes(event.key));
    if (!found) return;
    event.preventDefault();
    found.run(event.key);
  });
}

const isModal = () => document.querySelector("dialog[open]") !== null;

function toSentence() {
  if (store.view.value !== "draw") turn("draw");
  const field = document.getElementById("sentence");
  if (field instanceof HTMLTextAreaElement) {
    field.focus();
    field.select();
  }
}

/** @param {number} place */
function enlarge(place) {
  if (place < (store.job.value?.results.length ?? 0)) store.open.value = place;
}

/**
 * To a view; without a name, to the earlier pictures, or from there to drawing.
 * @param {typeof VIEWS[number]} [name]
 */
export function turn(name = store.view.value === "history" ? "draw" : "history") {
  if (name === "draw" || name === "blend") return commands.enter(name);
  commands.go(name === "edit" ? placed() : { view: name });
  store.view.value = name;
}
