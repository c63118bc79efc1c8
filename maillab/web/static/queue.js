// What waits for delivery: where, why, when it is tried again and until when; and what has left the queue, and how.

import { element, replace } from "/static/dom.js";
import { explain } from "/static/explain.js";
import { lab } from "/static/lab.js";
import { failure } from "/static/message.js";
import { clock } from "/static/network-clock.js";
import { often } from "/static/often.js";
import { dateTime, duration, time, words } from "/static/words.js";

const t = await words("mail");
const REREAD_MS = 500;
const TICK_MS = 1000;
const SHOWN_AT_FIRST = 50;
const GONE_KEPT = 20;
const DAY_SECONDS = 86_400;
const CHANGES = new Set([
  "message.accepted", "delivery.started", "delivery.deferred", "delivery.failed", "delivery.relayed", "message.stored",
  "bounce.created",
]);

let gone = []; // what has left while the page was open, the latest first; kept while other views are shown
let goneRun = null;

export async function mount(root, _params, app) {
  const networkWords = await words("network");
  const now = clock(networkWords, app);
  const summary = element("p", { class: "muted slot", role: "status" });
  const problem = element("div", { class: "slot" });
  const list = element("ol", { class: "queue-list" });
  const more = element("button", { type: "button", on: { click: showMore } });
  const left = element("section", { class: "card", "aria-labelledby": "queue-gone" });
  const entries = new Map(); // queue id and server to { item, node, shown, ticks }
  let waiting = [];
  let limit = SHOWN_AT_FIRST;
  if (goneRun !== lab.info.run) {
    gone = [];
    goneRun = lab.info.run;
  }

  const read = often(REREAD_MS, async () => {
    const before = waiting;
    waiting = await lab.get("/queue");
    replace(problem);
    const ids = new Set(waiting.map(keyOf));
    before.filter((item) => !ids.has(keyOf(item))).forEach((item) => leave(item));
    show();
  }, (error) => replace(problem, failure(error)));

  function leave(item) {
    gone = [{ item, at: lab.now() }, ...gone].slice(0, GONE_KEPT);
    app.announce(t(`queue.left.${endOf(item).end}`, { subject: item.subject || t("subject.none") }));
  }

  function show() {
    const shown = waiting.slice(0, limit);
    const keys = new Set(shown.map(keyOf));
    for (const [key, entry] of entries) {
      if (!keys.has(key)) {
        entry.node.remove();
        entries.delete(key);
      }
    }
    shown.forEach((item, index) => {
      const node = entryOf(item).node;
      if (list.children[index] !== node) {
        list.insertBefore(node, list.children[index] ?? null);
      }
    });
    summary.textContent = waiting.length ? t.plural("queue.count", waiting.length) : "";
    list.hidden = !waiting.length;
    empty.hidden = waiting.length > 0;
    more.hidden = waiting.length <= limit;
    more.textContent = t("queue.more", { n: Math.min(SHOWN_AT_FIRST, waiting.length - limit) });
    showGone();
    tick();
  }

  function entryOf(item) {
    const key = keyOf(item);
    const text = JSON.stringify(item);
    let entry = entries.get(key);
    if (!entry) {
      entry = { node: element("li", { class: "card queue-entry" }), shown: "" };
      entries.set(key, entry);
    }
    if (entry.shown !== text) {
      const hadFocus = entry.node.contains(document.activeElement);
      entry.shown = text;
      entry.ticks = fill(entry.node, item, app, read, problem);
      if (hadFocus) {
        entry.node.querySelector("button").focus();
      }
    }
    return entry;
  }

  function showMore() {
    const first = limit;
    limit += SHOWN_AT_FIRST;
    show();
    list.children[first]?.querySelector("button")?.focus();
  }

  function showGone() {
    left.hidden = !gone.length;
    replace(left, element("h2", { id: "queue-gone" }, t("queue.gone")),
      element("ul", { class: "queue-gone" }, gone.map((each) => goneRow(each, app))));
  }

  function tick() {
    now.tick();
    entries.forEach(({ ticks }) => ticks.forEach((update) => update()));
  }

  const empty = element("p", { class: "empty" }, t("queue.none"));
  replace(root, element("h1", {}, t("queue")), element("p", { class: "muted" }, t("queue.about")), now.node,
    summary, problem, empty, list, more, left);
  more.hidden = true;
  await read.now();
  const timer = setInterval(tick, TICK_MS);
  const offs = [
    lab.onRecords((records) => records.some(({ event }) => CHANGES.has(event)) && read.soon()),
    lab.onChange(() => read.soon()), // the clock was moved, or the connection is back
    () => clearInterval(timer),
    read.end,
  ];
  return () => offs.forEach((off) => off());
}

const keyOf = ({ server, queue_id: id }) => `${server} ${id}`;
const names = (recipients) => recipients.map(({ address }) => address).join(", ");
const peopleOf = ({ sender, recipients }) => `${sender || t("sender.none")} → ${names(recipients)}`;
const inSeconds = (iso) => (Date.parse(iso) - lab.labNow()) / 1000;

