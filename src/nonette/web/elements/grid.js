/** The pictures: empty places, then what is drawn so far, then the pictures, best first. */

import * as api from "../api.js";
import { define, h, Panel } from "../dom.js";
import { t, titleOf } from "../i18n.js";
import { effect, onEnd, untracked } from "../signals.js";
import { isOpen, store } from "../store.js";

class Grid extends Panel {
  build() {
    const grid = h("div", {
      class: "grid", role: "group",
      "aria-label": () => t("grid", { prompt: store.job.value ? titleOf(store.job.value.request) : "" }),
      "aria-busy": () => String(isOpen(store.job.value)),
    });
    /** @type {HTMLCanvasElement[]} */
    let places = [];
    let shown = "";

    effect(() => {
      const job = store.job.value;
      const count = job?.request.num_pictures ?? 9;
      const stage = `${job?.id} ${job?.results.length ?? 0} ${count}`;
      grid.dataset.state = job?.state ?? "empty";
      if (stage === shown) return;
      shown = stage;
      grid.style.setProperty("--columns", String(Math.ceil(Math.sqrt(count))));
      if (job?.results.length) {
        grid.replaceChildren(...job.results.map((_, place) => untracked(() => tile(job, place))));
        places = [];
      } else {
        places = Array.from({ length: count }, () => h("canvas", { width: "1", height: "1" }));
        grid.replaceChildren(
          ...places.map((canvas) => h("div", { class: "tile", "aria-hidden": "true" }, canvas)),
        );
      }
    });

    effect(() => {
      const job = store.job.value;
      if (job?.state !== "running" || !job.progress.done) return;
      const sheet = new Image();
      let isWanted = true;
      onEnd(() => (isWanted = false));
      sheet.onload = () => isWanted && cut(sheet, places);
      sheet.src = api.previewUrl(job); // where there is none yet, nothing is shown
    });
    return [grid];
  }
}

/**
 * One finished picture, as a button that enlarges it.
 * @param {api.Job} job
 * @param {number} place
 */
function tile(job, place) {
  const picture = job.results[place];
  const prompt = titleOf(job.request);
  const image = h("img", {
    src: picture.url, alt: prompt, width: String(picture.width), height: String(picture.height),
    decoding: "async", draggable: "true",
  });
  return h(
    "button",
    {
      type: "button", class: "tile",
      "aria-label": () => t("tile", { place: place + 1, count: job.results.length, prompt }),
      onclick: () => (store.open.value = place),
    },
    image,
  );
}

/**
 * Lay the parts of a preview sheet into their places; a gap is a thirty-second of a picture.
 * @param {HTMLImageElement} sheet
 * @param {HTMLCanvasElement[]} places
 */
function cut(sheet, places) {
  const columns = Math.ceil(Math.sqrt(places.length));
  const rows = Math.ceil(places.length / columns);
  const width = side(sheet.naturalWidth, columns);
  const gap = Math.floor(width / 32);
  const height = (sheet.naturalHeight + gap) / rows - gap;
  places.forEach((canvas, i) => {
    canvas.width = width;
    canvas.height = height;
    const x = (i % columns) * (width + gap);
    const y = Math.floor(i / columns) * (height + gap);
    canvas.getContext("2d")?.drawImage(sheet, x, y, width, height, 0, 0, width, height);
    canvas.parentElement?.classList.add("is-begun");
  });
}

/** The side of a picture, of which `count` with their gaps make `total` pixels.
 * @param {number} total @param {number} count
 */
function side(total, count) {
  let found = Math.ceil(total / count);
  while (count * found + (count - 1) * Math.floor(found / 32) > total) found--;
  return found;
}

define("nonette-grid", Grid);
