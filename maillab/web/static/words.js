// What the page says, in German or English. The texts are in *.words.json, one file for each part of the page.

import { keep, recall } from "/static/keep.js";

export const LANGUAGES = ["de", "en"];

const files = new Map(); // name to the promise of its texts

const wanted = () => [recall("language"), ...navigator.languages.map((tag) => tag.slice(0, 2))];
let chosen = wanted().find((tag) => LANGUAGES.includes(tag)) ?? "en";

export const language = () => chosen;

export function setLanguage(tag) {
  chosen = tag;
  keep("language", tag);
}

// The texts of one part: t(key, { name }) with what stands in its places, t.plural(key, 3) for KEY.one and KEY.other.
export async function words(file) {
  if (!files.has(file)) {
    files.set(file, load(file));
  }
  const texts = await files.get(file);
  const t = (key, values = {}) => filled(texts[chosen][key] ?? key, values);
  t.plural = (key, n, values = {}) => t(`${key}.${forms().select(n)}`, { n: number(n), ...values });
  t.has = (key) => key in texts[chosen];
  return t;
}

async function load(file) {
  const response = await fetch(`/static/${file}.words.json`);
  if (!response.ok) {
    files.delete(file); // may be better next time
    throw new Error(`${file}.words.json: ${response.status}`);
  }
  return response.json();
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// Making a formatter costs far more than using it.
const formatters = new Map();

function formatter(Kind, options = {}) {
  const key = `${Kind.name} ${chosen} ${JSON.stringify(options)}`;
  if (!formatters.has(key)) {
    formatters.set(key, new Kind(chosen, options));
  }
  return formatters.get(key);
}

const forms = () => formatter(Intl.PluralRules);

export const number = (n, options) => formatter(Intl.NumberFormat, options).format(n);

// 15:08:55, here and now.
export const time = (iso) =>
  formatter(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" })
    .format(new Date(iso));

export const dateTime = (iso) =>
  formatter(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(iso));

export const date = (iso) => formatter(Intl.DateTimeFormat, { dateStyle: "medium" }).format(new Date(iso));

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

// 79 ms, 1.6 sec, 2 min 5 sec, 1 hr: two units at most, the smaller one left out where it is nothing. In sentences,
// "long" writes them out.
export function duration(seconds, unitDisplay = "short") {
  if (seconds < 0.9995) {
    return unit(Math.round(seconds * 1000), "millisecond", 0, unitDisplay);
  }
  if (seconds < 9.95) {
    return unit(seconds, "second", 1, unitDisplay);
  }
  let rest = Math.round(seconds);
  const parts = [];
  for (const [name, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) {
      parts.push(unit(count, name, 0, unitDisplay));
    }
    if (parts.length === 2 || (parts.length && !count)) {
      break;
    }
  }
  return parts.join(" ");
}

export function octets(n) {
  const [count, name] = n < 1000 ? [n, "byte"] : n < 999_950 ? [n / 1000, "kilobyte"] : [n / 1_000_000, "megabyte"];
  return unit(count, name, name === "byte" ? 0 : 1, name === "byte" ? "long" : "short");
}

function unit(count, name, maximumFractionDigits, unitDisplay) {
  return number(count, { style: "unit", unit: name, unitDisplay, maximumFractionDigits });
}
