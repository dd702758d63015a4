/** What others let everybody see, newest first: each with its sentence and maker, where they are told. */

import * as rooms from "../api-rooms.js";
import { use } from "../commands.js";
import { define, fill, h, icon, Panel } from "../dom.js";
import { moment, t } from "../i18n.js";
import { turn } from "../keys.js";
import { attempt, room } from "../rooms.js";
import { effect, signal } from "../signals.js";
import { store } from "../store.js";
import { told } from "./collections.js";

const AT_ONCE = 48; // pictures
const CLOSE = "M6 6l12 12M18 6L6 18";
const CATEGORIES = [
  "hate", "harassment", "violence", "self-harm", "sexual", "shocking", "illegal", "deception", "privacy",
  "rights", "spam", "other",
];

/** @typedef {rooms.Shown} Shown */

class Gallery extends Panel {
  /** @type {import("../signals.js").Signal<Shown[]>} */
  #shown = signal(/** @type {Shown[]} */ ([]));
  #isLoading = signal(false);
  #hasMore = signal(false);
  /** @type {import("../signals.js").Signal<Shown | null>} */
  #open = signal(/** @type {Shown | null} */ (null));
  /** @type {import("../signals.js").Signal<Shown | null>} */
  #reported = signal(/** @type {Shown | null} */ (null));

  build() {
    effect(() => {
      void room.changes.value;
      if (store.view.value === "gallery") this.#load();
    });
    const list = h("ul", { class: "cards", "aria-busy": () => String(this.#isLoading.value) });
    effect(() => list.replaceChildren(...this.#shown.value.map((one) => this.#card(one))));
    return [
      h("h1", {}, () => t("gallery.title")),
      h("p", { class: "about", role: "status", hidden: () => this.#isLoading.value || this.#shown.value.length > 0 },
        () => t("gallery.empty")),
      list,
      h("button", {
        type: "button", class: "plain", hidden: () => !this.#hasMore.value,
        onclick: () => this.#load(this.#shown.value.at(-1)?.published_at),
      }, () => t("history.more")),
      this.#large(),
      reportDialog(this.#reported),
    ];
  }

  /** @param {number} [before] */
  async #load(before) {
    this.#isLoading.value = true;
    const next = await attempt(() => rooms.gallery({ before, limit: AT_ONCE }));
    this.#isLoading.value = false;
    if (!next) return;
    this.#shown.value = before === undefined ? next : [...this.#shown.peek(), ...next];
    this.#hasMore.value = next.length === AT_ONCE;
  }

  /** @param {Shown} one */
  #card(one) {
    return h(
      "li",
      {},
      h("button", {
        type: "button", class: "tile", "aria-label": () => t("gallery.open", { name: nameOf(one) }),
        onclick: () => (this.#open.value = one),
      }, picture(one, "lazy")),
      h("div", { class: "caption" }, ...caption(one), this.#acts(one)),
    );
  }

  /** @param {Shown} one */
  #acts(one) {
    const draw = () => {
      turn("draw");
      use({ prompt: one.prompt });
    };
    return h(
      "div",
      { class: "row" },
      one.prompt?.trim() && h("button", { type: "button", class: "plain", onclick: draw }, () => t("gallery.draw")),
      h("button", {
        type: "button", class: "quiet", "aria-label": () => t("report.of", { name: nameOf(one) }),
        onclick: () => (this.#reported.value = one),
      }, () => t("report")),
    );
  }

  /** One picture as large as it can be. */
  #large() {
    const stage = h("figure", {});
    const side = h("div", { class: "side" });
    const dialog = h(
      "dialog",
      {
        class: "viewer", "aria-label": () => (this.#open.value ? nameOf(this.#open.value) : ""),
        onclose: () => (this.#open.value = null),
        onclick: (/** @type {Event} */ event) => event.target === dialog && dialog.close(),
        onkeydown: (/** @type {KeyboardEvent} */ event) => {
          const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (by) this.#step(by);
        },
      },
      h("div", { class: "stage" }, stage),
      side,
    );
    effect(() => {
      const one = this.#open.value;
      if (!one || store.view.value !== "gallery") return dialog.open ? dialog.close() : undefined;
      stage.replaceChildren(picture(one, "eager"));
      side.replaceChildren();
      fill(side, [
        h("button", {
          type: "button", class: "quiet close", "aria-label": () => t("close"), onclick: () => dialog.close(),
        }, icon(CLOSE)),
        ...caption(one),
        this.#acts(one),
      ]);
      if (!dialog.open) dialog.showModal();
    });
    return dialog;
  }

  /** @param {number} by */
  #step(by) {
    const all = this.#shown.value;
    const place = all.findIndex((one) => one === this.#open.value);
    this.#open.value = all[(place + by + all.length) % all.length];
  }
}

/** @param {Shown} one @returns {string} */
const nameOf = (one) => one.prompt?.trim() || one.title || t("gallery.untitled");

/** @param {Shown} one @param {"lazy" | "eager"} loading */
const picture = (one, loading) =>
  h("img", { src: one.url, alt: () => nameOf(one), width: String(one.width), height: String(one.height), loading, decoding: "async" });

/** @param {Shown} one @returns {Node[]} what is told of it */
function caption(one) {
  const has = one.title && one.prompt?.trim();
  return [
    ...(has ? [h("p", { class: "about" }, one.title)] : []),
    h("p", { class: "told" }, () => nameOf(one)),
    h("p", { class: "about" }, () => (one.maker ? `${t("gallery.by", { name: one.maker })} · ` : ""),
      () => moment(one.published_at, { dateStyle: "medium" })),
  ];
}

/** What is wrong with a picture. @param {import("../signals.js").Signal<Shown | null>} reported */
function reportDialog(reported) {
  const trouble = signal("");
  const category = h("select", { id: "report-category", required: true });
  effect(() => {
    const chosen = category.value;
    category.replaceChildren(
      h("option", { value: "" }, t("report.choose")),
      ...CATEGORIES.map((one) => h("option", { value: one }, t(`report.${one.replace("-", "_")}`))),
    );
    category.value = chosen;
  });
  const message = h("textarea", { id: "report-message", rows: "3", maxlength: "2000" });
  const contact = h("input", { id: "report-contact", type: "text", autocomplete: "email", maxlength: "200" });
  const thanks = signal(false);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const what = { category: category.value, message: message.value.trim(), contact: contact.value.trim() };
    trouble.value = await told(() => rooms.report(reported.value?.id ?? "", what));
    thanks.value = !trouble.value;
  };
  const dialog = h(
    "dialog",
    { class: "sheet", "aria-labelledby": "report-title", onclose: () => (reported.value = null) },
    h("h2", { id: "report-title" }, () => t("report.title")),
    h("p", { role: "status", hidden: () => !thanks.value }, () => t("report.thanks")),
    h(
      "form",
      { onsubmit: send, hidden: () => thanks.value },
      h("label", { for: "report-category" }, () => t("report.category")),
      category,
      h("label", { for: "report-message" }, () => t("report.message")),
      message,
      h("label", { for: "report-contact" }, () => t("report.contact")),
      contact,
      h("p", { class: "warn", role: "alert", text: () => trouble.value, hidden: () => !trouble.value }),
      h("button", { type: "submit", class: "primary" }, () => t("report.send")),
    ),
    h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, () => t("close")),
  );
  effect(() => {
    if (!reported.value) return;
    category.value = message.value = contact.value = trouble.value = "";
    thanks.value = false;
    if (!dialog.open) dialog.showModal();
  });
  return dialog;
}

define("nonette-gallery", Gallery);
