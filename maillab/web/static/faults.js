// Faults that are wanted: what is set, how often it has struck, and a form for more.

import { element, replace } from "/static/dom.js";
import { faultForm } from "/static/fault-form.js";
import { presets } from "/static/fault-kinds.js";
import { lab } from "/static/lab.js";
import { failure } from "/static/message.js";
import { often } from "/static/often.js";
import { duration, number, time, words } from "/static/words.js";

const t = await words("mail");
const REREAD_MS = 500;
const FIRINGS_SHOWN = 20;

const values = { kind: "reply" }; // what stands in the form; it stays when the view goes

export async function mount(root, _params, app) {
  const { servers } = lab.info;
  const problem = element("div", { class: "slot" });
  const list = element("ul", { class: "fault-list" });
  const empty = element("p", { class: "empty" }, t("faults.none"));
  const heading = element("h2", { id: "fault-set", tabindex: "-1" }, t("faults.set"));
  const clearAll = element("button", { type: "button", on: { click: () => clear("/faults", t("faults.cleared.all")) } },
    t("faults.clear.all"));
  const fired = element("section", { class: "card", "aria-labelledby": "fault-fired" });
  const form = faultForm({ t, servers, values, add });
  const read = often(REREAD_MS, async () => {
    show(await lab.get("/faults"));
    replace(problem);
  }, (error) => replace(problem, failure(error)));

  async function add(order) {
    const made = await lab.post("/faults", order);
    app.announce(t("faults.added", { name: made.name }));
    await read.now();
  }

  async function clear(path, said) {
    try {
      await lab.delete(path);
      app.announce(said);
      await read.now();
    } catch (error) {
      replace(problem, failure(error));
    }
    heading.focus(); // the button that was pressed is gone
  }

  function show(faults) {
    const focused = document.activeElement?.dataset?.fault;
    replace(list, faults.map((fault) => row(fault, () =>
      clear(`/faults/${encodeURIComponent(fault.name)}`, t("faults.cleared", { name: fault.name })))));
    if (focused !== undefined) {
      [...list.querySelectorAll("button")].find(({ dataset }) => dataset.fault === focused)?.focus();
    }
    empty.hidden = faults.length > 0;
    list.hidden = !faults.length;
    clearAll.hidden = faults.length < 2;
    showFirings();
  }

  function showFirings() {
    const firings = lab.records.filter(({ event }) => event === "fault.injected").slice(-FIRINGS_SHOWN).reverse();
    fired.hidden = !firings.length;
    replace(fired, element("h2", { id: "fault-fired" }, t("faults.fired")),
      element("ul", { class: "fault-firings" }, firings.map((record) => element("li", {},
        element("time", { class: "muted", datetime: record.at }, time(record.at)),
        element("b", { class: "said" }, record.fault),
        element("span", { class: "said grow", lang: "en" }, record.reason),
        record.trace && element("a", { href: app.link("traces", record.trace) }, t("trace.link"))))));
  }

  replace(root, element("h1", {}, t("faults")), element("p", { class: "muted" }, t("faults.about")),
    element("div", { class: "fault-columns" },
      element("section", { class: "card", "aria-labelledby": "fault-new" },
        element("h2", { id: "fault-new" }, t("faults.new")),
        element("div", { class: "fault-presets", role: "group", "aria-label": t("faults.presets") },
          Object.entries(presets(servers)).map(([name, preset]) => element("button", {
            type: "button", on: { click: () => form.set(structuredClone(preset)) },
          }, t(`faults.preset.${name}`)))),
        form.node),
      element("div", { class: "fault-column" },
        element("section", { class: "card", "aria-labelledby": "fault-set" },
          element("div", { class: "toolbar" }, heading, element("span", { class: "grow" }), clearAll),
          problem, empty, list),
        fired)));
  fired.hidden = true;
  await read.now();
  const off = lab.onRecords((records) => records.some(({ event }) => event === "fault.injected") && read.soon());
  return () => {
    off();
    read.end();
  };
}

function row(fault, clear) {
  const count = fault.times
    ? t("faults.count.of", { n: number(fault.fired_count), times: number(fault.times) })
    : t.plural("faults.count", fault.fired_count);
  return element("li", { class: "fault-row" },
    element("div", { class: "grow" },
      element("p", {}, element("b", { class: "said" }, fault.name), " ", fault.spent
        ? element("span", { class: "pill muted" }, t("faults.spent"))
        : element("span", { class: "pill wait" }, t("faults.armed"))),
      element("p", { class: "said" }, sentence(fault)),
      element("p", { class: "muted" }, [count, ...conditions(fault)].join(" · "))),
    element("button", {
      type: "button", "aria-label": t("faults.clear.name", { name: fault.name }), data: { fault: fault.name },
      on: { click: clear },
    }, t("faults.clear")));
}

function sentence(fault) {
  const place = (name, other) => (name === "clients" ? t("fault.says.clients") : name ?? t(`fault.says.${other}`));
  const path = fault.address === "" ? "<>" : fault.address;
  const text = t(fault.late ? "fault.says.disconnect.late" : `fault.says.${fault.kind}`, {
    from: place(fault.from, "everybody"),
    to: place(fault.to, "everybody"),
    server: place(fault.server, fault.kind.startsWith("disk-") ? "each.disk" : "each"),
    domain: place(fault.domain, "names"),
    hosts: (fault.hosts ?? []).join(", "),
    reply: fault.reply,
    octets: number(fault.octets_per_second ?? fault.after_octets ?? 0),
    seconds: duration(fault.seconds ?? 0),
    command: t.has(`fault.command.${fault.command}`) ? t(`fault.command.${fault.command}`) : fault.command,
  });
  return path === undefined ? text : `${text} ${t("fault.says.path", { path })}`;
}

const percent = (chance) => number(chance, { style: "percent", maximumFractionDigits: 1 });

const conditions = ({ after = 0, chance = 1 }) => [
  after > 0 && t.plural("faults.after", after),
  chance < 1 && t("faults.chance", { chance: percent(chance) }),
].filter(Boolean);
