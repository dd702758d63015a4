/**
 * Values that tell whoever reads them when they change; nothing else in the studio holds state.
 *
 * Reading `.value` inside an effect makes the effect run again after the value changed. Effects
 * belong to the scope they were made in and end with it.
 */

/** @typedef {{run: () => void, sources: Set<Set<Effect>>}} Effect */

/** @type {Effect | null} */
let current = null;

/** @type {(() => void)[] | null} */
let owned = null;

/**
 * @template T
 * @typedef {{value: T, peek: () => T}} Signal
 */

/**
 * A value that can be set; setting what it is already does nothing.
 * @template T
 * @param {T} initial
 * @returns {Signal<T>}
 */
export function signal(initial) {
  let held = initial;
  /** @type {Set<Effect>} */
  const readers = new Set();
  return {
    get value() {
      if (current) {
        readers.add(current);
        current.sources.add(readers);
      }
      return held;
    },
    set value(next) {
      if (Object.is(next, held)) return;
      held = next;
      for (const reader of [...readers]) if (readers.has(reader)) reader.run();
    },
    peek: () => held,
  };
}

/**
 * Runs now, and again whenever something changed that it read.
 * @param {() => void} action
 * @returns {() => void} what ends it
 */
export function effect(action) {
  /** @type {(() => void) | null} */
  let inner = null;
  /** @type {Effect} */
  const own = {
    sources: new Set(),
    run() {
      end();
      const before = current;
      current = own;
      try {
        inner = scope(action);
      } finally {
        current = before;
      }
    },
  };
  const end = () => {
    inner?.();
    inner = null;
    for (const readers of own.sources) readers.delete(own);
    own.sources.clear();
  };
  owned?.push(end);
  own.run();
  return end;
}

/**
 * Does something whose effects end together.
 * @param {() => void} action
 * @returns {() => void} what ends them
 */
export function scope(action) {
  const before = owned;
  /** @type {(() => void)[]} */
  const mine = [];
  owned = mine;
  try {
    action();
  } finally {
    owned = before;
  }
  return () => mine.splice(0).forEach((end) => end());
}

/**
 * Something to be done when the scope or effect ends or runs again.
 * @param {() => void} action
 */
export function onEnd(action) {
  owned?.push(action);
}

/**
 * Does something without becoming a reader of what it reads.
 * @template T
 * @param {() => T} action
 * @returns {T}
 */
export function untracked(action) {
  const before = current;
  current = null;
  try {
    return action();
  } finally {
    current = before;
  }
}
