// Mailboxes as their owners' mail programs know them: read once, and then followed by the lab's records.

import { lab } from "/static/lab.js";

const PAUSE_MS = 200; // between two looks, however much comes in

const inboxes = new Map();

export function inboxOf(address) {
  if (!inboxes.has(address)) {
    inboxes.set(address, new Inbox(address));
  }
  return inboxes.get(address);
}

class Inbox {
  entries = []; // newest first
  error = null;
  wasRead = false;
  #address;
  #run = null;
  #listeners = new Set();
  #looking = false;
  #again = false;
  #whole = true; // whether what is known already is to be read as well: somebody else may have opened it

  constructor(address) {
    this.#address = address;
  }

  get path() {
    return `/mailboxes/${encodeURIComponent(this.#address)}/messages`;
  }

  get unseen() {
    return this.entries.filter((entry) => !entry.seen).length;
  }

  // Calls fn whenever something has changed, and keeps the mailbox in view until the answer is called.
  onChange(fn) {
    const isMine = ({ event, mailbox }) => event === "message.stored" && mailbox === this.#address;
    const offRecords = lab.onRecords((records) => records.some(isMine) && this.look());
    if (!this.#listeners.size) {
      this.#whole = true;
    }
    this.#listeners.add(fn);
    this.look();
    return () => {
      offRecords();
      this.#listeners.delete(fn);
    };
  }

  // Reads what is new.
  async look() {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    do {
      this.#again = false;
      await this.#read();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    } while (this.#again);
    this.#looking = false;
  }

  // It was opened by its owner.
  sawMessage(uid) {
    this.entries = this.entries.map((entry) => (entry.uid === uid ? { ...entry, seen: true } : entry));
    this.#changed();
  }

  async #read() {
    const whole = this.#whole || this.#run !== lab.info.run;
    this.#whole = false;
    this.#run = lab.info.run;
    try {
      const after = whole ? 0 : this.entries[0]?.uid ?? 0;
      const news = (await lab.get(`${this.path}?after=${after}`)).reverse();
      this.entries = whole ? news : [...news, ...this.entries];
      this.error = null;
      this.wasRead = true;
    } catch (error) {
      this.#whole = true;
      this.error = error;
    }
    this.#changed();
  }

  #changed() {
    this.#listeners.forEach((fn) => fn());
  }
}
