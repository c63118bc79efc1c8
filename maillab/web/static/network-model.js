// What the records mean for the picture: where each letter is, and which way it goes. Values in, values out.
//
// A place is { server: host }, { person: address }, { mailbox: address }, { way: [host, host] } (between two hosts) or
// { outside: host } (a client that is nobody's PC here, near that host's server).

const DIALOGUE = new Set([
  "smtp.command", "smtp.reply", "tls.started", "auth.succeeded", "auth.failed", "policy.checked", "dns.answered",
]);
const STEPS = new Set([
  "message.accepted", "message.refused", "message.stored", "delivery.started", "delivery.relayed", "delivery.deferred",
  "delivery.failed", "delivery.duplicate", "bounce.created", "fault.injected", "storage.failed",
]);

const LETTERS_KEPT = 2000;

export const isStep = (record) => STEPS.has(record.event);
export const isDialogue = (record) => DIALOGUE.has(record.event);

// copies: queue id to { queueId, trace, host, subject, isNotice, isHeld, ways }: the letters that are at a server or on
//         their way from it; ways: next hop to { stage: "leaving" or "waiting", due, attempt, openCount }
// letters: trace to { subject, isNotice }
// taken: queue id to true: what was accepted from a server that has not said yet that it is rid of it
// secure: the links on which the last mail went encrypted
export function beginning() {
  const [copies, connections, letters, taken, secure, stored] = Array.from({ length: 6 }, () => new Map());
  return { copies, connections, letters, taken, secure, stored };
}

// The letters that wait, as GET /api/lab/queue tells of them; one that was not tried yet is on its way. It names the
// domain that a letter is for, and records the host that is tried.
export function waitingCopies(queue) {
  return queue.map(({ queue_id: queueId, trace, server: host, recipients }) => {
    const tried = recipients.filter(({ attempts }) => attempts > 0);
    const ways = new Map(tried.map(({ next_hop: nextHop, due_at: due, attempts: attempt }) =>
      [nextHop, { stage: "waiting", due: Date.parse(due), attempt, openCount: 1, isByDomain: true }]));
    return { queueId, trace, host, subject: null, isNotice: false, isHeld: false, ways };
  }).filter(({ ways }) => ways.size);
}

// Takes one record into the state, and gives the moves of letters that it means:
//   { key, after, from, to, kind, isSecure }: the letter `key` moves, once the letter `after` has come to rest.
// `world` knows the lab: isHost(name), personOf(address) and userAt(host, name).
export function advance(state, record, world) {
  return (MEANINGS[record.event] ?? nothing)(state, record, world);
}

const nothing = () => [];

