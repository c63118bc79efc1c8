// The simple client: lines that are typed go to a server, the server's lines come back, and beside them stands what may
// be said now. All that lasts is in the connection; this is what is seen of it.

import { guide } from "/static/client-guide.js";
import { connectionOf } from "/static/client-connection.js";
import { element, replace } from "/static/dom.js";
import { lab } from "/static/lab.js";

const HIGHEST_PORT = 65535;
const NEAR_THE_END_PX = 40;

export function mountProgram(root, owner, app, t) {
  const connection = connectionOf(owner.address);
  const connecting = connectForm(t, connection);
  const output = outputArea(t, connection, app);
  const message = messageForm(t, connection);
  const beside = guide(t, owner, connection, app, message.insert);
  let status = connection.status;

  const show = () => {
    const hadFocus = connecting.hasFocusToLose();
    connecting.show();
    output.show();
    message.show();
    beside.show();
    if (status !== connection.status) {
      const before = status;
      status = connection.status;
      if (status === "open") {
        message.focus();
      } else if (status === "closed" && (hadFocus || before === "opening")) {
        connecting.focus(before);
      }
    }
  };
  root.append(
    element("div", { class: "client-talk" }, connecting.node, output.node, message.node),
    beside.node);
  show();
  output.toEnd();
  return connection.onChange(show);
}

// Where to, and the two buttons.
function connectForm(t, connection) {
  const problem = element("p", { class: "notice bad", role: "alert", hidden: true, id: "client-problem" });
  const field = (key, attributes) => element("input", {
    id: `client-${key}`, value: connection[key], autocomplete: "off", spellcheck: "false", autocapitalize: "none",
    autocorrect: "off", "aria-describedby": "client-problem",
    on: { input: ({ target }) => (connection[key] = target.value) }, ...attributes,
  });
  const server = field("server", { type: "text", inputmode: "url" });
  const port = field("port", { type: "text", inputmode: "numeric", size: 6 });
  const connect = element("button", { type: "submit", class: "primary" }, t("client.connect"));
  const disconnect = element("button", { type: "button", on: { click: () => connection.disconnect() } }, t("client.disconnect"));

  const complain = (input, key) => {
    problem.textContent = t(key);
    problem.hidden = false;
    input.setAttribute("aria-invalid", "true");
    input.focus();
  };
  const submit = (event) => {
    event.preventDefault();
    problem.hidden = true;
    [server, port].forEach((input) => input.removeAttribute("aria-invalid"));
    const number = Number(connection.port.trim());
    if (!connection.server.trim()) {
      complain(server, "client.no-server");
    } else if (!connection.port.trim()) {
      complain(port, "client.no-port");
    } else if (!/^\d+$/.test(connection.port.trim()) || number < 1 || number > HIGHEST_PORT) {
      complain(port, "client.no-such-port");
    } else {
      connection.connect();
    }
  };
  const show = () => {
    const isClosed = connection.status === "closed";
    server.readOnly = port.readOnly = !isClosed;
    connect.disabled = !isClosed;
    disconnect.disabled = isClosed;
    connect.textContent = t(connection.status === "opening" ? "client.connecting" : "client.connect");
  };
  const node = element("form", { class: "client-connect", on: { submit }, novalidate: true, "aria-label": t("client.connection") },
    element("div", { class: "field client-server" }, element("label", { for: "client-server" }, t("client.server")), server),
    element("div", { class: "field client-port" }, element("label", { for: "client-port" }, t("client.port")), port),
    element("div", { class: "client-buttons" }, connect, disconnect),
    problem);
  const hasFocusToLose = () => document.activeElement === disconnect;
  // Who was refused has the address to look at; who has ended a conversation may begin another.
  const focus = (before) => (before === "opening" ? server : connect).focus();
  return { node, show, hasFocusToLose, focus };
}

// What was said, by whom, in words.
function outputArea(t, connection, app) {
  const log = element("div", {
    class: "client-log", role: "log", tabindex: "0", "aria-label": t("client.output"), "aria-live": "polite",
  });
  const empty = element("p", { class: "muted client-empty" }, t("client.empty"));
  const earlier = element("p", { class: "muted client-frame", hidden: true });
  const shown = new Map(); // entry to node
  log.append(empty, earlier);

  const show = () => {
    const nearEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_THE_END_PX;
    const there = new Set(connection.lines);
    for (const [entry, node] of shown) {
      if (!there.has(entry)) {
        node.remove();
        shown.delete(entry);
      }
    }
    let next = null;
    for (const entry of connection.lines.toReversed()) {
      let node = shown.get(entry);
      if (!node || (entry.trace && !node.dataset.trace)) {
        node?.remove(); // a letter whose trace is known by now
        node = showEntry(t, entry, app);
        shown.set(entry, node);
        log.insertBefore(node, next);
      } else if (entry.kind && node.dataset.kind !== entry.kind) {
        node.dataset.kind = entry.kind; // a line that was sent ahead is judged when the server has come to it
      }
      next = node;
    }
    empty.hidden = connection.lines.length > 0;
    earlier.hidden = connection.dropped === 0;
    earlier.textContent = t.plural("client.dropped", connection.dropped);
    if (nearEnd) {
      toEnd();
    }
  };
  const toEnd = () => (log.scrollTop = log.scrollHeight);
  const clear = element("button", { type: "button", class: "quiet", on: { click: () => connection.clear() } }, t("client.clear"));
  const node = element("div", { class: "client-output" },
    element("div", { class: "toolbar" }, element("h2", { class: "grow" }, t("client.output")), clear), log);
  return { node, show, toEnd };
}

