/** How closely the picture is looked at: how many times as large, and what is in its upper left corner. */

import { signal } from "../signals.js";

export const CLOSEST = 16; // times as large as the board
const MARGIN = 0.1; // of the board, that is kept around what is brought into sight

/** The corner is a place of the picture, of which all is 1 by 1. */
export const view = signal({ scale: 1, x: 0, y: 0 });

/**
 * Nearer or farther; a place of the board, of which all is 1 by 1, stays where it is.
 * @param {number} times
 * @param {number} [x]
 * @param {number} [y]
 */
export function zoomBy(times, x = 0.5, y = 0.5) {
  const before = view.value;
  const scale = Math.min(CLOSEST, Math.max(1, before.scale * times));
  look(scale, before.x + x / before.scale - x / scale, before.y + y / before.scale - y / scale);
}

/** Along by parts of the board. @param {number} x @param {number} y */
export function panBy(x, y) {
  const { scale, x: left, y: top } = view.value;
  look(scale, left + x / scale, top + y / scale);
}

/** Bring a place of the picture into sight. @param {{x: number, y: number}} place */
export function reveal({ x, y }) {
  const { scale, x: left, y: top } = view.value;
  const margin = MARGIN / scale;
  const near = (/** @type {number} */ at, /** @type {number} */ from) =>
    Math.min(Math.max(from, at + margin - 1 / scale), at - margin);
  look(scale, near(x, left), near(y, top));
}

/** See all of it. */
export const seeAll = () => look(1, 0, 0);

/** @param {number} scale @param {number} x @param {number} y */
function look(scale, x, y) {
  const most = 1 - 1 / scale;
  view.value = { scale, x: Math.min(most, Math.max(0, x)), y: Math.min(most, Math.max(0, y)) };
}

/** @typedef {{x: number, y: number, clientX: number, clientY: number}} Touch a place of the board and of the page */

/** Fingers on the board: two that go apart bring the picture nearer, two that go along move it. */
export class Fingers {
  /** @type {Map<number, Touch>} */
  #places = new Map();
  #arePinching = false;

  /** @param {number} id @param {Touch} place @returns {boolean} whether it is one of two that pinch */
  down(id, place) {
    this.#places.set(id, place);
    this.#arePinching ||= this.#places.size > 1;
    return this.#arePinching;
  }

  /** @param {number} id @param {Touch} place @returns {boolean} whether it is one of two that pinch */
  move(id, place) {
    if (!this.#places.has(id)) return false;
    const before = this.#pair();
    this.#places.set(id, place);
    const after = this.#pair();
    if (before && after) {
      panBy(before.x - after.x, before.y - after.y);
      if (before.apart > 0) zoomBy(after.apart / before.apart, after.x, after.y);
    }
    return this.#arePinching;
  }

  /** @param {number} id */
  up(id) {
    this.#places.delete(id);
    if (!this.#places.size) this.#arePinching = false;
  }

  /** The middle of the first two on the board, and how far apart they are on the page. */
  #pair() {
    const [one, other] = this.#places.values();
    if (!other) return null;
    return {
      x: (one.x + other.x) / 2,
      y: (one.y + other.y) / 2,
      apart: Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY),
    };
  }
}
