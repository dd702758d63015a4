/** Pictures leave the page: as files, as one sheet with its sentence, as a link. */

import * as api from "./api.js";
import { fail, say } from "./commands.js";
import { t } from "./i18n.js";
import { store } from "./store.js";

const FONT = "Georgia, 'Iowan Old Style', 'Palatino Linotype', 'DejaVu Serif', serif";
const SMALLEST_SHEET = 900; // pixels; smaller pictures are enlarged so that the caption can be read
const MARGIN = 0.03; // of the sheet's width, on both sides of the caption

/** Save one picture. @param {api.Picture} picture */
export function save(picture) {
  const job = store.job.value;
  if (job) download(api.fileUrl(job, picture, store.tells.value));
}

/** Save all pictures as one archive. */
export function saveAll() {
  const job = store.job.value;
  if (job?.results.length) download(api.zipUrl(job, store.tells.value));
}

/** Save the pictures as one, with the sentence below. */
export async function saveSheet() {
  const job = store.job.value;
  if (!job?.results.length) return;
  try {
    saveBlob(await api.sheet(job, await caption(job)), `${slug(job.request.prompt)}.png`);
  } catch (failure) {
    fail(failure);
  }
}

/** Save what the page holds as a file. @param {Blob} content @param {string} name */
export function saveBlob(content, name) {
  const address = URL.createObjectURL(content);
  download(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Put an address that shows the job into the clipboard: one for others, where there are others. */
export async function copyLink() {
  const job = store.job.value;
  if (!job) return;
  const isShared = !store.isLocal.value && job.results.length > 0;
  let address = location.href;
  try {
    if (isShared) address = `${location.origin}/?share=${(await api.share(job.id)).token}`;
  } catch (failure) {
    return fail(failure);
  }
  try {
    await navigator.clipboard.writeText(address);
    say(t(isShared ? "copied.shared" : "copied"));
  } catch {
    say(t("copy.failed"));
  }
}

/**
 * The sentence as a strip as wide as the sheet will be. The browser writes it, which has letters
 * for every script; the server puts it below the pictures and says in the file what made them.
 * @param {api.Job} job
 * @returns {Promise<Blob>} a PNG
 */
async function caption(job) {
  const columns = Math.ceil(Math.sqrt(job.results.length));
  const { width } = job.results[0];
  const across = columns * width + (columns - 1) * Math.floor(width / 32);
  const scale = Math.max(1, Math.ceil(SMALLEST_SHEET / across));
  const full = across * scale;
  const size = Math.round(full / 28);
  const canvas = document.createElement("canvas");
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const large = `${size}px ${FONT}`;
  pen.font = large;
  const lines = wrap(pen, job.request.prompt, full * (1 - 2 * MARGIN));
  canvas.width = full;
  canvas.height = Math.round(size * (1.35 * lines.length + 2.1));
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.textBaseline = "top";
  pen.font = large;
  pen.fillStyle = "#1d1b18";
  lines.forEach((line, i) => pen.fillText(line, full * MARGIN, size * (0.6 + 1.35 * i)));
  pen.font = `${Math.round(0.55 * size)}px ${FONT}`;
  pen.fillStyle = "#6b655c";
  pen.fillText(`Nonette · ${job.model}`, full * MARGIN, size * (0.75 + 1.35 * lines.length));
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture of the caption")))),
  );
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {string} text
 * @param {number} width
 * @returns {string[]} its lines, at most twelve
 */
function wrap(pen, text, width) {
  /** @type {string[]} */
  const lines = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    const longer = line ? `${line} ${word}` : word;
    if (line && pen.measureText(longer).width > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  lines.push(line);
  return lines.length > 12 ? [...lines.slice(0, 11), `${lines[11]} …`] : lines;
}

/** @param {string} text @returns {string} a file's name of letters and digits */
export const slug = (text) =>
  text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "nonette";

/** @param {string} address @param {string} [name] */
function download(address, name = "") {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
