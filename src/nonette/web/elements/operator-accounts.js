/** Who is let in, and who waits to be: accounts, their tiers and their keys. */

import * as rooms from "../api-rooms.js";
import { say } from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { moment, number, t } from "../i18n.js";
import { ask, attempt } from "../rooms.js";
import { effect, signal } from "../signals.js";
import { store } from "../store.js";
import { told } from "./collections.js";
import { table } from "./table.js";

class Accounts extends Panel {
  /** @type {import("../signals.js").Signal<rooms.Account[]>} */
  #accounts = signal(/** @type {rooms.Account[]} */ ([]));
  #tiers = signal(/** @type {string[]} */ ([]));
  /** A key that was just made. */
  #key = signal("");

  build() {
    effect(() => {
      if (store.view.value === "operator") this.#load();
    });
    const waiting = h("div", {});
    const members = h("div", {});
    effect(() => waiting.replaceChildren(this.#waitlist()));
    effect(() => members.replaceChildren(this.#members()));
    return [
      h("section", { "aria-label": () => t("waitlist") }, h("h2", {}, () => t("waitlist")), waiting),
      h("section", { "aria-label": () => t("accounts") }, h("h2", {}, () => t("accounts")), members, this.#form()),
      keyDialog(this.#key),
    ];
  }

  async #load() {
    const found = await attempt(() => Promise.all([rooms.accounts(), rooms.overview()]));
    if (!found) return;
    this.#accounts.value = found[0];
    this.#tiers.value = Object.keys(found[1].tiers);
  }

  /** Do something, show the key that it made, if any, and look again. @param {() => Promise<{key: string} | null>} action */
  async #do(action) {
    const made = await attempt(action);
    if (made) this.#key.value = made.key;
    await this.#load();
  }

  #waitlist() {
    const rows = this.#accounts.value.filter(({ state }) => state === "waiting").map((one) => [
      one.name, one.email ?? "–", one.about || "–", moment(one.created_at),
      h(
        "div",
        { class: "row" },
        h("button", {
          type: "button", class: "second", "aria-label": t("waitlist.approve.of", { name: one.name }),
          onclick: () => this.#do(() => rooms.approve(one.id)),
        }, t("waitlist.approve")),
        h("button", {
          type: "button", class: "quiet", "aria-label": t("waitlist.decline.of", { name: one.name }),
          onclick: () => this.#putOut(one),
        }, t("waitlist.decline")),
      ),
    ]);
    const heads = ["accounts.name", "accounts.email", "waitlist.about", "waitlist.since"];
    return table(t("waitlist"), [...heads.map((key) => t(key)), ""], rows, t("waitlist.none"));
  }

  #members() {
    const rows = this.#accounts.value.filter(({ state }) => state !== "waiting").map((one) => [
      h("span", {}, one.name, one.is_operator && h("span", { class: "about" }, ` ${t("accounts.operator")}`)),
      one.email ?? "–",
      this.#tier(one),
      number(one.pictures_today),
      this.#keys(one),
      one.state === "suspended"
        ? h("button", {
          type: "button", class: "plain", "aria-label": `${t("accounts.again")}: ${one.name}`,
          onclick: () => this.#do(() => rooms.approve(one.id)),
        }, t("accounts.again"))
        : h("button", {
          type: "button", class: "quiet", "aria-label": t("accounts.suspend.of", { name: one.name }),
          onclick: () => this.#putOut(one),
        }, t("accounts.suspend")),
    ]);
    const heads = ["accounts.name", "accounts.email", "operator.tier", "accounts.today", "accounts.keys"];
    return table(t("accounts"), [...heads.map((key) => t(key)), ""], rows, t("accounts.none"));
  }

  /** @param {rooms.Account} one */
  #tier(one) {
    const select = h("select", {
      "aria-label": t("accounts.tier.of", { name: one.name }),
      onchange: () => this.#do(async () => {
        await rooms.changeTier(one.id, select.value);
        say(t("accounts.tier.done", { name: one.name, tier: select.value }));
        return null;
      }),
    }, ...tiersWith(this.#tiers.value, one.tier));
    select.value = one.tier;
    return select;
  }

  /** @param {rooms.Account} one */
  #keys(one) {
    const items = one.keys.map(({ prefix, name, revoked_at }) =>
      h("li", {}, h("code", {}, prefix), name && ` ${name} `,
        revoked_at !== null
          ? h("span", { class: "about" }, ` ${t("accounts.revoked")}`)
          : h("button", {
            type: "button", class: "quiet", "aria-label": t("accounts.revoke.of", { prefix }),
            onclick: () => ask({
              text: t("accounts.revoke.sure", { prefix }), yes: t("accounts.revoke"),
              act: () => this.#do(() => rooms.revokeKey(prefix).then(() => null)),
            }),
          }, t("accounts.revoke"))));
    return h("ul", { class: "key-list" }, ...items, h("li", {},
      h("button", {
        type: "button", class: "quiet", "aria-label": t("accounts.key.of", { name: one.name }),
        onclick: () => this.#do(() => rooms.newKey(one.id, "")),
      }, `+ ${t("accounts.key")}`)));
  }

  /** @param {rooms.Account} one */
  #putOut(one) {
    ask({
      text: t("accounts.suspend.sure", { name: one.name }),
      yes: t("accounts.suspend"),
      act: () => this.#do(() => rooms.suspend(one.id, t("accounts.reason")).then(() => null)),
    });
  }

  /** Lets somebody in who did not ask. */
  #form() {
    const trouble = signal("");
    const name = h("input", { id: "account-name", type: "text", autocomplete: "off", required: true, maxlength: "200", pattern: ".*\\S.*" });
    const email = h("input", { id: "account-email", type: "email", autocomplete: "off" });
    const tier = h("select", { id: "account-tier" });
    effect(() => {
      tier.replaceChildren(...tiersWith(this.#tiers.value, "free"));
      tier.value = "free";
    });
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      trouble.value = await told(async () => {
        const who = { name: name.value.trim(), email: email.value.trim() || null, tier: tier.value };
        this.#key.value = (await rooms.addAccount(who)).key;
        name.value = email.value = "";
      });
      await this.#load();
    };
    return h(
      "form",
      { class: "fields", onsubmit: submit, "aria-label": () => t("accounts.add") },
      field("account-name", "accounts.name", name),
      field("account-email", "accounts.email", email),
      field("account-tier", "operator.tier", tier),
      h("button", { type: "submit", class: "plain" }, () => t("accounts.add")),
      h("p", { class: "warn wide", role: "alert", text: () => trouble.value, hidden: () => !trouble.value }),
    );
  }
}

