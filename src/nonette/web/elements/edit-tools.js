/** What the picture is worked on with: brush and eraser, the frame's places, how far, how large. */

import { resize, tell } from "../editing/acts.js";
import { sizeFrame } from "../editing/frame.js";
import { current, grid, maskOf, session } from "../editing/session.js";
import { define, h, icon, Panel } from "../dom.js";
import { number, t } from "../i18n.js";
import { CLOSEST, reveal, seeAll, view, zoomBy } from "../editing/zoom.js";
import { tellShare } from "./easel.js";
import { tellFrame, toSide } from "./world.js";

const BRUSH = "M20 3c-5 3-9 7-11 10l2 2c3-2 7-6 10-11ZM8 14c-3 0-4 2-4 4 0 1-1 2-2 2 4 2 8 1 8-3Z";
const ERASER = "M8 20l-5-5L14 4l7 7-9 9ZM9 9l7 7M12 20h9";
const UNDO = "M4 9h10a6 6 0 0 1 0 12H8M4 9l5-5M4 9l5 5";
const REDO = "M20 9H10a6 6 0 0 0 0 12h6M20 9l-5-5M20 9l-5 5";
const INVERT = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 3v18M12 8l4-3M12 13l8-6M12 18l9-7";
const CLEAR = "M6 6l12 12M18 6L6 18";
const ARROWS = { left: "M20 12H4M10 6l-6 6 6 6", top: "M12 20V4M6 10l6-6 6 6", bottom: "M12 4v16M6 14l6 6 6-6", right: "M4 12h16M14 6l6 6-6 6" };
const SIDES = /** @type {const} */ ({ left: [-1, 0], top: [0, -1], bottom: [0, 1], right: [1, 0] });
const MOST_LINES = 48; // of the grid, that a frame is high
const HAND = "M7 12V6a1.5 1.5 0 0 1 3 0v5V4a1.5 1.5 0 0 1 3 0v7V5a1.5 1.5 0 0 1 3 0v7V8a1.5 1.5 0 0 1 3 0v7a6 6 0 0 1-6 6h-2a6 6 0 0 1-5-3l-3-5a1.5 1.5 0 0 1 2.5-1.6L7 13";
const NEARER = "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5L21 21M10.5 7.5v6M7.5 10.5h6";
const FARTHER = "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5L21 21M7.5 10.5h6";
const WHOLE = "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5";
const ZOOM_STEP = 1.5; // times, of one press
const FACTORS = ["2", "3", "4"];

class Tools extends Panel {
  build() {
    const isIn = (/** @type {string} */ mode) => () => session.mode.value !== mode || Boolean(session.job.value);
    return [
      h("div", { class: "tools-row", role: "group", "aria-label": () => t("edit.tools"), hidden: isIn("edit") },
        tool("brush", BRUSH), tool("eraser", ERASER),
        slider("edit.size", { min: "0.5", max: "40", step: "0.5" }, () => 100 * session.size.value,
          (value) => (session.size.value = value / 100)),
        button(() => t("edit.undo"), UNDO, undo, () => !canUndo("undo")),
        button(() => t("edit.redo"), REDO, redo, () => !canUndo("redo")),
        button(() => t("edit.invert"), INVERT, invert),
        button(() => t("edit.clear"), CLEAR, clear)),
      zoomTools(),
      h("div", { class: "tools-row", role: "group", "aria-label": () => t("edit.frame.places"), hidden: isIn("extend") },
        ...Object.entries(SIDES).map(([name, [across, down]]) =>
          button(() => t(`edit.side.${name}`), ARROWS[/** @type {keyof typeof ARROWS} */ (name)], () => toSide(across, down))),
        slider("edit.frame.size", { min: "2", max: String(MOST_LINES), step: "1" },
          () => session.frame.value.height / grid(), (value) => sizeFrame(value))),
      h("div", { class: "tools-row", hidden: isIn("vary") },
        slider("edit.strength", { min: "5", max: "100", step: "5" }, () => 100 * session.strength.value,
          (value) => (session.strength.value = value / 100))),
      h("div", { class: "tools-row", hidden: isIn("enlarge") }, factor()),
    ];
  }
}

