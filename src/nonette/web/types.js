/** What the server answers, as types for `tsc`; there is nothing here to run. */

/**
 * @typedef {object} Picture
 * @property {string} id
 * @property {string} url
 * @property {number} seed
 * @property {number | null} score
 * @property {number} width
 * @property {number} height
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {"waiting" | "running" | "done" | "failed" | "cancelled" | "refused"} state
 * @property {number} version
 * @property {string} model
 * @property {Record<string, any>} request
 * @property {Record<string, string>} inputs uploads by the request's field
 * @property {number | null} position
 * @property {number | null} estimated_seconds
 * @property {{done: number, total: number, phase: string}} progress
 * @property {{code: string, message: string} | null} reason
 * @property {string[]} unknown_words
 * @property {number | null} seconds
 * @property {number} created_at
 * @property {number | null} started_at
 * @property {number | null} finished_at
 * @property {Picture[]} results
 *
 * @typedef {object} Model
 * @property {string} id
 * @property {string} root
 * @property {{native_size: [number, number], default_candidates: number, tasks: string[],
 *   example_prompts: string[]} | null} capabilities
 *
 * @typedef {object} Kept a picture in one's history; `number` is where a page goes on
 * @property {number} number
 * @property {string} id
 * @property {string} job_id
 * @property {string} url
 * @property {number} seed
 * @property {number | null} score
 * @property {string} task
 * @property {string} prompt
 * @property {number} width
 * @property {number} height
 * @property {number} created_at
 * @property {boolean} is_favourite
 *
 * @typedef {object} Rule a rule that a sentence breaks
 * @property {string} name
 * @property {string} title
 * @property {string} title_fr
 * @property {string[]} words
 *
 * @typedef {"refused" | "full" | "offline" | "away" | "key" | "input" | "gone" | "bug"} Kind
 */

export {};
