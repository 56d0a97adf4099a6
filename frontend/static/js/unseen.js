// Characters that one does not see: of no width, turning the direction of reading, spaces that are none, tags.
// Pure.

// An ordinary space, a tab, a line's end and the wide space of Chinese are seen well enough.
const UNSEEN = /(?![ \t\n\u3000])[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cs}\s\u2800]/gu;
const EMOJI_JOINERS = new Set([0x200d, 0xfe0f]);
const NAMES = new Map([
  [0xa0, "NBSP"], [0xad, "SHY"], [0x34f, "CGJ"], [0x61c, "ALM"], [0x180e, "MVS"], [0x200b, "ZWSP"], [0x200c, "ZWNJ"],
  [0x200d, "ZWJ"], [0x200e, "LRM"], [0x200f, "RLM"], [0x2028, "LSEP"], [0x2029, "PSEP"], [0x202a, "LRE"], [0x202b, "RLE"],
  [0x202c, "PDF"], [0x202d, "LRO"], [0x202e, "RLO"], [0x202f, "NNBSP"], [0x2060, "WJ"], [0x2066, "LRI"], [0x2067, "RLI"],
  [0x2068, "FSI"], [0x2069, "PDI"], [0x3164, "HF"], [0xfeff, "BOM"],
]);

// The text in pieces: {text}, or {name, code} for a character that one does not see.
export function pieces(text) {
  const found = [];
  let done = 0;
  for (const { 0: character, index } of text.matchAll(UNSEEN)) {
    if (index > done) found.push({ text: text.slice(done, index) });
    const point = character.codePointAt(0);
    const code = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
    // Tags spell a hidden text in letters of their own.
    const tag = point >= 0xe0021 && point <= 0xe007e ? `TAG ${String.fromCharCode(point - 0xe0000)}` : null;
    found.push({ name: tag ?? NAMES.get(point) ?? code, code });
    done = index + character.length;
  }
  if (done < text.length || !found.length) found.push({ text: text.slice(done) });
  return found;
}

// How many of them nobody would expect: spaces of other widths, and what joins emoji, are common.
export function count(text) {
  let sum = 0;
  for (const { 0: character } of text.matchAll(UNSEEN)) {
    if (!/[\p{Zs}\r]/u.test(character) && !EMOJI_JOINERS.has(character.codePointAt(0))) sum += 1;
  }
  return sum;
}
