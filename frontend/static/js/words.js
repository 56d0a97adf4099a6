// The page's strings, already translated by the server. A {key_…} in them is the key of that action.

import { keys } from "./keys.js";

const words = JSON.parse(document.getElementById("words").textContent);
const language = document.documentElement.lang || "en";

export function t(key, values = {}) {
  if (!(key in words)) throw new Error(`no string named ${key}`);
  return words[key].replace(/\{(\w+)\}/g, (whole, name) => {
    if (name in values) return String(values[name]);
    return name.startsWith("key_") ? keys.cap(name.slice("key_".length)) : whole;
  });
}

export function listed(entries) {
  return new Intl.ListFormat(language, { type: "conjunction" }).format(entries);
}

// Chinese puts no space between sentences.
export function sentences(parts) {
  return parts.join(/^(zh|ja)/.test(language) ? "" : " ");
}

export function number(value) {
  return new Intl.NumberFormat(language).format(value);
}

// A moment as one says it: the time alone where it was today.
export function moment(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(language, { ...day, hour: "numeric", minute: "2-digit", second: "2-digit" }).format(date);
}

// Words as a reader counts them: Chinese has no spaces, so the browser's own segmenter is asked.
export function countWords(text) {
  if (text.length > 20_000 || !Intl.Segmenter) return text.split(/\s+/).filter(Boolean).length;
  let count = 0;
  for (const part of new Intl.Segmenter(language, { granularity: "word" }).segment(text)) if (part.isWordLike) count += 1;
  return count;
}
