// The lab as a picture, live or as a replay: #/ and #/replay/TRACE.

import { element, replace } from "/static/dom.js";
import { lab } from "/static/lab.js";
import { clock } from "/static/network-clock.js";
import { layout } from "/static/network-layout.js";
import { flights } from "/static/network-letters.js";
import { markLocks, markMailboxes, markResting, markSpoken, markWaiting } from "/static/network-marks.js";
import { advance, beginning, isDialogue, isStep, speakerOf, waitingCopies } from "/static/network-model.js";
import { drawPicture, serverTable } from "/static/network-picture.js";
import { controls, SPEEDS } from "/static/network-player.js";
import { recordsOf, Reel } from "/static/network-reel.js";
import { spoken, told } from "/static/network-told.js";
import { world } from "/static/network-world.js";
import { time, words } from "/static/words.js";

const TELL_MS = 1200; // live: a sentence stands at least so long, to be read
const TELL_BUSY_MS = 5000; // where letters come faster than anybody reads
const MARK_MS = 250;
const LIST_MS = 2000; // the list of traces is read no more often
const BUBBLE_MS = 4000;
const NARROW_PIXELS = 640;
const ROOM_FOR_OTHERS_PIXELS = 330; // above and below the picture, so that all of it is seen at once
const LEAST_HEIGHT_PIXELS = 300;
const MANY_SERVERS = 8;
const LEAST_HEIGHT_OF_MANY_PIXELS = 600;

// What lasts while other views are shown, and when the language changes.
const session = { speed: "normal", dialogue: false, replay: null, at: 0 };

export async function mount(root, params, app) {
  const t = await words("network");
  const replay = params[0] === "latest" ? (await lab.get("/traces/latest")).trace : params[0] ?? null;
  const view = new View(root, replay, app, t);
  await view.begin();
  return () => view.end();
}

const isStop = (record) => isStep(record) || (session.dialogue && isDialogue(record));

class View {
  constructor(root, replay, app, t) {
    Object.assign(this, { root, replay, app, t });
    this.reel = null; // null while it is live
    this.live = beginning();
    this.counts = new Map(); // mailbox to how many letters lie in it
    this.ends = [];
    this.flights = flights({ began: (flight) => this.onDeparture(flight), ended: () => this.mark() });
    this.clock = clock(t, app);
    this.controls = controls(t, {
      back: () => this.step(-1),
      forward: () => this.step(1),
      toggle: () => this.toggle(),
      live: () => (this.replay ? app.go("") : this.goLive()),
      goTo: (place) => this.goTo(place),
      setSpeed: (name) => (session.speed = name),
      setDialogue: (yes) => this.setDialogue(yes),
      chooseTrace: (id) => (id ? app.go("replay", id) : app.go("")),
    }, { ...session, replay });
  }

  async begin() {
    const { t } = this;
    this.stage = element("div", { class: "net-stage" });
    this.sentence = element("p", { class: "net-told", "aria-live": "polite" });
    this.links = element("p", { class: "net-links" });
    const table = element("div", { class: "net-table" }, serverTable(lab.info, lab.people, t));
    replace(this.root,
      element("div", { class: "toolbar net-head" }, element("h1", { class: "grow" }, t("heading")), this.clock.node),
      this.stage,
      element("section", { class: "card net-player", "aria-label": t("controls") },
        element("div", { class: "net-telling" }, this.sentence, this.links), this.controls.node),
      element("details", { class: "card net-servers" }, element("summary", {}, t("servers")), table));
    this.draw();
    lab.records.forEach((record) => advance(this.live, record, world));
    this.live.stored.clear();
    await Promise.all([this.readMailboxes(), this.readQueue(), this.controls.listTraces()]);
    await (this.replay ? this.openReplay() : this.goLive());
    this.ends = [lab.onRecords((records) => this.hear(records)), lab.onChange(() => this.onChange())];
    this.lost = lab.lost;
    const resize = () => this.onResize();
    const resized = new ResizeObserver(resize);
    resized.observe(this.stage);
    addEventListener("resize", resize);
    const timers = [setInterval(() => this.mark(), MARK_MS), setInterval(() => this.clock.tick(), 1000)];
    this.ends.push(() => resized.disconnect(), () => removeEventListener("resize", resize),
      () => timers.forEach(clearInterval));
  }