function showEntry(t, { side, text, kind, word, values, trace }, app) {
  if (side === "frame") {
    return element("p", { class: `client-frame ${word.startsWith("refused") || word === "lost" ? "bad" : ""}` },
      frameText(t, word, values));
  }
  if (side === "letter") {
    return element("p", { class: "client-frame good", data: { trace: trace ?? "" } }, t("client.letter"), " ",
      trace && element("a", { href: app.link("traces", trace) }, t("client.letter.trace")));
  }
  return element("p", { class: `client-line ${side}`, data: { kind: kind ?? (side === "client" ? "ahead" : "") } },
    element("span", { class: "client-who" }, t(`side.${side}`)), " ",
    element("span", { class: "client-said" }, text));
}

function frameText(t, word, values) {
  const known = { ...values, ports: values.ports?.join(", "), names: nearbyNames() };
  if (word === "refused.unknown-host") {
    return t(values.nearest ? `client.${word}.nearest` : `client.${word}`, known);
  }
  return t(`client.${word}`, known);
}

const NAMED_SERVERS = 5;

// Some names that would have been right; a lab may have a thousand.
function nearbyNames() {
  const names = lab.info.servers.map(({ host, domains }) => domains[0] ?? host);
  return names.slice(0, NAMED_SERVERS).join(", ") + (names.length > NAMED_SERVERS ? ", …" : "");
}

// The field that is typed into. Enter sends, Shift and Enter begins a line, up and down fetch what was sent before.
function messageForm(t, connection) {
  const label = element("label", { for: "client-message" });
  const field = element("textarea", {
    id: "client-message", rows: "2", value: connection.typed, autocomplete: "off", spellcheck: "false",
    autocapitalize: "none", autocorrect: "off", "aria-describedby": "client-hint client-told",
    on: { input: () => (connection.typed = field.value), keydown },
  });
  const hint = element("p", { class: "muted", id: "client-hint" });
  const told = element("p", { class: "notice wait", id: "client-told", role: "alert", hidden: true });
  let place = connection.typedBefore.length; // in what was sent before; behind its end stands what is typed now
  let unsent = "";
  let toldAt = connection.status;

  function tell(problem) {
    toldAt = connection.status;
    told.hidden = problem === null;
    hint.hidden = !told.hidden;
    told.textContent = problem ? t(problem) : "";
  }

  function write(text) {
    field.value = connection.typed = text;
    grow();
  }

  function grow() {
    field.rows = Math.min(8, Math.max(2, field.value.split("\n").length));
  }

  function send(event) {
    event?.preventDefault();
    const { status, dialogue, typedBefore } = connection;
    const expectsCommand = dialogue && !dialogue.waits && fieldSense(dialogue) === "command";
    const problem = status !== "open" ? `client.told.${status}`
      : expectsCommand && !field.value.trim() ? "client.told.empty"
      : connection.isTooLong(field.value) ? "client.told.too-long" : null;
    tell(problem);
    if (problem === null) {
      connection.send(field.value);
      place = typedBefore.length;
      write("");
    }
    field.focus();
  }

  function keydown(event) {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    if (event.key === "Enter" && !event.shiftKey) {
      send(event);
    } else if (event.key === "ArrowUp" && !field.value.slice(0, field.selectionStart).includes("\n")) {
      recall(event, -1);
    } else if (event.key === "ArrowDown" && !field.value.slice(field.selectionEnd).includes("\n")) {
      recall(event, 1);
    }
  }

  function recall(event, step) {
    const { typedBefore } = connection;
    const wanted = place + step;
    if (wanted < 0 || wanted > typedBefore.length) {
      return;
    }
    event.preventDefault();
    if (place === typedBefore.length) {
      unsent = field.value;
    }
    place = wanted;
    write(typedBefore[place] ?? unsent);
    field.setSelectionRange(field.value.length, field.value.length);
  }

  // Puts a template into the field, with the part selected that is to be replaced.
  function insert(text, part) {
    write(text);
    const start = part ? text.indexOf(part) : text.length;
    field.focus();
    field.setSelectionRange(start, part ? start + part.length : start);
  }

  function show() {
    const sense = fieldSense(connection.dialogue);
    label.textContent = t(`client.message.${sense}`);
    hint.textContent = t(`client.hint.${sense}`);
    node.dataset.sense = sense;
    if (toldAt !== connection.status) {
      tell(null);
    }
  }

  const node = element("form", { class: "client-message", on: { submit: send } },
    element("div", { class: "field" }, label, field),
    element("button", { type: "submit", class: "primary" }, t("client.send")),
    hint, told);
  grow();
  return { node, show, insert, focus: () => field.focus() };
}

// What a line means that is typed now: a command, the text of a letter, an answer to AUTH, or any line at all.
function fieldSense(dialogue) {
  const senses = { text: "text", chunks: "command", login: "login", other: "line", tls: "line" };
  return senses[dialogue?.state] ?? "command";
}
