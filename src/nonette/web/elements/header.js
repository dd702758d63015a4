/** The name, the views, the language, the theme and the keys. */

import * as commands from "../commands.js";
import { define, h, icon, Panel } from "../dom.js";
import { keep, language, read, speak, t } from "../i18n.js";
import { isTableOpen, turn } from "../keys.js";
import { signal } from "../signals.js";
import { store, VIEWS } from "../store.js";

const SUN = "M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10ZM12 1v3M12 20v3M1 12h3M20 12h3M4.2 4.2l2.1 2.1M17.7 17.7l2.1 2.1M4.2 19.8l2.1-2.1M17.7 6.3l2.1-2.1";
const MOON = "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5Z";
const AUTO = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 3v18";
const KEYS = "M3 7h18v10H3ZM7 10.5h.01M11 10.5h.01M15 10.5h.01M8 14h8";

const THEMES = /** @type {const} */ (["auto", "light", "dark"]);
const ICONS = { auto: AUTO, light: SUN, dark: MOON };

class Header extends Panel {
  build() {
    const theme = signal(THEMES.find((one) => one === read("theme")) ?? "auto");
    const nextTheme = () => {
      theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length];
      paint(theme.value);
    };
    const other = () => (language.value === "en" ? "fr" : "en");
    const themeButton = h(
      "button",
      {
        type: "button", class: "quiet", onclick: nextTheme,
        "aria-label": () => `${t("theme")}: ${t(`theme.${theme.value}`)}`,
        title: () => `${t("theme")}: ${t(`theme.${theme.value}`)}`,
      },
    );
    for (const one of THEMES) {
      const drawn = icon(ICONS[one]);
      themeButton.append(h("span", { hidden: () => theme.value !== one }, drawn));
    }
    const view = (/** @type {typeof VIEWS[number]} */ name) =>
      h(
        "button",
        {
          type: "button", class: "tab", hidden: () => name === "operator" && !store.isOperator.value,
          "aria-current": () => (store.view.value === name ? "page" : null),
          onclick: () => store.view.value !== name && turn(name),
        },
        () => t(`view.${name}`),
      );
    return [
      h(
        "header",
        { class: "header" },
        h("a", { class: "brand", href: "/", "aria-label": "Nonette" }, mark(), h("span", {}, "Nonette")),
        h("nav", { "aria-label": () => t("views") }, ...VIEWS.map(view)),
        h(
          "div",
          { class: "tools" },
          h(
            "button",
            {
              type: "button", class: "quiet", lang: other, "aria-label": () => `${other().toUpperCase()}, ${t("language.other")}`,
              title: () => t("language.other"),
              onclick: () => speak(other()).then(() => keep("language", language.value), commands.fail),
            },
            () => other().toUpperCase(),
          ),
          themeButton,
          h(
            "button",
            {
              type: "button", class: "quiet", "aria-label": () => t("keys.title"), title: () => `${t("keys.title")} (?)`,
              onclick: () => (isTableOpen.value = true),
            },
            icon(KEYS),
          ),
        ),
      ),
    ];
  }
}

/** @param {typeof THEMES[number]} theme */
function paint(theme) {
  keep("theme", theme);
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** @returns {Node} nine squares, the middle one lit */
function mark() {
  const squares = h("span", { class: "mark", "aria-hidden": "true" });
  for (let i = 0; i < 9; i++) squares.append(h("i"));
  return squares;
}

define("nonette-header", Header);
