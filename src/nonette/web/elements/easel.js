/** The picture with its mask: brush and eraser by mouse, finger, pen or keys; or a candidate to look at; near or far. */

import { tell } from "../editing/acts.js";
import { candidate, current, maskOf, session } from "../editing/session.js";
import { Fingers, panBy, reveal, view, zoomBy } from "../editing/zoom.js";
import { define, h, Panel } from "../dom.js";
import { number, t } from "../i18n.js";
import { effect } from "../signals.js";

const ERASER = 32; // the button of a pen's other end, among `buttons`
const FAINTEST = 0.4; // of the brush's width, where a pen hardly presses
const WHEEL = 0.0025; // of a wheel's turn, to the power of e
const KEY_PAN = 0.2; // of the board, that a key moves the picture by

const WAYS = /** @type {const} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });

class Easel extends Panel {
  /** The pointer that paints; -1 for none, -2 for the keys. */
  #pointer = -1;
  #fingers = new Fingers();
  /** The pointer that moves the picture, and where it was on the board. @type {{id: number, x: number, y: number} | null} */
  #grip = null;

  build() {
    const image = h("img", {
      draggable: "false", src: () => candidate()?.url ?? current()?.url ?? null,
      alt: () => t(candidate() ? "edit.candidate.alt" : "edit.picture", {
        prompt: session.job.value?.request.prompt || current()?.prompt || t("edit.nameless"),
      }),
    });
    const ring = h("div", { class: "ring", hidden: true });
    const leaf = h("div", { class: "leaf" }, image, ring);
    const board = h(
      "div",
      {
        class: "board",
        onpointerdown: (/** @type {PointerEvent} */ event) => this.#down(event, board),
        onpointermove: (/** @type {PointerEvent} */ event) => this.#move(event, board, ring),
        onpointerup: (/** @type {PointerEvent} */ event) => this.#up(event),
        onpointercancel: (/** @type {PointerEvent} */ event) => this.#cancel(event),
        onwheel: (/** @type {WheelEvent} */ event) => wheel(event, board),
        onpointerleave: () => this.#pointer === -1 && (ring.hidden = document.activeElement !== board),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event, ring),
        onfocus: () => this.#show(ring, session.point.value),
        onblur: () => {
          ring.hidden = true;
          if (this.#pointer === -2) this.#lift();
        },
      },
      leaf,
    );
    effect(() => {
      const isPainting = paintable();
      for (const [name, value] of Object.entries({
        role: "application", tabindex: "0", "aria-label": t("edit.board"), "aria-describedby": "easel-help",
      })) {
        if (isPainting) board.setAttribute(name, value);
        else board.removeAttribute(name);
      }
      board.classList.toggle("is-paintable", isPainting);
    });
    effect(() => {
      const step = current();
      if (!step) return;
      const { width, height } = candidate() ?? step;
      board.style.setProperty("--w", String(width));
      board.style.setProperty("--h", String(height));
    });
    effect(() => {
      const { scale, x, y } = view.value;
      leaf.style.transform = `scale(${scale}) translate(${-100 * x}%, ${-100 * y}%)`;
      leaf.style.setProperty("--scale", String(scale));
      board.classList.toggle("is-near", scale > 1);
      board.classList.toggle("is-held", session.tool.value === "hand");
    });
    effect(() => {
      const step = current();
      board.querySelector("canvas")?.remove();
      if (!step || session.mode.value !== "edit" || candidate()) return;
      const { canvas } = maskOf(step);
      canvas.setAttribute("aria-hidden", "true");
      image.after(canvas);
    });
    effect(() => {
      const step = current();
      if (step) ring.style.width = `${(100 * brush(step)) / step.width}%`;
    });
    return [board, h("p", { id: "easel-help", hidden: true }, () => t("edit.board.help"))];
  }

  /** @param {PointerEvent} event @param {HTMLElement} board */
  #down(event, board) {
    const step = current();
    if (!step) return;
    const place = onBoard(event, board);
    if (event.pointerType === "touch" && this.#fingers.down(event.pointerId, place)) {
      this.#grip = null;
      if (this.#pointer >= 0) this.#abandon();
      return;
    }
    const isLeft = event.button === 0;
    const isMove = isLeft && !(event.buttons & ERASER) && (session.tool.value === "hand" || !paintable());
    if (event.button === 1 || (isMove && view.value.scale > 1)) {
      event.preventDefault();
      board.focus({ preventScroll: true });
      board.setPointerCapture(event.pointerId);
      this.#grip = { id: event.pointerId, ...place };
      return;
    }
    if (isMove || !paintable() || this.#pointer !== -1 || (!isLeft && !(event.buttons & ERASER))) return;
    event.preventDefault();
    board.focus({ preventScroll: true });
    board.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    maskOf(step).begin(event.buttons & ERASER ? "eraser" : tool(), dab(event, board, step));
  }

  /** @param {PointerEvent} event @param {HTMLElement} board @param {HTMLElement} ring */
  #move(event, board, ring) {
    const step = current();
    const place = onBoard(event, board);
    if (this.#fingers.move(event.pointerId, place)) return;
    if (this.#grip?.id === event.pointerId) {
      panBy(this.#grip.x - place.x, this.#grip.y - place.y);
      this.#grip = { id: event.pointerId, ...place };
      return;
    }
    if (!step || !paintable()) return;
    const here = dab(event, board, step);
    if (event.pointerType === "touch" || session.tool.value === "hand") ring.hidden = true;
    else this.#show(ring, { x: here.x / step.width, y: here.y / step.height });
    if (event.pointerId !== this.#pointer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const one of between.length ? between : [event]) maskOf(step).lead(dab(one, board, step));
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.#fingers.up(event.pointerId);
    if (this.#grip?.id === event.pointerId) this.#grip = null;
    if (event.pointerId === this.#pointer) this.#lift();
  }

  #lift() {
    this.#pointer = -1;
    const step = current();
    if (!step) return;
    maskOf(step).end();
    tellShare(step);
  }

  /** @param {PointerEvent} event */
  #cancel(event) {
    this.#fingers.up(event.pointerId);
    this.#grip = null;
    if (event.pointerId === this.#pointer) this.#abandon();
  }

  #abandon() {
    this.#pointer = -1;
    const step = current();
    if (step) maskOf(step).abandon();
  }

  /** @param {KeyboardEvent} event @param {HTMLElement} ring */
  #key(event, ring) {
    const step = current();
    if (!step || !paintable() || event.ctrlKey || event.metaKey || event.altKey) return;
    const { width, height } = step;
    const size = brush(step);
    const far = event.shiftKey ? 4 * size : size / 2;
    const way = WAYS[/** @type {keyof typeof WAYS} */ (event.key)];
    const isHand = session.tool.value === "hand";
    if (way && isHand) panBy(KEY_PAN * way[0], KEY_PAN * way[1]);
    else if (way) {
      const { x, y } = session.point.value;
      const point = { x: within(x + (far * way[0]) / width), y: within(y + (far * way[1]) / height) };
      session.point.value = point;
      reveal(point);
      if (this.#pointer === -2) maskOf(step).lead(this.#keyDab(step));
      tell(t("edit.cursor", { x: percent(point.x), y: percent(point.y) }));
    } else if (event.key === " " && !isHand) {
      if (this.#pointer === -2) this.#lift();
      else if (this.#pointer === -1) {
        this.#pointer = -2;
        maskOf(step).begin(tool(), this.#keyDab(step));
        tell(t("edit.pen.down"));
      }
    } else if (event.key === "Escape" && this.#pointer === -2) this.#abandon();
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.#show(ring, session.point.value);
  }

  /** @param {import("../editing/session.js").Step} step */
  #keyDab(step) {
    const { x, y } = session.point.value;
    return { x: x * step.width, y: y * step.height, size: brush(step) };
  }

  /** @param {HTMLElement} ring @param {{x: number, y: number}} place of a picture that is 1 by 1 */
  #show(ring, place) {
    ring.hidden = !paintable() || session.tool.value === "hand";
    ring.style.left = `${100 * place.x}%`;
    ring.style.top = `${100 * place.y}%`;
  }
}

/** Whether a mask can be painted now. */
const paintable = () => session.mode.value === "edit" && !session.job.value && current() !== undefined;

/** @param {import("../editing/session.js").Step} step @returns {number} the brush's width in pixels */
const brush = (step) => Math.max(1, session.size.value * Math.max(step.width, step.height));

/**
 * @param {PointerEvent} event
 * @param {HTMLElement} board
 * @param {import("../editing/session.js").Step} step
 */
function dab({ clientX, clientY, pointerType, pressure }, board, step) {
  const { x, y } = onBoard({ clientX, clientY }, board);
  const { scale, x: left, y: top } = view.value;
  const press = pointerType === "pen" && pressure > 0 ? FAINTEST + (1 - FAINTEST) * pressure : 1;
  return {
    x: (left + x / scale) * step.width, y: (top + y / scale) * step.height, size: press * brush(step),
  };
}

/**
 * A place of the board, of which all is 1 by 1, and of the page.
 * @param {{clientX: number, clientY: number}} event
 * @param {HTMLElement} board
 */
function onBoard({ clientX, clientY }, board) {
  const { left, top, width, height } = board.getBoundingClientRect();
  return { x: (clientX - left) / width, y: (clientY - top) / height, clientX, clientY };
}

/** With Ctrl held, as a pinch of a touch pad also says it. @param {WheelEvent} event @param {HTMLElement} board */
function wheel(event, board) {
  if (!event.ctrlKey) return;
  event.preventDefault();
  const { x, y } = onBoard(event, board);
  zoomBy(Math.exp(-WHEEL * event.deltaY), x, y);
}

/** @param {number} part */
const within = (part) => Math.min(1, Math.max(0, part));

/** What a stroke does. @returns {"brush" | "eraser"} */
const tool = () => (session.tool.value === "eraser" ? "eraser" : "brush");

/** @param {import("../editing/session.js").Step} step */
export const tellShare = (step) => tell(t("edit.marked", { share: percent(maskOf(step).share()) }));

/** @param {number} share */
const percent = (share) => number(100 * share);

define("nonette-easel", Easel);
