/** What can be done with the job on the page. */

import * as commands from "../commands.js";
import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import * as share from "../share.js";
import { isOpen, store } from "../store.js";

class Actions extends Panel {
  build() {
    const isBusy = () => isOpen(store.job.value);
    const isDone = () => store.job.value?.state === "done";
    return [
      h(
        "div",
        { class: "row", hidden: () => !store.job.value },
        button("cancel", "plain", isBusy, commands.cancel),
        button("again", "second", () => !isBusy(), commands.again),
        button("save.all", "plain", isDone, share.saveAll),
        button("save.sheet", "plain", isDone, share.saveSheet),
        button("copy", "plain", () => true, share.copyLink),
      ),
    ];
  }
}

/**
 * @param {string} key
 * @param {string} kind
 * @param {() => boolean} isShown
 * @param {() => unknown} action
 */
const button = (key, kind, isShown, action) =>
  h("button", { type: "button", class: kind, hidden: () => !isShown(), onclick: action }, () => t(key));

define("nonette-actions", Actions);
