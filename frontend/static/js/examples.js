// The examples of a few-shot prompt: what is asked, and how it is answered. Each can be added and removed.

import { find, h } from "./dom.js";
import { t } from "./words.js";

export class Examples {
  // onEdit(field, event), onRemove(example, place)
  constructor({ most, onEdit, onRemove, say }) {
    Object.assign(this, { most, onEdit, onRemove, say });
    this.list = find("#examples");
    this.button = find("#add-example");
    this.button.addEventListener("click", () => this.add());
  }

  // At least one is there, empty if need be.
  set(examples) {
    this.list.replaceChildren(...(examples.length ? examples : [{ query: "", response: "" }]).map((each) => this.row(each)));
    this.number();
  }

  get() {
    return [...this.list.children].map((row) => {
      const [query, response] = row.querySelectorAll("textarea");
      return { query: query.value, response: response.value };
    });
  }

  fields() {
    return [...this.list.querySelectorAll("textarea")];
  }

  add() {
    if (this.list.children.length >= this.most) {
      this.say(t("example_most"));
      return;
    }
    const row = this.insert({ query: "", response: "" }, this.list.children.length);
    this.say(t("example_added", { n: this.list.children.length }));
    row.querySelector("textarea").focus();
  }

  insert(example, place) {
    const row = this.row(example);
    this.list.insertBefore(row, this.list.children[place] ?? null);
    this.number();
    return row;
  }

  remove(row) {
    const place = [...this.list.children].indexOf(row);
    const example = this.get()[place];
    row.remove();
    if (!this.list.children.length) this.insert({ query: "", response: "" }, 0);
    this.number();
    const beside = this.list.children[Math.min(place, this.list.children.length - 1)];
    beside.querySelector("textarea").focus();
    this.onRemove(example, place);
  }

  row({ query, response }) {
    const row = h("div", { class: "example", role: "group" });
    const field = (name, value) => {
      const area = h("textarea", { class: "input", dir: "auto", rows: 2, spellcheck: "true" });
      area.value = value;
      area.addEventListener("input", (event) => this.onEdit(area, event));
      return h("label", { class: "field" }, h("span", { class: "small soft" }, t(name)), area);
    };
    const remove = h("button", { class: "button button--quiet button--small", type: "button", onclick: () => this.remove(row) }, "×");
    row.append(
      h("div", { class: "example-head" }, h("h3", {}), remove),
      field("example_query", query),
      field("example_response", response),
    );
    return row;
  }

  number() {
    [...this.list.children].forEach((row, place) => {
      const n = place + 1;
      row.setAttribute("aria-label", t("example", { n }));
      row.querySelector("h3").textContent = t("example", { n });
      row.querySelector("button").setAttribute("aria-label", t("example_remove", { n }));
    });
    this.button.setAttribute("aria-disabled", String(this.list.children.length >= this.most));
  }
}
