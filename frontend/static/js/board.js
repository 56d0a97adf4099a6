// The order as it stands: tiers from best to worst, each letter a chip, and what has no place yet.

import { calm, h } from "./dom.js";
import { hint } from "./keys.js";
import { isUnresolved, tierOf } from "./ranking.js";
import { listed, t } from "./words.js";

export class Board {
  // act: {tie(letter), go(letter)}
  constructor(tiers, tray, act) {
    Object.assign(this, { tiers, tray, act });
  }

  render(state, selected) {
    const before = this.rects();
    const focused = document.activeElement?.closest("#board [data-letter]")?.dataset.letter;
    let place = 1;
    const rows = state.tiers.map((tier, index) => {
      const row = this.row(state, tier, index, place, selected);
      place += tier.length;
      return row;
    });
    this.tiers.replaceChildren(...rows);
    this.tiers.classList.toggle("is-empty", rows.length === 0);
    const unplaced = state.letters.filter((letter) => tierOf(state, letter) < 0);
    this.tray.hidden = unplaced.length === 0;
    this.tray.querySelector(".chips").replaceChildren(...unplaced.map((letter) => this.chip(state, letter, selected)));
    this.glide(before);
    if (focused) this.chipOf(focused)?.focus({ preventScroll: true });
  }

  row(state, tier, index, place, selected) {
    const asks = !state.all_bad && isUnresolved(state, tier);
    const chips = tier.flatMap((letter, at) => {
      const chip = this.chip(state, letter, selected);
      return at ? [h("span", { class: "equals", "aria-hidden": "true" }, asks ? "?" : "="), chip] : [chip];
    });
    const label = t(asks ? "tier_asks" : "tier", { n: place, letters: listed(tier) });
    return h(
      "li",
      { class: `tier${asks ? " is-unresolved" : ""}`, "data-tier": index, "aria-label": label },
      h("span", { class: "tier-place", "aria-hidden": "true" }, String(place)),
      h("div", { class: "chips" }, ...chips),
      asks
        ? h("button", { class: "button button--small tier-keep", type: "button", "data-letter": tier[0], onclick: () => this.act.tie(tier[0]) }, t("keep_tie"), " ", hint("tie"))
        : null,
    );
  }

  chip(state, letter, selected) {
    const score = state.scores[letter];
    const label = score === undefined ? t("chip_unscored", { letter }) : t("chip", { letter, score });
    const isMoved = state.moved.includes(letter);
    return h(
      "button",
      { class: `chip${letter === selected ? " is-selected" : ""}${isMoved ? " is-moved" : ""}`, type: "button", "data-letter": letter, "aria-label": label, onclick: () => this.act.go(letter) },
      h("span", { class: "chip-letter" }, letter),
      score === undefined ? null : h("span", { class: "chip-score" }, String(score)),
    );
  }

  chipOf(letter) {
    return document.querySelector(`#board .chip[data-letter="${letter}"]`);
  }

  rects() {
    return new Map([...document.querySelectorAll("#board .chip")].map((chip) => [chip.dataset.letter, chip.getBoundingClientRect()]));
  }

  // Each chip glides from where it was, so that the eye can follow.
  glide(before) {
    if (calm()) return;
    for (const [letter, now] of this.rects()) {
      const was = before.get(letter);
      if (!was || (Math.abs(was.x - now.x) < 1 && Math.abs(was.y - now.y) < 1)) continue;
      this.chipOf(letter).animate(
        [{ transform: `translate(${was.x - now.x}px, ${was.y - now.y}px)` }, { transform: "none" }],
        { duration: 180, easing: "cubic-bezier(0.2, 0, 0, 1)" },
      );
    }
  }
}
