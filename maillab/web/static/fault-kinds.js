// What can go wrong in a lab: the kinds of faults, what each has to know, and a few that are worth trying first.

// The keys that a kind takes besides the common ones; what stands behind "?" may be left out.
export const KINDS = {
  refuse: ["from?", "to?"],
  delay: ["seconds", "jitter_seconds?", "from?", "to?"],
  throttle: ["octets_per_second", "from?", "to?"],
  cut: ["after_octets", "from?", "to?"],
  blackhole: ["from?", "to?"],
  partition: ["hosts"],
  reply: ["command", "reply", "server?", "address?"],
  timeout: ["command", "server?", "address?"],
  disconnect: ["command", "late?", "server?", "address?"],
  "disk-full": ["server?"],
  "disk-fails": ["server?"],
  "disk-slow": ["seconds", "server?"],
  "dns-servfail": ["domain?"],
  "dns-timeout": ["domain?"],
};
export const GROUPS = {
  line: ["refuse", "delay", "throttle", "cut", "blackhole", "partition"],
  server: ["reply", "timeout", "disconnect"],
  disk: ["disk-full", "disk-fails", "disk-slow"],
  dns: ["dns-servfail", "dns-timeout"],
};
export const COMMON = ["times?", "after?", "chance?", "name?"];
export const COMMANDS = ["connect", "EHLO", "MAIL", "RCPT", "DATA", "message", "RSET", "NOOP", "VRFY", "QUIT"];
const WITH_PATH = ["MAIL", "RCPT"]; // an address is that of a path, and only these have one
export const REPLIES = [
  "450 4.2.0 Mailbox busy", "451 4.3.0 Local error in processing", "452 4.2.2 Mailbox full", "421 4.3.2 Closing down",
  "550 5.1.1 No such user here", "552 5.3.4 Message too big", "554 5.7.1 Not wanted here",
];

// Faults in words; `servers` are those of the lab, so that each fits the lab at hand.
export function presets(servers) {
  const ends = servers.filter(({ domains }) => domains.length);
  const last = (ends.at(-1) ?? servers.at(-1))?.host;
  const relay = servers.find(({ domains }) => !domains.length)?.host;
  return {
    busy: { kind: "reply", command: "RCPT", reply: REPLIES[0], server: last, times: 2 },
    ...(relay ? { unreachable: { kind: "refuse", to: relay } } : { "no-server": { kind: "refuse", to: last } }),
    slow: { kind: "throttle", octets_per_second: 100 },
    late: { kind: "delay", seconds: 2 },
    "lost-reply": { kind: "disconnect", command: "message", late: true, server: last, times: 1 },
    "no-user": { kind: "reply", command: "RCPT", reply: REPLIES[4], server: last },
    "disk-full": { kind: "disk-full", server: last },
    "no-dns": { kind: "dns-timeout" },
    parted: { kind: "partition", hosts: servers[0] && [servers[0].host] },
  };
}

// The keys of a kind as [{ key, isNeeded }], those left out that make no sense beside the values given.
export function keysOf(kind, values) {
  return KINDS[kind].map((name) => ({ key: name.replace("?", ""), isNeeded: !name.endsWith("?") })).filter(({ key }) =>
    !(key === "address" && !WITH_PATH.includes(values.command)) && !(key === "late" && values.command !== "message"));
}

export const commonKeys = () => COMMON.map((name) => ({ key: name.replace("?", ""), isNeeded: false }));
