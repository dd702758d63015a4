/** What one has drawn on this server, newest first; found again by words, marks and collections. */

import * as api from "../api.js";
import * as commands from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { moment, t, titleOf } from "../i18n.js";
import { ask, changed, room } from "../rooms.js";
import { effect, onEnd, signal } from "../signals.js";
import { store } from "../store.js";
import { collectionBar } from "./collections.js";
import { selection, selectionBar } from "./selection.js";

const AT_ONCE = 90; // pictures
const PAUSE_MS = 250; // between the last letter of a search and the search

/** @typedef {{search: string, favourites: boolean, collection?: string, before?: number}} Wanted */

class History extends Panel {
  #search = signal("");
  #isFavourites = signal(false);
  #collection = signal("");
  /** @type {import("../signals.js").Signal<api.Kept[]>} */
  #found = signal(/** @type {api.Kept[]} */ ([]));
  #isLoading = signal(false);
  #hasMore = signal(false);
  #asked = 0;

  build() {
    const search = h("input", {
      id: "search", type: "search", autocomplete: "off", value: () => this.#search.value,
      placeholder: () => t("history.placeholder"), oninput: () => (this.#search.value = search.value),
    });
    effect(() => {
      const wanted = this.#wanted();
      void room.changes.value;
      if (store.view.value !== "history") return;
      const timer = setTimeout(() => this.#load(wanted), wanted.search ? PAUSE_MS : 0);
      onEnd(() => clearTimeout(timer));
    });
    const list = h("div", { class: "groups", "aria-busy": () => String(this.#isLoading.value) });
    effect(() => list.replaceChildren(...this.#groups().map((one) => group(one, this.#forget))));
    const isEmpty = () => !this.#isLoading.value && !this.#found.value.length;
    const isFiltered = () => Boolean(this.#search.value || this.#collection.value) || this.#isFavourites.value;
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
        h("button", {
          type: "button", class: "plain", "aria-pressed": () => String(selection.isOn.value),
          onclick: () => (selection.isOn.value ? selection.end() : selection.begin()),
        }, () => t("choose")),
      ),
      collectionBar(this.#collection),
      h("p", { class: "about", role: "status", hidden: () => !isEmpty() },
        () => t(isFiltered() ? "history.none" : "history.empty")),
      list,
      h("button", {
        type: "button", class: "plain", hidden: () => !this.#hasMore.value, onclick: () => this.#more(),
      }, () => t("history.more")),
      selectionBar(this.#found, this.#collection),
    ];
  }

  /** @returns {Wanted} */
  #wanted() {
    return {
      search: this.#search.value, favourites: this.#isFavourites.value, collection: this.#collection.value,
    };
  }

  /** @param {Wanted} wanted */
  async #load(wanted) {
    const turn = ++this.#asked; // an answer that is overtaken by a later question is dropped
    this.#isLoading.value = true;
    try {
      const next = await api.pictures({ ...wanted, limit: AT_ONCE });
      if (turn !== this.#asked) return;
      this.#found.value = wanted.before === undefined ? next : [...this.#found.value, ...next];
      this.#hasMore.value = next.length === AT_ONCE;
    } catch (failure) {
      commands.fail(failure);
    } finally {
      if (turn === this.#asked) this.#isLoading.value = false;
    }
  }

  #more() {
    this.#load({ ...this.#wanted(), before: this.#found.value.at(-1)?.number });
  }

  /** No longer show the pictures of a job. @param {string} id */
  #forget = (id) => {
    this.#found.value = this.#found.value.filter(({ job_id }) => job_id !== id);
  };

  /** @returns {api.Kept[][]} the pictures found, those of one job together, the best of it first */
  #groups() {
    /** @type {Map<string, api.Kept[]>} */
    const groups = new Map();
    for (const one of this.#found.value) {
      groups.set(one.job_id, [...(groups.get(one.job_id) ?? []), one]);
    }
    return [...groups.values()].map((group) => group.sort((a, b) => a.number - b.number));
  }
}

/**
 * @param {api.Kept[]} pictures of one job
 * @param {(id: string) => void} forget once they are deleted
 */
function group(pictures, forget) {
  const [{ created_at, job_id }] = pictures;
  const prompt = titleOf(pictures[0]);
  const doom = () =>
    ask({
      text: t("history.delete.sure"),
      yes: t("history.delete"),
      act: async () => {
        if (!(await commands.remove(job_id))) return;
        forget(job_id);
        changed();
        commands.say(t("history.deleted"));
      },
    });
  return h(
    "section",
    { "aria-label": prompt },
    h("h2", {}, prompt),
    h(
      "div",
      { class: "row" },
      h("span", { class: "about" }, () => moment(created_at)),
      h("button", {
        type: "button", class: "quiet", "aria-label": () => t("history.delete.of", { prompt }), onclick: doom,
      }, () => t("history.delete")),
    ),
    h("div", { class: "strip" }, ...pictures.map((kept, place) => thumbnail(kept, place, pictures.length))),
  );
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
      type: "button",
      class: () => ["tile", kept.is_favourite && "is-favourite", kept.published_at && "is-published",
        selection.has(kept.id) && "is-chosen"].filter(Boolean).join(" "),
      "aria-label": () => t("tile", { place: place + 1, count, prompt: titleOf(kept) })
        + (kept.is_favourite ? ` ★ ${t("favourite")}` : "") + (kept.published_at ? `, ${t("published")}` : ""),
      "aria-pressed": () => (selection.isOn.value ? String(selection.has(kept.id)) : null),
      onclick: () => (selection.isOn.value ? selection.turn(kept.id) : commands.revisit(kept)),
    },
    h("img", {
      src: kept.url, alt: titleOf(kept), loading: "lazy", decoding: "async",
      width: String(kept.width), height: String(kept.height),
    }),
  );

define("nonette-history", History);
