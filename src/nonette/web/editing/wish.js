/** From a session to what the server is asked: values by name, and files where it knows no name. */

import { moved } from "./geometry.js";
import { pngOf, stencil } from "./mask.js";

/** @typedef {import("./session.js").Step} Step */
/** @typedef {ReturnType<typeof import("./geometry.js").growth>} Plan */
/** @typedef {import("./geometry.js").Rect} Rect */
/** @typedef {{wish: Record<string, unknown>, files: Record<string, Blob>}} Sent */

/**
 * @param {Step} step
 * @param {{mode: import("./session.js").Mode, prompt: string, model: string, count: number, strength: number,
 *   factor: number, feather: number, mask: (step: Step) => import("./mask.js").Mask, plan: Plan}} wanted
 * @returns {Promise<Sent>}
 */
export async function wishOf(step, { mode, prompt, model, count, strength, factor, feather, mask, plan }) {
  const wish = { task: mode, prompt, model, num_pictures: count, previews: true };
  const named = step.name ? { ...wish, source: step.name } : wish;
  /** @type {Record<string, Blob>} */
  const files = step.file && !step.name ? { source: step.file } : {};
  if (mode === "edit") return { wish: { ...named, feather }, files: { ...files, mask: await mask(step).file() } };
  if (mode === "vary") return { wish: { ...named, strength }, files };
  if (mode === "enlarge") return { wish: { ...named, factor }, files };
  if (plan.isPlain) return { wish: { ...named, ...plan.sides, feather }, files };
  return { wish: { ...wish, feather, task: "edit" }, files: await patched(step, plan) };
}

/**
 * The canvas around the picture and the frame, and a mask of what the frame covers and is empty:
 * where something stays empty, an extension by sides cannot say it and an edit can. What is drawn
 * anew fades in over the repeated edge, as an extension does.
 * @param {Step} step
 * @param {Plan} plan
 */
async function patched(step, { whole, toDraw }) {
  const image = new Image();
  image.src = step.url;
  await image.decode();
  const { width, height } = whole;
  const source = await pngOf(width, height, (pen) => {
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, width, height);
    pen.drawImage(image, -whole.x, -whole.y);
    const placed = (/** @type {Rect[]} */ parts) => parts.map((one) => moved(one, -whole.x, -whole.y));
    spread(pen, placed(step.filled), placed(toDraw));
  });
  const mask = await stencil(width, height, (pen) => {
    for (const part of toDraw) pen.clearRect(part.x - whole.x, part.y - whole.y, part.width, part.height);
  });
  return { source, mask };
}

/**
 * Repeat the nearest edges of what is there over what is to be drawn.
 * @param {CanvasRenderingContext2D} pen
 * @param {Rect[]} filled
 * @param {Rect[]} toDraw
 */
function spread(pen, filled, toDraw) {
  const { width, height } = pen.canvas;
  const picture = pen.getImageData(0, 0, width, height);
  const pixels = new Uint32Array(picture.data.buffer);
  for (const part of toDraw) {
    for (let y = part.y; y < part.y + part.height; y++) {
      for (let x = part.x; x < part.x + part.width; x++) {
        let nearest = Infinity;
        for (const one of filled) {
          const [column, row] = [within(x, one.x, one.width), within(y, one.y, one.height)];
          const distance = (column - x) ** 2 + (row - y) ** 2;
          if (distance >= nearest) continue;
          nearest = distance;
          pixels[y * width + x] = pixels[row * width + column];
        }
      }
    }
  }
  pen.putImageData(picture, 0, 0);
}

/** @param {number} value @param {number} least @param {number} count */
const within = (value, least, count) => Math.min(Math.max(value, least), least + count - 1);
