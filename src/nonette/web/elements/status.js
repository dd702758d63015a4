/** Where the job stands, in words: the queue, the time, and what is being done. */

import * as commands from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { duration, list, number, t } from "../i18n.js";
import { effect, onEnd, signal } from "../signals.js";
import { isOpen, store } from "../store.js";

const PHASES = ["drawing", "painting", "imagining", "enlarging", "ranking"];

class Status extends Panel {
  build() {
    const seconds = signal(0);
    effect(() => {
      if (!isOpen(store.job.value)) return;
      const start = store.startedAt.value;
      const tick = () => {
        seconds.value = Math.max(0, performance.now() - start) / 1000;
      };
      tick();
      const timer = setInterval(tick, 100);
      onEnd(() => clearInterval(timer));
    });
    const isBusy = () => isOpen(store.job.value);
    const bar = h("progress", {
      "aria-label": () => t("progress"), hidden: () => !isBusy(), max: "1",
    });
    effect(() => {
      const { done, total } = store.job.value?.progress ?? { done: 0, total: 0 };
      if (store.job.value?.state === "running" && total) bar.value = done / total;
      else bar.removeAttribute("value");
    });
    return [
      h(
        "section",
        { class: "status", "aria-label": () => t("status"), hidden: () => !store.job.value },
        h("p", { class: "state", role: "status", text: () => headline(store.job.value) }),
        bar,
        h(
          "p",
          { class: "clock", hidden: () => !isBusy() },
          h("span", { role: "timer", "aria-live": "off" }, () => clock(seconds.value)),
          h("span", {}, () => (store.job.value ? commands.left(store.job.value) : "")),
        ),
        h("p", { class: "warn", role: "status", hidden: () => !hint(), text: hint }),
        h(
          "p",
          { class: "strange", hidden: () => !store.job.value?.unknown_words.length },
          h("strong", {}, () => t("strange", { words: list(store.job.value?.unknown_words ?? []) })),
          " ",
          () => t("strange.about"),
        ),
      ),
    ];
  }
}

/** What is true of a job now; a screen reader is told whenever it changes. @param {import("../api.js").Job | null} job */
export function headline(job) {
  if (!job) return "";
  const { state, position, progress, seconds, results, request } = job;
  if (state === "waiting") {
    return position === null || position <= 1 ? t("queue.next") : t("queue.ahead", { n: position - 1 });
  }
  if (state === "running") return t(`running.${phaseOf(request, progress.phase)}`);
  if (state === "done") {
    const time = seconds !== null && seconds >= 1 ? duration(seconds) : t("time.moment");
    return t("done", { n: results.length, time });
  }
  if (state === "cancelled") return t("cancelled");
  return t(`ended.${state}`, { why: job.reason?.message ?? "" });
}

/**
 * What is being done, of what the catalogues have words for.
 * @param {Record<string, any>} request
 * @param {string} phase as the worker tells it; "starting" before it has told anything
 */
function phaseOf({ task }, phase) {
  if (PHASES.includes(phase)) return phase;
  return task === "enlarge" ? "enlarging" : "drawing";
}

/** What stands in the way while the job waits. @returns {string} */
function hint() {
  if (!isOpen(store.job.value)) return "";
  if (store.isLost.value) return t("lost");
  return store.isUnmanned.value ? t("unmanned") : "";
}

/** @param {number} seconds @returns {string} as "1:05" or "4.2 s" */
function clock(seconds) {
  if (seconds < 60) return t("clock.seconds", { s: number(Math.floor(seconds)) });
  const rest = Math.floor(seconds % 60).toString().padStart(2, "0");
  return `${Math.floor(seconds / 60)}:${rest}`;
}

define("nonette-status", Status);