/** @param {string[]} tiers @param {string} own */
const tiersWith = (tiers, own) =>
  (tiers.includes(own) ? tiers : [own, ...tiers]).map((tier) => h("option", { value: tier }, tier));

/** @param {string} id @param {string} key @param {HTMLElement} control */
const field = (id, key, control) => h("div", { class: "field" }, h("label", { for: id }, () => t(key)), control);

/** A new key is shown this once. @param {import("../signals.js").Signal<string>} key */
function keyDialog(key) {
  const copy = async () => {
    await navigator.clipboard.writeText(key.value).then(() => say(t("accounts.copied")), () => say(t("accounts.uncopied")));
  };
  const dialog = h(
    "dialog",
    { class: "sheet", "aria-labelledby": "new-key-title", onclose: () => (key.value = "") },
    h("h2", { id: "new-key-title" }, () => t("accounts.made")),
    h("p", {}, () => t("accounts.once")),
    h("pre", { tabindex: "0", class: "secret" }, h("code", {}, () => key.value)),
    h(
      "div",
      { class: "row ends" },
      h("button", { type: "button", class: "plain", onclick: copy }, () => t("accounts.copy")),
      h("button", { type: "button", class: "second", onclick: () => dialog.close() }, () => t("close")),
    ),
  );
  effect(() => {
    if (key.value && !dialog.open) dialog.showModal();
  });
  return dialog;
}

define("nonette-operator-accounts", Accounts);
