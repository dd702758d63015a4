/** What is blended: two pictures or two sentences, and how far from the first to the second. */

import { fail, send } from "./commands.js";
import { Failure } from "./api.js";
import { modelFor } from "./editing/session.js";
import { t } from "./i18n.js";
import { signal } from "./signals.js";
import { store } from "./store.js";

/** @template T @typedef {import("./signals.js").Signal<T>} Signal */
/** @typedef {{url: string, name: string, file: Blob | null}} Side a picture; by name where the server knows it */
/** @typedef {0 | 1} Place */

const FIELDS = /** @type {const} */ (["source", "second_source"]);
const COUNT = 9;

export const blending = {
  of: signal(/** @type {"pictures" | "sentences"} */ ("pictures")),
  pictures: [signal(/** @type {Side | null} */ (null)), signal(/** @type {Side | null} */ (null))],
  sentences: [signal(""), signal("")],
  /** What two pictures are to become, where somebody says it. */
  wanted: signal(""),
  /** How far to go: 0 is the first, 1 the second. */
  mix: signal(0.5),
  /** The side that the next picture is put on. */
  next: signal(/** @type {Place} */ (0)),
};

/** Put a picture of the server on the side that is next. @param {{id: string, url: string}} picture */
export const put = ({ id, url }) => lay({ url, name: id, file: null });

/** Put a file on the side that is next. @param {Blob} file */
export async function take(file) {
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    lay({ url, name: "", file });
  } catch {
    URL.revokeObjectURL(url);
    fail(new Failure("input", t("edit.unreadable")));
  }
}

/** @param {Side} side */
function lay(side) {
  const place = blending.next.value;
  const before = blending.pictures[place].value;
  if (before?.file) URL.revokeObjectURL(before.url);
  blending.of.value = "pictures";
  blending.pictures[place].value = side;
  blending.next.value = place ? 0 : 1;
}

/** @returns {string} why it cannot run, in words; "" where it can */
export function obstacle() {
  if (store.models.value.length && !modelFor("blend")) return t("blend.unable");
  if (blending.of.value === "pictures") {
    return blending.pictures.every(({ value }) => value) ? "" : t("blend.empty");
  }
  return blending.sentences.every(({ value }) => value.trim()) ? "" : t("blend.wordless");
}

/** Draw what lies between them. */
export async function run() {
  if (obstacle()) return;
  const wish = { task: "blend", model: modelFor("blend")?.id ?? "", num_pictures: COUNT, mix: blending.mix.value };
  if (blending.of.value === "sentences") {
    const [prompt, second_prompt] = blending.sentences.map(({ value }) => value);
    return send({ ...wish, prompt, second_prompt });
  }
  /** @type {Record<string, string>} */
  const names = {};
  /** @type {Record<string, Blob>} */
  const files = {};
  FIELDS.forEach((field, place) => {
    const side = blending.pictures[place].value;
    if (side?.name) names[field] = side.name;
    else if (side?.file) files[field] = side.file;
  });
  await send({ ...wish, ...names, prompt: blending.wanted.value }, files);
}

/** Have a job's two sides before one again. @param {import("./api.js").Job} job */
export function recall({ id, request, inputs }) {
  blending.mix.value = request.mix ?? 0.5;
  blending.next.value = 0;
  if (request.second_prompt) {
    blending.of.value = "sentences";
    blending.sentences[0].value = request.prompt;
    blending.sentences[1].value = request.second_prompt;
    return;
  }
  blending.of.value = "pictures";
  blending.wanted.value = request.prompt;
  FIELDS.forEach((field, place) => {
    if (!inputs[field]) return;
    blending.pictures[place].value = { url: `/api/jobs/${id}/inputs/${field}`, name: inputs[field], file: null };
  });
}

/** Blend a picture with another one. @param {{id: string, url: string}} picture */
export function begin(picture) {
  blending.next.value = 0;
  blending.pictures[1].value = null;
  put(picture);
  store.open.value = -1;
}
