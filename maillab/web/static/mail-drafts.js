// What people are writing, and what became of what they sent. It lasts while other views are shown.

import { lab } from "/static/lab.js";

const ADDRESS = /^[^\s@<>,;]+@[^\s@<>,;]+$/;
const MESSAGE_ID = /<[!-;=?-~]{1,900}>/g; // as the lab takes it
const ANSWER_PREFIX = /^\s*(re|aw)\s*:/i;
const NEW = "new";

const desks = new Map();

export function writingDeskOf(address) {
  if (!desks.has(address)) {
    desks.set(address, new WritingDesk(address));
  }
  return desks.get(address);
}

// pane    what the owner looks at: { kind: "none" }, { kind: "read", uid }, { kind: "write", key }, { kind: "sent" }
// drafts  by key: { to, subject, body, inReplyTo, references, sending, failure }; one new one, and one for each answer
// sent    what the last sending brought: { trace, recipients: [{ address, accepted, reply }], draft }
class WritingDesk {
  pane = { kind: "none" };
  drafts = new Map();
  sent = null;
  #address;
  #listeners = new Set();

  constructor(address) {
    this.#address = address;
  }

  onChange(fn) {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  show(pane) {
    this.pane = pane;
    this.changed();
  }

  write() {
    if (!this.drafts.has(NEW)) {
      this.drafts.set(NEW, blank());
    }
    this.show({ kind: "write", key: NEW });
  }

  // Begins an answer to `message`, or goes on with it; `quoted` is what stands in it at first.
  answer(message, quoted) {
    const key = String(message.uid);
    if (!this.drafts.has(key)) {
      const subject = message.subject ?? "";
      const ids = (name) => (header(message, name) ?? "").match(MESSAGE_ID) ?? [];
      const [answered] = ids("Message-ID");
      this.drafts.set(key, {
        ...blank(),
        to: replyAddress(message) ?? "",
        subject: ANSWER_PREFIX.test(subject) ? subject : `Re: ${subject}`.trim(),
        body: quoted,
        inReplyTo: answered,
        // RFC 5322 section 3.6.4: those of the mail that is answered, or else what that one answered, and its own.
        references: answered ? [...(header(message, "References") ? ids("References") : ids("In-Reply-To")), answered] : [],
      });
    }
    this.show({ kind: "write", key });
  }

  discard(key) {
    this.drafts.delete(key);
    this.show({ kind: "none" });
  }

  // Drafts that are not looked at just now, and have something in them.
  get resting() {
    const open = this.pane.kind === "write" ? this.pane.key : null;
    return [...this.drafts].filter(([key, { to, subject, body }]) => key !== open && (to || subject || body));
  }

  // Hands a draft to the owner's server, by way of the lab; nobody but that server says what becomes of it.
  async send(key) {
    const draft = this.drafts.get(key);
    Object.assign(draft, { sending: true, failure: null });
    this.changed();
    try {
      const { trace, recipients } = await lab.post("/send", {
        from: this.#address, to: addressesIn(draft.to), subject: draft.subject, body: draft.body,
        ...(draft.inReplyTo && { in_reply_to: draft.inReplyTo, references: draft.references }),
      });
      this.#took(key, draft, trace, answers(recipients, draft.to));
    } catch (error) {
      draft.failure = { text: error.error ?? error.message, recipients: answers(error.answer?.recipients ?? {}, draft.to) };
    }
    draft.sending = false;
    this.changed();
  }

  // Who was refused stays in the draft, to be mended.
  #took(key, draft, trace, recipients) {
    const refused = recipients.filter((each) => !each.accepted);
    draft.to = refused.map((each) => each.address).join(", ");
    if (!refused.length) {
      this.drafts.delete(key);
    }
    this.sent = { trace, recipients, key: refused.length ? key : null };
    if (this.pane.kind === "write" && this.pane.key === key) {
      this.pane = { kind: "sent" };
    }
  }

  changed() {
    this.#listeners.forEach((fn) => fn());
  }
}

const blank = () => ({ to: "", subject: "", body: "", inReplyTo: null, references: [], sending: false, failure: null });

// What the server said for each recipient, in the order in which they were written.
function answers(recipients, to) {
  const places = new Map(addressesIn(to).map((address, place) => [address.toLowerCase(), place]));
  return Object.entries(recipients).map(([address, answer]) => ({ address, ...answer }))
    .sort((one, other) => places.get(one.address.toLowerCase()) - places.get(other.address.toLowerCase()));
}

// The addresses in a field of recipients: with commas or semicolons between them, and names beside them or not.
export function addressesIn(text) {
  return text.split(/[,;\n]/).map((each) => (/<([^<>]*)>/.exec(each)?.[1] ?? each).trim()).filter(Boolean);
}

export const notAddressesIn = (text) => addressesIn(text).filter((address) => !ADDRESS.test(address));

function header(message, name) {
  return message.headers.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1];
}

// Who gets an answer: whom the header names, or else the envelope's sender, as hand-typed mail may have no From.
export function replyAddress(message) {
  const named = [header(message, "Reply-To"), message.from, message.return_path].filter(Boolean);
  return named.flatMap(addressesIn).find((address) => ADDRESS.test(address)) ?? null;
}
