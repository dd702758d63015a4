/** Everything that can be done with what is being edited; buttons and keys both come here. */

import * as api from "../api.js";
import { fail, go, twice } from "../commands.js";
import { t } from "../i18n.js";
import { isOpen, store } from "../store.js";
import { firstFrame } from "./frame.js";
import { find, unpack } from "./memory.js";
import { moved } from "./geometry.js";
import { candidate, current, layOf, maskOf, MODES, modelFor, obstacle, planOf, session } from "./session.js";
import { wishOf } from "./wish.js";
import { seeAll } from "./zoom.js";

/** @typedef {import("./session.js").Mode} Mode */
/** @typedef {import("./session.js").Step} Step */

const COUNT = { edit: 4, extend: 4, vary: 9, enlarge: 1 };

let stop = () => {};
let isAside = false; // whether another picture is to be chosen than the one kept

/** Begin with a picture of the server. @param {api.Picture & {prompt?: string}} picture @param {Mode} [mode] */
export function open(picture, mode = "edit") {
  const { id, url, width, height, prompt } = picture;
  begin(stepOf({ url, name: id, width, height, prompt: prompt ?? "" }), mode);
  address(`picture=${id}`);
}

/** Begin with a file. @param {Blob} file @param {Mode} [mode] */
export async function take(file, mode = session.mode.value) {
  const url = URL.createObjectURL(file);
  try {
    const { width, height } = await measured(url);
    begin(stepOf({ url, file, width, height }), mode);
    address("");
  } catch {
    URL.revokeObjectURL(url);
    fail(new api.Failure("input", t("edit.unreadable")));
  }
}

/** Ask the server for what the fields say. */
export async function run() {
  const step = current();
  if (!step || session.isSending.value || isOpen(session.job.value)) return;
  const why = obstacle();
  if (why) return tell(why);
  session.isSending.value = true;
  store.failure.value = null;
  try {
    const mode = session.mode.value;
    const { wish, files } = await wishOf(step, {
      mode,
      prompt: session.prompt.value,
      model: modelFor(mode)?.id ?? "",
      count: COUNT[mode],
      strength: session.strength.value,
      factor: session.factor.value,
      feather: session.feather[mode]?.value ?? 0,
      mask: maskOf,
      plan: planOf(step),
    });
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    const job = await twice(() => api.submit(wish, key, files));
    if (step.file && files.source === step.file) step.name = job.inputs.source;
    follow(job);
    address(`job=${job.id}`);
  } catch (failure) {
    if (step.file && failure instanceof api.Failure && failure.kind === "gone") step.name = "";
    fail(failure);
  } finally {
    session.isSending.value = false;
  }
}

/** End the job that is drawn. */
export async function cancel() {
  const job = session.job.value;
  if (!job || !isOpen(job)) return;
  try {
    session.job.value = await api.cancel(job.id);
    stop();
  } catch (failure) {
    fail(failure);
  }
}

/** Go on with the picture that is looked at. */
export function keep() {
  const [job, picture, step] = [session.job.value, candidate(), current()];
  if (!job || !picture || !step) return;
  const { id, url, width, height } = picture;
  const known = { url, name: id, width, height, prompt: session.prompt.value, kept: { job, picture } };
  const { whole, filled } = layOf(step, job, picture);
  const next = stepOf({ ...known, filled });
  const frame = moved(session.frame.value, -whole.x, -whole.y);
  session.steps.value = [...session.steps.value.slice(0, session.at.value + 1), next];
  visit(session.steps.value.length - 1);
  if (session.mode.value === "extend") session.frame.value = frame;
  tell(t("edit.kept"));
}

/** To another way of working on the step. @param {Mode} mode */
export function turnTo(mode) {
  if (session.job.value) discard();
  session.mode.value = mode;
}

/** Leave what came back, and be with the step as it was. */
export function discard() {
  stop();
  session.job.value = null;
  session.chosen.value = 0;
  address(current()?.name.startsWith("pic_") ? `picture=${current()?.name}` : "");
}

/** Look at a picture of the job, or at -1, the step itself. @param {number} place */
export function choose(place) {
  const count = session.job.value?.results.length ?? 0;
  if (count && place >= -1 && place < count) session.chosen.value = place;
}

