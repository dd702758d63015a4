/** What the rooms beside drawing ask of the server; `api.js` does the asking. */

import { blob, json } from "./api.js";

/** @typedef {import("./types.js").Kept} Kept */
/** @typedef {import("./types.js").Collection} Collection */
/** @typedef {import("./types.js").Shown} Shown */
/** @typedef {import("./types.js").Account} Account */
/** @typedef {import("./types.js").Overview} Overview */
/** @typedef {import("./types.js").OpenJob} OpenJob */
/** @typedef {import("./types.js").Report} Report */

const part = encodeURIComponent;

/**
 * Change what is kept about a picture: whether it is marked, published, and what is told of it.
 * @param {string} id
 * @param {{is_favourite?: boolean, is_published?: boolean, title?: string, tells_prompt?: boolean,
 *   maker?: string}} changes
 * @returns {Promise<Kept>}
 */
export const change = (id, changes) => json(`/api/pictures/${part(id)}`, "PATCH", changes);

/** Delete one picture for good. @param {string} id @returns {Promise<null>} */
export const removePicture = (id) => json(`/api/pictures/${part(id)}`, "DELETE");

/** These pictures as one archive. @param {string[]} ids @returns {Promise<Blob>} */
export const zip = (ids) => blob("/api/pictures/zip", { pictures: ids });

/** @returns {Promise<Collection[]>} one's collections, by name */
export const collections = async () => (await json("/api/collections")).data;

/** @param {string} name @returns {Promise<Collection>} */
export const newCollection = (name) => json("/api/collections", "POST", { name });

/** @param {string} id @param {string} name @returns {Promise<Collection>} */
export const renameCollection = (id, name) => json(`/api/collections/${part(id)}`, "PATCH", { name });

/** Forget a collection; its pictures stay. @param {string} id @returns {Promise<null>} */
export const removeCollection = (id) => json(`/api/collections/${part(id)}`, "DELETE");

/**
 * Put a picture into a collection, or take it out.
 * @param {string} id
 * @param {string} picture
 * @param {boolean} isIn
 * @returns {Promise<Collection>}
 */
export const put = (id, picture, isIn) =>
  json(`/api/collections/${part(id)}/pictures/${part(picture)}`, isIn ? "PUT" : "DELETE");

/**
 * Published pictures, newest first.
 * @param {{before?: number, limit: number}} wanted `before` is when the last one seen was published
 * @returns {Promise<Shown[]>}
 */
export async function gallery({ before, limit }) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (before !== undefined) query.set("before", String(before));
  return (await json(`/api/gallery?${query}`)).data;
}

/**
 * Tell the operators what is wrong with a published picture.
 * @param {string} id
 * @param {{category: string, message: string, contact: string}} what
 * @returns {Promise<{number: number}>}
 */
export const report = (id, what) => json(`/api/gallery/${part(id)}/report`, "POST", what);

/** @returns {Promise<Overview>} */
export const overview = () => json("/api/admin/overview");

/** @returns {Promise<OpenJob[]>} everybody's jobs that wait or run, in their order */
export const openJobs = async () => (await json("/api/admin/jobs")).data;

/** End somebody's job. @param {string} id @returns {Promise<null>} */
export const cancelJob = (id) => json(`/api/admin/jobs/${part(id)}/cancel`, "POST");

/** @returns {Promise<Account[]>} */
export const accounts = async () => (await json("/api/admin/accounts")).data;

/**
 * @param {{name: string, email: string | null, tier: string}} who
 * @returns {Promise<{account: string, key: string}>}
 */
export const addAccount = (who) => json("/api/admin/accounts", "POST", who);

/** @param {string} id @param {string} tier @returns {Promise<null>} */
export const changeTier = (id, tier) => json(`/api/admin/accounts/${part(id)}`, "PATCH", { tier });

/** Let somebody in. @param {string} id @returns {Promise<{key: string}>} */
export const approve = (id) => json(`/api/admin/accounts/${part(id)}/approve`, "POST");

/** Put somebody out. @param {string} id @param {string} reason @returns {Promise<null>} */
export const suspend = (id, reason) => json(`/api/admin/accounts/${part(id)}/suspend`, "POST", { reason });

/** @param {string} id @param {string} name @returns {Promise<{key: string}>} told this once */
export const newKey = (id, name) => json(`/api/admin/accounts/${part(id)}/keys`, "POST", { name });

/** @param {string} prefix @returns {Promise<null>} */
export const revokeKey = (prefix) => json(`/api/admin/keys/${part(prefix)}/revoke`, "POST");

/** @returns {Promise<Report[]>} those that are not decided yet, oldest first */
export const reports = async () => (await json("/api/admin/reports")).data;

/**
 * @param {number} number
 * @param {"keep" | "remove"} decision
 * @returns {Promise<Report>}
 */
export const decide = (number, decision) => json(`/api/admin/reports/${number}`, "POST", { decision });
