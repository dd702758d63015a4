/** The one place that talks to the server. Whatever goes wrong is a `Failure` that says its kind. */

/** @typedef {import("./types.js").Picture} Picture */
/** @typedef {import("./types.js").Job} Job */
/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Kept} Kept */
/** @typedef {import("./types.js").Rule} Rule */
/** @typedef {import("./types.js").Kind} Kind */

const STATES = /** @type {const} */ (["waiting", "running", "done", "failed", "cancelled", "refused"]);
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

/** An answer that is none, and why. */
export class Failure extends Error {
  /**
   * @param {Kind} kind
   * @param {string} message what the server said, or ""
   * @param {{code?: string, seconds?: number, request?: string}} [more]
   */
  constructor(kind, message, more = {}) {
    super(message);
    this.kind = kind;
    this.code = more.code ?? "";
    /** Seconds after which the server says to come back; 0 where it does not say. */
    this.seconds = more.seconds ?? 0;
    /** The request's id, under which the server's log tells more. */
    this.request = more.request ?? "";
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Failure("offline", "");
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

/**
 * @param {Response} response
 * @returns {Promise<Failure>}
 */
async function failureOf(response) {
  const { status, headers } = response;
  const body = await response.json().catch(() => null);
  const error = body?.error ?? {};
  const code = String(error.code ?? "");
  return new Failure(body ? kindOf(status, code) : "bug", String(error.message ?? ""), {
    code,
    seconds: Number(headers.get("retry-after")) || 0,
    request: headers.get("x-request-id") ?? "",
  });
}

/**
 * @param {number} status
 * @param {string} code
 * @returns {Kind}
 */
function kindOf(status, code) {
  if (code === "content_policy_violation") return "refused";
  if (status === 429) return "full";
  if (status === 401 || status === 403) return "key";
  if (status === 503 || status === 507) return "away";
  if (status === 404 || status === 410) return "gone";
  return status < 500 ? "input" : "bug";
}

/**
 * @param {string} path
 * @param {"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} [method]
 * @param {unknown} [body] JSON
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>}
 */
export async function json(path, method = "GET", body, headers = {}) {
  const options = body === undefined ? { method, headers } : {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
  const response = await ask(path, options);
  return response.status === 204 ? null : response.json();
}

/**
 * What is answered with a file.
 * @param {string} path
 * @param {unknown} body JSON
 * @returns {Promise<Blob>}
 */
export async function blob(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(body) })).blob();
}

/** @param {string} language @returns {Promise<Record<string, any>>} */
export const catalogue = (language) => json(new URL(`locales/${language}.json`, import.meta.url).href);

/** @returns {Promise<{kind: string, is_operator: boolean}>} */
export const session = () => json("/api/session");

/** @param {string} key @returns {Promise<{kind: string, is_operator: boolean}>} */
export const signIn = (key) => json("/api/session", "POST", { key });

/** @returns {Promise<Model[]>} */
export const models = async () => (await json("/v1/models")).data;

/**
 * Submit a wish. Asked again with the same key, the server knows it for the same job.
 * @param {Record<string, unknown>} wish
 * @param {string} key
 * @param {Record<string, Blob>} [files] by the wish's field
 * @returns {Promise<Job>}
 */
export async function submit(wish, key, files = {}) {
  const headers = { "Idempotency-Key": key };
  if (!Object.keys(files).length) return json("/api/jobs", "POST", wish, headers);
  const form = new FormData();
  for (const [name, value] of Object.entries(wish)) form.append(name, String(value));
  for (const [name, file] of Object.entries(files)) form.append(name, file, name);
  return (await ask("/api/jobs", { method: "POST", body: form, headers })).json();
}

/** @param {string} id @returns {Promise<Job>} */
export const look = (id) => json(`/api/jobs/${encodeURIComponent(id)}`);

/** @param {string} id @returns {Promise<Job>} */
export const cancel = (id) => json(`/api/jobs/${encodeURIComponent(id)}/cancel`, "POST");

/**
 * One's own pictures, newest first.
 * @param {{search: string, favourites: boolean, collection?: string, before?: number, limit: number}} wanted
 * @returns {Promise<Kept[]>}
 */
export async function pictures({ search, favourites, collection, before, limit }) {
  const query = new URLSearchParams({ search, favourites: String(favourites), limit: String(limit) });
  if (collection) query.set("collection", collection);
  if (before !== undefined) query.set("before", String(before));
  return (await json(`/api/pictures?${query}`)).data;
}

