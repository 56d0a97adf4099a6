// Texts that scroll in boxes of their own, together where that is wanted: each by the same share of its length.

import { calm } from "./dom.js";

export class Panes {
  constructor(area, isTogether) {
    Object.assign(this, { isTogether, panes: [], expected: new WeakMap() });
    // A scroll does not bubble, but it can be caught on its way down.
    area.addEventListener("scroll", ({ target }) => this.follow(target), { capture: true, passive: true });
  }

  // These are on the screen now. A box that scrolls can be reached by the tab key.
  look(panes) {
    for (const pane of this.panes) pane.removeAttribute("tabindex");
    this.panes = panes;
    for (const pane of panes) if (pane.scrollHeight > pane.clientHeight + 1) pane.tabIndex = 0;
  }

  follow(leader) {
    if (!this.panes.includes(leader)) return;
    // What it does because another one led is no lead.
    const isOwn = Math.abs((this.expected.get(leader) ?? -9) - leader.scrollTop) > 1;
    this.expected.delete(leader);
    if (!isOwn || !this.isTogether()) return;
    const share = leader.scrollTop / Math.max(1, leader.scrollHeight - leader.clientHeight);
    for (const pane of this.panes) {
      if (pane === leader) continue;
      const top = Math.round(share * (pane.scrollHeight - pane.clientHeight));
      if (Math.abs(pane.scrollTop - top) < 1) continue;
      this.expected.set(pane, top);
      pane.scrollTop = top;
    }
  }

  // One screen further or back; false where its end is reached.
  scroll(pane, by) {
    if (!this.panes.includes(pane)) return false;
    const room = by > 0 ? pane.scrollHeight - pane.clientHeight - pane.scrollTop : pane.scrollTop;
    if (room < 1) return false;
    pane.scrollBy({ top: by * pane.clientHeight * 0.85, behavior: calm() ? "instant" : "smooth" });
    return true;
  }
}
