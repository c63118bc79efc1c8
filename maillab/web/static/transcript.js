// The transcript of one trace: everything that was said and done, in words, for eyes and for ears.

import { element, replace } from "/static/dom.js";
import { duration, time } from "/static/words.js";

const LINES_SHOWN = 400; // of a mail to a thousand people, more on demand
const PAUSE_SECONDS = 0.5;
const SIGNS = { client: "▶", server: "◀", event: "●" };
const BAD = new Set(["delivery.failed", "delivery.deferred"]);
const TOLD = new Set([
  "message.accepted", "message.stored", "delivery.deferred", "delivery.failed", "delivery.duplicate", "dns.answered",
  "bounce.created", "tls.started", "auth.succeeded", "auth.failed", "message.refused", "policy.checked",
  "fault.injected", "storage.failed", "delivery.started", "delivery.relayed",
]);

export const keyOf = ({ run, seq }) => `${run} ${seq}`;

// The trace as blocks in the order to be read: conversations whole, other things one by one between them.
export function blocksOf(trace) {
  const talkOf = new Map();
  for (const said of trace.conversations) {
    said.seqs.forEach((seq) => talkOf.set(keyOf({ run: said.run, seq }), said));
    talkOf.set([said.run, ...said.transaction].join(" "), said);
  }
  const blocks = [];
  const blockOf = new Map();
  for (const record of trace.records.filter(isTold)) {
    const isPartOfIt = ["message.accepted", "message.stored", "delivery.duplicate"].includes(record.event);
    const talk = talkOf.get(keyOf(record))
      ?? (isPartOfIt ? talkOf.get([record.run, record.connection, record.transaction].join(" ")) : undefined);
    let block = talk && blockOf.get(talk);
    if (!block) {
      block = { talk, records: [] };
      blocks.push(block);
      blockOf.set(talk, block);
    }
    block.records.push(record);
  }
  return blocks;
}

const isTold = ({ event }) => event === "smtp.command" || event === "smtp.reply" || TOLD.has(event);

// What each reply answers: replies come in the order of the commands, also where these were sent ahead.
export function contextOf(blocks) {
  const known = new Map();
  for (const { talk, records } of blocks) {
    const asked = [];
    for (const record of records) {
      if (record.event === "smtp.command") {
        asked.push(record.line === "***" ? "AUTH" : record.verb);
      }
      known.set(keyOf(record), { server: talk?.server, client: talk?.client, command: asked[0] ?? "" });
      if (record.event === "smtp.reply" && record.line[3] !== "-") {
        asked.shift();
        if (record.code === 354) {
          asked.unshift("message");
        }
      }
    }
  }
  return known;
}

export function transcriptView({ t, choose }) {
  const list = element("div", { class: "transcript" });
  let limit = LINES_SHOWN;
  let last = null;
  list.addEventListener("keydown", steer);

  function show(trace, blocks, { split }) {
    last = [trace, blocks, { split }];
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    let left = limit;
    const shown = blocks.map((block) => {
      const records = block.records.slice(0, Math.max(0, left));
      left -= block.records.length;
      return records.length > 0 && blockElement(block, records, split);
    });
    const more = left < 0
      && element("button", { type: "button", on: { click: showMore } }, t("showMore", { n: -left }));
    replace(list, shown, more);
    const lines = [...list.querySelectorAll(".line")];
    const again = lines.find((line) => line.dataset.key === focused);
    (again ?? lines[0])?.setAttribute("tabindex", "0");
    again?.focus({ preventScroll: true });
  }

  function showMore() {
    limit = Infinity;
    show(...last);
  }

  function blockElement({ talk }, records, split) {
    let earlier = null;
    const lines = records.map((record) => {
      const pause = earlier && (Date.parse(record.at) - Date.parse(earlier.at)) / 1000;
      earlier = record;
      return [
        pause >= PAUSE_SECONDS && element("li", { class: "pause" }, t("later", { time: duration(pause) })),
        element("li", {}, lineElement(record, talk, split)),
      ];
    });
    const ends = talk && { client: talk.client || t("client"), server: talk.server };
    const heading = talk && element("h3", {}, t("conversation", ends));
    return element("section", { class: talk ? "talk" : "between" }, heading, element("ol", {}, lines));
  }

  function lineElement(record, talk, split) {
    const side = { "smtp.command": "client", "smtp.reply": "server" }[record.event] ?? "event";
    const bad = side === "server" ? record.code >= 400 : BAD.has(record.event);
    const said = side === "event" ? t.has(record.event) ? t(record.event, wordsOf(record)) : record.event : record.line;
    return element("button", {
      type: "button", class: `line ${side}${bad ? " bad" : ""}`, tabindex: "-1", data: { key: keyOf(record) },
      on: { click: () => choose(record) },
    },
    element("time", { datetime: record.at }, time(record.at)),
    element("span", { class: "sign", "aria-hidden": "true" }, SIGNS[side]),
    side !== "event" && element("span", { class: "side" }, t(side)),
    element("span", { class: "said" },
      side === "event" && element("span", { class: "side" }, `${record.server} `), split(said)));
  }

  function wordsOf(record) {
    const values = { ...record, time: duration(record.retry_in_seconds ?? 0), reply: record.reply ?? "–" };
    values.recipients = (record.recipients ?? []).slice(0, 5).join(", ");
    values.answers = (record.answers ?? []).join(", ");
    return values;
  }

  function steer(event) {
    const lines = [...list.querySelectorAll(".line")];
    const at = lines.indexOf(event.target);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 };
    if (at < 0 || !(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    const next = lines[Math.max(0, Math.min(lines.length - 1, moves[event.key]))];
    lines.forEach((line) => line.setAttribute("tabindex", line === next ? "0" : "-1"));
    next.focus();
  }

  function mark(key) {
    for (const line of list.querySelectorAll(".line")) {
      line.classList.toggle("chosen", line.dataset.key === key);
      line.setAttribute("aria-current", String(line.dataset.key === key));
    }
    const chosen = list.querySelector(".line.chosen");
    const box = list.parentElement; // it scrolls by itself where it stands beside the ladder
    if (chosen && box.scrollHeight > box.clientHeight && !chosen.contains(document.activeElement)) {
      const { top } = chosen.getBoundingClientRect();
      box.scrollTop += top - box.getBoundingClientRect().top - box.clientHeight / 2;
    }
  }

  return { node: list, show, mark };
}
