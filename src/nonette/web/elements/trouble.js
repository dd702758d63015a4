/** What went wrong: a rule, a full queue, a lost connection, a wrong value or a bug, told apart. */

import { fill, define, h, Panel } from "../dom.js";
import { duration, language, list, t } from "../i18n.js";
import { effect } from "../signals.js";
import { store } from "../store.js";

class Trouble extends Panel {
  build() {
    const box = h("div", { class: "trouble", role: "alert" });
    effect(() => {
      const failure = store.failure.value;
      box.hidden = failure === null;
      box.replaceChildren();
      if (!failure) return;
      box.dataset.kind = failure.kind;
      const isPolicy = failure.kind === "refused";
      fill(box, [
        h("h2", {}, () => t(`trouble.${failure.kind}`)),
        isPolicy ? rules(failure.message) : h("p", { class: "said" }, failure.message),
        h("p", {}, () => t(`trouble.${failure.kind}.next`)),
        failure.seconds > 0 && h("p", {}, () => t("trouble.wait", { time: duration(failure.seconds) })),
        failure.kind === "bug" && failure.request && h("p", {}, () => t("trouble.id", { id: failure.request })),
        h("button", { type: "button", class: "plain", onclick: () => (store.failure.value = null) },
          () => t("trouble.close")),
      ]);
    });
    return [box];
  }
}

/** The rules by name and the words that they found; the server's own words until they are known.
 * @param {string} message
 */
function rules(message) {
  const listed = h("ul", { class: "rules" });
  effect(() => {
    const broken = store.rules.value;
    listed.replaceChildren(
      ...(broken.length ? broken.map(rule) : [h("li", {}, message)]),
    );
  });
  return listed;
}

/** @param {import("../api.js").Rule} broken */
function rule(broken) {
  const title = () => (language.value === "fr" ? broken.title_fr : broken.title);
  const words = () => list(broken.words.map((word) => t("quoted", { word })));
  return h("li", {}, title, " ", h("code", {}, broken.name), () => ` ${t("trouble.found", { words: words() })}`);
}

define("nonette-trouble", Trouble);
