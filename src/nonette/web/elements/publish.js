/** Shows a picture to everybody: what the gallery tells of it, and taking it back. */

import * as rooms from "../api-rooms.js";
import { say } from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { keep, read, t } from "../i18n.js";
import { changed, room } from "../rooms.js";
import { effect, signal } from "../signals.js";
import { told } from "./collections.js";

class Publish extends Panel {
  build() {
    const picture = () => room.publishing.value;
    const isPublished = () => picture()?.published_at != null;
    const isHidden = () => picture()?.is_hidden ?? false;
    const trouble = signal("");
    const tells = h("input", { id: "publish-tells", type: "checkbox" });
    const title = h("input", { id: "publish-title", type: "text", autocomplete: "off", maxlength: "200" });
    const maker = h("input", { id: "publish-maker", type: "text", autocomplete: "nickname", maxlength: "100" });
    const image = h("img", { alt: "" });
    /** @param {boolean} is @param {string} said */
    const change = async (is, said) => {
      const id = picture()?.id ?? "";
      const facts = { title: title.value.trim(), maker: maker.value.trim(), tells_prompt: tells.checked };
      trouble.value = await told(() => rooms.change(id, is ? { is_published: true, ...facts } : { is_published: false }));
      if (trouble.value) return;
      if (is) keep("maker", facts.maker);
      changed();
      dialog.close();
      say(t(said));
    };
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      change(true, "publish.done");
    };
    const dialog = h(
      "dialog",
      { class: "sheet", "aria-labelledby": "publish-heading", onclose: () => (room.publishing.value = null) },
      h("h2", { id: "publish-heading" }, () => t("publish.title")),
      h("p", {}, () => t(isHidden() ? "publish.hidden" : "publish.about")),
      image,
      h(
        "form",
        { onsubmit: submit, hidden: isHidden },
        h("div", { class: "check", hidden: () => !picture()?.prompt.trim() }, tells, h("label", { for: "publish-tells" }, () => t("publish.tells"))),
        h("blockquote", { class: "about", hidden: () => !picture()?.prompt.trim() }, () => picture()?.prompt ?? ""),
        h("label", { for: "publish-title" }, () => t("publish.name")),
        title,
        h("label", { for: "publish-maker" }, () => t("publish.maker")),
        maker,
        h("p", { class: "warn", role: "alert", text: () => trouble.value, hidden: () => !trouble.value }),
        h(
          "div",
          { class: "row ends" },
          h("button", { type: "button", class: "plain", hidden: () => !isPublished(), onclick: () => change(false, "publish.taken") },
            () => t("publish.take")),
          h("button", { type: "submit", class: "primary" }, () => t(isPublished() ? "publish.change" : "publish")),
        ),
      ),
      h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, () => t("close")),
    );
    effect(() => {
      const one = picture();
      if (!one) return;
      image.src = one.url;
      title.value = one.title;
      tells.checked = one.published_at === null || one.tells_prompt;
      maker.value = one.published_at === null ? read("maker") ?? "" : one.maker;
      trouble.value = "";
      if (!dialog.open) dialog.showModal();
    });
    return [dialog];
  }
}

define("nonette-publish", Publish);
