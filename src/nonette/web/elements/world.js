/** The endless canvas: the picture, and a frame that snaps to a grid; what it covers and is empty is drawn. */

import { tell } from "../editing/acts.js";
import { frameAt } from "../editing/frame.js";
import { area, moved, snap, union, without } from "../editing/geometry.js";
import { checks } from "../editing/mask.js";
import { candidate, current, grid, layOf, planOf, session } from "../editing/session.js";
import { define, h, Panel } from "../dom.js";
import { number, t } from "../i18n.js";
import { effect, onEnd, signal } from "../signals.js";

/** @typedef {import("../editing/geometry.js").Rect} Rect */

const THINNEST = 7; // pixels of the screen between two lines of the grid that are worth drawing

class World extends Panel {
  /** How many pixels of the picture a pixel of the page is, and what is in its corner. */
  #view = { scale: 1, x: 0, y: 0 };
  #size = signal({ width: 0, height: 0 });
  /** The picture shown, once it is there. @type {import("../signals.js").Signal<HTMLImageElement | null>} */
  #image = signal(/** @type {HTMLImageElement | null} */ (null));
  /** What part of the frame the pointer holds; null while none does. @type {{x: number, y: number} | null} */
  #grip = null;
  #isHeld = signal(false);

  build() {
    const canvas = h("canvas", { role: "img", "aria-label": () => label() });
    const frame = h("div", {
      class: "frame", role: "application", tabindex: "0", hidden: () => Boolean(candidate()),
      "aria-label": () => t("edit.frame"), "aria-describedby": "world-help",
      onkeydown: (/** @type {KeyboardEvent} */ event) => key(event),
    });
    const stage = h(
      "div",
      {
        class: "world",
        onpointerdown: (/** @type {PointerEvent} */ event) => this.#down(event, stage, frame),
        onpointermove: (/** @type {PointerEvent} */ event) => this.#move(event, stage),
        onpointerup: () => this.#release(),
        onpointercancel: () => this.#release(),
      },
      canvas, frame,
    );
    const watch = new ResizeObserver(([{ contentRect }]) => {
      this.#size.value = { width: contentRect.width, height: contentRect.height };
    });
    watch.observe(stage);
    onEnd(() => watch.disconnect());
    effect(() => {
      const url = candidate()?.url ?? current()?.url;
      if (!url || session.mode.value !== "extend") return;
      let isWanted = true;
      onEnd(() => (isWanted = false));
      const image = new Image();
      image.src = url;
      image.decode().then(() => isWanted && (this.#image.value = image), () => {});
    });
    effect(() => {
      if (session.mode.value === "extend" && this.#size.value.width) this.#draw(canvas, frame);
    });
    return [stage, h("p", { id: "world-help", hidden: true }, () => t("edit.frame.help"))];
  }

  /** @param {HTMLCanvasElement} canvas @param {HTMLElement} frame */
  #draw(canvas, frame) {
    const step = current();
    const { width, height } = this.#size.value;
    if (!step) return;
    const [job, found] = [session.job.value, candidate()];
    const lay = job && found ? layOf(step, job, found) : null;
    const shown = lay?.whole ?? { x: 0, y: 0, width: step.width, height: step.height };
    if (!this.#isHeld.value) this.#view = fitted(union(shown, session.frame.value), session.frame.value, width, height);
    const { scale, x, y } = this.#view;
    const ratio = devicePixelRatio;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.scale(ratio, ratio);
    lines(pen, this.#view, width, height, getComputedStyle(canvas).color);
    const on = (/** @type {Rect} */ one) => /** @type {const} */ ([
      (one.x - x) * scale, (one.y - y) * scale, one.width * scale, one.height * scale,
    ]);
    pen.fillStyle = checks(pen, 12 * 48);
    if (this.#image.value) pen.drawImage(this.#image.value, ...on(shown));
    const filled = lay?.filled.map((one) => moved(one, shown.x, shown.y)) ?? step.filled;
    for (const gap of without(shown, filled)) pen.fillRect(...on(gap));
    if (!lay) for (const part of planOf(step).toDraw) pen.fillRect(...on(part));
    const [left, top, across, down] = on(session.frame.value);
    Object.assign(frame.style, { left: `${left}px`, top: `${top}px`, width: `${across}px`, height: `${down}px` });
  }

  /** @param {PointerEvent} event @param {HTMLElement} stage @param {HTMLElement} frame */
  #down(event, stage, frame) {
    if (event.button !== 0 || session.job.value || !current()) return;
    event.preventDefault();
    frame.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    const { x, y } = this.#at(event, stage);
    const held = session.frame.value;
    const isInside = x >= held.x && x < held.x + held.width && y >= held.y && y < held.y + held.height;
    this.#grip = isInside ? { x: x - held.x, y: y - held.y } : { x: held.width / 2, y: held.height / 2 };
    this.#isHeld.value = true;
    this.#move(event, stage);
  }

  /** @param {PointerEvent} event @param {HTMLElement} stage */
  #move(event, stage) {
    if (!this.#grip) return;
    const { x, y } = this.#at(event, stage);
    put(x - this.#grip.x, y - this.#grip.y);
  }

  #release() {
    if (!this.#grip) return;
    this.#grip = null;
    this.#isHeld.value = false;
    tellFrame();
  }

  /** @param {PointerEvent} event @param {HTMLElement} stage @returns {{x: number, y: number}} in pixels of the picture */
  #at({ clientX, clientY }, stage) {
    const { left, top } = stage.getBoundingClientRect();
    const { scale, x, y } = this.#view;
    return { x: (clientX - left) / scale + x, y: (clientY - top) / scale + y };
  }
}

/** @param {KeyboardEvent} event */
function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || session.job.value) return;
  const { x, y, width, height } = session.frame.value;
  const [across, down] = event.shiftKey ? [width / 2, height / 2] : [grid(), grid()];
  const ways = {
    ArrowLeft: [-across, 0], ArrowRight: [across, 0], ArrowUp: [0, -down], ArrowDown: [0, down],
  };
  const way = ways[/** @type {keyof typeof ways} */ (event.key)];
  if (!way) return;
  event.preventDefault();
  event.stopPropagation();
  put(x + way[0], y + way[1]);
  tellFrame();
}

/** Put the frame's corner to the grid's nearest place. @param {number} x @param {number} y */
function put(x, y) {
  const { width, height } = session.frame.value;
  const [left, top] = [snap(x, grid()), snap(y, grid())];
  if (left === session.frame.value.x && top === session.frame.value.y) return;
  session.frame.value = { x: left, y: top, width, height };
}

/** Put the frame half over a side. @param {-1 | 0 | 1} across @param {-1 | 0 | 1} down */
export function toSide(across, down) {
  session.frame.value = frameAt(across, down);
  tellFrame();
}

/** Say where the frame is. */
export function tellFrame() {
  const step = current();
  if (!step) return;
  const { x, y, width, height } = session.frame.value;
  const share = area(planOf(step).toDraw) / (width * height);
  tell(t("edit.frame.told", { x, y, share: number(100 * share) }));
}

/** @returns {string} */
const label = () =>
  t(candidate() ? "edit.candidate.alt" : "edit.picture", { prompt: current()?.prompt || t("edit.nameless") });

/**
 * All of it in the middle, with half a frame around.
 * @param {Rect} all
 * @param {Rect} frame
 * @param {number} width of the stage, in pixels of the page
 * @param {number} height
 */
function fitted(all, frame, width, height) {
  const scale = Math.min(width / (all.width + frame.width), height / (all.height + frame.height));
  return { scale, x: all.x + all.width / 2 - width / scale / 2, y: all.y + all.height / 2 - height / scale / 2 };
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {{scale: number, x: number, y: number}} view
 * @param {number} width
 * @param {number} height
 * @param {string} colour
 */
function lines(pen, { scale, x, y }, width, height, colour) {
  let step = grid();
  while (step * scale < THINNEST) step *= 2;
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let at = Math.ceil(x / step) * step; (at - x) * scale < width; at += step) {
    const across = Math.round((at - x) * scale) + 0.5;
    pen.moveTo(across, 0);
    pen.lineTo(across, height);
  }
  for (let at = Math.ceil(y / step) * step; (at - y) * scale < height; at += step) {
    const down = Math.round((at - y) * scale) + 0.5;
    pen.moveTo(0, down);
    pen.lineTo(width, down);
  }
  pen.stroke();
}

define("nonette-world", World);
