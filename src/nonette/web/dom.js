/** Elements in one call, with parts that follow signals; markup is never made from strings. */

import { effect, scope } from "./signals.js";

/** @typedef {Node | string | number | null | undefined | false | (() => unknown)} Child */

/**
 * An element. Properties that begin with `on` are listeners; other functions are followed: they are
 * asked again when a signal that they read has changed. `true` is an attribute without a value,
 * `false`, `null` and `undefined` are none. Functions among the children are followed as text.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "function") effect(() => set(element, name, value()));
    else set(element, name, value);
  }
  fill(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
export function fill(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (typeof child === "function") {
      const text = document.createTextNode("");
      effect(() => {
        text.data = String(child() ?? "");
      });
      element.append(text);
    } else element.append(typeof child === "number" ? String(child) : child);
  }
}

/** Properties that are not attributes: what a field holds while someone uses it. */
const LIVE = new Set(["value", "checked", "disabled", "hidden", "open", "readOnly"]);

/**
 * @param {Element} element
 * @param {string} name
 * @param {unknown} value
 */
function set(element, name, value) {
  if (name === "text") element.textContent = String(value ?? "");
  else if (LIVE.has(name)) Object.assign(element, { [name]: value });
  else if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * A picture made of strokes, for buttons; it says nothing to screen readers.
 * @param {string} path the `d` of a path in a box of 24
 * @returns {SVGSVGElement}
 */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** A custom element that builds itself once it is on the page, and ends its effects with it. */
export class Panel extends HTMLElement {
  /** @type {(() => void) | null} */
  #end = null;

  connectedCallback() {
    this.#end = scope(() => this.append(...this.build()));
  }

  disconnectedCallback() {
    this.#end?.();
    this.#end = null;
    this.replaceChildren();
  }

  /** @returns {Node[]} what is in it */
  build() {
    return [];
  }
}

/**
 * A custom element by its class, which defines it where that was not done yet.
 * @template {CustomElementConstructor} Class
 * @param {string} name
 * @param {Class} made
 */
export function define(name, made) {
  if (!customElements.get(name)) customElements.define(name, made);
}

/** @returns {boolean} whether keys pressed now go into a field */
export function isTyping() {
  const active = document.activeElement;
  return (
    active instanceof HTMLTextAreaElement ||
    active instanceof HTMLSelectElement ||
    (active instanceof HTMLInputElement && !["button", "checkbox", "radio"].includes(active.type))
  );
}
