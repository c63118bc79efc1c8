// The lab as it is now: who is in it, and its records as they are written. One state for all views.
//
// lab.info     what GET /api/lab/lab says; read anew at every start of the lab
// lab.people   [{ address, user, domain, host }]: everybody with a mailbox
// lab.records  the latest records of this run, oldest first
// lab.state    "live", or "away" while there is no connection
// lab.lost     how many records of this run this page has missed for good

import { follow } from "/static/live.js";

const API = "/api/lab";
const KEPT_RECORDS = 5000;
const FIRST_RECORDS = 1000; // of the past, for who opens the page in the middle of a lesson
const TELL_MS = 100; // however many records come, views hear of them ten times a second

class LabError extends Error {
  constructor(status, { error, mend, ...answer }) {
    super(mend ? `${error}; ${mend}` : error);
    Object.assign(this, { name: "LabError", status, error, mend, answer });
  }
}

const recordListeners = new Set();
const changeListeners = new Set();
let untold = [];
let toldAt = 0;
let telling = null;
let clock = { serverAhead: 0, labAhead: 0 }; // milliseconds

export const lab = {
  info: null,
  people: [],
  records: [],
  state: "away",
  lost: 0,

  // Paths are those behind /api/lab: lab.get("/traces?limit=10").
  get: async (path) => (await ask("GET", path)).json(),
  text: async (path) => (await ask("GET", path)).text(),
  post: async (path, body = {}) => (await ask("POST", path, body)).json(),
  delete: async (path) => (await ask("DELETE", path)).json(),

  // fn gets lists of new records; the answer ends it.
  onRecords: (fn) => listen(recordListeners, fn),
  // fn is called when the lab was read anew, the connection came or went, or records were lost.
  onChange: (fn) => listen(changeListeners, fn),

  // The server of a host name, domain, IP address or mail address; undefined if none is in the lab.
  serverOf(name) {
    const wanted = name.slice(name.lastIndexOf("@") + 1).toLowerCase();
    return lab.info.servers.find(
      ({ host, domains, address }) => host === wanted || address === wanted || domains.includes(wanted),
    );
  },

  personOf: (address) => lab.people.find((person) => person.address === address.toLowerCase()),

  // Now, in milliseconds, by the clock of the lab's machine, and by the lab's own, which people move on.
  now: () => Date.now() + clock.serverAhead,
  labNow: () => lab.now() + clock.labAhead,
  labAheadSeconds: () => clock.labAhead / 1000,

  async advance(seconds) {
    const moved = await lab.post("/clock/advance", { seconds });
    clock.labAhead = moved.ahead_seconds * 1000;
    changed();
    return moved;
  },

  // Reads the lab, follows it from then on, and does not end before the lab was read once.
  async start() {
    await read();
    await readPast();
    follow({ place, refresh, tell, connected });
  },
};

async function ask(method, path, body) {
  const options = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(`${API}${path}`, options);
  } catch (error) {
    throw new LabError(0, { error: error.message });
  }
  if (response.status === 401) {
    location.assign("/login");
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new LabError(response.status, { error: response.statusText, ...answer });
  }
  return response;
}

function listen(listeners, fn) {
  listeners.add(fn);
  return () => listeners.delete(fn);
}

const changed = () => changeListeners.forEach((fn) => fn());

async function read() {
  const info = await lab.get("/lab");
  const isNew = info.run !== lab.info?.run;
  lab.info = info;
  lab.people = info.mailboxes.map((address) => {
    const [user, domain] = address.split("@");
    return { address, user, domain, host: lab.serverOf(domain)?.host };
  });
  clock = { serverAhead: Date.parse(info.at) - Date.now(), labAhead: info.ahead_seconds * 1000 };
  return isNew;
}

let seen = 0; // the number of the last record of this run that is known here

const place = () => ({ run: lab.info.run, seq: seen });

// A lab that runs has a past; its newest part is read, and the rest is not missed.
async function readPast() {
  seen = Math.max(0, lab.info.seq - FIRST_RECORDS);
  lab.records = await lab.get(`/records?after=${seen}&run=${lab.info.run}`);
  seen = lab.records.at(-1)?.seq ?? seen;
}

// After a connection was lost: the lab may be another run by now.
async function refresh() {
  if (await read()) {
    untold = [];
    lab.lost = 0;
    await readPast();
  }
}

async function tell(records) {
  for (const record of records) {
    if (record.event === "records.lost" && record.seq === undefined) {
      await fetchGap(record.count);
    } else if (record.run === lab.info.run && record.seq > seen) {
      take(record);
    }
  }
  if (untold.length && telling === null) {
    telling = setTimeout(pass, Math.max(0, toldAt + TELL_MS - performance.now()));
  }
}

function take(record) {
  seen = record.seq;
  if (record.lab_at) {
    clock.labAhead = Date.parse(record.lab_at) - Date.parse(record.at);
  }
  untold.push(record);
}

// The feed skipped `count` records, as this page was too slow; the lab may still have them.
async function fetchGap(count) {
  const from = seen;
  const after = from + Math.max(0, count - KEPT_RECORDS);
  const found = await lab.get(`/records?after=${after}&run=${lab.info.run}&limit=${from + count - after}`);
  const missing = found.filter((record) => record.seq > from && record.seq <= from + count);
  missing.forEach(take);
  seen = from + count;
  if (missing.length < count) {
    lab.lost += count - missing.length;
    changed();
  }
}

function pass() {
  telling = null;
  toldAt = performance.now();
  const news = untold;
  untold = [];
  lab.records.push(...news);
  if (lab.records.length > KEPT_RECORDS) {
    lab.records.splice(0, lab.records.length - KEPT_RECORDS);
  }
  recordListeners.forEach((fn) => fn(news));
}

function connected(yes) {
  lab.state = yes ? "live" : "away";
  changed();
}
