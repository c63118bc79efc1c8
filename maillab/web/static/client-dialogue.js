// Where a conversation in SMTP stands, as somebody sees who reads both sides' lines (RFC 5321 section 4.1.4).
//
// said(line) and heard(text) take the lines as they pass; `line` is an object { text } and gets a `kind`: "command",
// "text" (of the letter), "login", or "line" where it is nothing of SMTP. Lines that were sent ahead are judged when the reply before them is there, as the
// server does: whether a line behind DATA is text or a command depends on the answer to DATA.
//
// state  "greeting"  the server is to speak first          "login"   the server asks for a name or password
//        "connected" nobody has said HELO yet              "tls"     the server waits for TLS, which is not typed
//        "ready"     a mail may begin                      "chunks"  between two parts of a letter (BDAT)
//        "mail"      the sender is known                   "closing" the server has said goodbye
//        "rcpt"      a recipient is known                  "other"   this is no SMTP
//        "text"      lines of the letter, until the dot

const FINAL_LINE = /^(\d{3})(?!-)/; // RFC 5321 section 4.2.1
const CHUNK = /^BDAT +(\d{1,18})( +LAST)? *$/i; // RFC 3030 section 2
const EVERYDAY = ["RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT"];
const ONWARD = {
  connected: ["HELO", "EHLO"],
  ready: ["MAIL"],
  mail: ["RCPT"],
  rcpt: ["RCPT", "DATA"],
  text: ["header", "empty", "."],
  chunks: ["BDAT"],
  login: ["*"],
};
const STEPS = ["HELO", "MAIL", "RCPT", "DATA", "text", "QUIT"];
const STEP_OF = { connected: 0, ready: 1, mail: 2, rcpt: 3, text: 4, chunks: 4 };

const utf8 = new TextEncoder();

export class Dialogue {
  state = "greeting";
  reply = null; // { code, text }: the last one, whole
  accepted = 0; // letters that the server has taken
  #awaited = "greeting"; // what the server owes an answer to
  #unjudged = [];
  #chunk = null; // { left, last, inTurn }: octets of a chunk that are still to come
  #offers = [];
  #collected = [];

  // Whether the server is the one to speak.
  get waits() {
    return this.#awaited !== null;
  }

  // What leads on to a letter, and what may be said besides.
  get onward() {
    const onward = this.waits ? [] : ONWARD[this.state] ?? [];
    return this.accepted > 0 && this.state === "ready" && !this.waits ? ["QUIT", ...onward] : onward;
  }

  get besides() {
    if (this.waits || !["connected", "ready", "mail", "rcpt", "chunks"].includes(this.state)) {
      return [];
    }
    const hello = this.state === "connected" ? [] : ["HELO", "EHLO"];
    const tls = ["connected", "ready"].includes(this.state) && this.#offers.includes("STARTTLS") ? ["STARTTLS"] : [];
    const login = this.state === "ready" && this.#offers.includes("AUTH") ? ["AUTH"] : [];
    return [...login, ...tls, ...EVERYDAY, ...hello].filter((verb) => !this.onward.includes(verb));
  }

  // The way of a letter, and how far this conversation has come: [["HELO", "done"], ["MAIL", "now"], ...].
  get steps() {
    const at = this.accepted > 0 && this.state === "ready" ? STEPS.length - 1 : STEP_OF[this.state] ?? -1;
    return STEPS.map((step, index) => [step, index < at ? "done" : index === at ? "now" : "later"]);
  }

  said(line) {
    this.#unjudged.push(line);
    this.#judge();
  }

  heard(text) {
    if (this.state === "greeting" && /^(\+OK|\* )/.test(text)) {
      this.state = "other"; // POP3 and IMAP greet so
      this.#awaited = null;
    }
    if (this.state === "other") {
      return;
    }
    this.#collected.push(text.slice(4));
    const code = Number(FINAL_LINE.exec(text)?.[1] ?? 0);
    if (code) {
      this.reply = { code, text };
      this.#settle(this.#awaited, code);
      this.#collected = [];
      this.#judge();
    }
  }

  #judge() {
    while (this.#awaited === null && this.#unjudged.length) {
      this.#take(this.#unjudged.shift());
    }
  }

  #take(line) {
    if (this.#chunk) {
      line.kind = "text";
      this.#chunk.left -= utf8.encode(line.text).length + 2;
      this.#awaited = this.#chunk.left > 0 ? null : "BDAT";
    } else if (this.state === "text" && line.text !== ".") {
      line.kind = "text";
    } else if (this.state === "text") {
      line.kind = "command";
      this.#awaited = ".";
    } else if (this.state === "login") {
      line.kind = "login";
      this.#awaited = "AUTH";
    } else if (this.state === "other") {
      line.kind = "line";
    } else {
      this.#takeCommand(line);
    }
  }

  #takeCommand(line) {
    line.kind = "command";
    this.#awaited = /^[a-z]*/i.exec(line.text)[0].toUpperCase();
    const [, size, last] = CHUNK.exec(line.text) ?? [];
    if (size !== undefined) {
      const inTurn = this.state === "rcpt" || this.state === "chunks"; // else it is only swallowed
      this.#chunk = { left: Number(size), last: last !== undefined, inTurn };
      this.#awaited = this.#chunk.left > 0 ? null : "BDAT";
    }
  }

  #settle(awaited, code) {
    this.#awaited = null;
    if (code === 421 || (awaited === "QUIT" && code < 400) || (awaited === "greeting" && code !== 220)) {
      this.state = "closing"; // RFC 5321 section 4.2.3: the server closes
      this.#unjudged = [];
    } else if (awaited === "greeting") {
      this.state = "connected";
    } else if (awaited === ".") {
      this.#ended(code);
    } else if (awaited === "BDAT") {
      this.#chunkEnded(code);
    } else if (awaited === "AUTH") {
      this.state = code === 334 ? "login" : this.state === "login" ? "ready" : this.state;
    } else if (code < 400) {
      this.#done(awaited, code);
    }
  }

  #done(verb, code) {
    if (verb === "HELO" || verb === "EHLO") {
      this.state = "ready";
      this.#offers = verb === "EHLO" ? this.#collected.slice(1).map((text) => text.split(" ")[0].toUpperCase()) : [];
    } else if (verb === "MAIL" || verb === "RCPT") {
      this.state = verb.toLowerCase();
    } else if (verb === "DATA" && code === 354) {
      this.state = "text";
    } else if (verb === "RSET" && this.state !== "connected") {
      this.state = "ready";
    } else if (verb === "STARTTLS") {
      this.state = "tls";
    }
  }

  #ended(code) {
    this.state = "ready";
    this.accepted += code < 400 ? 1 : 0;
  }

  #chunkEnded(code) {
    const chunk = this.#chunk;
    this.#chunk = null;
    if (chunk?.inTurn && (code >= 400 || chunk.last)) {
      this.#ended(code);
    } else if (chunk?.inTurn) {
      this.state = "chunks";
    }
  }
}
