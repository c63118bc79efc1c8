// What a line of a trace means, in two sentences, for who has never seen one; a reply's second number adds a third.
//
//   explain(record)                       { title, text, rfc } in the language of the page
//   explain(record, { command, server })  knows what a reply answers, and who says it where a client wrote it down
//   explainStep("wait")                   the same for what no record tells of: message, hop, wait, Received, ...

import { language } from "/static/words.js";

const response = await fetch("/static/explanations.json");
const TEXTS = await response.json();

const RECIPIENTS_SHOWN = 5;

export function explain(record, { command = "", server } = {}) {
  const values = valuesOf(record, server);
  switch (record.event) {
    case "smtp.command":
      return told(commandOf(record), values);
    case "smtp.reply":
      return toldReply(record, command, values);
    case "policy.checked":
      return told(TEXTS.policies[record.policy] ?? TEXTS.events[record.event], values);
    default:
      return told(TEXTS.events[record.event], values);
  }
}

export const explainStep = (name, values = {}) => told(TEXTS.steps[name], values);

function commandOf({ verb, line }) {
  const { commands } = TEXTS;
  if (line === "***" || line === "*") {
    return commands["***"];
  }
  if (verb === "MAIL" && /<\s*>/.test(line)) {
    return commands["MAIL <>"];
  }
  return Object.hasOwn(commands, verb) ? commands[verb] : commands["?"];
}

// 250 to RCPT says something else than 250 to a message; where that is not known, the number alone is told.
function toldReply(record, command, values) {
  const { replies, enhanced } = TEXTS;
  const asked = command || { "2.1.0": "MAIL", "2.1.5": "RCPT" }[record.enhanced] || "";
  const code = String(record.code);
  const entry = replies[`${code} ${asked}`] ?? replies[code] ?? replies[code[0]];
  if (!entry) {
    return told(TEXTS.events["smtp.reply"], values);
  }
  const [kind, subject, detail] = (record.enhanced ?? "").split(".");
  if (!kind) {
    return told(entry, values);
  }
  const more = enhanced[`${subject}.${detail}`] ?? enhanced[`${subject}.0`] ?? enhanced["0.0"];
  const all = [...new Set([entry.rfc, more.rfc])].join("; ");
  const text = sentences([...entry[language()], ...more[language()]], values);
  return { ...told(entry, values), text, rfc: source(all) };
}

function told(entry, values) {
  return {
    title: filled(entry.title[language()], values),
    text: sentences(entry[language()], values),
    rfc: source(entry.rfc),
  };
}

const source = (rfc) => rfc.replaceAll("section", TEXTS.words.section[language()]);

const sentences = (all, values) => all.map((sentence) => filled(sentence, values)).join(" ");

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "?").replace(/([.!?])\.(?=\s|$)/g, "$1");
}

function valuesOf(record, server) {
  const { line = "" } = record;
  const values = {};
  for (const [name, value] of Object.entries(record)) {
    values[name] = Array.isArray(value) ? listed(value) : value === null ? "?" : String(value);
  }
  return {
    ...values,
    server: server ?? record.server ?? "?",
    peer: record.peer_name ?? record.peer ?? "?",
    reply: record.reply ?? record.code ?? "–",
    argument: line.replace(/^\S+\s*/, "") || "–",
    path: /<[^>]*>/.exec(line)?.[0] ?? (line.replace(/^[^:]*:?\s*/, "") || "–"),
  };
}

function listed(all) {
  const shown = all.slice(0, RECIPIENTS_SHOWN).join(", ");
  return all.length > RECIPIENTS_SHOWN ? `${shown} … (${all.length})` : shown || "–";
}
