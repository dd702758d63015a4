/** What may be left to the model: what should not be seen, the seed, the size, the candidates. */

import { define, h, Panel } from "../dom.js";
import { number, t } from "../i18n.js";
import { effect } from "../signals.js";
import { chosenModel, store } from "../store.js";
import "./drop.js";

const TIMES = [2, 4, 8];
const MOST_CANDIDATES = 512;
const FEWEST_CANDIDATES = 9;

class More extends Panel {
  build() {
    const size = h("select", { id: "size", onchange: () => (store.size.value = size.value) });
    effect(() => {
      const [width, height] = chosenModel()?.capabilities?.native_size ?? [0, 0];
      const options = [h("option", { value: "auto" }, width ? t("size.auto", { size: `${width}×${height}` }) : t("auto"))];
      for (const n of width ? TIMES : []) {
        const value = `${n * width}x${n * height}`;
        options.push(h("option", { value }, t("size.enlarged", { size: value.replace("x", "×") })));
      }
      const chosen = store.size.value;
      if (!options.some((option) => option.value === chosen)) {
        options.push(h("option", { value: chosen }, chosen.replace("x", "×")));
      }
      size.replaceChildren(...options);
      size.value = chosen;
    });
    const model = h("select", { id: "model", onchange: () => (store.model.value = model.value) });
    effect(() => {
      model.replaceChildren(...store.models.value.map(({ id }) => h("option", { value: id }, id)));
      model.value = chosenModel()?.id ?? "";
    });
    const candidates = () => chosenModel()?.capabilities?.default_candidates ?? 0;
    const tells = h("input", {
      id: "tells", type: "checkbox", checked: () => store.tells.value,
      onchange: () => (store.tells.value = tells.checked),
    });
    return [
      h(
        "details",
        { class: "more", id: "more" },
        h("summary", {}, () => t("more")),
        h(
          "div",
          { class: "fields" },
          field("negative", "wide", text("negative", store.negative, {
            maxlength: "2000", placeholder: () => t("negative.placeholder"),
          })),
          field("seed", "", text("seed", store.seed, {
            inputmode: "numeric", pattern: "[0-9]{1,16}", placeholder: () => t("seed.placeholder"),
          })),
          field("candidates", "", text("candidates", store.candidates, {
            type: "number", min: String(FEWEST_CANDIDATES), max: String(MOST_CANDIDATES),
            placeholder: () => (candidates() ? number(candidates()) : t("auto")),
          })),
          field("size", "", size),
          h("div", { class: "field", hidden: () => store.models.value.length < 2 },
            h("label", { for: "model" }, () => t("model")), model),
          h("div", { class: "wide" }, document.createElement("nonette-drop")),
          h("div", { class: "check wide" }, tells, h("label", { for: "tells" }, () => t("tells"))),
        ),
      ),
    ];
  }
}

/**
 * @param {string} name
 * @param {string} kind
 * @param {HTMLElement} control
 */
function field(name, kind, control) {
  control.setAttribute("aria-describedby", `${name}-hint`);
  return h(
    "div",
    { class: `field ${kind}` },
    h("label", { for: name }, () => t(name)),
    control,
    h("p", { class: "about", id: `${name}-hint` }, () => t(`${name}.about`)),
  );
}

/**
 * @param {string} id
 * @param {import("../signals.js").Signal<string>} kept
 * @param {Record<string, any>} properties
 */
function text(id, kept, properties) {
  const input = h("input", {
    id, type: "text", autocomplete: "off", value: () => kept.value,
    title: () => t(`${id}.about`), ...properties, oninput: () => (kept.value = input.value),
  });
  return input;
}

define("nonette-more", More);
