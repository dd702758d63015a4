/** What whoever runs the server sees and does: numbers, the queue, reports, accounts and their keys. */

import * as rooms from "../api-rooms.js";
import { define, h, Panel } from "../dom.js";
import { duration, moment, number, t } from "../i18n.js";
import { attempt } from "../rooms.js";
import { effect, onEnd, signal } from "../signals.js";
import { store } from "../store.js";
import "./operator-accounts.js";
import "./operator-reports.js";
import { table } from "./table.js";

const EVERY_MS = 5000;
const GIGABYTE = 1e9;

class Operator extends Panel {
  /** @type {import("../signals.js").Signal<rooms.Overview | null>} */
  #seen = signal(/** @type {rooms.Overview | null} */ (null));
  /** @type {import("../signals.js").Signal<rooms.OpenJob[]>} */
  #jobs = signal(/** @type {rooms.OpenJob[]} */ ([]));
  #known = "";

  build() {
    effect(() => {
      if (store.view.value !== "operator") return;
      this.#look();
      const timer = setInterval(() => this.#look(), EVERY_MS);
      onEnd(() => clearInterval(timer));
    });
    return [
      h("h1", {}, () => t("operator.title")),
      section("operator.now", () => this.#numbers(), () => this.#models()),
      section("operator.queue", () => this.#queue()),
      document.createElement("nonette-operator-reports"),
      document.createElement("nonette-operator-accounts"),
      section("operator.tiers", () => this.#tiers()),
    ];
  }

  async #look() {
    const found = await attempt(() => Promise.all([rooms.overview(), rooms.openJobs()]));
    if (!found) return;
    this.#seen.value = found[0];
    const jobs = JSON.stringify(found[1]); // a table that did not change keeps its focus
    if (jobs !== this.#known) this.#jobs.value = found[1];
    this.#known = jobs;
  }

  #numbers() {
    const seen = this.#seen.value;
    if (!seen) return h("p", {}, "…");
    const ended = (/** @type {string} */ state) => seen.ended_today[state] ?? 0;
    const facts = [
      ["operator.done", number(ended("done"))],
      ["operator.failed", number(ended("failed") + ended("refused"))],
      ["operator.cancelled", number(ended("cancelled"))],
      ["operator.pictures", number(seen.pictures)],
      ["operator.published", number(seen.published)],
      ["operator.oldest", seen.oldest_seconds ? duration(seen.oldest_seconds) : "–"],
      ["operator.disk", t("operator.gigabytes", { n: number(seen.disk_free_bytes / GIGABYTE, 1) })],
    ];
    return h("dl", { class: "numbers" }, ...facts.map(([key, value]) =>
      h("div", {}, h("dt", {}, t(key)), h("dd", {}, value))));
  }

  #models() {
    const rows = (this.#seen.value?.models ?? []).map((one) => [
      one.name, number(one.workers), number(one.running), number(one.waiting),
      one.seconds_per_candidate === null ? "–" : t("operator.seconds", { n: number(one.seconds_per_candidate, 2) }),
    ]);
    const heads = ["model", "operator.workers", "operator.running", "operator.waiting", "operator.speed"];
    return table(t("operator.models"), heads.map((key) => t(key)), rows, "");
  }

  #queue() {
    const rows = this.#jobs.value.map((job) => [
      job.who, job.model, number(job.num_pictures), moment(job.created_at, { timeStyle: "medium" }),
      job.state === "running" ? t("operator.share", { n: number(100 * job.done) }) : t("operator.waits"),
      h("button", {
        type: "button", class: "quiet", "aria-label": t("operator.cancel.of", { name: job.who }),
        onclick: () => attempt(() => rooms.cancelJob(job.id)).then(() => this.#look()),
      }, t("cancel")),
    ]);
    const heads = ["operator.who", "model", "operator.count", "operator.since", "operator.state"];
    return table(t("operator.queue"), [...heads.map((key) => t(key)), ""], rows, t("operator.queue.empty"));
  }

  #tiers() {
    const limit = (/** @type {number | null} */ value) => (value === null ? "–" : number(value));
    const rows = Object.entries(this.#seen.value?.tiers ?? {}).map(([name, tier]) => [
      name, number(tier.weight, 2), limit(tier.max_waiting), limit(tier.requests_per_minute), limit(tier.pictures_per_day),
    ]);
    const heads = ["operator.tier", "tier.weight", "tier.waiting", "tier.requests", "tier.pictures"];
    return h("div", {}, table(t("operator.tiers"), heads.map((key) => t(key)), rows, ""),
      h("p", { class: "about" }, t("operator.tiers.about")));
  }
}

/**
 * @param {string} key of its heading
 * @param {...() => Node} parts made again when what they read has changed
 */
function section(key, ...parts) {
  const boxes = parts.map((part) => {
    const box = h("div", {});
    effect(() => box.replaceChildren(part()));
    return box;
  });
  return h("section", { "aria-label": () => t(key) }, h("h2", {}, () => t(key)), ...boxes);
}

define("nonette-operator", Operator);
