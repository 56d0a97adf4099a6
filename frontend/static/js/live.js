// Keeps a page up to date: asks for its changing parts and puts those that differ in their places.
//
// The page marks them: one [data-live] with the seconds until the next look (0: never again), and in it
// [data-part] elements with ids. A part is left alone while somebody is in the middle of something in it.

const MAX_WAIT = 60;

const live = document.querySelector("[data-live]");
const stale = document.querySelector("[data-live-stale]");
const drawn = new Map();
let timer = 0;
let failures = 0;

function address() {
  const url = new URL(location.href);
  url.searchParams.set("live", "");
  url.hash = "";
  return url;
}

function isBusy(part) {
  const here = document.activeElement;
  return part.querySelector(":popover-open") || (part.contains(here) && here.matches("input, textarea, select"));
}

/** What tells the focused element again in a part that was drawn anew: its id, or else its address. */
function sameElement(part, element) {
  if (element.id) return part.querySelector(`#${CSS.escape(element.id)}`);
  for (const name of ["href", "popovertarget", "formaction"]) {
    const value = element.getAttribute(name);
    if (value) return part.querySelector(`${element.localName}[${name}="${CSS.escape(value)}"]`);
  }
  return part.querySelector(element.localName);
}

function put(part, fresh) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  for (const open of part.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  }
  const scrolled = [...part.querySelectorAll(".table-scroll, .log")].map((box) => [box.scrollLeft, box.scrollTop]);
  part.replaceWith(fresh);
  fresh.querySelectorAll(".table-scroll, .log").forEach((box, index) => {
    if (scrolled[index]) [box.scrollLeft, box.scrollTop] = scrolled[index];
  });
  if (focused) sameElement(fresh, focused)?.focus({ preventScroll: true });
}

function update(html) {
  const next = new DOMParser().parseFromString(html, "text/html").querySelector("[data-live]");
  if (!next) throw new Error("no live parts");
  const seen = new Set();
  let before = null;
  for (const fresh of [...next.querySelectorAll("[data-part]")]) {
    seen.add(fresh.id);
    const part = document.getElementById(fresh.id);
    if (!part) {
      if (before) before.after(fresh);
    } else if (drawn.get(fresh.id) !== fresh.outerHTML && !isBusy(part)) {
      drawn.set(fresh.id, fresh.outerHTML);
      put(part, fresh);
    }
    before = document.getElementById(fresh.id);
  }
  for (const part of live.querySelectorAll("[data-part]")) if (!seen.has(part.id) && !isBusy(part)) part.remove();
  live.dataset.liveSeconds = next.dataset.liveSeconds;
}

async function look() {
  try {
    const answer = await fetch(address(), { headers: { Accept: "text/html" }, redirect: "manual" });
    if (!answer.ok) throw new Error(String(answer.status));
    update(await answer.text());
    failures = 0;
  } catch {
    failures += 1;
  }
  // One missed look is nothing to worry anybody about.
  if (stale) stale.hidden = failures < 2;
  wait();
}

function wait() {
  clearTimeout(timer);
  const seconds = Number(live.dataset.liveSeconds);
  if (!seconds || document.hidden) return;
  timer = setTimeout(look, 1000 * Math.min(MAX_WAIT, seconds * 2 ** failures));
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Number(live.dataset.liveSeconds)) look();
  else clearTimeout(timer);
});

if (live) {
  for (const part of live.querySelectorAll("[data-part]")) drawn.set(part.id, part.outerHTML);
  wait();
}
