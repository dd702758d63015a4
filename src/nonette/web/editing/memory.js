/** Keeps what is being edited in this browser as it changes, and finds it again after a reload or another day. */

import { effect, onEnd, untracked } from "../signals.js";
import { current, hasMask, maskOf, session } from "./session.js";
import * as shelf from "./shelf.js";

/** @typedef {import("./session.js").Step} Step */

const PAUSE_MS = 300; // between the last change and keeping it
const MOST_DABS = 20_000; // of a mask; one of more is not kept
const TAB = "nonette.session"; // what this tab works on
const VALUES = /** @type {const} */ (["mode", "at", "prompt", "strength", "factor", "frame"]);

/** Keep every change from now on. */
export function remember() {
  let isKept = true;
  const keep = () => {
    const record = untracked(packed);
    if (isKept || !record) return;
    isKept = true;
    setTab(record.id);
    shelf.put(record);
  };
  effect(() => {
    packed();
    isKept = false;
    const timer = setTimeout(keep, PAUSE_MS);
    onEnd(() => clearTimeout(timer));
  });
  effect(() => {
    if (session.place.value) untracked(keep); // at once: it is what a reload looks for
  });
  effect(() => {
    const [step] = session.steps.value;
    if (step?.file) shelf.putFile(session.id.value, step.file);
  });
  addEventListener("pagehide", keep);
  onEnd(() => removeEventListener("pagehide", keep));
}

/** @returns {shelf.Shelved | null} the session as it is kept */
function packed() {
  if (!current()) return null;
  const steps = session.steps.value.map(({ file, ...step }) => ({
    ...step, url: file ? "" : step.url, isFile: file !== null,
  }));
  const acts = session.steps.value.map((step) =>
    step === current() || hasMask(step) ? maskOf(step).acts(MOST_DABS) : { done: [], undone: [] });
  return {
    id: session.id.value,
    at: Date.now(),
    place: session.place.value,
    steps: steps.map((step, place) => ({ ...step, acts: acts[place] })),
    values: Object.fromEntries(VALUES.map((name) => [name, session[name].value])),
  };
}

/**
 * The session that an address names; this tab's own before others, the newest of those.
 * @param {string} place "" for whatever was worked on last
 * @returns {Promise<shelf.Shelved | undefined>}
 */
export async function find(place) {
  const found = (await shelf.all()).filter((one) => !place || one.place === place);
  return found.find(({ id }) => id === tab()) ?? found[0];
}

/**
 * The steps of a session that can still be shown, and how to go on with them.
 * @param {shelf.Shelved} record
 * @param {(url: string) => Promise<unknown>} look fails where there is no picture
 * @returns {Promise<{steps: Step[], apply: () => void} | null>} nothing where none can
 */
export async function unpack(record, look) {
  const file = record.steps.some(({ isFile }) => isFile) ? await shelf.fileOf(record.id) : undefined;
  const found = await Promise.all(record.steps.map(async ({ isFile, acts, ...known }) => {
    const url = isFile ? (file ? URL.createObjectURL(file) : "") : known.url;
    const isThere = Boolean(url) && (await look(url).then(() => true, () => false));
    return isThere ? { step: { ...known, url, file: isFile && file ? file : null }, acts } : null;
  }));
  const at = Number(record.values.at);
  const there = found.filter((one) => one !== null);
  const worked = found[at] ?? there.at(-1);
  if (!worked) return null;
  const steps = there.map(({ step }) => step);
  const apply = () => {
    for (const { step, acts } of there) if (acts.done.length + acts.undone.length) maskOf(step).restore(acts);
    session.id.value = record.id;
    session.steps.value = steps;
    for (const name of VALUES) session[name].value = /** @type {never} */ (record.values[name]);
    session.at.value = steps.indexOf(worked.step);
  };
  return { steps, apply };
}

function tab() {
  try {
    return sessionStorage.getItem(TAB);
  } catch {
    return null; // storage may be forbidden
  }
}

/** @param {string} id */
function setTab(id) {
  try {
    sessionStorage.setItem(TAB, id);
  } catch {
    // then it is the newest that is found again
  }
}
