/** Keys of the edit view, in one table; those of the brush and the frame are theirs while they have the focus. */

import { cancel, choose, discard, keep, run } from "./editing/acts.js";
import { session } from "./editing/session.js";
import { isTyping } from "./dom.js";
import { all, clear, grow, invert, redo, undo, zoom } from "./elements/edit-tools.js";

/** @typedef {import("./keys.js").Shortcut} Shortcut */

/** @type {Shortcut[]} */
export const EDIT_SHORTCUTS = [
  { keys: ["b"], does: "edit.tool.brush", run: () => (session.tool.value = "brush") },
  { keys: ["e"], does: "edit.tool.eraser", run: () => (session.tool.value = "eraser") },
  { keys: ["[", "]"], does: "keys.size", run: (key) => grow(key === "]" ? 1 : -1) },
  { keys: ["+", "=", "-"], does: "keys.zoom", run: (key) => zoom(key === "-" ? -1 : 1) },
  { keys: ["f"], does: "edit.zoom.all", run: () => all() },
  { keys: ["m"], does: "edit.tool.hand", run: () => (session.tool.value = "hand") },
  { keys: ["i"], does: "edit.invert", run: () => invert() },
  { keys: ["Delete"], does: "edit.clear", run: () => clear() },
  { keys: [..."0123456789"], does: "keys.candidate", run: (key) => choose(Number(key) - 1) },
  { keys: ["k"], does: "edit.keep", run: () => keep() },
  { keys: ["x"], does: "keys.cancel", run: () => cancel() },
  { keys: ["d"], does: "edit.discard", run: () => session.job.value && discard() },
  { keys: ["/"], does: "keys.sentence", run: () => document.getElementById("edit-sentence")?.focus() },
];

/** Keys of the edit view that need another one held, or the focus somewhere, for the table. */
export const EDIT_OTHERS = [
  { keys: ["Ctrl", "Enter"], does: "run" },
  { keys: ["Ctrl", "Z"], does: "edit.undo" },
  { keys: ["Ctrl", "⇧", "Z"], does: "edit.redo" },
  { keys: ["←", "↑", "→"], does: "keys.move" },
  { keys: ["Ctrl"], does: "keys.wheel" },
  { keys: ["Space"], does: "keys.pen" },
];

/** What a key with Ctrl does in the edit view. @param {KeyboardEvent} event @returns {boolean} whether it did */
export function withControl(event) {
  const key = event.key.toLowerCase();
  if (key === "enter") run();
  else if (isTyping()) return false;
  else if (key === "y" || (key === "z" && event.shiftKey)) redo();
  else if (key === "z") undo();
  else return false;
  return true;
}