  get speed() {
    return SPEEDS[session.speed];
  }

  end() {
    this.ends.forEach((end) => end());
    this.reel?.end();
    [this.teller, this.lister, this.hush].forEach(clearTimeout);
    this.flights.clear();
  }

  // --- the picture

  // Width, and the height that the window has for it. A telephone scrolls, and hides its address bar while it does.
  room() {
    const width = this.stage.clientWidth;
    return [width, width < NARROW_PIXELS ? Infinity : innerHeight - ROOM_FOR_OTHERS_PIXELS];
  }

  draw() {
    const [width, room] = this.room();
    const count = lab.info.servers.length;
    const least = count > MANY_SERVERS ? Math.max(LEAST_HEIGHT_OF_MANY_PIXELS, count * 20) : LEAST_HEIGHT_PIXELS;
    this.size = `${width} ${room}`;
    const focused = document.activeElement?.closest?.("[data-person], [data-mailbox]")?.dataset;
    this.picture = drawPicture(layout(lab.info, lab.people, width, Math.max(least, room)), this.t, this.app);
    replace(this.stage, this.picture.node);
    this.flights.show(this.picture);
    this.mark();
    this.reel?.goTo(this.reel.at);
    if (focused?.person) {
      this.picture.residentNode(focused.person)?.focus();
    }
  }

  onResize() {
    if (this.size !== this.room().join(" ")) {
      this.draw();
    }
  }

  // What rests is drawn as the records say, once the letters that fly have arrived.
  mark() {
    const state = this.reel?.state ?? this.live;
    const isDue = (queueId) => this.flights.isDue(({ move }) => move.kind === "wait" && move.key === queueId);
    markWaiting(this.picture, state, this.reel ? null : lab.labNow(), this.t, isDue);
    markMailboxes(this.picture, (address) => this.countOf(address), this.t);
    markLocks(this.picture, state);
  }

  // A replay shows its own letters only; a pause in the past lacks those that came later.
  countOf(address) {
    const due = this.flights.countDue(({ move }) => move.to.mailbox === address);
    const there = this.replay ? this.reel?.storedUpToHere(address) ?? 0
      : (this.counts.get(address) ?? 0) - (this.reel?.storedLater(address) ?? 0);
    return Math.max(0, there - due);
  }

  async readMailboxes() {
    const mailboxes = await lab.get("/mailboxes");
    this.counts = new Map(mailboxes.map(({ mailbox, messages }) => [mailbox, messages]));
  }

  // Letters that have waited for longer than the records here go back.
  async readQueue() {
    const copies = waitingCopies(await lab.get("/queue"));
    const unknown = copies.filter(({ queueId }) => !this.live.copies.has(queueId));
    this.waiting = new Map(unknown.map((copy) => [copy.queueId, copy]));
    this.waiting.forEach((copy, queueId) => this.live.copies.set(queueId, copy));
    this.mark();
  }

  // --- live

  hear(records) {
    for (const record of records) {
      const moves = advance(this.live, record, world);
      if (record.event === "message.stored") {
        this.counts.set(record.mailbox, (this.counts.get(record.mailbox) ?? 0) + 1);
      }
      if (!this.reel) {
        this.showLive(record, moves);
      }
    }
    if (!this.replay) {
      this.reel?.add(records);
    }
    this.mark();
    this.showControls();
    if (records.some(({ event }) => event === "message.accepted")) {
      this.listSoon();
    }
  }

  listSoon() {
    this.lister ??= setTimeout(() => {
      this.lister = null;
      this.controls.listTraces().catch(() => {}); // the next letter brings the next try
    }, LIST_MS);
  }

