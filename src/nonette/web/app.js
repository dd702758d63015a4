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
  const { kind } = await api.session();
  if (kind === "none") store.needsKey.value = true;
  else {
    store.models.value = await api.models();
    await commands.arrive();
  }
} catch (failure) {
  commands.fail(failure);
}
