// A prompt as a conversation.

import { h } from "./dom.js";
import { t } from "./words.js";

const known = { system: "role_system", user: "role_user", assistant: "role_assistant" };

export function showConversation(list, messages) {
  list.replaceChildren(
    ...messages.map(({ role, content }) =>
      h(
        "li",
        { class: `message message--${role in known ? role : "other"}` },
        h("p", { class: "message-role" }, role in known ? t(known[role]) : role),
        h("div", { class: "text", dir: "auto" }, content),
      ),
    ),
  );
}
