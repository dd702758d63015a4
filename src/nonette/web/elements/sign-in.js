/** Where the server wants to know who draws: a key, which becomes a cookie. */

import * as commands from "../commands.js";
import { Failure } from "../api.js";
import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { effect, signal } from "../signals.js";
import { store } from "../store.js";

class SignIn extends Panel {
  build() {
    const trouble = signal("");
    const key = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true });
    const enter = async (/** @type {Event} */ event) => {
      event.preventDefault();
      trouble.value = "";
      try {
        await commands.signIn(key.value.trim());
        key.value = "";
        dialog.close();
        await commands.arrive();
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        trouble.value = failure.kind === "offline" ? t("trouble.offline") : failure.message;
      }
    };
    const dialog = h(
      "dialog",
      { class: "sheet", "aria-labelledby": "sign-in-title", onclose: () => (store.needsKey.value = false) },
      h("h2", { id: "sign-in-title" }, () => t("signin")),
      h("p", {}, () => t("signin.about")),
      h(
        "form",
        { onsubmit: enter },
        h("input", { type: "text", name: "username", autocomplete: "username", value: "nonette", hidden: true }),
        h("label", { for: "key" }, () => t("signin.key")),
        key,
        h("p", { class: "warn", role: "alert", text: () => trouble.value, hidden: () => !trouble.value }),
        h("button", { type: "submit", class: "primary" }, () => t("signin.enter")),
      ),
    );
    effect(() => {
      if (store.needsKey.value && !dialog.open) dialog.showModal();
    });
    return [dialog];
  }
}

define("nonette-sign-in", SignIn);