/** Be with a step of the strip. @param {number} place */
export function visit(place) {
  const [before, next] = [current(), session.steps.value[place]];
  if (!next) return;
  if (before?.width !== next.width || before.height !== next.height) seeAll();
  session.at.value = place;
  discard();
  firstFrame();
}

/** Turn the brush into an eraser or back, and to a size. @param {number} times */
export function resize(times) {
  session.size.value = Math.min(0.5, Math.max(0.005, session.size.value * times));
}

/** Tell a screen reader. @param {string} text */
export function tell(text) {
  session.told.value = "";
  queueMicrotask(() => (session.told.value = text));
}

/** Show what the address names. @param {URLSearchParams} query */
export async function arrive(query) {
  const [job, picture] = [query.get("job"), query.get("picture")];
  const isHere = job ? job === session.job.value?.id : picture ? picture === current()?.name : current();
  if (isHere || (isAside && !job && !picture)) return;
  try {
    if (await resume(job ? `job=${job}` : picture ? `picture=${picture}` : "")) return;
    if (job) await restore(await api.look(job));
    else if (picture) open(await api.picture(picture));
  } catch (failure) {
    fail(failure);
  }
}

/** @returns {string} what names the session in an address */
export const placed = () => (session.place.value ? `view=edit&${session.place.value}` : "view=edit");

/** Lay what is edited aside, and begin with another picture. */
export function layAside() {
  leave();
  isAside = true;
  session.job.value = null;
  session.at.value = -1;
  session.steps.value = [];
  address("");
}

/**
 * Come back to what this browser keeps of an address.
 * @param {string} named "" for whatever was worked on last
 * @returns {Promise<boolean>} whether it keeps it
 */
async function resume(named) {
  const before = current();
  const record = await find(named);
  const found = record && (await unpack(record, measured));
  if (!found || current() !== before) return Boolean(found);
  leave();
  session.job.value = null;
  seeAll();
  found.apply();
  address(record.place);
  const job = new URLSearchParams(record.place).get("job");
  if (job) follow(await api.look(job));
  return true;
}

/** Come back to a job whose picture this page does not know. @param {api.Job} job */
async function restore(job) {
  const mode = MODES.find((one) => one === job.request.task);
  if (!mode) return;
  const source = `/api/jobs/${job.id}/inputs/source`;
  const url = await measured(source).then(() => source, () => job.results[0]?.url);
  if (!url) return fail(new api.Failure("gone", ""));
  const name = url === source ? job.inputs.source : job.results[0].id;
  const { width, height } = await measured(url);
  begin(stepOf({ url, name, width, height, prompt: job.request.prompt }), mode);
  follow(job);
  address(`job=${job.id}`);
}

function leave() {
  stop();
  isAside = false;
  for (const { file, url } of session.steps.value) if (file) URL.revokeObjectURL(url);
}

/** @param {Step} step @param {Mode} mode */
function begin(step, mode) {
  leave();
  store.failure.value = null;
  session.job.value = null;
  session.mode.value = mode;
  session.id.value = crypto.getRandomValues(new Uint32Array(4)).join("-");
  session.steps.value = [step];
  session.at.value = 0;
  session.prompt.value = step.prompt;
  session.point.value = { x: 0.5, y: 0.5 };
  seeAll();
  firstFrame();
  store.open.value = -1;
  if (store.view.value !== "edit") {
    go({ view: "edit" });
    store.view.value = "edit";
  }
}

/** @param {Partial<Step> & {url: string, width: number, height: number}} known @returns {Step} */
function stepOf(known) {
  const { width, height } = known;
  const filled = known.filled ?? [{ x: 0, y: 0, width, height }];
  return { name: "", file: null, prompt: "", kept: null, ...known, filled };
}

/** @param {api.Job} job */
function follow(job) {
  stop();
  session.chosen.value = 0;
  session.isLost.value = false;
  session.job.value = job;
  if (!isOpen(job)) return;
  stop = api.follow(job.id, {
    onJob(next) {
      if (next.version >= (session.job.value?.version ?? 0)) session.job.value = next;
    },
    onLost: (isLost) => (session.isLost.value = isLost),
    onFailure: fail,
  });
}

/** @param {string} url @returns {Promise<{width: number, height: number}>} */
async function measured(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/** Make the address name the session; going back leaves it. @param {string} rest */
function address(rest) {
  session.place.value = rest;
  if (store.view.value === "edit") history.replaceState(null, "", `?${placed()}`);
}
