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
 * @property {string} title
 * @property {boolean} tells_prompt whether the gallery tells the prompt
 * @property {string} maker who the gallery says made it
 * @property {number | null} published_at
 * @property {boolean} is_hidden taken down by an operator
 *
 * @typedef {object} Collection
 * @property {string} id
 * @property {string} name
 * @property {string[]} pictures their ids
 *
 * @typedef {object} Shown a picture in the gallery; `published_at` is where a page goes on
 * @property {string} id
 * @property {string} url
 * @property {string} title
 * @property {string | null} prompt
 * @property {string} maker
 * @property {number} width
 * @property {number} height
 * @property {number} published_at
 *
 * @typedef {object} Tier
 * @property {number} weight
 * @property {number | null} max_waiting
 * @property {number | null} requests_per_minute
 * @property {number | null} pictures_per_day
 *
 * @typedef {object} Overview
 * @property {{name: string, waiting: number, running: number, workers: number,
 *   seconds_per_candidate: number | null}[]} models
 * @property {Record<string, number>} ended_today
 * @property {Record<string, number>} accounts
 * @property {number} pictures
 * @property {number} published
 * @property {number} open_reports
 * @property {number} oldest_seconds
 * @property {number} disk_free_bytes
 * @property {Record<string, Tier>} tiers
 *
 * @typedef {object} OpenJob somebody's job that waits or runs
 * @property {string} id
 * @property {string} who
 * @property {string} model
 * @property {"waiting" | "running"} state
 * @property {number} num_pictures
 * @property {number} created_at
 * @property {number} done 0 to 1
 *
 * @typedef {object} Account
 * @property {string} id
 * @property {string} name
 * @property {string | null} email
 * @property {string} about
 * @property {string} tier
 * @property {"waiting" | "active" | "suspended"} state
 * @property {boolean} is_operator
 * @property {number} created_at
 * @property {number} pictures_today
 * @property {{prefix: string, name: string, revoked_at: number | null}[]} keys
 *
 * @typedef {object} Report
 * @property {number} number
 * @property {string} picture_id
 * @property {string} category
 * @property {string} message
 * @property {string} contact
 * @property {number} created_at
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
