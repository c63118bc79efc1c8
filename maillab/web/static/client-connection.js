// The simple client's connections: one for each person, and they last while other views are shown.

import { Dialogue } from "/static/client-dialogue.js";

const KEPT_LINES = 1000; // of a conversation; the oldest go first
const KEPT_TYPED = 100; // for the arrow keys
const FRAME_CHARACTERS = 15_000; // of UTF-8 up to four octets each: the lab takes 65,536 in one frame
const QUEUE_ID = /\b([0-9A-HJKMNP-TV-Z]{13})-\d+-\d+\b/; // trace, hop and copy, where a reply names it

const connections = new Map();

export function connectionOf(address) {
  if (!connections.has(address)) {
    connections.set(address, new Connection());
  }
  return connections.get(address);
}

// Entries of `lines`: { side: "client" or "server", text, kind }, { side: "frame", word, values } for what the client
// itself says, { side: "letter", trace } where a server has taken one; its trace is null until it is known.
class Connection {
  server = "";
  port = "";
  typed = ""; // in the message field, not sent yet
  typedBefore = [];
  lines = [];
  dropped = 0;
  status = "closed"; // or "opening", or "open"
  dialogue = null;
  letter = null; // the trace of the last letter that was taken
  place = null; // { host, address, port }, while somebody is there
  #socket = null;
  #listeners = new Set();

  // Calls fn whenever something has changed; the answer ends it.
  onChange(fn) {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  connect() {
    this.place = this.letter = this.dialogue = null;
    this.status = "opening";
    const query = new URLSearchParams({ server: this.server.trim(), port: this.port.trim(), events: "1" });
    const socket = new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/console?${query}`);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#told(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => socket === this.#socket && this.#closed(code));
    this.#changed();
  }

  disconnect() {
    const socket = this.#socket;
    this.#closed(1000);
    socket?.close();
  }

  // Sends `text` as lines; the line break at its end, if there is one, ends the last of them.
  send(text) {
    const plain = text.replace(/\r\n?/g, "\n");
    const lines = (plain.length > 1 && plain.endsWith("\n") ? plain.slice(0, -1) : plain).split("\n");
    this.#remember(lines.join("\n"));
    for (let start = 0; start < lines.length;) {
      let end = start + 1;
      for (let size = lines[start].length; end < lines.length && size + lines[end].length < FRAME_CHARACTERS; end++) {
        size += lines[end].length + 1;
      }
      this.#socket.send(lines.slice(start, end).join("\n"));
      start = end;
    }
    for (const line of lines) {
      const entry = { side: "client", text: line, kind: null };
      this.#add(entry);
      this.dialogue.said(entry);
    }
    this.#changed();
  }

  // Whether `text` has a line that is longer than the lab takes at once; no server would take it either.
  isTooLong(text) {
    return text.split("\n").some((line) => line.length > FRAME_CHARACTERS);
  }

  clear() {
    this.lines = [];
    this.dropped = 0;
    this.#changed();
  }

  #told({ event, ...values }) {
    if (event === "opened") {
      this.status = "open";
      this.place = values;
      this.dialogue = new Dialogue();
      this.#add({ side: "frame", word: "opened", values });
    } else if (event === "heard") {
      values.lines.forEach((text) => this.#hear(text));
    } else if (event === "accepted") {
      this.#letterTaken(values.trace);
    } else if (event === "refused") {
      this.#add({ side: "frame", word: `refused.${values.reason}`, values });
      this.place = null;
      this.#socket = null; // its end is nothing more to tell
      this.status = "closed";
    }
    this.#changed();
  }

  #hear(text) {
    const before = this.dialogue.accepted;
    const reply = { side: "server", text, kind: Number(text.slice(0, 3)) >= 400 ? "refusal" : null };
    this.#add(reply);
    this.dialogue.heard(text);
    if (this.dialogue.accepted > before) {
      this.letter = QUEUE_ID.exec(text)?.[1] ?? null;
      this.#insert(this.lines.indexOf(reply) + 1, { side: "letter", trace: this.letter });
    }
  }

  // The lab tells it a moment after the reply; in a lab of several processes only a queue id in the reply does.
  #letterTaken(trace) {
    const letters = this.lines.filter(({ side }) => side === "letter");
    const unknown = letters.find((entry) => entry.trace === null);
    if (unknown && !letters.some((entry) => entry.trace === trace)) {
      this.letter = unknown.trace = trace;
    }
  }

  #closed(code) {
    this.#socket = null;
    this.lines.filter(({ side, kind }) => side === "client" && !kind).forEach((line) => (line.kind = "unread"));
    if (this.status !== "closed" && this.place) {
      if (code !== 1000) {
        this.#add({ side: "frame", word: "lost", values: {} });
      }
      this.#add({ side: "frame", word: "closed", values: this.place });
    } else if (this.status === "opening") {
      this.#add({ side: "frame", word: code === 1000 ? "given-up" : "lost", values: {} });
    }
    this.status = "closed";
    this.place = null;
    this.#changed();
  }

  // What the server says stands before the lines that were sent ahead and that it has not come to yet.
  #add(entry) {
    const sentAhead = entry.side === "client" ? -1 : this.lines.findIndex((line) => line.side === "client" && !line.kind);
    this.#insert(sentAhead < 0 ? this.lines.length : sentAhead, entry);
  }

  #insert(place, entry) {
    this.lines.splice(place, 0, entry);
    const dropped = this.lines.splice(0, Math.max(0, this.lines.length - KEPT_LINES));
    this.dropped += dropped.length;
  }

  #remember(text) {
    if (text.trim() && this.typedBefore.at(-1) !== text) {
      this.typedBefore.push(text);
      this.typedBefore.splice(0, this.typedBefore.length - KEPT_TYPED);
    }
  }

  #changed() {
    this.#listeners.forEach((fn) => fn());
  }
}
