/** What becomes of the enlarged picture: into collections, into the gallery, or away. */

import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { askToDelete, offerToPublish, room } from "../rooms.js";
import { store } from "../store.js";

class Keep extends Panel {
  build() {
    /** @param {(id: string) => unknown} action */
    const onOpen = (action) => () => {
      const picture = store.job.value?.results[store.open.value];
      if (picture) action(picture.id);
    };
    /** @param {string} key @param {(id: string) => unknown} action */
    const button = (key, action) =>
      h("button", { type: "button", class: "plain", onclick: onOpen(action) }, () => t(key));
    return [
      h(
        "div",
        { class: "row" },
        button("collect", (id) => (room.collecting.value = [id])),
        button("publish", offerToPublish),
        button("history.delete", (id) => askToDelete([id])),
      ),
    ];
  }
}

define("nonette-keep", Keep);
