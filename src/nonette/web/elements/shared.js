/** What a link of somebody else shows: their pictures, without the sentence. */

import { define, h, Panel } from "../dom.js";
import { t } from "../i18n.js";
import { effect } from "../signals.js";
import { store } from "../store.js";

class Shared extends Panel {
  build() {
    const grid = h("div", { class: "grid" });
    effect(() => {
      const pictures = store.shared.value;
      const count = pictures.length;
      grid.style.setProperty("--columns", String(Math.ceil(Math.sqrt(count)) || 1));
      grid.replaceChildren(...pictures.map(({ url, width, height }, i) =>
        h("a", { class: "tile", href: url },
          h("img", {
            src: url, width: String(width), height: String(height),
            alt: () => t("shared.picture", { place: i + 1, count }),
          }))));
    });
    return [
      h("h1", {}, () => t(store.shared.value.length ? "shared.title" : "shared.none")),
      grid,
    ];
  }
}

define("nonette-shared", Shared);
