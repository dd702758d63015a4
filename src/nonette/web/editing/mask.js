/** What of a picture is to be drawn anew: strokes and more, each of which can be undone. */

import { signal } from "../signals.js";

/** @typedef {{x: number, y: number, size: number}} Dab a place of a stroke; all in pixels */
/** @typedef {{kind: "brush" | "eraser", dabs: Dab[]} | {kind: "invert"} | {kind: "clear"}} Act */
/** @typedef {{done: Act[], undone: Act[]}} Acts */

const CELLS = 48; // of the checks along the longer side
const LIGHT = "#ffffff";
const DARK = "#b3aca1";
const SAMPLE = 64; // pixels a side, of the copy that is counted

/** A mask of a picture; its canvas shows checks where the picture will be drawn anew. */
export class Mask {
  /** @type {Act[]} */
  #done = [];
  /** @type {Act[]} */
  #undone = [];
  /** @type {{kind: "brush" | "eraser", dabs: Dab[]} | null} */
  #stroke = null;

  /** @param {number} width @param {number} height */
  constructor(width, height) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.pen.lineCap = this.pen.lineJoin = "round";
    this.pen.fillStyle = this.pen.strokeStyle = checks(this.pen, Math.max(width, height));
    /** Counts the changes. */
    this.version = signal(0);
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** Whether nothing was ever marked since the start, or since it was cleared. */
  get isBlank() {
    const last = this.#done.findLastIndex(({ kind }) => kind === "clear");
    return this.#done.slice(last + 1).every(({ kind }) => kind === "eraser");
  }

  /** @param {"brush" | "eraser"} kind @param {Dab} dab */
  begin(kind, dab) {
    this.#stroke = { kind, dabs: [dab] };
    this.#line(this.#stroke, 0);
  }

  /** Lead the stroke on. @param {Dab} dab */
  lead(dab) {
    if (!this.#stroke) return;
    this.#stroke.dabs.push(dab);
    this.#line(this.#stroke, this.#stroke.dabs.length - 1);
  }

  /** The stroke is whole, and one thing to undo. */
  end() {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke) this.#note(stroke);
  }

  /** Take the stroke back before it is whole. */
  abandon() {
    if (!this.#stroke) return;
    this.#stroke = null;
    this.#redraw();
  }

  invert() {
    this.#do({ kind: "invert" });
  }

  clear() {
    if (this.#done.length) this.#do({ kind: "clear" });
  }

  undo() {
    const act = this.#done.pop();
    if (!act) return;
    this.#undone.push(act);
    this.#redraw();
    this.version.value++;
  }

  redo() {
    const act = this.#undone.pop();
    if (!act) return;
    this.#done.push(act);
    this.#apply(act);
    this.version.value++;
  }

  /**
   * What was done to it, and undone, for `restore`.
   * @param {number} most how many dabs it may have in all; of more nothing is told
   * @returns {Acts}
   */
  acts(most) {
    const [done, undone] = [this.#done, this.#undone];
    void this.version.value;
    const count = [...done, ...undone].reduce((sum, act) => sum + ("dabs" in act ? act.dabs.length : 1), 0);
    return count > most ? { done: [], undone: [] } : { done, undone };
  }

  /** Be as another mask was. @param {Acts} acts */
  restore({ done, undone }) {
    this.#done = done;
    this.#undone = undone;
    this.#redraw();
    this.version.value++;
  }

  /** @returns {number} the part of the picture that is marked, 0 to 1 */
  share() {
    const copy = document.createElement("canvas");
    copy.width = copy.height = SAMPLE;
    const pen = /** @type {CanvasRenderingContext2D} */ (copy.getContext("2d"));
    pen.drawImage(this.canvas, 0, 0, SAMPLE, SAMPLE);
    const { data } = pen.getImageData(0, 0, SAMPLE, SAMPLE);
    let sum = 0;
    for (let i = 3; i < data.length; i += 4) sum += data[i];
    return sum / (255 * SAMPLE * SAMPLE);
  }

  /** @returns {Promise<Blob>} a PNG that is transparent where it is marked */
  file() {
    const { width, height } = this.canvas;
    return stencil(width, height, (pen) => {
      pen.globalCompositeOperation = "destination-out";
      pen.drawImage(this.canvas, 0, 0);
    });
  }

  /** @param {Act} act */
  #do(act) {
    this.#apply(act);
    this.#note(act);
  }

  /** @param {Act} act */
  #note(act) {
    this.#done.push(act);
    this.#undone = [];
    this.version.value++;
  }

  #redraw() {
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const act of this.#done) this.#apply(act);
  }

  /** @param {Act} act */
  #apply(act) {
    const { width, height } = this.canvas;
    if (act.kind === "clear") this.pen.clearRect(0, 0, width, height);
    else if (act.kind === "invert") {
      this.pen.globalCompositeOperation = "xor";
      this.pen.fillRect(0, 0, width, height);
      this.pen.globalCompositeOperation = "source-over";
    } else act.dabs.forEach((_, i) => this.#line(act, i));
  }

  /**
   * From the dab before to this one, or a dot where it is the first.
   * @param {{kind: "brush" | "eraser", dabs: Dab[]}} stroke
   * @param {number} i
   */
  #line({ kind, dabs }, i) {
    const { x, y, size } = dabs[i];
    const from = dabs[i - 1] ?? dabs[i];
    this.pen.globalCompositeOperation = kind === "eraser" ? "destination-out" : "source-over";
    this.pen.lineWidth = size;
    this.pen.beginPath();
    this.pen.moveTo(from.x, from.y);
    this.pen.lineTo(x + (i ? 0 : 0.01), y); // a line to itself would be none
    this.pen.stroke();
    this.pen.globalCompositeOperation = "source-over";
  }
}

/**
 * A black PNG with holes where a picture is to be drawn anew.
 * @param {number} width
 * @param {number} height
 * @param {(pen: CanvasRenderingContext2D) => void} cut
 * @returns {Promise<Blob>}
 */
export function stencil(width, height, cut) {
  return pngOf(width, height, (pen) => {
    pen.fillStyle = "#000000";
    pen.fillRect(0, 0, width, height);
    cut(pen);
  });
}

/**
 * @param {number} width
 * @param {number} height
 * @param {(pen: CanvasRenderingContext2D) => void} draw
 * @returns {Promise<Blob>}
 */
export function pngOf(width, height, draw) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  draw(/** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")));
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no PNG was made")))),
  );
}

/**
 * Checks, as they stand for nothing.
 * @param {CanvasRenderingContext2D} pen
 * @param {number} side of the picture, the longer one
 * @returns {CanvasPattern}
 */
export function checks(pen, side) {
  const cell = Math.max(2, Math.round(side / CELLS));
  const tile = document.createElement("canvas");
  tile.width = tile.height = 2 * cell;
  const ink = /** @type {CanvasRenderingContext2D} */ (tile.getContext("2d"));
  ink.fillStyle = LIGHT;
  ink.fillRect(0, 0, 2 * cell, 2 * cell);
  ink.fillStyle = DARK;
  ink.fillRect(0, 0, cell, cell);
  ink.fillRect(cell, cell, cell, cell);
  return /** @type {CanvasPattern} */ (pen.createPattern(tile, "repeat"));
}