/** @param {string} id @returns {Promise<Kept>} */
export const picture = (id) => json(`/api/pictures/${encodeURIComponent(id)}`);

/** @param {string} id @param {boolean} isFavourite @returns {Promise<Kept>} */
export const mark = (id, isFavourite) =>
  json(`/api/pictures/${encodeURIComponent(id)}`, "PATCH", { is_favourite: isFavourite });

/** Make a link to a job's pictures for others. @param {string} id @returns {Promise<{token: string}>} */
export const share = (id) => json("/api/shares", "POST", { job: id });

/** @param {string} token @returns {Promise<Picture[]>} what such a link shows */
export const shared = async (token) => (await json(`/api/shared/${encodeURIComponent(token)}`)).data;

/** Delete a job and its pictures for good. @param {string} id @returns {Promise<null>} */
export const remove = (id) => json(`/api/jobs/${encodeURIComponent(id)}`, "DELETE");

/** @returns {Promise<boolean>} whether every model has a worker */
export async function isReady() {
  try {
    await ask("/readyz");
    return true;
  } catch (failure) {
    if (failure instanceof Failure && failure.kind === "offline") throw failure;
    return false;
  }
}

/** @param {string} prompt @returns {Promise<Rule[]>} the rules that it breaks */
export const judge = async (prompt) => (await json("/api/judgement", "POST", { prompt })).rules;

/** @param {Job} job @returns {string} */
export const previewUrl = (job) => `/api/jobs/${job.id}/preview?version=${job.version}`;

/** @param {Job} job @param {Picture} picture @param {boolean} tells @returns {string} */
export const fileUrl = (job, picture, tells) =>
  `/api/jobs/${job.id}/files/${picture.id}?with_prompt=${tells}`;

/** @param {Job} job @param {boolean} tells @returns {string} */
export const zipUrl = (job, tells) => `/api/jobs/${job.id}/files?with_prompt=${tells}`;

/**
 * All pictures of a job on one sheet, above a caption.
 * @param {Job} job
 * @param {Blob} caption a strip as wide as the sheet, as PNG
 * @returns {Promise<Blob>} a PNG
 */
export async function sheet(job, caption) {
  const form = new FormData();
  form.append("caption", caption, "caption.png");
  const response = await ask(`/api/jobs/${job.id}/sheet`, { method: "POST", body: form });
  return response.blob();
}

/**
 * What a picture's file says of how it was drawn.
 * @param {Blob} file
 * @returns {Promise<Record<string, any>>}
 */
export async function recall(file) {
  const form = new FormData();
  form.append("picture", file, "picture");
  const response = await ask("/api/recall", { method: "POST", body: form });
  return response.json();
}

/**
 * Tell every change of a job until it has ended, across lost connections.
 * @param {string} id
 * @param {{onJob: (job: Job) => void, onLost: (isLost: boolean) => void,
 *   onFailure: (failure: Failure) => void}} told
 * @returns {() => void} what stops it
 */
export function follow(id, told) {
  /** @type {EventSource} */
  let source;
  let timer = 0;
  let failed = 0;
  let isOver = false;

  const stop = () => {
    isOver = true;
    source.close();
    clearTimeout(timer);
  };

  const open = () => {
    source = new EventSource(`/api/jobs/${encodeURIComponent(id)}/events`);
    source.onopen = () => {
      failed = 0;
      told.onLost(false);
    };
    for (const state of STATES) {
      source.addEventListener(state, (event) => {
        if (STATES.indexOf(state) > 1) stop();
        told.onJob(JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      // While it is CONNECTING the browser comes back by itself, with its Last-Event-ID.
      if (isOver || source.readyState !== EventSource.CLOSED) {
        if (!isOver) told.onLost(true);
        return;
      }
      retry();
    };
  };

  // The answer was no stream. Was it that there is no such job, or is the server away for a while?
  const retry = async () => {
    try {
      const job = await look(id);
      if (isOver) return;
      told.onJob(job);
      if (STATES.indexOf(job.state) > 1) return stop();
    } catch (failure) {
      if (isOver) return;
      const isLasting = failure instanceof Failure && ["key", "gone"].includes(failure.kind);
      if (isLasting) {
        stop();
        return told.onFailure(/** @type {Failure} */ (failure));
      }
      told.onLost(true);
    }
    timer = window.setTimeout(open, RETRY_MS[Math.min(failed++, RETRY_MS.length - 1)]);
  };

  open();
  return stop;
}
