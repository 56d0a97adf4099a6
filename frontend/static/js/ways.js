// The ways to an order that a project can choose: whether scores give places, and for a sort what it asks, what is
// said of an answer to that, and which actions give one, besides the letters.

import * as extremes from "./extremes.js";
import * as insertion from "./insertion.js";
import { RATE } from "./ranking.js";
import { listed, t } from "./words.js";

const twoUp = {
  seeds: false,
  sort: insertion,
  actions: { left: "left", right: "right", equal: "equal" },
  ask: ({ asks, made, most }) => ({
    text: t("ask_two", asks),
    count: t("ask_step", { n: made + 1, most }),
    choices: [
      { value: "left", label: t("is_better", { letter: asks.left }), action: "left" },
      { value: "right", label: t("is_better", { letter: asks.right }), action: "right" },
      { value: "equal", label: t("is_equal"), action: "equal" },
    ],
  }),
  said(_asks, { left, right, said }) {
    if (said === "equal") return t("are_tied", { letters: listed([left, right]) });
    return t("said_better", said === "left" ? { better: left, worse: right } : { better: right, worse: left });
  },
};

const bestAndWorst = {
  seeds: false,
  sort: extremes,
  actions: { equal: extremes.REST },
  ask: ({ asks, made, most }) => ({
    text: t(asks.end === "best" ? "ask_best" : "ask_worst"),
    count: t("ask_step", { n: made + 1, most }),
    choices: [...asks.letters.map((letter) => ({ value: letter, label: letter })), { value: extremes.REST, label: t("rest_equal"), action: "equal" }],
  }),
  said({ end, letters }, choice) {
    if (choice === extremes.REST) return t("are_tied", { letters: listed(letters) });
    return t(end === "best" ? "said_best" : "said_worst", { letter: choice });
  },
};

export const WAYS = { rate: RATE, direct: { seeds: false, sort: null }, extremes: bestAndWorst, two_up: twoUp };
