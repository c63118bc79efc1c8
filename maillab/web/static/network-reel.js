// Records shown one after the other in the picture: a trace that is replayed, or the past of a lab that is paused.

import { lab } from "/static/lab.js";
import { markResting, markSpoken } from "/static/network-marks.js";
import { isDialogue } from "/static/network-model.js";
import { tape } from "/static/network-tape.js";
import { world } from "/static/network-world.js";

const STEP_MS = 1500; // at normal speed
const LINE_MS = 1000; // a line of dialogue
const NOTICES = 5; // so many of a trace are shown with it

// A trace, and the notices that servers wrote about it: the whole story.
export async function recordsOf(id) {
  const trace = await lab.get(`/traces/${encodeURIComponent(id)}`);
  const notices = await Promise.all(trace.children.slice(0, NOTICES).map((child) => lab.get(`/traces/${child}`)));
  const records = [trace, ...notices].flatMap((each) => each.records);
  const known = new Map(records.map((record) => [`${record.run} ${record.seq}`, record]));
  const inOrder = (one, other) => (one.run === other.run ? one.seq - other.seq : one.at < other.at ? -1 : 1);
  return { title: trace.subject, records: [...known.values()].sort(inOrder) };
}

// `view` is the picture and what is told beside it; `options` are those of a tape.
export class Reel {
  constructor(view, records, options) {
    Object.assign(this, { view, options, isPlaying: false, newCount: 0 });
    this.tape = tape(world, records, options);
    this.stored = countStored(records);
  }

  get at() {
    return this.tape.at;
  }

  get length() {
    return this.tape.length;
  }

  get state() {
    return this.tape.state;
  }

  storedUpToHere(address) {
    return this.state.stored.get(address) ?? 0;
  }

  storedLater(address) {
    return (this.stored.get(address) ?? 0) - this.storedUpToHere(address);
  }

  // Records that were written since.
  add(records) {
    const before = this.length;
    this.tape.add(records);
    this.newCount += this.length - before;
    countStored(records, this.stored);
  }

  setDialogue(withDialogue) {
    const { record, records } = this.tape;
    this.options = { ...this.options, withDialogue };
    this.tape = tape(world, records, this.options);
    this.goTo(this.tape.placeOf(record));
  }

  goTo(place) {
    clearTimeout(this.settling);
    this.view.flights.clear();
    this.tape.go(place);
    markResting(this.view.picture, this.state);
    this.showPlace();
  }

  // One stop on: its letters fly.
  stepOn() {
    const { view } = this;
    view.flights.clear();
    const moves = this.tape.next();
    markResting(view.picture, moves.length ? null : this.state);
    const ends = moves.map((move) => view.flights.fly(move, { speed: view.speed }));
    clearTimeout(this.settling);
    this.settling = setTimeout(() => markResting(view.picture, this.state), Math.max(0, ...ends) - performance.now());
    this.showPlace();
  }

  play() {
    clearTimeout(this.timer);
    if (this.at >= this.length) {
      this.goTo(0);
    }
    this.isPlaying = true;
    this.turn();
  }

  playSoon() {
    this.isPlaying = true;
    this.timer = setTimeout(() => this.turn(), STEP_MS);
  }

  pause() {
    clearTimeout(this.timer);
    this.isPlaying = false;
  }

  turn() {
    this.stepOn();
    if (this.at >= this.length) {
      this.pause();
      this.view.showControls();
      return;
    }
    const pause = isDialogue(this.tape.record) ? LINE_MS : STEP_MS;
    this.timer = setTimeout(() => this.turn(), pause / this.view.speed);
  }

  showPlace() {
    const { view } = this;
    const { record } = this.tape;
    this.newCount = Math.min(this.newCount, this.length - this.at);
    view.tell(record, this.state);
    if (record) {
      view.say(record, this.state);
    } else {
      markSpoken(view.picture, null);
    }
    view.mark();
    view.showControls();
  }

  end() {
    this.pause();
    clearTimeout(this.settling);
  }
}

function countStored(records, stored = new Map()) {
  for (const { event, mailbox } of records) {
    if (event === "message.stored") {
      stored.set(mailbox, (stored.get(mailbox) ?? 0) + 1);
    }
  }
  return stored;
}
