// Writing a mail, and what the server said to it.

import { element, replace } from "/static/dom.js";
import { lab } from "/static/lab.js";
import { notAddressesIn, addressesIn } from "/static/mail-drafts.js";

export function composeForm(t, { desk, owner, pane: { key } }) {
  const draft = desk.drafts.get(key) ?? { to: "", subject: "", body: "" };
  const isAnswer = key !== "new";
  const told = element("div", { class: "mail-told", role: "alert", id: "mail-told" });
  const input = (tag, name, attributes) => element(tag, {
    id: `mail-${name}`, value: draft[name], on: { input: ({ target }) => (draft[name] = target.value) }, ...attributes,
  });
  const to = input("input", "to", {
    type: "text", inputmode: "email", autocomplete: "off", autocapitalize: "none", autocorrect: "off", spellcheck: "false",
    "aria-describedby": "mail-to-hint mail-told",
  });
  const subject = input("input", "subject", { type: "text", autocomplete: "off" });
  const body = input("textarea", "body", { rows: "12" });
  const send = element("button", { type: "submit", class: "primary" });
  const heading = element("h2", { tabindex: "-1" }, t(isAnswer ? "mail.answer" : "mail.new"));

  function complain(text) {
    replace(told, element("p", { class: "notice bad" }, text));
    to.setAttribute("aria-invalid", "true");
    to.focus();
  }

  function submit(event) {
    event.preventDefault();
    to.removeAttribute("aria-invalid");
    const wrong = notAddressesIn(draft.to);
    if (draft.sending) {
      return;
    }
    if (!addressesIn(draft.to).length) {
      complain(t("mail.nobody"));
    } else if (wrong.length) {
      complain(t("mail.no-address", { address: wrong[0] }));
    } else {
      desk.send(key);
    }
  }

  function show() {
    send.disabled = draft.sending;
    send.textContent = t(draft.sending ? "mail.sending" : "mail.send");
    replace(told, draft.failure && [
      element("p", { class: "notice bad" }, t("mail.refused"), !draft.failure.recipients.length && ` ${draft.failure.text}`),
      draft.failure.recipients.length > 0 && answerList(t, draft.failure.recipients),
    ]);
  }

  body.setSelectionRange(0, 0); // an answer stands above what it quotes
  show();
  return {
    nodes: [heading, element("form", { class: "mail-form", novalidate: true, on: { submit } }, told,
      element("p", { class: "muted" }, t("mail.from", owner)),
      element("div", { class: "mail-recipients" },
        element("div", { class: "field" }, element("label", { for: "mail-to" }, t("mail.to")), to),
        addressBook(t, draft, to),
        element("p", { class: "muted", id: "mail-to-hint" }, t("mail.to.hint"))),
      element("div", { class: "field" }, element("label", { for: "mail-subject" }, t("mail.subject")), subject),
      element("div", { class: "field" }, element("label", { for: "mail-body" }, t("mail.body")), body),
      element("div", { class: "toolbar" }, send,
        element("button", { type: "button", class: "quiet", on: { click: () => desk.discard(key) } }, t("mail.discard"))))],
    focus: isAnswer ? body : to,
    end: desk.onChange(show),
  };
}

function addressBook(t, draft, to) {
  const choose = ({ target }) => {
    to.value = draft.to = [...addressesIn(draft.to), target.value].join(", ");
    target.value = "";
    to.focus();
  };
  return element("div", { class: "field" },
    element("label", { for: "mail-people" }, t("mail.people")),
    element("select", { id: "mail-people", on: { change: choose } },
      element("option", { value: "" }, t("mail.people.choose")),
      lab.people.map(({ address }) => element("option", { value: address }, address))));
}

// What the server said for each recipient.
export function outcomePane(t, { desk, app }) {
  const { trace, recipients, key } = desk.sent;
  const refused = recipients.filter((each) => !each.accepted).length;
  return {
    nodes: [
      element("h2", { tabindex: "-1" }, t(refused ? "mail.partly" : "mail.sent")),
      element("p", {}, t("mail.sent.about")),
      answerList(t, recipients),
      element("div", { class: "toolbar" },
        trace && element("a", { class: "button primary", href: app.link("traces", trace) }, t("mail.follow")),
        key && element("button", { type: "button", on: { click: () => desk.show({ kind: "write", key }) } }, t("mail.mend"))),
    ],
  };
}

function answerList(t, recipients) {
  return element("ul", { class: "mail-answers" }, recipients.map(({ address, accepted, reply }) => element("li", {},
    element("span", { class: "mono" }, address), " ",
    element("span", { class: `pill ${accepted ? "good" : "bad"}` }, t(accepted ? "mail.accepted" : "mail.not-accepted")),
    element("p", {}, `${t("side.server")} `, element("code", {}, reply)),
    !accepted && element("p", { class: "muted" }, explained(t, reply)))));
}

// Why, in the reader's language: by the enhanced code (RFC 3463) where there is one, else by the first digit.
function explained(t, reply) {
  const [, code = "", enhanced] = /^(\d{3})(?: (\d\.\d+\.\d+))?/.exec(reply) ?? [];
  const keys = [`mail.why.${enhanced}`, `mail.why.${code}`, `mail.why.${code[0] ?? "none"}`];
  return t(keys.find((key) => t.has(key)) ?? "mail.why.none");
}
