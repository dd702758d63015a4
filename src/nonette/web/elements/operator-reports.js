/** What people say against published pictures, and what becomes of those. */

import * as rooms from "../api-rooms.js";
import { say } from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { moment, t } from "../i18n.js";
import { attempt, changed } from "../rooms.js";
import { effect, signal } from "../signals.js";
import { store } from "../store.js";
import { table } from "./table.js";

class Reports extends Panel {
  /** @type {import("../signals.js").Signal<rooms.Report[]>} */
  #reports = signal(/** @type {rooms.Report[]} */ ([]));

  build() {
    effect(() => {
      if (store.view.value === "operator") this.#load();
    });
    const box = h("div", {});
    effect(() => box.replaceChildren(this.#table()));
    return [h("section", { "aria-label": () => t("reports") }, h("h2", {}, () => t("reports")), box)];
  }

  async #load() {
    this.#reports.value = (await attempt(rooms.reports)) ?? this.#reports.peek();
  }

  #table() {
    const rows = this.#reports.value.map((report) => {
      const what = t(`report.${report.category.replace("-", "_")}`);
      /** @param {"keep" | "remove"} decision @param {string} kind */
      const button = (decision, kind) =>
        h("button", {
          type: "button", class: kind, onclick: () => this.#decide(report.number, decision),
        }, t(`reports.${decision}`));
      return [
        what,
        h("img", {
          src: `/api/gallery/${report.picture_id}/file`, alt: t("reports.picture", { n: report.number }), class: "stamp",
        }),
        report.message || "–",
        report.contact || "–",
        moment(report.created_at),
        h("div", { class: "row" }, button("keep", "plain"), button("remove", "primary")),
      ];
    });
    const heads = ["report.category", "reports.of", "reports.said", "reports.contact", "reports.when"];
    return table(t("reports"), [...heads.map((key) => t(key)), ""], rows, t("reports.none"));
  }

  /** @param {number} number @param {"keep" | "remove"} decision */
  async #decide(number, decision) {
    if (!(await attempt(() => rooms.decide(number, decision)))) return;
    say(t(`reports.${decision}.done`));
    changed();
    await this.#load();
  }
}

define("nonette-operator-reports", Reports);
