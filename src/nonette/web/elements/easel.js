/** The picture with its mask: brush and eraser by mouse, finger, pen or keys; or a candidate to look at. */

import { tell } from "../editing/acts.js";
import { candidate, current, maskOf, session } from "../editing/session.js";
import { define, h, Panel } from "../dom.js";
import { number, t } from "../i18n.js";
import { effect } from "../signals.js";

const ERASER = 32; // the button of a pen's other end, among `buttons`
const FAINTEST = 0.4; // of the brush's width, where a pen hardly presses

class Easel extends Panel {
  /** The pointer that paints; -1 for none, -2 for the keys. */
  #pointer = -1;
  /** Where the keys are, in pixels of the picture. */
  #at = { x: 0, y: 0 };

  build() {
    const image = h("img", {
      draggable: "false", src: () => candidate()?.url ?? current()?.url ?? null,
      alt: () => t(candidate() ? "edit.candidate.alt" : "edit.picture", {
        prompt: session.job.value?.request.prompt || current()?.prompt || t("edit.nameless"),
      }),
    });
    const ring = h("div", { class: "ring", hidden: true });
    const board = h(
      "div",
      {
        class: "board",
        onpointerdown: (/** @type {PointerEvent} */ event) => this.#down(event, board),
        onpointermove: (/** @type {PointerEvent} */ event) => this.#move(event, board, ring),
        onpointerup: (/** @type {PointerEvent} */ event) => this.#up(event),
        onpointercancel: () => this.#abandon(),
        onpointerleave: () => this.#pointer === -1 && (ring.hidden = document.activeElement !== board),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event, ring),
        onfocus: () => this.#show(ring, this.#at),
        onblur: () => {
          ring.hidden = true;
          if (this.#pointer === -2) this.#lift();
        },
      },
      image,
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
      this.#at = { x: step.width / 2, y: step.height / 2 };
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
    board.append(ring);
    return [board, h("p", { id: "easel-help", hidden: true }, () => t("edit.board.help"))];
  }

  /** @param {PointerEvent} event @param {HTMLElement} board */
  #down(event, board) {
    const step = current();
    if (!step || !paintable() || this.#pointer !== -1 || (event.button !== 0 && !(event.buttons & ERASER))) return;
    event.preventDefault();
    board.focus({ preventScroll: true });
    board.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    maskOf(step).begin(event.buttons & ERASER ? "eraser" : session.tool.value, dab(event, board, step));
  }

  /** @param {PointerEvent} event @param {HTMLElement} board @param {HTMLElement} ring */
  #move(event, board, ring) {
    const step = current();
    if (!step || !paintable()) return;
    const here = dab(event, board, step);
    if (event.pointerType === "touch") ring.hidden = true;
    else this.#show(ring, here);
    if (event.pointerId !== this.#pointer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const one of between.length ? between : [event]) maskOf(step).lead(dab(one, board, step));
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (event.pointerId === this.#pointer) this.#lift();
  }

  #lift() {
    this.#pointer = -1;
    const step = current();
    if (!step) return;
    maskOf(step).end();
    tellShare(step);
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
    const size = brush(step);
    const far = event.shiftKey ? 4 * size : size / 2;
    const ways = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
    const way = ways[/** @type {keyof typeof ways} */ (event.key)];
    if (way) {
      this.#at.x = Math.min(step.width, Math.max(0, this.#at.x + way[0]));
      this.#at.y = Math.min(step.height, Math.max(0, this.#at.y + way[1]));
      if (this.#pointer === -2) maskOf(step).lead({ ...this.#at, size });
      tell(t("edit.cursor", { x: percent(this.#at.x / step.width), y: percent(this.#at.y / step.height) }));
    } else if (event.key === " ") {
      if (this.#pointer === -2) this.#lift();
      else if (this.#pointer === -1) {
        this.#pointer = -2;
        maskOf(step).begin(session.tool.value, { ...this.#at, size });
        tell(t("edit.pen.down"));
      }
    } else if (event.key === "Escape" && this.#pointer === -2) this.#abandon();
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.#show(ring, this.#at);
  }

  /** @param {HTMLElement} ring @param {{x: number, y: number}} place in pixels of the picture */
  #show(ring, place) {
    const step = current();
    if (!step) return;
    ring.hidden = !paintable();
    ring.style.left = `${(100 * place.x) / step.width}%`;
    ring.style.top = `${(100 * place.y) / step.height}%`;
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
  const { left, top, width, height } = board.getBoundingClientRect();
  const press = pointerType === "pen" && pressure > 0 ? FAINTEST + (1 - FAINTEST) * pressure : 1;
  return {
    x: ((clientX - left) / width) * step.width, y: ((clientY - top) / height) * step.height, size: press * brush(step),
  };
}

/** @param {import("../editing/session.js").Step} step */
export const tellShare = (step) => tell(t("edit.marked", { share: percent(maskOf(step).share()) }));

/** @param {number} share */
const percent = (share) => number(100 * share);

define("nonette-easel", Easel);
