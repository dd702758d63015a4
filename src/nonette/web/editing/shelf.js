/** A shelf in this browser for what is being edited: the latest few sessions, for some days, each with its upload. */

/** @typedef {import("./session.js").Step} Step */
/** @typedef {import("./mask.js").Acts} Acts */

/**
 * A session as it is kept; the file of its first step, where it has one, lies beside it.
 * @typedef {object} Shelved
 * @property {string} id
 * @property {number} at when it was kept, in milliseconds since 1970
 * @property {string} place what names it in an address
 * @property {(Omit<Step, "file"> & {isFile: boolean, acts: Acts})[]} steps
 * @property {{[name: string]: unknown}} values of other signals, by name
 */

const NAME = "nonette";
const MOST = 6; // sessions
const LONGEST_MS = 7 * 86_400_000;
const MOST_BYTES = 1 << 25; // of a file

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("sessions", { keyPath: "id" });
      asked.result.createObjectStore("files");
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  return opened;
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(sessions: IDBObjectStore, files: IDBObjectStore) => IDBRequest<T>} action
 * @returns {Promise<T | undefined>} nothing where the browser keeps nothing
 */
async function ask(mode, action) {
  try {
    const transaction = (await database()).transaction(["sessions", "files"], mode);
    const asked = action(transaction.objectStore("sessions"), transaction.objectStore("files"));
    return await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } catch {
    return undefined; // storage may be forbidden or full; then nothing is kept
  }
}

/** @returns {Promise<Shelved[]>} newest first */
export async function all() {
  const found = (await ask("readonly", (sessions) => sessions.getAll())) ?? [];
  const oldest = Date.now() - LONGEST_MS;
  return found.filter(({ at }) => at > oldest).sort((one, other) => other.at - one.at);
}

/** Keep a session, and no more than the latest few. @param {Shelved} record */
export async function put(record) {
  await ask("readwrite", (sessions) => sessions.put(record));
  const kept = (await all()).slice(0, MOST).map(({ id }) => id);
  for (const name of /** @type {const} */ (["sessions", "files"])) {
    const keys = await ask("readonly", (sessions, files) => (name === "files" ? files : sessions).getAllKeys());
    for (const key of keys ?? []) {
      if (kept.includes(String(key)) || key === record.id) continue;
      await ask("readwrite", (sessions, files) => (name === "files" ? files : sessions).delete(key));
    }
  }
}

/** Keep the file of a session, unless it is too large. @param {string} id @param {Blob} file */
export async function putFile(id, file) {
  if (file.size <= MOST_BYTES) await ask("readwrite", (_, files) => files.put(file, id));
}

/** @param {string} id @returns {Promise<Blob | undefined>} */
export const fileOf = (id) => ask("readonly", (_, files) => files.get(id));

/** Keep nothing any more, as when somebody else comes. */
export async function clear() {
  await ask("readwrite", (sessions) => sessions.clear());
  await ask("readwrite", (_, files) => files.clear());
}
