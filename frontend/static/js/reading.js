// How a page of work is read: the layout of answers, the pinned one and what differs from it, texts as set or as
// typed, what is unseen, what is blurred. It takes the elements of the prompt and of the cards as they stand on
// the page, and knows nothing of scores. What somebody chooses is kept with them (PUT /api/me/workspace).

import { Api } from "./api.js";
import { find, h, icon } from "./dom.js";
import { LAYOUTS, WIDTHS, after, onScreen, ordered } from "./layout.js";
import { Panes } from "./panes.js";
import { TextView } from "./text_view.js";
import { countWords, listed, number, t } from "./words.js";

const SAVE_AFTER = 800;
// A text without any of these looks the same when it is set as Markdown.
const MARKUP = /[*_`#|$\\~<>[\]]|&[#\w]+;|^ {0,3}([-+=]|\d+[.)])/m;
// Items whose HTML is kept, for who goes back to one.
const KEPT = 8;
const SWITCHES = ["raw", "invisible", "diff", "together"];

export class Reading {
  // say(text); select(letter): an answer was chosen here.
  constructor({ say, select = () => {} }) {
    const config = JSON.parse(find("#config").textContent);
    this.api = new Api(config.csrf_cookie);
    Object.assign(this, { say, select, chosen: config.reading });
    this.area = find("#reading-area");
    this.cards = find("#cards");
    this.panes = new Panes(this.area, () => this.chosen.together && this.hasPanes());
    this.known = new Map();
    this.bind();
    addEventListener("pagehide", () => this.timer && this.save());
  }

  bind() {
    for (const button of this.area.querySelectorAll("[data-switch]")) button.addEventListener("click", () => this.turn(button.dataset.switch));
    for (const button of this.area.querySelectorAll("[data-set-layout]")) button.addEventListener("click", () => this.set({ layout: button.dataset.setLayout }));
    for (const button of this.area.querySelectorAll("[data-widen]")) button.addEventListener("click", () => this.widen(Number(button.dataset.widen)));
    find("#fold").addEventListener("click", () => this.fold(!this.isFolded));
    find("#reveal").addEventListener("click", () => this.reveal());
    for (const button of this.area.querySelectorAll("[data-step]")) button.addEventListener("click", () => this.step(Number(button.dataset.step)));
  }

  // A new item is on the page: its prompt and cards are drawn.
  mount({ token, prompt, completions }) {
    this.token = token;
    this.letters = completions.map(({ letter }) => letter);
    this.selected = this.letters[0];
    Object.assign(this, { pinned: null, beside: null, only: null, isRevealed: false });
    const turns = [...this.area.querySelectorAll("#prompt .text")];
    this.turns = prompt.messages.map(({ content }, index) => new TextView(turns[index], content));
    this.sections = new Map(this.letters.map((letter) => [letter, this.cards.querySelector(`.answer[data-letter="${letter}"]`)]));
    this.answers = new Map(completions.map(({ letter, text }) => [letter, new TextView(this.sections.get(letter).querySelector(".answer-text"), text)]));
    this.sensitive = prompt.sensitive ?? [];
    const words = prompt.messages.reduce((sum, { content }) => sum + countWords(content), 0);
    const length = t("words", { n: number(words) });
    find("#prompt-length").textContent = prompt.messages.length > 1 ? `${t("turns", { n: prompt.messages.length })} · ${length}` : length;
    find("#prompt-preview").textContent = prompt.messages.at(-1).content.replace(/\s+/gu, " ").slice(0, 200);
    for (const [letter, section] of this.sections) this.addPin(letter, section);
    if (this.cards) this.drawStrip();
    for (const view of this.views()) this.addNote(view);
    this.fold(false);
    this.render();
    this.fetchHtml();
  }

  views() {
    return [...this.turns, ...this.answers.values()];
  }

  addPin(letter, section) {
    const label = t("pin", { letter });
    const pin = h("button", { class: "icon-button pin", type: "button", "aria-pressed": "false", "aria-label": label, title: label, onclick: () => this.pin(letter) }, icon("pin"));
    const head = section.querySelector(".answer-head");
    head.insertBefore(pin, head.querySelector(".icon-button"));
  }

  addNote(view) {
    if (!view.unseen) return;
    view.note = h("button", { class: "unseen-note", type: "button", "aria-pressed": "false", onclick: () => this.turn("invisible") }, t("unseen", { n: number(view.unseen) }));
    view.element.after(view.note);
  }

  drawStrip() {
    const buttons = this.letters.map((letter) => h("button", { class: "strip-letter", type: "button", "data-letter": letter, "aria-label": t("show_answer", { letter }), onclick: () => this.select(letter) }, letter));
    find("#strip-letters").replaceChildren(...buttons);
  }

  // --- what may be chosen -------------------------------------------------------------------------------

  set(change) {
    this.chosen = { ...this.chosen, ...change };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_AFTER);
    this.render();
    this.fetchHtml();
  }

  save() {
    clearTimeout(this.timer);
    this.timer = null;
    this.api.send("PUT", "me/workspace", { part: "reading", value: this.chosen }, { keepalive: true }).catch(() => {
      // The choice lasts as long as the page.
    });
  }

  turn(name) {
    this.set({ [name]: !this.chosen[name] });
    const switched = this.area.querySelector(`[data-switch="${name}"]`);
    if (!switched) return;
    this.say(t(this.chosen[name] ? "switched_on" : "switched_off", { what: switched.dataset.name }));
    if (name === "diff" && this.chosen.diff && !this.pinned) this.say(t("diff_wants_pin"));
  }

  widen(step) {
    this.set({ width: after(WIDTHS, this.chosen.width, step, { round: false }) });
    this.say(t(`width_${this.chosen.width}`));
  }

  pin(letter) {
    this.pinned = this.pinned === letter ? null : letter;
    this.beside = this.selected === letter ? null : this.selected;
    this.render();
    this.say(t(this.pinned ? "pinned" : "unpinned", { letter }));
  }

  fold(isFolded) {
    this.isFolded = isFolded;
    this.area.toggleAttribute("data-folded", isFolded);
    find("#fold").setAttribute("aria-expanded", String(!isFolded));
  }

  reveal() {
    this.isRevealed = !this.isRevealed;
    this.render();
    this.say(t(this.isRevealed ? "revealed" : "blurred", { what: this.categories() }));
  }

  // The answer that is chosen has changed.
  choose(letter) {
    if (letter === this.selected || !this.sections.has(letter)) return;
    this.selected = letter;
    if (letter !== this.pinned) this.beside = letter;
    this.render();
  }

  // A method of ranking that asks about these alone shows nothing else until it says null.
  restrict(letters) {
    if (String(letters) === String(this.only)) return;
    this.only = letters;
    this.render();
  }

  // Beside the pinned answer, the others go by.
  step(by) {
    const isBeside = this.pinned && this.layout() === "two_up";
    const letters = isBeside ? this.letters.filter((letter) => letter !== this.pinned) : this.letters;
    const now = letters.includes(this.selected) ? this.selected : (this.beside ?? letters[0]);
    this.select(after(letters, now, by));
  }

  // --- what is shown ------------------------------------------------------------------------------------

  isVeiled() {
    return this.sensitive.length > 0 && this.chosen.blur && !this.isRevealed;
  }

  // Two answers side by side scroll in boxes of their own.
  hasPanes() {
    return Boolean(this.cards) && this.layout() === "two_up";
  }

  layout() {
    return this.only ? "two_up" : this.chosen.layout;
  }

  categories() {
    return listed(this.sensitive.map((name) => t(`sensitive_${name}`)));
  }

  render() {
    const { area, chosen } = this;
    area.dataset.width = chosen.width;
    area.toggleAttribute("data-mounted", true);
    this.renderBar();
    this.renderVeil();
    if (this.cards) this.renderCards();
    for (const view of this.turns) view.show(chosen);
    const against = chosen.diff && this.pinned ? this.answers.get(this.pinned).text : null;
    const tooFar = [];
    for (const [letter, view] of this.answers) {
      if (this.sections.get(letter).hidden) continue;
      if (!view.show({ ...chosen, against: letter === this.pinned ? null : against })) tooFar.push(letter);
    }
    const note = find("#diff-note");
    if (note) {
      note.hidden = tooFar.length === 0;
      note.textContent = tooFar.length ? t("diff_too_far", { letters: listed(tooFar), pinned: this.pinned }) : "";
    }
    for (const { note: seen } of this.views()) seen?.setAttribute("aria-pressed", String(chosen.invisible));
  }

  renderBar() {
    for (const button of this.area.querySelectorAll("[data-switch]")) button.setAttribute("aria-pressed", String(this.chosen[button.dataset.switch]));
    for (const button of this.area.querySelectorAll("[data-set-layout]")) button.setAttribute("aria-pressed", String(button.dataset.setLayout === this.chosen.layout));
    for (const button of this.area.querySelectorAll("[data-widen]")) {
      button.setAttribute("aria-disabled", String(after(WIDTHS, this.chosen.width, Number(button.dataset.widen), { round: false }) === this.chosen.width));
    }
    find("#width-name").textContent = t(`width_${this.chosen.width}`);
  }

  renderVeil() {
    const isVeiled = this.isVeiled();
    this.area.toggleAttribute("data-veiled", isVeiled);
    for (const { element } of this.views()) element.inert = isVeiled;
    find("#veil").hidden = !(this.sensitive.length && this.chosen.blur);
    find("#veil-text").textContent = t(isVeiled ? "veiled" : "unveiled", { what: this.categories() });
    find("#reveal-label").textContent = t(isVeiled ? "reveal" : "blur_again");
  }

  renderCards() {
    const { letters, selected, pinned, beside } = this;
    const layout = this.layout();
    const shown = this.only ?? onScreen({ layout, letters, selected, pinned, beside });
    this.area.dataset.layout = layout;
    this.area.toggleAttribute("data-panes", this.hasPanes());
    this.cards.classList.toggle("has-pin", Boolean(pinned) && layout === "columns");
    this.put(this.only ? [...this.only, ...letters.filter((letter) => !this.only.includes(letter))] : ordered(letters, pinned));
    for (const [letter, section] of this.sections) {
      section.hidden = !shown.includes(letter);
      section.classList.toggle("is-pinned", letter === pinned);
      section.querySelector(".pin").setAttribute("aria-pressed", String(letter === pinned));
    }
    find("#strip").hidden = layout === "columns" || Boolean(this.only);
    for (const button of find("#strip-letters").children) {
      const { letter } = button.dataset;
      button.toggleAttribute("data-shown", shown.includes(letter));
      button.classList.toggle("is-pinned", letter === pinned);
      if (letter === selected) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    const boxes = this.hasPanes() ? shown : this.cards.classList.contains("has-pin") ? [pinned] : [];
    this.panes.look(boxes.map((letter) => this.answers.get(letter).element));
  }

  // In this order on the page, too, so that the tab key goes the way the eye does. What has the focus keeps it.
  put(letters) {
    const wanted = letters.map((letter) => this.sections.get(letter));
    if (wanted.every((section, index) => this.cards.children[index] === section)) return;
    const focused = this.cards.contains(document.activeElement) ? document.activeElement : null;
    this.cards.append(...wanted);
    focused?.focus({ preventScroll: true });
  }

  // --- texts as the server sets them --------------------------------------------------------------------

  // Another item is on its way to the page: its texts are fetched before they are wanted.
  prepare({ token, prompt, completions }) {
    const texts = [...prompt.messages.map(({ content }) => content), ...completions.map(({ text }) => text)];
    this.htmlOf(token, texts)?.catch(() => this.known.delete(token));
  }

  // Setting costs the server more than all else about an item, so it is asked only where it makes a difference.
  htmlOf(token, texts) {
    const { known } = this;
    if (this.chosen.raw || !texts.some((text) => MARKUP.test(text))) return null;
    if (!known.has(token)) known.set(token, this.api.get(`assignments/${token}/html`));
    if (known.size > KEPT) known.delete(known.keys().next().value);
    return known.get(token);
  }

  async fetchHtml() {
    const { token, known } = this;
    if (this.turns[0]?.html) return;
    const fetched = this.htmlOf(token, this.views().map(({ text }) => text));
    if (!fetched) return;
    try {
      const { messages, completions } = await fetched;
      if (token !== this.token) return;
      this.turns.forEach((view, index) => (view.html = messages[index] ?? null));
      for (const { letter, html } of completions) if (this.answers.has(letter)) this.answers.get(letter).html = html;
      this.render();
    } catch {
      // As typed is as good; it is asked again with the next change.
      known.delete(token);
    }
  }

  // --- keys ---------------------------------------------------------------------------------------------

  // True where the key meant something here.
  press({ action, isBack }) {
    if (SWITCHES.includes(action)) this.turn(action);
    else if (action === "layout") this.nextLayout();
    else if (action === "pin") this.pin(this.selected);
    else if (action === "fold") this.fold(!this.isFolded);
    else if (action === "reveal" && this.sensitive.length && this.chosen.blur) this.reveal();
    else if (action === "narrower" || action === "wider") this.widen(action === "wider" ? 1 : -1);
    else if (action === "scroll" && this.panes.panes.length) return this.panes.scroll(this.answers.get(this.selected)?.element, isBack ? -1 : 1);
    else return false;
    return true;
  }

  nextLayout() {
    this.set({ layout: after(LAYOUTS, this.chosen.layout, 1) });
    this.say(this.area.querySelector(`[data-set-layout="${this.chosen.layout}"]`).getAttribute("aria-label"));
  }
}
