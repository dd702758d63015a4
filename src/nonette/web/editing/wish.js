/** From a session to what the server is asked: values by name, and files where it knows no name. */

import { pngOf, stencil } from "./mask.js";

/** @typedef {import("./session.js").Step} Step */
/** @typedef {ReturnType<typeof import("./geometry.js").growth>} Plan */
/** @typedef {{wish: Record<string, unknown>, files: Record<string, Blob>}} Sent */

/**
 * @param {Step} step
 * @param {{mode: import("./session.js").Mode, prompt: string, model: string, count: number, strength: number,
 *   factor: number, mask: (step: Step) => import("./mask.js").Mask, plan: Plan}} wanted
 * @returns {Promise<Sent>}
 */
export async function wishOf(step, { mode, prompt, model, count, strength, factor, mask, plan }) {
  const wish = { task: mode, prompt, model, num_pictures: count, previews: true };
  const named = step.name ? { ...wish, source: step.name } : wish;
  /** @type {Record<string, Blob>} */
  const files = step.file && !step.name ? { source: step.file } : {};
  if (mode === "edit") return { wish: named, files: { ...files, mask: await mask(step).file() } };
  if (mode === "vary") return { wish: { ...named, strength }, files };
  if (mode === "enlarge") return { wish: { ...named, factor }, files };
  if (plan.isPlain) return { wish: { ...named, ...plan.sides }, files };
  return { wish: { ...wish, task: "edit" }, files: await patched(step, plan) };
}

/**
 * The canvas around the picture and the frame, and a mask of what the frame covers and is empty:
 * where something stays empty, an extension by sides cannot say it and an edit can.
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
  });
  const mask = await stencil(width, height, (pen) => {
    for (const part of toDraw) pen.clearRect(part.x - whole.x, part.y - whole.y, part.width, part.height);
  });
  return { source, mask };
}