const MEANINGS = {
  "connection.opened"(state, record, world) {
    if (record.side === "server") {
      const host = world.isHost(record.peer_name) ? record.peer_name : null;
      state.connections.set(record.connection, { host, isSecure: record.protocol === "submissions" });
    }
    return [];
  },

  "connection.closed"(state, record) {
    if (record.side === "server") {
      state.connections.delete(record.connection);
    }
    return [];
  },

  "tls.started"(state, record) {
    connection(state, record).isSecure = true;
    return [];
  },

  "smtp.command"(state, record, world) {
    const talk = connection(state, record);
    const word = record.line.replace(/^\S+\s*/, "");
    if (record.verb === "EHLO" || record.verb === "HELO") {
      talk.host ??= world.isHost(word) ? word : null;
      talk.person ??= world.userAt(record.server, word);
    } else if (record.verb === "MAIL") {
      talk.person = world.personOf(/<([^>]*)>/.exec(word)?.[1] ?? "") ?? talk.person;
    }
    return [];
  },

  "message.accepted"(state, record, world) {
    const { queue_id: id, server, received_from_queue_id: earlier } = record;
    const previous = state.copies.get(earlier);
    const isSecure = connection(state, record).isSecure === true;
    const isNotice = record.sender === "" || Boolean(record.for_trace) || Boolean(previous?.isNotice);
    const letter = { subject: record.subject, isNotice };
    learn(state.letters, record.trace, letter);
    state.copies.set(id, { queueId: id, trace: record.trace, host: server, ...letter, isHeld: true, ways: new Map() });
    const kind = isNotice ? "notice" : "mail";
    if (!record.connection) {
      return [{ key: id, after: record.for_trace, from: { server }, to: { server }, kind, isSecure }];
    }
    const peer = previous?.host ?? connection(state, record).host;
    if (peer && peer !== server) {
      learn(state.taken, id, true);
      state.secure.set([peer, server].sort().join(" "), isSecure);
      const from = previous?.ways.has(server) ? { way: [peer, server] } : { server: peer };
      return [{ key: id, after: `${earlier} ${server}`, from, to: { server }, kind, isSecure }];
    }
    const person = world.personOf(record.sender) ?? connection(state, record).person;
    return [{ key: id, after: null, from: clientPlace(person, server), to: { server }, kind, isSecure }];
  },

  "message.refused"(state, record, world) {
    const talk = connection(state, record);
    if (talk.host || record.trace) {
      return []; // told by its sender's delivery.failed or delivery.deferred
    }
    const from = clientPlace(world.personOf(record.sender ?? "") ?? talk.person, record.server);
    const key = `${record.connection} ${record.seq}`;
    return [
      { key, after: null, from, to: { server: record.server }, kind: "mail" },
      { key, after: key, from: { server: record.server }, to: from, kind: "bad" },
    ];
  },

  "message.stored"(state, record) {
    const kind = kindOf(letterOf(state, record.trace));
    settle(state, record.queue_id);
    state.stored.set(record.mailbox, (state.stored.get(record.mailbox) ?? 0) + 1);
    const from = { server: record.server };
    return [{ key: null, after: record.queue_id, from, to: { mailbox: record.mailbox }, kind }];
  },

  "delivery.started"(state, record) {
    const copy = copyOf(state, record);
    copy.isHeld = false;
    const openCount = record.recipients.length;
    copy.ways.forEach((way, hop) => way.isByDomain && copy.ways.delete(hop));
    copy.ways.set(record.next_hop, { stage: "leaving", at: record.at, attempt: record.attempt, openCount });
    return [{
      key: `${record.queue_id} ${record.next_hop}`, after: record.queue_id,
      from: { server: record.server }, to: { way: [record.server, record.next_hop] }, kind: kindOf(copy),
    }];
  },

  "delivery.relayed"(state, record) {
    const copy = copyOf(state, record);
    const after = `${record.queue_id} ${record.next_hop}`;
    const from = wayOrServer(copy, record);
    finish(state, copy, record);
    // The next server's message.accepted comes first, and has told of it: if that server is of this process.
    const isTold = state.taken.delete(record.next_queue_id);
    return isTold ? [] : [{ key: null, after, from, to: { server: record.next_hop }, kind: kindOf(copy) }];
  },

  "delivery.deferred"(state, record) {
    const copy = copyOf(state, record);
    const from = wayOrServer(copy, record);
    const due = Date.parse(record.lab_at ?? record.at) + record.retry_in_seconds * 1000;
    const { attempt } = record;
    copy.isHeld = false;
    copy.ways.set(record.next_hop, { stage: "waiting", due, attempt, openCount: record.recipients.length });
    return back(record, from, "wait");
  },

  "delivery.failed"(state, record) {
    const copy = copyOf(state, record);
    const from = wayOrServer(copy, record);
    finish(state, copy, record);
    return back(record, from, "bad");
  },

  "delivery.duplicate": (state, record) => [{
    key: null, after: null, from: { outside: record.server }, to: { server: record.server }, kind: "bad",
  }],
};

function connection(state, record) {
  if (!record.connection) {
    return {};
  }
  if (!state.connections.has(record.connection)) {
    state.connections.set(record.connection, { host: null });
  }
  return state.connections.get(record.connection);
}

// Who speaks to the server in this record: a host of the lab, somebody's PC, or some client.
export function speakerOf(state, record) {
  const { host, person } = state.connections.get(record.connection) ?? {};
  return host ? { server: host } : clientPlace(person, record.server);
}

const clientPlace = (person, server) => (person ? { person: person.address } : { outside: server });
const kindOf = (copy) => (copy.isNotice ? "notice" : "mail");

// A letter that is not known to be here: it was accepted before the records that are, or has been to a mailbox already.
function copyOf(state, record) {
  const { queue_id: queueId, trace, server: host } = record;
  if (!state.copies.has(queueId)) {
    state.copies.set(queueId, { queueId, trace, host, ...letterOf(state, trace), isHeld: false, ways: new Map() });
  }
  return state.copies.get(queueId);
}

const letterOf = (state, trace) => state.letters.get(trace) ?? { subject: null, isNotice: false };

function learn(map, key, value) {
  map.set(key, value);
  if (map.size > LETTERS_KEPT) {
    map.delete(map.keys().next().value);
  }
}

function wayOrServer(copy, record) {
  const isOut = copy.ways.get(record.next_hop)?.stage === "leaving";
  return isOut ? { way: [record.server, record.next_hop] } : { server: record.server };
}

function back(record, from, kind) {
  const after = `${record.queue_id} ${record.next_hop}`;
  return [{ key: record.queue_id, after, from, to: { server: record.server }, kind }];
}

// One attempt may end differently for each of its recipients; the way is gone when it has ended for all.
function finish(state, copy, record) {
  const way = copy.ways.get(record.next_hop);
  if (way && way.openCount > record.recipients.length) {
    way.openCount -= record.recipients.length;
  } else {
    copy.ways.delete(record.next_hop);
  }
  settle(state, record.queue_id);
}

// A letter that has gone all its ways is here no longer.
function settle(state, queueId) {
  const copy = state.copies.get(queueId);
  if (copy) {
    copy.isHeld = false;
    if (!copy.ways.size) {
      state.copies.delete(queueId);
    }
  }
}