/** Nearer, farther, all of it, and a hand that moves it. */
const zoomTools = () =>
  h("div", { class: "tools-row", role: "group", "aria-label": () => t("edit.zoom"), hidden: () => session.mode.value === "extend" },
    tool("hand", HAND),
    button(() => t("edit.zoom.farther"), FARTHER, () => zoom(-1), () => view.value.scale <= 1),
    h("span", { class: "percent" }, () => t("edit.zoom.percent", { n: Math.round(100 * view.value.scale) })),
    button(() => t("edit.zoom.nearer"), NEARER, () => zoom(1), () => view.value.scale >= CLOSEST),
    button(() => t("edit.zoom.all"), WHOLE, all, () => view.value.scale <= 1));

/** Look at the picture from nearer, or from farther. @param {1 | -1} way */
export function zoom(way) {
  if (session.mode.value === "extend" || !current()) return;
  zoomBy(ZOOM_STEP ** way);
  reveal(session.point.value);
  tellZoom();
}

/** Look at all of the picture. */
export function all() {
  seeAll();
  tellZoom();
}

const tellZoom = () => tell(t("edit.zoom.told", { n: Math.round(100 * view.value.scale) }));

/** How many times as large, with what it comes to. */
function factor() {
  const select = h("select", { id: "edit-factor", onchange: () => (session.factor.value = Number(select.value)) },
    ...FACTORS.map((value) => h("option", { value, text: () => {
      const { width, height } = current() ?? { width: 0, height: 0 };
      const times = Number(value);
      return t("edit.factor.option", { n: times, size: `${times * width}×${times * height}` });
    } })));
  return h("div", { class: "field" }, h("label", { for: "edit-factor" }, () => t("edit.factor")), select);
}

/** @param {"brush" | "eraser" | "hand"} name @param {string} path */
const tool = (name, path) =>
  h("button", {
    type: "button", class: "plain square", "aria-pressed": () => String(session.tool.value === name),
    "aria-label": () => t(`edit.tool.${name}`), title: () => t(`edit.tool.${name}`),
    onclick: () => (session.tool.value = name),
  }, icon(path));

/**
 * @param {() => string} label
 * @param {string} path
 * @param {() => unknown} action
 * @param {() => boolean} [isOff]
 */
const button = (label, path, action, isOff = () => false) =>
  h("button", {
    type: "button", class: "plain square", "aria-label": label, title: label, disabled: isOff, onclick: action,
  }, icon(path));

/**
 * @param {string} key also its id
 * @param {Record<string, string>} limits
 * @param {() => number} read
 * @param {(value: number) => unknown} write
 */
function slider(key, limits, read, write) {
  const id = key.replaceAll(".", "-");
  const input = h("input", {
    id, type: "range", ...limits, value: () => String(read()), oninput: () => write(Number(input.value)),
    "aria-valuetext": () => number(read(), 1),
  });
  return h("div", { class: "slider" }, h("label", { for: id }, () => t(key)), input);
}

/** @param {"undo" | "redo"} way */
function canUndo(way) {
  const step = current();
  if (!step || session.mode.value !== "edit") return false;
  const mask = maskOf(step);
  return mask.version.value >= 0 && (way === "undo" ? mask.canUndo : mask.canRedo);
}

/** @param {(mask: import("../editing/mask.js").Mask) => void} action */
function onMask(action) {
  const step = current();
  if (!step || session.mode.value !== "edit" || session.job.value) return;
  action(maskOf(step));
  tellShare(step);
}

export const undo = () => onMask((mask) => mask.undo());
export const redo = () => onMask((mask) => mask.redo());
export const invert = () => onMask((mask) => mask.invert());
export const clear = () => onMask((mask) => mask.clear());

/** Make the brush, or the frame, larger or smaller. @param {1 | -1} way */
export function grow(way) {
  if (session.mode.value === "edit") {
    resize(way > 0 ? 1.25 : 0.8);
    tell(t("edit.size.told", { size: number(100 * session.size.value, 1) }));
  } else if (session.mode.value === "extend" && !session.job.value) {
    sizeFrame(session.frame.value.height / grid() + 2 * way);
    tellFrame();
  }
}

define("nonette-edit-tools", Tools);