  showLive(record, moves) {
    moves.forEach((move) => this.flights.fly(move, { speed: this.speed, record }));
    if (session.dialogue && isDialogue(record)) {
      this.say(record, this.live);
      clearTimeout(this.hush);
      this.hush = setTimeout(() => markSpoken(this.picture, null), BUBBLE_MS);
    }
    if (!moves.length && isStop(record) && !this.flights.isDue(() => true)) {
      this.tellSoon(record);
    }
  }

  onDeparture({ record }) {
    if (record && !this.reel) {
      this.tellSoon(record);
    }
  }

  // In a busy lab, one sentence in a while can be read, and the newest is the one.
  tellSoon(record) {
    this.untold = record;
    this.teller ??= setTimeout(() => {
      this.teller = null;
      this.tell(this.untold, this.live);
    }, Math.max(0, (this.toldAt ?? 0) + (this.flights.isBusy() ? TELL_BUSY_MS : TELL_MS) - performance.now()));
  }

  tell(record, state) {
    this.toldAt = performance.now();
    session.at = this.reel?.at ?? session.at;
    if (!record) {
      this.sentence.textContent = this.t("hint");
      replace(this.links);
      return;
    }
    replace(this.sentence, element("time", { class: "muted", datetime: record.at }, time(record.at)), " ",
      told(record, state.letters.get(record.trace), this.t));
    const { trace } = record;
    replace(this.links,
      trace && element("a", { href: this.app.link("traces", trace) }, this.t("ladder")),
      trace && !this.replay && element("a", { href: this.app.link("replay", trace) }, this.t("replay.this")));
  }

  say(record, state) {
    const words = spoken(record);
    const server = { server: record.server };
    const client = words && words.by !== "dns" ? speakerOf(state, record) : null;
    const ends = words?.by === "client" ? { from: client, to: server } : { from: server, to: client };
    markSpoken(this.picture, words && { line: words.line, ...ends });
  }

  onChange() {
    if (lab.lost !== this.lost) {
      this.lost = lab.lost;
      this.live = beginning(); // what is known now is not the whole; the queue is asked anew
      Promise.all([this.readQueue(), this.readMailboxes()]).catch(() => {});
    }
    this.clock.tick();
  }

  // --- paused, step by step, or a replay

  goLive() {
    session.replay = null;
    this.reel?.end();
    this.reel = null;
    this.flights.clear();
    markResting(this.picture, null);
    markSpoken(this.picture, null);
    this.tell(lab.records.findLast(isStep) ?? null, this.live);
    this.mark();
    this.showControls();
  }

  // The records up to now, to go back in.
  held() {
    this.reel ??= new Reel(this, lab.records, { withDialogue: session.dialogue, copies: this.waiting });
    return this.reel;
  }

  async openReplay() {
    const { records, title } = await recordsOf(this.replay);
    this.app.title(title ?? this.t("no_subject"));
    this.reel = new Reel(this, records, { withDialogue: session.dialogue });
    const isBack = session.replay === this.replay;
    session.replay = this.replay;
    this.reel.goTo(isBack ? session.at : 0);
    if (!isBack) {
      this.reel.playSoon();
    }
    this.showControls();
  }

  toggle() {
    if (!this.reel) {
      this.held().goTo(Infinity);
    } else if (this.reel.isPlaying) {
      this.reel.pause();
    } else {
      this.reel.play();
    }
    this.showControls();
  }

  step(count) {
    const wasLive = !this.reel;
    const reel = this.held();
    reel.pause();
    if (count < 0) {
      reel.goTo((wasLive ? reel.length : reel.at) - 1);
    } else if (reel.at < reel.length) {
      reel.stepOn();
    }
  }

  goTo(place) {
    this.held().pause();
    this.reel.goTo(place);
  }

  setDialogue(yes) {
    session.dialogue = yes;
    if (this.reel) {
      this.reel.setDialogue(yes);
    } else {
      markSpoken(this.picture, null);
      this.showControls();
    }
  }

  showControls() {
    const { reel } = this;
    const length = reel?.length ?? lab.records.filter(isStop).length;
    this.controls.show({
      isLive: !reel, isPlaying: reel?.isPlaying ?? false, at: reel?.at ?? length, length, newCount: reel?.newCount ?? 0,
    });
  }
}
