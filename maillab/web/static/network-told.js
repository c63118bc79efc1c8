// A record in one sentence.

import { duration } from "/static/words.js";

const MOST_NAMES = 3;

// `letter` is what is known of the mail: { subject }.
export function told(record, letter, t) {
  const subject = record.subject ?? letter?.subject;
  const values = {
    ...Object.fromEntries(Object.entries(record).map(([key, value]) => [key, value ?? ""])),
    subject: subject ? t("subject", { subject }) : t("no_subject"),
    sender: record.sender || t("nobody"),
    recipients: names(record.recipients ?? [], t),
    answers: (record.answers ?? []).join(", "),
    wait: duration(record.retry_in_seconds ?? 0, "long"),
  };
  const key = `told.${record.event}`;
  const variant = variantOf(record);
  for (const each of [`${key}.${variant}`, key, "told.other"]) {
    if (t.has(each)) {
      return t(each, values);
    }
  }
  return record.event;
}

function variantOf(record) {
  switch (record.event) {
    case "message.accepted":
      return !record.connection ? "notice" : record.received_from_queue_id ? "server" : "client";
    case "delivery.deferred":
    case "delivery.failed":
      return record.code ? "reply" : "silent";
    case "delivery.started":
      return record.attempt > 1 ? "again" : "first";
    default:
      return "";
  }
}

function names(list, t) {
  const shown = list.slice(0, MOST_NAMES).join(", ");
  return list.length > MOST_NAMES ? t("and_more", { shown, more: list.length - MOST_NAMES }) : shown;
}

// What is said out loud in a record, and by whom: "server" or "client"; null where nothing is.
export function spoken(record) {
  switch (record.event) {
    case "smtp.command":
      return { by: "client", line: record.line };
    case "smtp.reply":
      return { by: "server", line: record.line };
    case "dns.answered":
      return { by: "dns", line: `${record.question}? ${record.answers.join(", ")}` };
    default:
      return null;
  }
}
