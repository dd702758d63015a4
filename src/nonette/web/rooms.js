/** What can be done with pictures that are kept: marking, collecting, showing to others, deleting. */

import * as api from "./api.js";
import * as rooms from "./api-rooms.js";
import { fail, say } from "./commands.js";
import { t } from "./i18n.js";
import { signal } from "./signals.js";
import { store } from "./store.js";

/** @typedef {{text: string, yes: string, act: () => Promise<unknown>}} Question */

export const room = {
  /** @type {import("./signals.js").Signal<rooms.Collection[]>} */
  collections: signal(/** @type {rooms.Collection[]} */ ([])),
  /** The pictures that are being put into collections; none while nobody does. */
  collecting: signal(/** @type {string[]} */ ([])),
  /** The picture that is about to be published or taken back. */
  publishing: signal(/** @type {api.Kept | null} */ (null)),
  /** What is asked before something is done for good. */
  question: signal(/** @type {Question | null} */ (null)),
  /** Counts the changes of what is kept, so that lists of it are asked for again. */
  changes: signal(0),
};

/** Note that what is kept has changed. */
export const changed = () => void room.changes.value++;

/**
 * Do something that may fail as the server's answers do.
 * @template T
 * @param {() => Promise<T>} action
 * @returns {Promise<T | undefined>} nothing where it failed, which is told
 */
export async function attempt(action) {
  try {
    return await action();
  } catch (failure) {
    fail(failure);
    return undefined;
  }
}

/** Ask before something is done for good. @param {Question} question */
export function ask(question) {
  room.question.value = question;
}

/** Ask, then delete pictures for good. @param {string[]} ids */
export function askToDelete(ids) {
  ask({
    text: t("delete.sure", { n: ids.length }),
    yes: t("history.delete"),
    act: async () => {
      for (const id of ids) await rooms.removePicture(id);
      forget(ids);
      say(t("history.deleted"));
    },
  });
}

/** Let the job on the page show what is left of it. @param {string[]} ids */
function forget(ids) {
  const job = store.job.value;
  if (job?.results.some(({ id }) => ids.includes(id))) {
    store.open.value = -1;
    store.job.value = { ...job, results: job.results.filter(({ id }) => !ids.includes(id)) };
  }
  changed();
}

export async function learnCollections() {
  room.collections.value = (await attempt(rooms.collections)) ?? room.collections.peek();
}

/**
 * Put pictures into a collection, or take them out.
 * @param {string} id
 * @param {string[]} pictures
 * @param {boolean} isIn
 */
export async function collect(id, pictures, isIn) {
  for (const picture of pictures) await rooms.put(id, picture, isIn);
  await learnCollections();
  changed();
}

/** Open the form that publishes a picture. @param {string} id */
export async function offerToPublish(id) {
  room.publishing.value = (await attempt(() => api.picture(id))) ?? null;
}
