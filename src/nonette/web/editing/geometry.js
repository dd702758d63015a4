/** Rectangles on an endless canvas, in pixels of its picture, whose upper left corner is 0, 0. */

/** @typedef {{x: number, y: number, width: number, height: number}} Rect */

/** @param {Rect} one @param {Rect} other @returns {Rect} the smallest around both */
export function union(one, other) {
  const x = Math.min(one.x, other.x);
  const y = Math.min(one.y, other.y);
  const right = Math.max(one.x + one.width, other.x + other.width);
  const bottom = Math.max(one.y + one.height, other.y + other.height);
  return { x, y, width: right - x, height: bottom - y };
}

/**
 * What is left of a rectangle when others are cut out of it.
 * @param {Rect} whole
 * @param {Rect[]} holes
 * @returns {Rect[]} parts that do not overlap
 */
export function without(whole, holes) {
  let parts = [whole];
  for (const hole of holes) parts = parts.flatMap((part) => cut(part, hole));
  return parts;
}

/** @param {Rect} part @param {Rect} hole @returns {Rect[]} */
function cut(part, hole) {
  const left = Math.max(part.x, hole.x);
  const top = Math.max(part.y, hole.y);
  const right = Math.min(part.x + part.width, hole.x + hole.width);
  const bottom = Math.min(part.y + part.height, hole.y + hole.height);
  if (left >= right || top >= bottom) return [part];
  const pieces = [
    { x: part.x, y: part.y, width: part.width, height: top - part.y },
    { x: part.x, y: bottom, width: part.width, height: part.y + part.height - bottom },
    { x: part.x, y: top, width: left - part.x, height: bottom - top },
    { x: right, y: top, width: part.x + part.width - right, height: bottom - top },
  ];
  return pieces.filter(({ width, height }) => width > 0 && height > 0);
}

/** @param {Rect[]} parts that do not overlap @returns {number} pixels */
export const area = (parts) => parts.reduce((sum, { width, height }) => sum + width * height, 0);

/** @param {number} value @param {number} grid @returns {number} the grid's nearest line */
export const snap = (value, grid) => Math.round(value / grid) * grid || 0;

/** @param {Rect} rect @param {number} x @param {number} y @returns {Rect} */
export const moved = (rect, x, y) => ({ ...rect, x: rect.x + x, y: rect.y + y });

/**
 * What drawing into a frame takes: the picture grows to be around both, and what the frame covers
 * and is empty is drawn.
 * @param {Rect} canvas
 * @param {Rect[]} filled the parts of the canvas that hold a picture
 * @param {Rect} frame
 */
export function growth(canvas, filled, frame) {
  const whole = union(canvas, frame);
  const toDraw = without(frame, filled);
  const isWhole = area(without(canvas, filled)) === 0;
  const gaps = without(whole, [...filled, frame]);
  return {
    whole,
    toDraw,
    /** Pixels that each side gains. */
    sides: {
      left: canvas.x - whole.x,
      top: canvas.y - whole.y,
      right: whole.x + whole.width - canvas.x - canvas.width,
      bottom: whole.y + whole.height - canvas.y - canvas.height,
    },
    /** Whether the frame covers all that is new, so that nothing stays empty. */
    isPlain: isWhole && gaps.length === 0 && area(toDraw) > 0,
    /** What will hold a picture, where the corner of `whole` is 0, 0. */
    filled: gaps.length ? [...filled, frame].map((one) => moved(one, -whole.x, -whole.y))
      : [{ ...whole, x: 0, y: 0 }],
  };
}
