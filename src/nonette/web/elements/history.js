/** What one has drawn on this server, newest first; found again by words of its sentence. */

import * as api from "../api.js";
import * as commands from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { moment, t, titleOf } from "../i18n.js";
import { effect, onEnd, signal } from "../signals.js";
import { store } from "../store.js";

const AT_ONCE = 90; // pictures
const PAUSE_MS = 250; // between the last letter of a search and the search

class History extends Panel {
  #search = signal("");
  #isFavourites = signal(false);
  /** @type {import("../signals.js").Signal<api.Kept[]>} */
  #found = signal(/** @type {api.Kept[]} */ ([]));
  #isLoading = signal(false);
  #hasMore = signal(false);
  /** The job that is about to be deleted. */
  #doomed = signal("");

  build() {
    const search = h("input", {
      id: "search", type: "search", autocomplete: "off", value: () => this.#search.value,
      placeholder: () => t("history.placeholder"), oninput: () => (this.#search.value = search.value),
    });
    effect(() => {
      const wanted = { search: this.#search.value, favourites: this.#isFavourites.value };
      if (store.view.value !== "history") return;
      const timer = setTimeout(() => this.#load(wanted), wanted.search ? PAUSE_MS : 0);
      onEnd(() => clearTimeout(timer));
    });
    const list = h("div", { class: "groups", "aria-busy": () => String(this.#isLoading.value) });
    effect(() => list.replaceChildren(...this.#groups().map((group) => this.#group(group))));
    const isEmpty = () => !this.#isLoading.value && !this.#found.value.length;
    const isFiltered = () => Boolean(this.#search.value) || this.#isFavourites.value;
    return [
      h("h1", {}, () => t("history.title")),
      h(
        "div",
        { class: "row filter", role: "search" },
        h("label", { for: "search" }, () => t("history.search")),
        search,
        h("button", {
          type: "button", class: "plain", "aria-pressed": () => String(this.#isFavourites.value),
          onclick: () => (this.#isFavourites.value = !this.#isFavourites.value),
        }, "★ ", () => t("history.favourites")),
      ),
      h("p", { class: "about", role: "status", hidden: () => !isEmpty() },
        () => t(isFiltered() ? "history.none" : "history.empty")),
      list,
      h("button", {
        type: "button", class: "plain", hidden: () => !this.#hasMore.value, onclick: () => this.#more(),
      }, () => t("history.more")),
      this.#question(),
    ];
  }

  /** @param {{search: string, favourites: boolean, before?: number}} wanted */
  async #load(wanted) {
    this.#isLoading.value = true;
    try {
      const next = await api.pictures({ ...wanted, limit: AT_ONCE });
      this.#found.value = wanted.before === undefined ? next : [...this.#found.value, ...next];
      this.#hasMore.value = next.length === AT_ONCE;
    } catch (failure) {
      commands.fail(failure);
    } finally {
      this.#isLoading.value = false;
    }
  }

  #more() {
    const last = this.#found.value.at(-1);
    this.#load({ search: this.#search.value, favourites: this.#isFavourites.value, before: last?.number });
  }

  /** @returns {api.Kept[][]} the pictures found, those of one job together, the best of it first */
  #groups() {
    /** @type {Map<string, api.Kept[]>} */
    const groups = new Map();
    for (const one of this.#found.value) {
      groups.set(one.job_id, [...(groups.get(one.job_id) ?? []), one]);
    }
    return [...groups.values()].map((group) => group.sort((a, b) => a.number - b.number));
  }

  /** @param {api.Kept[]} group */
  #group(group) {
    const [{ created_at, job_id }] = group;
    const prompt = titleOf(group[0]);
    return h(
      "section",
      { "aria-label": prompt },
      h("h2", {}, prompt),
      h(
        "div",
        { class: "row" },
        h("span", { class: "about" }, () => moment(created_at)),
        h("button", {
          type: "button", class: "quiet", "aria-label": () => t("history.delete.of", { prompt }),
          onclick: () => (this.#doomed.value = job_id),
        }, () => t("history.delete")),
      ),
      h("div", { class: "strip" }, ...group.map((kept, place) => thumbnail(kept, place, group.length))),
    );
  }

  /** Deleting is for good, so it is asked about. */
  #question() {
    const yes = async () => {
      const id = this.#doomed.value;
      if (await commands.remove(id)) {
        this.#found.value = this.#found.value.filter(({ job_id }) => job_id !== id);
        commands.say(t("history.deleted"));
      }
      dialog.close();
    };
    const dialog = h(
      "dialog",
      { class: "sheet", "aria-labelledby": "delete-title", onclose: () => (this.#doomed.value = "") },
      h("h2", { id: "delete-title" }, () => t("history.delete.sure")),
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, () => t("history.keep")),
        h("button", { type: "button", class: "primary", onclick: yes }, () => t("history.delete")),
      ),
    );
    effect(() => {
      if (this.#doomed.value && !dialog.open) dialog.showModal();
    });
    return dialog;
  }
}

/**
 * @param {api.Kept} kept
 * @param {number} place
 * @param {number} count
 */
const thumbnail = (kept, place, count) =>
  h(
    "button",
    {
      type: "button", class: kept.is_favourite ? "tile is-favourite" : "tile",
      "aria-label": () => t("tile", { place: place + 1, count, prompt: titleOf(kept) })
        + (kept.is_favourite ? ` ★ ${t("favourite")}` : ""),
      onclick: () => commands.revisit(kept),
    },
    h("img", {
      src: kept.url, alt: titleOf(kept), loading: "lazy", decoding: "async",
      width: String(kept.width), height: String(kept.height),
    }),
  );

define("nonette-history", History);
