// One trace: its ladder, what a line of it means, the transcript, and the message as a letter. Live while it is open.

import { linkEquals, marker } from "/static/addresses.js";
import { element, replace } from "/static/dom.js";
import { explain, explainStep } from "/static/explain.js";
import { lab } from "/static/lab.js";
import { ladderView } from "/static/ladder.js";
import { pill } from "/static/trace-words.js";
import { blocksOf, contextOf, keyOf, transcriptView } from "/static/transcript.js";
import { dateTime, language, words } from "/static/words.js";
import { zonesView } from "/static/zones.js";

const REDRAW_MS = 250; // a trace changes more often than anybody reads
const TEXT_COLUMNS = 110;
const LADDER_SHARE = 0.7; // of the width, beside the transcript
const RECIPIENTS_NAMED = 8; // the ladder ends with all of them
const TABS = ["transcript", "letter", "growth"];

// What of a trace is unfolded, chosen and shown: it outlives a look elsewhere and a change of language.
const looks = new Map();

function lookAt(id) {
  if (!looks.has(id)) {
    looks.set(id, { unfolded: new Set(), chosen: null, tab: "transcript", copy: null });
  }
  return looks.get(id);
}

export async function mountTrace(root, id, app) {
  const t = await words("traces");
  const look = lookAt(id);
  let shown = null; // { trace, blocks, context, marker }
  let loading = null;
  let again = false;
  let timer = null;
  let gone = false;

  const heading = element("h1", {});
  const about = element("div", { class: "trace-about" });
  const explanation = element("section", {
    class: "card explanation", "aria-live": "polite", "aria-label": t("explanation"), tabindex: "0", // it may scroll
  });
  const exports = element("ul", {});
  const ladder = ladderView({ t, choose: chooseStep, fold, open: (other) => app.go("traces", other) });
  const transcript = transcriptView({ t, choose: chooseRecord });
  const zones = zonesView({ t, chooseCopy, explainField });
  const tabs = element("div", {
    class: "tabs", role: "tablist", "aria-label": t("beside"), on: { keydown: steerTabs },
  });
  const panels = { transcript: transcript.node, letter: zones.letter, growth: zones.growth };

  replace(root,
    element("div", { class: "trace-head" },
      element("div", {}, heading, element("a", { class: "back", href: app.link("replay", id) }, t("replay")),
        element("a", { class: "back", href: app.link("traces") }, t("back"))), about),
    element("div", { class: "trace-grid" },
      element("section", { class: "card ladder-card", "aria-label": t("ladder") }, ladderTools(), ladder.node),
      element("div", { class: "trace-side" }, explanation,
        element("section", { class: "card beside" }, tabs, TABS.map((name) => element("div", {
          class: "tab-panel", role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`,
        }, panels[name]))))));
  root.classList.add("trace-view");
  const markAgain = linkEquals(root);
  showTabs();
  await load();
  const off = lab.onRecords((records) => records.some(concerns) && later());

  function ladderTools() {
    const button = (key, click, attributes = {}) =>
      element("button", { type: "button", on: { click }, ...attributes }, t(key));
    const small = (sign, key, direction) => element("button", {
      type: "button", "aria-label": t(key), title: t(key), on: { click: () => ladder.resize(direction) },
    }, sign);
    return element("div", { class: "toolbar" },
      element("h2", {}, t("ladder")),
      element("span", { class: "grow" }),
      button("unfoldAll", () => foldAll(false)), button("foldAll", () => foldAll(true)),
      element("div", { class: "segments", role: "group", "aria-label": t("zoom") },
        small("−", "smaller", -1), small("⤢", "fit", 0), small("+", "larger", 1)),
      element("details", { class: "menu", on: { keydown: closeMenu, focusout: leaveMenu } },
        element("summary", { class: "button" }, t("export")), exports));
  }

  async function load() {
    if (loading) {
      again = true;
      return;
    }
    loading = read().finally(() => (loading = null));
    await loading;
    if (again && !gone) {
      again = false;
      await load();
    }
  }

  async function read() {
    const trace = await lab.get(`/traces/${encodeURIComponent(id)}`);
    const copy = look.copy ? `?copy=${encodeURIComponent(look.copy)}` : "";
    const [picture, message] = await Promise.all([
      lab.text(ladderPath(trace, "svg")),
      lab.get(`/traces/${trace.trace}/message${copy}`).catch((error) => {
        if (error.status !== 404 || !look.copy) {
          throw error;
        }
        look.copy = null; // that copy is there no more
        return lab.get(`/traces/${trace.trace}/message`);
      }),
    ]);
    if (!gone) {
      show(trace, picture, message);
    }
  }

  function ladderPath(trace, form) {
    const unfolded = trace.conversations.map(({ talk }) => talk).filter((talk) => look.unfolded.has(talk));
    const all = unfolded.length === trace.conversations.length;
    const how = all ? "" : `&brief=1&unfolded=${encodeURIComponent(unfolded.join(","))}`;
    return `/traces/${trace.trace}/ladder.${form}?language=${language()}${how}`;
  }

  function show(trace, picture, message) {
    const blocks = blocksOf(trace);
    const copies = trace.copies.map(({ recipient }) => recipient);
    const known = [trace.sender, ...trace.recipients, ...copies, ...message.addresses ?? []];
    shown = { trace, blocks, context: contextOf(blocks), marker: marker(known.filter(Boolean)) };
    app.title(trace.subject || t("noSubject"));
    heading.textContent = trace.subject || t("noSubject");
    showAbout(trace);
    ladder.show(picture, shown.marker);
    transcript.show(trace, blocks, shown.marker);
    zones.show(message, shown.marker);
    showExports(trace);
    markChosen();
    markAgain();
    widen();
    if (!explanation.hasChildNodes()) {
      replace(explanation,
        element("p", { class: "hint" }, t("chooseLine")), element("p", { class: "hint keys" }, t("keys")));
    }
  }

  // A ladder of many servers takes the whole width, and keeps it.
  function widen() {
    const grid = root.querySelector(".trace-grid");
    if (ladder.needsMoreThan(grid.clientWidth * LADDER_SHARE)) {
      grid.classList.add("wide");
    }
  }

  function showAbout(trace) {
    const { split } = shown.marker;
    const { recipients } = trace;
    const named = recipients.slice(0, recipients.length > RECIPIENTS_NAMED + 1 ? RECIPIENTS_NAMED : undefined);
    const people = t("fromTo", { sender: trace.sender || "<>", recipients: named.join(", ") });
    const other = (key, trace) => element("a", { href: app.link("traces", trace) }, t(key, { trace }));
    replace(about,
      element("p", {}, pill(t, trace.state), " ", split(people),
        named.length < recipients.length && ` ${t("moreRecipients", { n: recipients.length - named.length })}`),
      element("p", { class: "muted" }, t("facts", { trace: trace.trace, at: dateTime(trace.at) })),
      trace.for_trace && element("p", { class: "relation" }, "↩ ", other("noticeAbout", trace.for_trace)),
      trace.children.map((child) => element("p", { class: "relation" }, "↪ ", other("noticeOf", child))));
  }

  function showExports(trace) {
    const paths = {
      svg: ladderPath(trace, "svg"),
      mmd: ladderPath(trace, "mmd"),
      txt: `${ladderPath(trace, "txt")}&width=${TEXT_COLUMNS}`,
      json: `/traces/${trace.trace}`,
    };
    const files = Object.entries(paths).map(([form, path]) => element("li", {},
      element("a", { href: `/api/lab${path}`, download: `${trace.trace}.${form}` }, t(`export.${form}`))));
    const paper = { type: "button", class: "quiet", on: { click: () => print() } };
    replace(exports, files, element("li", {}, element("button", paper, t("export.print"))));
  }

  // Its own records, and lines of its conversations, which name no trace; a kept connection carries others too.
  function concerns({ run, connection, transaction, trace, for_trace }) {
    const own = shown.trace.trace;
    return trace === own || for_trace === own || shown.trace.conversations.some((said) => {
      const [place, number] = said.transaction;
      return said.run === run && place === connection && (transaction ?? number) === number;
    });
  }

  function later() {
    timer ??= setTimeout(() => {
      timer = null;
      load().catch(() => null); // the connection is away, which the shell tells; the next records bring it back
    }, REDRAW_MS);
  }

  function fold(talk, unfold) {
    look.unfolded[unfold ? "add" : "delete"](talk);
    load().catch(fail);
  }

  function foldAll(fold) {
    look.unfolded = new Set(fold ? [] : shown.trace.conversations.map(({ talk }) => talk));
    load().catch(fail);
  }

  function chooseCopy(copy) {
    look.copy = copy;
    load().then(() => root.querySelector("#trace-copy")?.focus()).catch(fail);
  }

  function fail(error) {
    replace(explanation, element("p", { class: "notice bad" }, error.message));
  }

  // A step of the ladder: of a record, or of none.
  function chooseStep(step) {
    const { run, seq, talk, fold: folded } = step.dataset;
    const said = shown.trace.conversations.find((each) => each.talk === talk);
    look.chosen = nameOfStep(step);
    if (folded) {
      tell(explainStep("hop", said), t("conversation", said));
    } else if (step.classList.contains("message")) {
      tell(explainStep("message"), step.querySelector("text:not(.time)")?.textContent);
    } else if (seq) {
      const record = shown.trace.records.find((each) => each.run === run && String(each.seq) === seq);
      tellRecord(record);
    } else {
      tell(explainStep("wait"), step.querySelector("title")?.textContent);
    }
    markChosen();
  }

  function chooseRecord(record) {
    look.chosen = keyOf(record);
    tellRecord(record);
    markChosen();
    ladder.reveal(ladder.steps().find((step) => nameOfStep(step) === look.chosen));
  }

  function tellRecord(record) {
    const whole = record.event === "smtp.reply" ? wholeReply(record) : record.line;
    tell(explain(record, shown.context.get(keyOf(record))), whole, record);
  }

  // All lines of the reply that this one belongs to.
  function wholeReply(record) {
    const block = shown.blocks.find(({ records }) => records.includes(record));
    const at = block.records.indexOf(record);
    const goesOn = (place) => block.records[place]?.event === "smtp.reply" && block.records[place].line[3] === "-";
    let [first, last] = [at, at];
    while (goesOn(first - 1)) {
      first--;
    }
    while (goesOn(last)) {
      last++;
    }
    return block.records.slice(first, last + 1).map(({ line }) => line).join("\n");
  }

  function explainField(name, server) {
    look.chosen = null;
    markChosen();
    tell(explainStep(name.toLowerCase() === "received" ? "Received" : "Return-Path", { by: server }), name);
  }

  function tell({ title, text, rfc }, said, record) {
    const ends = record?.event === "bounce.created" ? [record.trace, record.for_trace] : [];
    const other = ends.find((each) => each !== shown.trace.trace);
    explanation.classList.add("told");
    replace(explanation,
      element("h2", {}, title),
      said && element("pre", { class: "said" }, shown.marker.split(said)),
      element("p", {}, text),
      other && element("p", {}, element("a", { href: app.link("traces", other) }, t("noticeOf", { trace: other }))),
      rfc && element("p", { class: "rfc" }, t("source", { rfc })));
  }

  function markChosen() {
    ladder.mark((step) => look.chosen !== null && nameOfStep(step) === look.chosen);
    transcript.mark(look.chosen);
  }

  function showTabs() {
    replace(tabs, TABS.map((name) => element("button", {
      type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`,
      "aria-selected": String(name === look.tab), tabindex: name === look.tab ? "0" : "-1",
      on: { click: () => chooseTab(name) },
    }, t(`tab.${name}`))));
    TABS.forEach((name) => (root.querySelector(`#panel-${name}`).hidden = name !== look.tab));
  }

  function chooseTab(name) {
    look.tab = name;
    showTabs();
    root.querySelector(`#tab-${name}`).focus();
  }

  function steerTabs(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      chooseTab(TABS[(TABS.indexOf(look.tab) + step + TABS.length) % TABS.length]);
    }
  }

  return () => {
    gone = true;
    off();
    ladder.end();
    clearTimeout(timer);
  };
}

// The name of a step: that of its record where it tells one itself, else of its conversation.
function nameOfStep({ dataset, classList }) {
  const { run, seq, talk, fold: folded } = dataset;
  const isRecord = seq && !folded && !classList.contains("message");
  return isRecord ? keyOf({ run, seq }) : `${talk ?? ""} ${folded ? "hop" : classList[1]}`;
}

function closeMenu(event) {
  if (event.key === "Escape") {
    event.currentTarget.open = false;
    event.currentTarget.querySelector("summary").focus();
  }
}

function leaveMenu(event) {
  if (!event.currentTarget.contains(event.relatedTarget)) {
    event.currentTarget.open = false;
  }
}
