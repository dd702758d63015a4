/** Everything that the page is showing, as named signals; panels read them, commands set them. */

import { signal } from "./signals.js";

/** @template T @typedef {import("./signals.js").Signal<T>} Signal */
/** @typedef {import("./api.js").Job} Job */
/** @typedef {import("./api.js").Failure} Failure */

/** The views that have a place in the header; operators alone see the last. */
export const VIEWS = /** @type {const} */ (["draw", "edit", "blend", "history", "gallery", "operator"]);

/** @typedef {typeof VIEWS[number] | "shared"} View */

export const store = {
  /** What is asked for; fields are as the person typed them, "" leaves one to the model. */
  prompt: signal(""),
  negative: signal(""),
  seed: signal(""),
  candidates: signal(""),
  size: signal("auto"),
  model: signal(""),
  /** Whether saved files tell the sentence. */
  tells: signal(true),

  /** @type {Signal<import("./api.js").Model[]>} */
  models: signal(/** @type {import("./api.js").Model[]} */ ([])),
  /** Whether the server wants a key first. */
  needsKey: signal(false),

  /** Whether the server serves the person at its own machine, whose links need no sharing. */
  isLocal: signal(true),
  /** Whether the person looks after others. */
  isOperator: signal(false),

  view: signal(/** @type {View} */ ("draw")),
  /** What somebody else's link shows. */
  shared: signal(/** @type {import("./api.js").Picture[]} */ ([])),
  /** The job on the page. @type {Signal<Job | null>} */
  job: signal(/** @type {Job | null} */ (null)),
  /** Whether a wish is on its way and not yet accepted. */
  isSending: signal(false),
  /** Whether the connection that follows the job is lost. */
  isLost: signal(false),
  /** Whether no worker is there to draw it. */
  isUnmanned: signal(false),
  /** When the job on the page began by this machine's clock, in milliseconds. */
  startedAt: signal(0),
  /** What went wrong last. @type {Signal<Failure | null>} */
  failure: signal(/** @type {Failure | null} */ (null)),
  /** The rules that the last sentence broke. @type {Signal<import("./api.js").Rule[]>} */
  rules: signal(/** @type {import("./api.js").Rule[]} */ ([])),
  /** A short word of success, such as "copied". */
  notice: signal(""),

  /** The picture that is enlarged, by its place; -1 for none. */
  open: signal(-1),
};

/** @returns {import("./api.js").Model | undefined} the model that is chosen, or the default */
export function chosenModel() {
  const models = store.models.value;
  return models.find((model) => model.id === store.model.value) ?? models[0];
}

/** @param {Job | null} job @returns {boolean} whether it waits or runs */
export const isOpen = (job) => job !== null && ["waiting", "running"].includes(job.state);
