/** What a person can do, each one function; buttons and keys both come here. */

import * as api from "./api.js";
import * as shelf from "./editing/shelf.js";
import { duration, t } from "./i18n.js";
import { chosenModel, isOpen, store, VIEWS } from "./store.js";

const MAX_RANDOM_SEED = 2 ** 32;
const MAX_SEED = 2 ** 53 - 1;
const NOTICE_MS = 4000;
const LEARN_MS = 5000;
const UNMANNED_MS = 4000; // a job that waits longer than this asks whether anyone is there to draw

let stopFollowing = () => {};
/** The job that was last shown in a view. @type {Record<"draw" | "blend", api.Job | null>} */
const last = { draw: null, blend: null };
let noticeTimer = 0;
let unmannedTimer = 0;

/** Draw what the fields ask for. */
export async function draw() {
  const prompt = store.prompt.value;
  if (!prompt.trim()) return document.getElementById("sentence")?.focus();
  await send({
    prompt,
    model: store.model.value,
    negative_prompt: store.negative.value,
    size: store.size.value,
    seed: whole(store.seed.value),
    candidates: whole(store.candidates.value),
  });
}

/** Draw the job on the page once more, as nine others. */
export async function again() {
  const job = store.job.value;
  if (!job || isOpen(job)) return;
  const { model, seed, candidates, num_pictures } = job.request;
  const model_ = store.models.value.find((one) => one.id === model);
  const step = candidates ?? Math.max(num_pictures, model_?.capabilities?.default_candidates ?? 0);
  const next = seed + step < MAX_SEED - 1024 ? seed + step : randomSeed();
  if (store.seed.value) store.seed.value = String(next);
  await send({ ...job.request, ...job.inputs, seed: next });
}

/**
 * Ask for a job and show it.
 * @param {Record<string, unknown>} wish
 * @param {Record<string, Blob>} [files] by the wish's field
 */
export async function send(wish, files = {}) {
  if (store.isSending.value) return;
  store.isSending.value = true;
  store.failure.value = null;
  store.rules.value = [];
  const given = Object.entries(wish).filter(([, value]) => value !== null && value !== undefined);
  try {
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    const job = await twice(() => api.submit({ ...Object.fromEntries(given), previews: true }, key, files));
    store.open.value = -1;
    show(job);
    go({ job: job.id });
  } catch (failure) {
    fail(failure);
    if (failure instanceof api.Failure && failure.kind === "refused") {
      store.rules.value = await api.judge([wish.prompt, wish.second_prompt].join("\n").trim()).catch(() => []);
    }
  } finally {
    store.isSending.value = false;
  }
}

/**
 * A connection that broke may have broken after the server had the wish; its key makes it safe to
 * send once more.
 * @template T
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function twice(action) {
  try {
    return await action();
  } catch (failure) {
    if (!(failure instanceof api.Failure) || failure.kind !== "offline") throw failure;
    await new Promise((resume) => setTimeout(resume, 700));
    return action();
  }
}

/**
 * Put a job on the page and follow it until it has ended.
 * @param {api.Job} job
 */
export function show(job) {
  stopFollowing();
  clearTimeout(unmannedTimer);
  const age = Math.max(0, Date.now() - 1000 * job.created_at);
  store.startedAt.value = performance.now() - (isOpen(job) ? Math.min(age, 86_400_000) : 0);
  store.isLost.value = store.isUnmanned.value = false;
  store.failure.value = null;
  store.job.value = job;
  store.view.value = homeOf(job);
  last[store.view.value] = job;
  if (!isOpen(job)) return;
  unmannedTimer = window.setTimeout(askWhetherManned, UNMANNED_MS);
  stopFollowing = api.follow(job.id, {
    onJob(next) {
      if (next.state !== "waiting") store.isUnmanned.value = false;
      if (next.version >= (store.job.value?.version ?? 0)) store.job.value = next;
    },
    onLost: (isLost) => {
      store.isLost.value = isLost;
    },
    onFailure: fail,
  });
}

async function askWhetherManned() {
  if (store.job.value?.state !== "waiting") return;
  try {
    store.isUnmanned.value = !(await api.isReady());
  } catch {
    // the connection is lost; following the job says so
  }
  unmannedTimer = window.setTimeout(askWhetherManned, UNMANNED_MS);
}

/** @param {api.Job} job @returns {"draw" | "blend"} the view that it is shown in */
const homeOf = (job) => (job.request.task === "blend" ? "blend" : "draw");

/** To drawing or blending, with the job that was last shown there. @param {"draw" | "blend"} name */
export function enter(name) {
  const job = store.job.value;
  if (job && homeOf(job) !== name) {
    const before = last[name];
    if (before) show(before);
    else clear();
  }
  store.view.value = name;
  if (store.job.value) go({ job: store.job.value.id });
  else go(name === "draw" ? {} : { view: name });
}

/** Fetch a job that an address names and show it. @param {string} id */
export async function load(id) {
  try {
    const job = await api.look(id);
    const { prompt, negative_prompt } = job.request;
    if (homeOf(job) === "draw") {
      store.prompt.value = prompt;
      store.negative.value = negative_prompt ?? "";
    }
    show(job);
  } catch (failure) {
    fail(failure);
  }
}

