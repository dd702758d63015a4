/** The manners of painting that the world of scenes knows, and the words that ask for them. */

import { language } from "./i18n.js";

/** What stands behind a sentence, by style and language. @type {Record<string, Record<"en" | "fr", string>>} */
export const WORDS = {
  watercolour: { en: "in watercolour", fr: "à l'aquarelle" },
  oil_painting: { en: "as an oil painting", fr: "à la peinture à l'huile" },
  pencil: { en: "in pencil", fr: "au crayon" },
  crayon: { en: "in crayon", fr: "aux crayons de cire" },
  pixel_art: { en: "in pixel art", fr: "en pixel art" },
  mosaic: { en: "as a mosaic", fr: "en mosaïque" },
  stained_glass: { en: "in stained glass", fr: "en vitrail" },
  neon: { en: "in neon", fr: "en néon" },
  comic: { en: "in comic book style", fr: "en bande dessinée" },
  blueprint: { en: "as a blueprint", fr: "façon plan d'architecte" },
  black_and_white: { en: "in black and white", fr: "en noir et blanc" },
};

/** @param {string} prompt @returns {{style: string, rest: string}} its style, "" for none, and what is left without */
export function split(prompt) {
  const whole = prompt.trimEnd();
  for (const [style, words] of Object.entries(WORDS)) {
    for (const one of Object.values(words)) {
      const plain = whole.replaceAll("’", "'");
      if (plain.endsWith(`, ${one}`)) return { style, rest: whole.slice(0, -one.length - 2) };
      if (plain === one) return { style, rest: "" };
    }
  }
  return { style: "", rest: prompt };
}

/** The sentence in another style, said in the language of the page. @param {string} prompt @param {string} style */
export function inStyle(prompt, style) {
  const { rest } = split(prompt);
  if (!style) return rest;
  const words = WORDS[style][language.value];
  const bare = rest.trimEnd().replace(/[.,;]+$/, "");
  return bare ? `${bare}, ${words}` : words;
}
