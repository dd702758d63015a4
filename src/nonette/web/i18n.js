/** Words in the reader's language, from `locales/`; numbers, lists and durations as it writes them. */

import * as api from "./api.js";
import { signal } from "./signals.js";

export const LANGUAGES = /** @type {const} */ (["en", "fr"]);

/** @typedef {typeof LANGUAGES[number]} Language */

/** @type {import("./signals.js").Signal<Language>} */
export const language = signal(/** @type {Language} */ ("en"));

/** @type {Partial<Record<Language, Record<string, any>>>} */
const catalogues = {};

/** @returns {Language} what the reader chose, or else what their browser asks for */
export function preferred() {
  const chosen = read("language");
  const wanted = [chosen ?? "", ...navigator.languages].map((tag) => tag.slice(0, 2));
  return LANGUAGES.find((one) => one === wanted.find((tag) => LANGUAGES.some((l) => l === tag))) ?? "en";
}

/** @param {Language} wanted */
export async function speak(wanted) {
  catalogues[wanted] ??= await api.catalogue(wanted);
  document.documentElement.lang = wanted;
  language.value = wanted;
}

/**
 * The text of a key, with `{name}` replaced by values; a text that has several forms is chosen by
 * the value `n`, as the language's plural rules say.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const own = language.value;
  const found = catalogues[own]?.[key];
  if (found === undefined) return key;
  const form = typeof found === "string" ? found : found[pluralOf(own, Number(values.n))] ?? found.other;
  return form.replace(/\{(\w+)\}/g, (/** @type {string} */ whole, /** @type {string} */ name) =>
    name in values ? spell(values[name]) : whole);
}

/** What to call pictures: by their sentence, or by what was done. @param {Record<string, any>} drawn */
export const titleOf = ({ prompt, second_prompt, task }) =>
  [prompt, second_prompt ?? ""].filter((one) => one.trim()).join(" → ") || t(`task.${task}`);

/** @param {Language} own @param {number} n */
const pluralOf = (own, n) => new Intl.PluralRules(own).select(n);

/** @param {string | number} value */
const spell = (value) => (typeof value === "number" ? number(value) : value);

/** @param {number} value @param {number} [digits] */
export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(value);

/** @param {string[]} words @returns {string} as "a, b and c" */
export const list = (words) => new Intl.ListFormat(language.value).format(words);

/** @param {number} seconds since 1970 @param {Intl.DateTimeFormatOptions} [style] */
export const moment = (seconds, style = { dateStyle: "medium", timeStyle: "short" }) =>
  new Intl.DateTimeFormat(language.value, style).format(1000 * seconds);

/** @param {number} seconds @returns {string} as "12 seconds" or "3 minutes" */
export function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 100) return t("time.seconds", { n: whole });
  const minutes = Math.round(whole / 60);
  return minutes < 100 ? t("time.minutes", { n: minutes }) : t("time.hours", { n: Math.round(minutes / 60) });
}

/** @param {string} name @returns {string | null} what this browser keeps under that name */
export function read(name) {
  try {
    return localStorage.getItem(`nonette.${name}`);
  } catch {
    return null; // storage may be forbidden
  }
}

/** @param {string} name @param {string} value */
export function keep(name, value) {
  try {
    localStorage.setItem(`nonette.${name}`, value);
  } catch {
    // then it is not kept
  }
}