/**
 * Show a picture of the history where it was drawn, enlarged.
 * @param {api.Kept} kept
 */
export async function revisit(kept) {
  go({ job: kept.job_id });
  await load(kept.job_id);
  store.open.value = store.job.value?.results.findIndex(({ id }) => id === kept.id) ?? -1;
}

/** Delete a job with its pictures. @param {string} id @returns {Promise<boolean>} whether it is gone */
export async function remove(id) {
  try {
    await api.remove(id);
  } catch (failure) {
    fail(failure);
    return false;
  }
  for (const name of /** @type {const} */ (["draw", "blend"])) if (last[name]?.id === id) last[name] = null;
  if (store.job.value?.id === id) clear();
  return true;
}

/** Leave the job on the page to itself and start with an empty page. */
export function clear() {
  stopFollowing();
  clearTimeout(unmannedTimer);
  store.job.value = null;
  store.isLost.value = store.isUnmanned.value = false;
  store.failure.value = null;
  store.open.value = -1;
}

/** End the job on the page. */
export async function cancel() {
  const job = store.job.value;
  if (!job || !isOpen(job)) return;
  try {
    store.job.value = await api.cancel(job.id);
    stopFollowing();
  } catch (failure) {
    fail(failure);
  }
}

/** Put one of the model's example sentences into the field; another one each time. */
export function surprise() {
  const examples = chosenModel()?.capabilities?.example_prompts ?? [];
  const others = examples.filter((example) => example !== store.prompt.value);
  if (!others.length) return;
  store.prompt.value = others[Math.floor(Math.random() * others.length)];
  document.getElementById("sentence")?.focus();
}

/** Fill the fields with what drew a picture. @param {Record<string, any>} settings */
export function use(settings) {
  if (typeof settings.prompt === "string") store.prompt.value = settings.prompt;
  store.negative.value = typeof settings.negative_prompt === "string" ? settings.negative_prompt : "";
  store.seed.value = Number.isSafeInteger(settings.seed) ? String(settings.seed) : "";
  const isKnown = store.models.value.some((model) => model.id === settings.model);
  store.model.value = isKnown ? settings.model : "";
  store.size.value = typeof settings.size === "string" ? settings.size : "auto";
  const candidates = settings.candidates;
  store.candidates.value = Number.isSafeInteger(candidates) && candidates >= 9 ? String(candidates) : "";
  store.open.value = -1;
  store.view.value = "draw";
  const more = document.getElementById("more");
  if (more instanceof HTMLDetailsElement) more.open = true;
  document.getElementById("sentence")?.focus();
}

/** @param {string} key */
export async function signIn(key) {
  store.isOperator.value = (await api.signIn(key)).is_operator;
  await shelf.clear(); // it may be somebody else
  store.needsKey.value = false;
  store.failure.value = null;
  store.isLocal.value = false;
  await learn();
}

/** Ask what the models can do, until a worker of each has told. */
export async function learn() {
  store.models.value = await api.models();
  if (store.models.value.some((model) => model.capabilities === null)) {
    setTimeout(() => learn().catch(() => {}), LEARN_MS); // a server that is away is told of elsewhere
  }
}

/** @param {unknown} failure */
export function fail(failure) {
  if (!(failure instanceof api.Failure)) throw failure;
  if (failure.kind === "key" && ["missing_api_key", "invalid_api_key"].includes(failure.code)) {
    store.needsKey.value = true;
  } else store.failure.value = failure;
}

/** Tell that something went well, for a few seconds. @param {string} text */
export function say(text) {
  store.notice.value = text;
  clearTimeout(noticeTimer);
  noticeTimer = window.setTimeout(() => {
    store.notice.value = "";
  }, NOTICE_MS);
}

/** Make the address name what is shown. @param {string | {job?: string, view?: string}} place */
export function go(place) {
  const query = new URLSearchParams(place).toString();
  const address = query ? `?${query}` : location.pathname;
  if (address !== location.search) history.pushState(null, "", address);
}

/** Show what the address names. */
export async function arrive() {
  const query = new URLSearchParams(location.search);
  const id = query.get("job");
  const token = query.get("share");
  if (token) {
    store.view.value = "shared";
    store.shared.value = await api.shared(token).catch(() => []);
    return;
  }
  const view = VIEWS.find((one) => one === query.get("view"));
  if (view && view !== "draw" && view !== "blend") store.view.value = view;
  else {
    const job = store.job.value;
    store.view.value = job && id === job.id ? homeOf(job) : (view ?? "draw");
    if (!id) clear();
    else if (id !== job?.id) await load(id);
  }
}

/** @param {string} text digits, as the form has checked @returns {number | null} */
const whole = (text) => (text.trim() ? Number(text) : null);

const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % MAX_RANDOM_SEED;

/** How long is left, in words. @param {api.Job} job @returns {string} */
export const left = (job) =>
  job.estimated_seconds === null ? "" : t("queue.left", { time: duration(job.estimated_seconds) });