// Fills an entry, and gives what is to be done every second.
function fill(node, item, app, read, problem) {
  const ticks = [];
  const subject = item.subject || t("subject.none");
  const retry = element("button", {
    type: "button", "aria-label": t("queue.retry.name", { subject }), on: { click: tryNow },
  }, t("queue.retry"));
  replace(node,
    element("div", { class: "queue-head" },
      element("h2", { class: "said" }, subject),
      element("div", { class: "toolbar" }, retry,
        element("a", { class: "button quiet", href: app.link("traces", item.trace) }, t("trace.link")))),
    element("p", { class: "said" }, peopleOf(item)),
    element("p", { class: "muted said" }, t("queue.where", { server: item.server }), " ",
      element("span", { class: "mono" }, item.queue_id)),
    grouped(item.recipients).map((group) => waitOf(group, item.recipients.length, ticks)),
    untilOf(item, ticks));

  async function tryNow() {
    retry.setAttribute("aria-disabled", "true");
    try {
      await lab.post(`/queue/${encodeURIComponent(item.queue_id)}/retry`);
      app.announce(t("queue.retried", { subject }));
    } catch (error) {
      replace(problem, failure(error));
    }
    retry.removeAttribute("aria-disabled");
    read.soon();
  }
  return ticks;
}

// Recipients that wait for the same, together.
function grouped(recipients) {
  const groups = new Map();
  for (const recipient of recipients) {
    const { next_hop: nextHop, due_at: dueAt, attempts, last_reply: reply } = recipient;
    const key = JSON.stringify([nextHop, dueAt, attempts, reply]);
    groups.set(key, [...(groups.get(key) ?? []), recipient]);
  }
  return [...groups.values()];
}

function waitOf(group, all, ticks) {
  const [{ next_hop: nextHop, due_at: dueAt, attempts, last_reply: reply }] = group;
  const due = element("span", { class: "pill wait" });
  const update = () => {
    const seconds = inSeconds(dueAt);
    const isDay = seconds > DAY_SECONDS;
    due.textContent = seconds > 0
      ? t("queue.due", { at: isDay ? dateTime(dueAt) : time(dueAt), in: duration(Math.ceil(seconds)) })
      : t("queue.due.now");
  };
  update();
  ticks.push(update);
  return element("div", { class: "queue-wait" },
    group.length < all && element("p", { class: "said" }, t("queue.for", { to: names(group) })),
    element("p", { class: "toolbar" }, due, element("span", { class: "said" }, t("queue.next", { host: nextHop })),
      element("span", { class: "muted" }, attempts ? t.plural("queue.attempts", attempts) : t("queue.attempts.none"))),
    reply && element("p", { class: "queue-reply mono said" }, reply),
    reply && element("p", { class: "muted said" }, why(reply, nextHop)));
}

// Why it waits: the server's answer explained, or what our own server found instead of one.
function why(reply, server) {
  const answer = /^([245]\d\d)(?:[ -]([245]\.\d{1,3}\.\d{1,3}))?(?:[ -]|$)/.exec(reply);
  return answer
    ? explain({ event: "smtp.reply", code: Number(answer[1]), enhanced: answer[2], line: reply }, { server }).text
    : t("queue.why.unreached");
}

function untilOf(item, ticks) {
  const until = element("p", { class: "muted" });
  const update = () => {
    const seconds = inSeconds(item.gives_up_at);
    until.textContent = seconds > 0
      ? t("queue.until", { at: dateTime(item.gives_up_at), in: duration(Math.ceil(seconds)) })
      : t("queue.until.past");
  };
  update();
  ticks.push(update);
  return until;
}

// How a mail has left: what the records say by now, as they may come later than the queue is read.
function endOf({ server, queue_id: id }) {
  const failed = lab.records.findLast((record) =>
    record.event === "delivery.failed" && record.queue_id === id && record.server === server);
  const notice = failed && lab.records.find((record) =>
    record.event === "bounce.created" && record.for_queue_id === id && record.seq > failed.seq);
  return { end: failed ? "failed" : "relayed", reply: failed?.reply, notice: notice?.trace };
}

function goneRow({ item, at }, app) {
  const { end, reply, notice } = endOf(item);
  return element("li", { class: "queue-gone-row" },
    element("span", { class: `pill ${end === "failed" ? "bad" : "good"}` }, t(`queue.end.${end}`)),
    element("span", { class: "grow said" }, element("b", {}, item.subject || t("subject.none")), " ",
      element("span", { class: "muted" }, peopleOf(item)),
      reply && element("span", { class: "mono queue-gone-reply" }, reply)),
    element("time", { class: "muted", datetime: new Date(at).toISOString() }, time(new Date(at))),
    element("a", { href: app.link("traces", item.trace) }, t("trace.link")),
    notice && element("a", { href: app.link("traces", notice) }, t("queue.notice")));
}
