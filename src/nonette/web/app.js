/** Starts the studio: the language first, then the page, then what the server knows. */

import * as api from "./api.js";
import * as commands from "./commands.js";
import { keep, preferred, read, speak } from "./i18n.js";
import { effect } from "./signals.js";
import { store } from "./store.js";

await speak(preferred());
store.prompt.value = read("draft") ?? "";
store.tells.value = read("tells") !== "false";
await import("./elements/studio.js");

effect(() => keep("draft", store.prompt.value));
effect(() => keep("tells", String(store.tells.value)));
addEventListener("popstate", () => commands.arrive());

try {
  const { kind, is_operator } = await api.session();
  store.isLocal.value = kind === "local";
  store.isOperator.value = is_operator;
  if (new URLSearchParams(location.search).has("share")) await commands.arrive();
  else if (kind === "none") store.needsKey.value = true;
  else {
    await commands.learn();
    await commands.arrive();
  }
} catch (failure) {
  commands.fail(failure);
}
