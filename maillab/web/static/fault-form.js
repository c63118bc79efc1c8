// The form that makes a fault: a kind, and just what that kind has to know.

import { element, replace } from "/static/dom.js";
import { COMMANDS, GROUPS, REPLIES, commonKeys, keysOf } from "/static/fault-kinds.js";

const NUMBERS = { // key to the attributes of its field
  seconds: { min: 0, step: "any" },
  jitter_seconds: { min: 0, step: "any" },
  octets_per_second: { min: 1, step: 1 },
  after_octets: { min: 0, step: 1 },
  times: { min: 1, step: 1 },
  after: { min: 0, step: 1 },
  chance: { min: 0, max: 1, step: "any" },
};
const PLACES = new Set(["from", "to", "server"]);

// Gives { node, set(values) }; `values` is kept by the caller, so that nothing typed is lost with the view.
export function faultForm({ t, servers, values, add }) {
  const kind = element("select", { id: "fault-kind", on: { change: () => choose(kind.value) } },
    Object.entries(GROUPS).map(([group, kinds]) => element("optgroup", { label: t(`faults.group.${group}`) },
      kinds.map((each) => element("option", { value: each }, t(`fault.${each}`))))));
  const about = element("p", { class: "muted" });
  const own = element("div", { class: "fault-fields" });
  const common = element("div", { class: "fault-fields" });
  const problem = element("p", { class: "notice bad", role: "alert", hidden: true });
  const details = element("details", { class: "fault-more" }, element("summary", {}, t("faults.more")), common);
  const node = element("form", { class: "fault-form", "aria-labelledby": "fault-new", on: { submit } },
    element("div", { class: "field" }, element("label", { for: "fault-kind" }, t("faults.kind")), kind),
    about, own, details, problem, element("p", {}, element("button", { class: "primary" }, t("faults.add"))),
    element("datalist", { id: "fault-replies" }, REPLIES.map((reply) => element("option", { value: reply }))));

  function choose(name) {
    values.kind = name;
    show();
  }

  function show() {
    kind.value = values.kind;
    about.textContent = t(`fault.${values.kind}.about`);
    replace(own, keysOf(values.kind, values).map(field));
    replace(common, commonKeys().map(field));
    problem.hidden = true;
  }

  function field({ key, isNeeded }) {
    const id = `fault-${key}`;
    const label = element("label", { for: id }, t(`fault.key.${key}`));
    if (key === "hosts") {
      return hostsField();
    }
    if (key === "late") {
      return element("div", { class: "field check" },
        checkbox(id, Boolean(values.late), (is) => (values.late = is)), label);
    }
    return element("div", { class: "field" }, label, control(key, id, isNeeded));
  }

  function control(key, id, isNeeded) {
    const keep = (event) => (values[key] = event.target.value);
    if (PLACES.has(key)) {
      return select(id, placesFor(key), values[key] ?? "", keep);
    }
    if (key === "command") {
      values.command ??= "RCPT";
      return select(id, COMMANDS.map((name) => [name, named("fault.command", name)]), values.command, (event) => {
        keep(event);
        show(); // another command may take other keys
        node.querySelector(`#${id}`).focus();
      });
    }
    const form = key in NUMBERS ? { type: "number", inputmode: "decimal", ...NUMBERS[key] } : { type: "text" };
    return element("input", {
      id, value: values[key] ?? "", required: isNeeded, autocomplete: "off", spellcheck: "false", ...form,
      list: key === "reply" && "fault-replies", placeholder: named(`fault.key.${key}`, "example", ""),
      on: { input: keep },
    });
  }

  function named(group, name, otherwise = name) {
    return t.has(`${group}.${name}`) ? t(`${group}.${name}`) : otherwise;
  }

  function placesFor(key) {
    const names = servers.map(({ host, domains }) => [host, domains.length ? `${host} (${domains.join(", ")})` : host]);
    const clients = key === "from" ? [["clients", t("fault.place.clients")]] : [];
    return [["", t(`fault.place.${key === "server" ? "all" : "everybody"}`)], ...clients, ...names];
  }

  function select(id, options, chosen, change) {
    return element("select", { id, on: { change } },
      options.map(([value, text]) => element("option", { value, selected: value === chosen }, text)));
  }

  function hostsField() {
    const chosen = new Set(values.hosts ?? []);
    return element("fieldset", { class: "field fault-hosts" }, element("legend", {}, t("fault.key.hosts")),
      servers.map(({ host }, index) => element("span", { class: "check" },
        checkbox(`fault-host-${index}`, chosen.has(host), (is) => {
          chosen[is ? "add" : "delete"](host);
          values.hosts = [...chosen];
        }),
        element("label", { for: `fault-host-${index}` }, host))));
  }

  function checkbox(id, checked, change) {
    return element("input", { type: "checkbox", id, checked, on: { change: (event) => change(event.target.checked) } });
  }

  // What the lab is asked for: what was left empty is left out.
  function order() {
    const keys = [...keysOf(values.kind, values), ...commonKeys()].map(({ key }) => key);
    const given = keys.filter((key) => ![undefined, "", false].includes(values[key]))
      .map((key) => [key, key in NUMBERS ? Number(values[key]) : values[key]]);
    return Object.fromEntries([["kind", values.kind], ...given]);
  }

  async function submit(event) {
    event.preventDefault();
    problem.hidden = true;
    try {
      await add(order());
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  // Another fault than before: what belonged to that one is forgotten.
  function set(next) {
    Object.keys(values).forEach((key) => delete values[key]);
    Object.assign(values, next);
    open();
    show();
  }

  // What was given is seen.
  function open() {
    details.open = commonKeys().some(({ key }) => ![undefined, ""].includes(values[key]));
  }

  open();
  show();
  return { node, set };
}
