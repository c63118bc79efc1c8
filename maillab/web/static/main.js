// The page: servers, and mail on its way. All text goes into the document as text, never as HTML.

import { follow } from "/static/live.js";
import { language, words } from "/static/words.js";

const API = "/api/lab";
const SHOWN_TRACES = 100;
const REFRESH_MS = 500; // a busy lab changes more often than anybody reads
const CHANGES_TRACES = new Set([
  "message.accepted", "message.stored", "delivery.relayed", "delivery.deferred", "delivery.failed", "bounce.created",
  "records.lost", "lab.ready",
]);

const $ = (id) => document.getElementById(id);

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) {
    made.className = className;
  }
  made.append(...children);
  return made;
}

function link(href, text) {
  const made = element("a", "", text);
  made.href = href;
  return made;
}

async function get(path) {
  const response = await fetch(`${API}${path}`);
  if (response.status === 401) {
    location.assign("/login");
  }
  if (!response.ok) {
    throw new Error(`${path}: ${response.status}`);
  }
  return response;
}

function pair(name, value, className = "") {
  return [element("dt", "", name), element("dd", className, value)];
}

function showLab(lab) {
  const title = lab.title[language] ?? lab.title.en ?? Object.values(lab.title)[0] ?? lab.lab;
  document.title = `${title} · maillab`;
  $("title").textContent = title;
  $("facts").textContent = `${lab.lab} · ${lab.mailboxes.length} ${words.mailboxes} · ${words.run} ${lab.run}`;
  $("servers").replaceChildren(...lab.servers.map((server) => {
    const facts = element("dl", "",
      ...pair(words.domains, server.domains.join(", ") || `– (${words.relay})`),
      ...pair(words.address, server.address, "mono"),
      ...pair(words.listens, server.smtp ?? "–", "mono"));
    return element("li", "", element("div", "host", server.host), facts);
  }));
}

function showPath(trace) {
  const path = element("div", "path");
  trace.hops.forEach((hop, index) => path.append(index ? " → " : "", element("b", "", hop.server)));
  if (trace.for_trace) {
    path.append(` · ${words.notice} ${trace.for_trace}`);
  }
  return path;
}

const timeOfDay = new Intl.DateTimeFormat(language, { timeStyle: "medium" });

function summaryOf(trace) {
  const state = element("span", `pill state ${trace.state}`, words.states[trace.state] ?? trace.state);
  const people = `${trace.sender || words.nobody} → ${trace.recipients.join(", ")}`;
  const when = element("time", "when", timeOfDay.format(new Date(trace.at)));
  when.dateTime = trace.at;
  return [
    element("span", "subject", trace.subject || words.noSubject), state,
    element("span", "people", people), when,
    showPath(trace),
  ];
}

function insideOf(trace) {
  const base = `${API}/traces/${trace.trace}`;
  const links = element("p", "links",
    link(`${base}/ladder.txt`, `${words.ladder} (text)`), link(`${base}/ladder.mmd`, `${words.ladder} (Mermaid)`),
    link(`${base}/ladder.svg`, words.picture), link(base, `${words.records} (JSON)`));
  return element("div", "inside", links, element("pre", "", words.loading));
}

// One entry per trace, kept while it is shown: an open one stays open, and focus stays where it is.
const entries = new Map();

function entryFor(trace) {
  let entry = entries.get(trace.trace);
  if (!entry) {
    const details = element("details", "trace", element("summary", ""), insideOf(trace));
    entry = { item: element("li", "", details), details, shown: "" };
    entries.set(trace.trace, entry);
    details.addEventListener("toggle", () => loadLadder(trace.trace));
  }
  const now = JSON.stringify(trace);
  if (entry.shown !== now) {
    entry.shown = now;
    entry.details.firstChild.replaceChildren(...summaryOf(trace));
    loadLadder(trace.trace);
  }
  return entry.item;
}

async function loadLadder(id) {
  const { details } = entries.get(id);
  if (details.open) {
    const response = await get(`/traces/${id}/ladder.txt?width=110`);
    details.querySelector("pre").textContent = await response.text();
  }
}

async function showTraces() {
  const traces = await (await get(`/traces?limit=${SHOWN_TRACES}`)).json();
  const ids = new Set(traces.map((trace) => trace.trace));
  for (const [id, entry] of entries) {
    if (!ids.has(id)) {
      entry.item.remove();
      entries.delete(id);
    }
  }
  const list = $("traces");
  traces.map(entryFor).forEach((item, index) => {
    if (list.children[index] !== item) {
      list.insertBefore(item, list.children[index] ?? null);
    }
  });
  $("count").textContent = traces.length ? (traces.length < SHOWN_TRACES ? traces.length : `${SHOWN_TRACES}+`) : "";
  $("empty").hidden = traces.length > 0;
}

let refresh = null;

function tell(records) {
  if (records.some((record) => record.event === "lab.ready")) {
    start().catch(console.error);
  } else if (refresh === null && records.some((record) => CHANGES_TRACES.has(record.event))) {
    refresh = setTimeout(() => {
      refresh = null;
      showTraces().catch(console.error);
    }, REFRESH_MS);
  }
}

function connected(yes) {
  $("connection").textContent = yes ? words.live : words.away;
  $("connection").className = `pill ${yes ? "live" : "away"}`;
}

async function start() {
  const lab = await (await get("/lab")).json();
  showLab(lab);
  await showTraces();
  return lab;
}

document.documentElement.lang = language;
$("servers-heading").textContent = words.servers;
$("traces-heading").textContent = words.traces;
$("empty").textContent = words.none;
follow(await start(), { tell, connected });
