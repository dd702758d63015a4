/** What is being edited, as named signals; `acts.js` sets them, panels read them. */

import { t } from "../i18n.js";
import { signal } from "../signals.js";
import { store } from "../store.js";
import { growth, snap } from "./geometry.js";
import { Mask } from "./mask.js";

/** @template T @typedef {import("../signals.js").Signal<T>} Signal */
/** @typedef {import("./geometry.js").Rect} Rect */
/** @typedef {import("../api.js").Job} Job */
/** @typedef {import("../api.js").Picture} Picture */
/** @typedef {"edit" | "extend" | "vary" | "enlarge"} Mode */

/**
 * A picture on the way: where it came from, or what it became.
 * @typedef {object} Step
 * @property {string} url
 * @property {string} name what the server knows it by; "" where it was never sent
 * @property {Blob | null} file
 * @property {number} width
 * @property {number} height
 * @property {string} prompt
 * @property {Rect[]} filled the parts that hold a picture; all of it, but on an endless canvas
 * @property {{job: Job, picture: Picture} | null} kept where it can be saved from
 */

export const MODES = /** @type {const} */ (["edit", "extend", "vary", "enlarge"]);
const GRIDS = 16; // lines of the grid across the shorter side of a picture
const SMALLEST_GRID = 8;

export const session = {
  /** What this browser keeps it by. */
  id: signal(""),
  /** What names it in an address, as "job=…" or "picture=…". */
  place: signal(""),
  mode: signal(/** @type {Mode} */ ("edit")),
  /** @type {Signal<Step[]>} */
  steps: signal(/** @type {Step[]} */ ([])),
  /** The step that is worked on, by its place; -1 for none. */
  at: signal(-1),
  prompt: signal(""),
  strength: signal(0.5),
  factor: signal(2),
  /** Pixels over which what is new fades in. @type {Record<string, Signal<number>>} */
  feather: { edit: signal(0), extend: signal(6) },
  tool: signal(/** @type {"brush" | "eraser" | "hand"} */ ("brush")),
  /** Of the brush: its width as a part of the picture's longer side. */
  size: signal(0.1),
  /** Where the keys have the brush, of a picture that is 1 by 1. */
  point: signal({ x: 0.5, y: 0.5 }),
  frame: signal(/** @type {Rect} */ ({ x: 0, y: 0, width: 64, height: 64 })),
  /** What the server does or did with the step. @type {Signal<Job | null>} */
  job: signal(/** @type {Job | null} */ (null)),
  /** Which of its pictures is looked at; -1 is the step itself. */
  chosen: signal(0),
  isSending: signal(false),
  isLost: signal(false),
  /** What a screen reader is told of moves and strokes. */
  told: signal(""),
};

/** @type {WeakMap<Step, Mask>} */
const masks = new WeakMap();

/** @returns {Step | undefined} */
export const current = () => session.steps.value[session.at.value];

/** What of a step is to be drawn anew; made when it is first asked for. @param {Step} step @returns {Mask} */
export function maskOf(step) {
  const mask = masks.get(step) ?? new Mask(step.width, step.height);
  masks.set(step, mask);
  return mask;
}

/** @param {Step} step @returns {boolean} whether anything may be marked in it */
export const hasMask = (step) => masks.has(step);

/** @returns {Picture | undefined} the picture of the job that is looked at */
export const candidate = () => session.job.value?.results[session.chosen.value];

/** @param {Mode | "blend"} mode @returns {import("../api.js").Model | undefined} one that can, or may, do it */
export function modelFor(mode) {
  const able = store.models.value.filter(({ capabilities }) => capabilities?.tasks.includes(mode) ?? true);
  return able.find(({ id }) => id === store.model.value) ?? able[0];
}

/** @returns {number} pixels between two lines that frames snap to */
export function grid() {
  const { width, height } = session.steps.value[0] ?? { width: 0, height: 0 };
  return Math.max(SMALLEST_GRID, snap(Math.min(width, height) / GRIDS, SMALLEST_GRID));
}

/** What drawing into the frame would make of the step. @param {Step} step */
export const planOf = (step) =>
  growth({ x: 0, y: 0, width: step.width, height: step.height }, step.filled, session.frame.value);

/**
 * Where a picture that came back lies on the canvas of its step, and what of it holds a picture.
 * @param {Step} step
 * @param {Job} job
 * @param {Picture} picture
 * @returns {{whole: Rect, filled: Rect[]}}
 */
export function layOf(step, job, { width, height }) {
  const { task, left = 0, top = 0 } = job.request;
  const plan = planOf(step);
  const isPatch = task === "edit" && plan.whole.width === width && plan.whole.height === height;
  if (isPatch && session.mode.value === "extend") return plan;
  const filled = task === "edit" ? step.filled : [{ x: 0, y: 0, width, height }];
  return { whole: { x: -left || 0, y: -top || 0, width, height }, filled };
}

/** @returns {string} why it cannot run, in words; "" where it can */
export function obstacle() {
  const step = current();
  const mode = session.mode.value;
  if (!step) return t("edit.empty");
  if (store.models.value.length && !modelFor(mode)) return t(`edit.unable.${mode}`);
  if (mode === "edit" && maskOf(step).version.value >= 0 && maskOf(step).isBlank) return t("edit.unmarked");
  if (mode === "extend" && !planOf(step).toDraw.length) return t("edit.covered");
  if ((mode === "edit" || mode === "extend") && !session.prompt.value.trim()) return t("edit.wordless");
  return "";
}
