/** Tables that stay tables on a phone: each cell says there what its column is. */

import { h } from "../dom.js";

/** @typedef {import("../dom.js").Child} Child */

/**
 * @param {string} caption
 * @param {string[]} heads the columns; "" for one that needs no name
 * @param {Child[][]} rows the first cell of each names its row
 * @param {string} empty what is said where there are no rows
 */
export function table(caption, heads, rows, empty) {
  if (!rows.length) return h("p", { class: "about" }, empty);
  return h(
    "table",
    { class: "plain-table", "aria-label": caption },
    h("thead", {}, h("tr", {}, ...heads.map((head) => (head ? h("th", { scope: "col" }, head) : h("td", {}))))),
    h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map((cell, i) =>
      i ? h("td", { "data-label": heads[i] }, cell) : h("th", { scope: "row" }, cell))))),
  );
}
