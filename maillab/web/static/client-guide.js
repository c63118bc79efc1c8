// Beside the simple client: where the conversation stands, in words, and what may be said now. A command that is
// pressed comes into the message field as a template; nothing is sent by that.

import { element, replace } from "/static/dom.js";

const TLS_PORT = 465; // RFC 8314 section 3.3: TLS from the first octet, so that nobody greets who types

// What comes into the field for a command; what stands in brackets is selected there, to be replaced.
const TEMPLATES = {
  HELO: "HELO [{user}]",
  EHLO: "EHLO [{user}]",
  MAIL: "MAIL FROM:<[{address}]>",
  RCPT: "RCPT TO:<[{recipient}]>",
  AUTH: "AUTH [PLAIN]",
  BDAT: "BDAT [{octets}] LAST",
  VRFY: "VRFY [{recipient}]",
  EXPN: "EXPN [{list}]",
  header: "Subject: [{subject}]",
  empty: "",
};

export function guide(t, owner, connection, app, insert) {
  const title = element("h2", { id: "client-guide" }, t("guide"));
  const state = element("p", { class: "client-state", role: "status" });
  const reply = element("p", { class: "client-reply" });
  const steps = element("ol", { class: "client-steps", "aria-label": t("guide.steps") });
  const onward = element("ul", { class: "client-commands" });
  const besides = element("ul", { class: "client-commands" });
  const everyday = element("details", {}, element("summary", {}, t("guide.besides")), besides);
  const letter = element("p", { class: "notice good", hidden: true });
  const node = element("aside", { class: "card client-guide", "aria-labelledby": "client-guide" },
    title, steps, state, reply, letter, onward, everyday);
  let shown = "";

  function command(verb) {
    const { text, part } = template(t, owner, verb);
    return element("li", {},
      element("button", {
        type: "button", class: "client-template", "aria-label": `${t("guide.insert")} ${t(`syntax.${verb}`)}`,
        on: { click: () => insert(text, part) },
      }, element("code", {}, t(`syntax.${verb}`))),
      element("span", {}, t(`about.${verb}`)));
  }

  function showSteps(dialogue) {
    steps.hidden = dialogue?.state === "other";
    const all = dialogue?.steps ?? ["HELO", "MAIL", "RCPT", "DATA", "text", "QUIT"].map((step) => [step, "later"]);
    replace(steps, all.map(([step, when]) => element("li", { data: { when }, "aria-current": when === "now" && "step" },
      t(`step.${step}`), when === "done" && element("span", { class: "visually-hidden" }, ` (${t("step.done")})`))));
  }

  function showReply(dialogue) {
    const { code, text } = dialogue?.reply ?? {};
    reply.hidden = !code || dialogue.waits;
    if (code) {
      const kind = String(code)[0];
      const looks = { 2: "good", 3: "accent", 4: "wait", 5: "bad" }[kind];
      replace(reply, element("span", { class: `pill ${looks ?? ""}` }, text.slice(0, 3)), " ", t(`reply.${kind}`));
    }
  }

  function show() {
    const { status, dialogue } = connection;
    const live = status === "open" ? dialogue : null;
    const where = live ? stateOf(live, connection.place) : status;
    const waiting = live?.waits && live.state !== "greeting";
    const now = JSON.stringify([where, waiting, dialogue?.reply, connection.letter, live?.onward, live?.besides]);
    if (now === shown) {
      return; // so that nothing moves under a finger, and nothing is read out twice
    }
    shown = now;
    const sentence = waiting ? t("guide.waiting") : t(`guide.${where}`, owner);
    if (state.textContent !== sentence) {
      state.textContent = sentence;
    }
    showSteps(live);
    showReply(live);
    letter.hidden = connection.letter === null;
    replace(letter, connection.letter && [t("guide.letter"), " ",
      element("a", { href: app.link("traces", connection.letter) }, t("client.letter.trace"))]);
    replace(onward, (live?.onward ?? []).map(command));
    replace(besides, (live?.besides ?? []).map(command));
    everyday.hidden = !live?.besides.length;
  }

  return { node, show };
}

function stateOf(dialogue, { port }) {
  if (dialogue.state === "greeting" && port === TLS_PORT) {
    return "greeting.tls";
  }
  return dialogue.accepted > 0 && dialogue.state === "ready" ? "done" : dialogue.state;
}

function template(t, owner, verb) {
  const values = {
    ...owner, recipient: t("example.recipient"), list: t("example.list"), subject: t("example.subject"), octets: 100,
  };
  const filled = (TEMPLATES[verb] ?? verb).replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const [, part] = /\[(.*)\]/.exec(filled) ?? [];
  return { text: filled.replace(/[[\]]/g, ""), part };
}
