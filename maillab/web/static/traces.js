// The list of traces, newest first: searched and filtered by the server, read in pages, and live.

import { element, replace } from "/static/dom.js";
import { lab } from "/static/lab.js";
import { mountTrace } from "/static/trace.js";
import { STATES, holder, pill } from "/static/trace-words.js";
import { windowed } from "/static/windowed.js";
import { dateTime, number, time, words } from "/static/words.js";

const PAGE = 200; // traces that are read at a time
const ASKED = 200; // changed traces that are asked for at a time
const REFRESH_MS = 600;
const TYPING_MS = 250;
const NEAR_END_PX = 1500;
const WIDE = matchMedia("(min-width: 48rem)");
const CHANGES = new Set([
  "message.accepted", "message.stored", "delivery.started", "delivery.relayed", "delivery.deferred", "delivery.failed",
  "bounce.created",
]);

const NO_FILTER = { search: "", state: "", person: "", server: "" };
let filter = { ...NO_FILTER }; // stays when one comes back to the list
let scrolledTo = 0;

export const mount = (root, params, app) => (params.length ? mountTrace(root, params[0], app) : mountList(root, app));

async function mountList(root, app) {
  const t = await words("traces");
  let traces = new Map(); // by id
  let more = false; // whether older ones are still at the server
  let asked = 0; // counts the questions: an answer to an old one is dropped
  let changed = new Set();
  let timer = null;
  let typing = null;
  let reading = false;

  const count = element("p", { class: "muted count", role: "status" });
  const empty = element("div", { class: "empty", hidden: true });
  const list = windowed({
    key: (trace) => trace.trace,
    row: (trace) => rowOf(trace),
    rowHeight: () => (WIDE.matches ? 74 : 118), // as --row in the styles
    label: t("title"),
  });
  list.node.addEventListener("scroll", readOn);
  replace(root,
    element("h1", {}, t("title")), filters(), count, empty,
    element("div", { class: "card traces-list" }, list.node));
  root.classList.add("traces-view");
  await readFirst();
  list.node.scrollTop = scrolledTo;
  const off = lab.onRecords(take);

  function filters() {
    const select = (name, options) => element("div", { class: "field" },
      element("label", { for: `filter-${name}` }, t(`filter.${name}`)),
      element("select", { id: `filter-${name}`, on: { change: (event) => set({ [name]: event.target.value }) } },
        element("option", { value: "" }, t("any")),
        options.map(([value, text]) => element("option", { value, selected: filter[name] === value }, text))));
    const same = (value) => [value, value];
    const hosts = lab.info.servers.map(({ host }) => same(host));
    const stay = (event) => event.preventDefault();
    return element("form", { class: "toolbar filters", role: "search", on: { submit: stay } },
      element("div", { class: "field grow" }, element("label", { for: "filter-search" }, t("filter.search")),
        element("input", {
          id: "filter-search", type: "search", value: filter.search, placeholder: t("searchHint"), autocomplete: "off",
          on: { input: type },
        })),
      select("state", STATES.map((state) => [state, t(`state.${state}`)])),
      select("person", lab.people.map(({ address }) => same(address))),
      select("server", hosts),
      element("button", { type: "button", id: "filter-reset", hidden: isOpen(), on: { click: reset } }, t("reset")));
  }

  function isOpen() {
    return Object.values(filter).every((value) => value === "");
  }

  function type(event) {
    clearTimeout(typing);
    typing = setTimeout(() => set({ search: event.target.value.trim() }), TYPING_MS);
  }

  function set(part) {
    filter = { ...filter, ...part };
    root.querySelector("#filter-reset").hidden = isOpen();
    list.node.scrollTop = 0;
    readFirst().then(() => app.announce(count.textContent)).catch(fail);
  }

  function reset() {
    clearTimeout(typing);
    filter = { ...NO_FILTER };
    root.querySelectorAll(".filters input, .filters select").forEach((field) => (field.value = ""));
    set({});
    root.querySelector("#filter-search").focus();
  }

  function fail(error) {
    replace(count, error.error ?? error.message);
  }

  function ask(query) {
    const wanted = Object.entries({ ...filter, ...query }).filter(([, value]) => value !== "");
    return lab.get(`/traces?${new URLSearchParams(wanted)}`);
  }

  async function readFirst() {
    const question = ++asked;
    const found = await ask({ limit: PAGE });
    if (question === asked) {
      traces = new Map(found.map((trace) => [trace.trace, trace]));
      more = found.length === PAGE;
      show();
    }
  }

  // The next page, shortly before its place is seen.
  async function readOn() {
    scrolledTo = list.node.scrollTop;
    const left = list.node.scrollHeight - list.node.scrollTop - list.node.clientHeight;
    if (!more || reading || left > NEAR_END_PX) {
      return;
    }
    reading = true;
    const question = asked;
    try {
      const found = await ask({ limit: PAGE, after: inOrder().at(-1).trace });
      if (question === asked) {
        found.forEach((trace) => traces.set(trace.trace, trace));
        more = found.length === PAGE;
        show();
      }
    } catch (error) {
      fail(error);
    }
    reading = false;
  }

  function take(records) {
    for (const record of records) {
      if (CHANGES.has(record.event)) {
        changed.add(record.trace);
        changed.add(record.for_trace);
      }
    }
    changed.delete(undefined);
    changed.delete(null);
    if (changed.size) {
      timer ??= setTimeout(refresh, REFRESH_MS);
    }
  }

  // Only what has changed is asked for again; what does not fit the filter any more goes.
  async function refresh() {
    const ids = [...changed].slice(0, ASKED);
    ids.forEach((id) => changed.delete(id));
    const question = asked;
    try {
      const found = await ask({ trace: ids.join(",") });
      if (question === asked) {
        const oldest = more ? inOrder().at(-1).at : "";
        ids.forEach((id) => traces.delete(id));
        found.filter(({ at }) => at >= oldest).forEach((trace) => traces.set(trace.trace, trace));
        show();
      }
    } catch {
      ids.forEach((id) => changed.add(id)); // the lab is away: again with the next records
    }
    timer = changed.size ? setTimeout(refresh, REFRESH_MS) : null;
  }

  function inOrder() {
    return [...traces.values()].sort((a, b) => (a.at === b.at ? (a.trace < b.trace ? 1 : -1) : a.at < b.at ? 1 : -1));
  }

  function show() {
    const items = inOrder();
    root.querySelector(".traces-list").style.setProperty("--rows", items.length);
    list.show(items);
    count.textContent = more ? t("newest", { n: number(items.length) }) : t.plural("count", items.length);
    root.querySelector(".traces-list").hidden = items.length === 0;
    empty.hidden = items.length > 0;
    if (!items.length) {
      replace(empty, isOpen()
        ? [element("p", {}, t("none")), element("p", {}, element("a", { href: app.link("") }, t("toNetwork")))]
        : element("p", {}, t("noneFits")));
    }
  }

  function rowOf(trace) {
    const people = t("fromTo", { sender: trace.sender || "<>", recipients: shortened(trace.recipients) });
    const parent = trace.for_trace && element("a", { class: "relation", href: app.link("traces", trace.for_trace) },
      "↩ ", t("noticeAbout", { trace: trace.for_trace }));
    const children = trace.children.slice(0, 1).map((child) =>
      element("a", { class: "relation", href: app.link("traces", child) }, "↪ ", t("noticeOf", { trace: child })));
    return element("div", { class: `trace-row ${trace.state}` },
      element("a", { class: "subject", href: app.link("traces", trace.trace) }, trace.subject || t("noSubject")),
      element("span", { class: "people" }, people),
      element("span", { class: "state" }, pill(t, trace.state)),
      element("span", { class: "holder" }, holder(t, trace), parent, children),
      element("span", { class: "hops" }, t.plural("hops", trace.hops.length)),
      element("time", { datetime: trace.at, title: dateTime(trace.at) }, time(trace.at)));
  }

  return () => {
    off();
    list.end();
    clearTimeout(timer);
    clearTimeout(typing);
  };
}

const shortened = (names) => names.slice(0, 3).join(", ") + (names.length > 3 ? ` +${names.length - 3}` : "");
