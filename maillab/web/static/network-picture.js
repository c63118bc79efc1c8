// Draws the lab as its layout says, and knows where each place in it is.

import { element, replace, svgElement } from "/static/dom.js";
import { linkKey } from "/static/network-layout.js";

const CHARACTER = 0.56; // of the font's size: how wide one is on average
const OUTSIDE = 34; // how far from a house a client stands that is nobody's PC in it

const ENVELOPE = "M-13-9h26v18h-26zM-13-9 0 2 13-9";

// What is drawn can be had again by name: letters and marks are drawn on top, and words change.
export function drawPicture(plan, t, app) {
  const links = svgElement("g", {}, plan.links.map((link) => drawLink(link)));
  const locks = svgElement("g", { class: "net-locks" });
  const bubbles = svgElement("g", { class: "net-bubbles" });
  const rest = svgElement("g", { class: "net-rest" });
  const flying = svgElement("g", { class: "net-flying" });
  const node = svgElement("svg", {
    class: `net-picture net-${plan.size}`, viewBox: `0 0 ${plan.width} ${plan.height}`,
    width: plan.width * plan.scale, height: plan.height * plan.scale, role: "group", "aria-label": t("picture"),
  }, links, plan.boxes.map((box) => drawBox(box, plan, t, app)), locks, rest, flying, bubbles);
  const residents = new Map(plan.boxes.flatMap((box) => box.residents).map((each) => [each.address, each]));
  const boxes = new Map(plan.boxes.filter((box) => box.host).map((box) => [box.host, box]));
  const ways = new Map(plan.links.map((link) => [link.key, link]));

  // The points along which something goes from one place to another; null where the picture does not have one.
  function path(from, to) {
    const [start, end] = [hostOf(from), hostOf(to)];
    if (to.way) {
      return leg(...to.way).first;
    }
    if (from.way && start === end) {
      return leg(...from.way).first?.slice().reverse() ?? null;
    }
    if (from.way) {
      return leg(...from.way).second;
    }
    if (from.server && to.server && start !== end) {
      return route(start, end);
    }
    const ends = [point(from), point(to)];
    return ends.every(Boolean) ? ends : null;
  }

  const hostOf = (place) => place.server ?? place.way?.[0] ?? null;

  function route(from, to) {
    const link = ways.get(linkKey(from, to));
    const straight = [boxes.get(from)?.anchor, boxes.get(to)?.anchor];
    if (!straight.every(Boolean)) {
      return null;
    }
    const points = link?.points ?? straight;
    return link && link.from !== from ? [...points].reverse() : points;
  }

  // A way in two parts, before and behind the place where a letter waits for the next server's answer.
  function leg(from, to) {
    const whole = route(from, to);
    if (!whole) {
      return { first: null, second: null };
    }
    const link = ways.get(linkKey(from, to));
    const [one, other] = whole;
    const middle = link ? link.middles[link.from === from ? 0 : 1]
      : { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
    return { first: [one, middle], second: [middle, ...whole.slice(1)] };
  }

  function point(place) {
    if (place.server) {
      return boxes.get(place.server)?.anchor ?? null;
    }
    if (place.person) {
      return residents.get(place.person)?.pc ?? null;
    }
    if (place.mailbox) {
      return residents.get(place.mailbox)?.slot ?? null;
    }
    if (place.way) {
      return leg(...place.way).first?.at(-1) ?? null;
    }
    const box = boxes.get(place.outside);
    return box ? { x: Math.max(16, box.x - OUTSIDE), y: Math.min(plan.height - 16, box.y + box.height - 20) } : null;
  }

  const linkNode = (from, to) => node.querySelector(`[data-link="${CSS.escape(linkKey(from, to))}"]`);
  const residentNode = (address) => node.querySelector(`[data-person="${CSS.escape(address)}"]`);
  const slotNode = (address) => node.querySelector(`[data-mailbox="${CSS.escape(address)}"]`);
  const waitNode = (host) => node.querySelector(`[data-wait="${CSS.escape(host)}"]`);

  return { node, plan, path, point, rest, flying, bubbles, locks, linkNode, residentNode, slotNode, waitNode };
}

function drawLink({ key, points, isBackup }) {
  return svgElement("polyline", {
    class: isBackup ? "net-link net-backup" : "net-link", data: { link: key },
    points: points.map(({ x, y }) => `${x},${y}`).join(" "),
  });
}

function drawBox(box, plan, t, app) {
  if (box.kind === "cloud") {
    return drawCloud(box, t);
  }
  const large = plan.size === "large";
  const [big, small] = large ? [15.5, 13.5] : [13, 12];
  const { server, label } = box;
  const name = box.kind === "house" ? server.domains.join(", ") : t(`kind.${box.kind}`);
  const address = server.address ?? server.smtp;
  const lines = large || box.kind !== "house" ? [[server.host, big, "net-host"], [address, small, "net-address"]]
    : [[address, small, "net-address"]];
  const top = (index, size) => label.y + size * 0.35 + (index - (lines.length - 1) / 2) * size * 1.4;
  const group = svgElement("g", { class: `net-box net-${box.kind}`, data: { host: box.host } },
    svgElement("title", {}, t("box", { host: server.host, address, domains: server.domains.join(", ") || "-" })),
    shape(box, name, large),
    rack(box.icon),
    lines.map(([text, size, kind], index) =>
      svgElement("text", { class: kind, x: label.x, y: top(index, size), "font-size": size },
        fitted(text, label.width, size))),
    svgElement("g", { class: "net-wait", data: { wait: box.host } }));
  const shelves = box.shelves.map(({ y }) =>
    svgElement("rect", { class: "net-shelf", x: box.x + 10, y, width: box.width - 20, height: 32, rx: 4 }));
  return [group, shelves, box.residents.map((person) => drawPerson(person, box, large, t, app))];
}

function shape(box, name, large) {
  const { x, y, width, height } = box;
  if (box.kind !== "house") {
    const size = large ? 12.5 : 11;
    return [
      svgElement("rect", { class: "net-wall", x, y, width, height, rx: 8 }),
      centred("net-kind", x + width / 2, y + size * 1.45, size, name),
    ];
  }
  const { roof } = box;
  const size = large ? 18 : 14;
  const slope = large ? 34 : 20;
  return [
    svgElement("path", {
      class: "net-wall",
      d: `M${x} ${y + roof - 2}v${height - roof - 4}q0 6 6 6h${width - 12}q6 0 6-6v${4 + roof - height}z`,
    }),
    svgElement("path", {
      class: "net-roof",
      d: `M${x - 10} ${y + roof}L${x + slope - 6} ${y + 4}q3-4 8-4H${x + width - slope - 2}q5 0 8 4` +
        `L${x + width + 10} ${y + roof}z`,
    }),
    centred("net-domain", x + width / 2, y + roof / 2 + size * 0.38, size, fitted(name, width - 2 * slope + 14, size)),
  ];
}

// A server as it stands in a cupboard: drawers with a lamp each.
function rack({ x, y, width, height }) {
  const part = height / 3;
  return svgElement("g", { class: "net-rack" }, [0, 1, 2].map((index) => [
    svgElement("rect", { x, y: y + index * part + 1, width, height: part - 2, rx: 3 }),
    svgElement("circle", { cx: x + width - part * 0.42, cy: y + (index + 0.5) * part, r: part * 0.16 }),
    svgElement("path", { d: `M${x + part * 0.4} ${y + (index + 0.5) * part}h${width * 0.4}` }),
  ]));
}

function drawPerson({ address, user, pc, slot }, box, large, t, app) {
  const size = large ? 15 : 12.5;
  const [above, height] = large ? [26, 72] : [18, 48];
  const touch = { x: pc.x - box.cell / 2 + 2, y: pc.y - above, width: box.cell - 4, height };
  const label = t("pc", { address });
  const computer = svgElement("a", {
    class: "net-person", href: app.link("desktop", address), "aria-label": label, data: { person: address },
  },
  svgElement("title", {}, label),
  svgElement("rect", { class: "net-touch", ...touch, rx: 6 }),
  screen(pc, large ? 1 : 0.58),
  centred("net-name", pc.x, pc.y + (large ? 40 : 25), size, fitted(user, box.cell - 4, size)));
  const mailbox = svgElement("a", {
    class: "net-slot", href: app.link("mailboxes", address), "aria-label": t("mailbox", { address }),
    data: { mailbox: address },
  }, svgElement("title", {}, t("mailbox", { address })), drawSlot(slot, box.slot));
  const cable = large && svgElement("path", { class: "net-cable", d: `M${pc.x} ${slot.y + 16}V${pc.y - 22}` });
  return [cable, computer, mailbox];
}

function screen({ x, y }, scale) {
  return svgElement("g", { class: "net-pc", transform: `translate(${x} ${y}) scale(${scale})` },
    svgElement("rect", { x: -25, y: -21, width: 50, height: 34, rx: 4 }),
    svgElement("rect", { class: "net-glass", x: -20, y: -16, width: 40, height: 24, rx: 1.5 }),
    svgElement("path", { d: "M-7 13v6M7 13v6M-16 20h32" }));
}

function drawSlot({ x, y }, size) {
  if (!size) {
    return [
      svgElement("circle", { class: "net-badge", cx: x, cy: y, r: 8.5 }),
      centred("net-count", x, y + 3.5, 10),
    ];
  }
  const { width, height } = size;
  return [
    svgElement("rect", {
      class: "net-opening", x: x - width / 2, y: y - height / 2 + 2, width, height: height - 4, rx: 4,
    }),
    svgElement("path", { class: "net-envelope", d: ENVELOPE, transform: `translate(${x - 7} ${y}) scale(0.72)` }),
    centred("net-count", x + 12, y + 5, 14),
  ];
}

function drawCloud({ anchor: { x, y } }, t) {
  return svgElement("g", { class: "net-cloud" },
    svgElement("path", {
      transform: `translate(${x} ${y})`,
      d: "M-70 34a30 30 0 0 1-4-60a40 40 0 0 1 72-16a34 34 0 0 1 56 18a30 30 0 0 1 8 58z",
    }),
    centred("net-kind", x - 6, y + 8, 13, t("cloud")));
}

const centred = (kind, x, y, size, ...text) =>
  svgElement("text", { class: kind, x, y, "font-size": size, "text-anchor": "middle" }, ...text);

// As much of a text as has room; the whole is in the title beside it.
function fitted(text, width, size) {
  const room = Math.floor(width / (size * CHARACTER));
  return text.length > room ? `${text.slice(0, Math.max(1, room - 1))}\u2026` : text;
}

const LETTER_MARKS = {
  mail: null,
  notice: "M4-1H-5m4-4-4 4 4 4", // on its way back
  wait: "M0-5V0l4 3",
  bad: "M-4-4l8 8M4-4l-8 8",
};

// A letter as it flies or rests, with its centre at 0, 0.
export function drawLetter(kind, isSecure = false) {
  return svgElement("g", { class: `net-letter net-letter-${kind}` },
    svgElement("path", { class: "net-envelope", d: ENVELOPE }),
    LETTER_MARKS[kind] && svgElement("g", { class: "net-mark", transform: "translate(11 -8)" },
      svgElement("circle", { r: 8 }), svgElement("path", { d: LETTER_MARKS[kind] })),
    isSecure && drawLock(-11, -9));
}

export function drawLock(x, y) {
  return svgElement("g", { class: "net-lock", transform: `translate(${x} ${y})` },
    svgElement("circle", { r: 8.5 }), svgElement("path", { d: "M-3.5-0.5h7v4.500h-7zM-2-0.500v-2a2 2 0 0 1 4 0v2" }));
}

// The servers as a table: what stands in the picture, and what programs need.
export function serverTable(info, people, t) {
  const rows = [...info.servers, ...info.foreign].map((server) => element("tr", {},
    element("th", { scope: "row" }, server.host),
    element("td", {}, server.domains.join(", ") || t("kind.relay")),
    element("td", { class: "mono" }, server.address ?? "-"),
    element("td", { class: "mono" }, server.smtp ?? "-"),
    element("td", { class: "mono" }, [server.submission, server.submissions].filter(Boolean).join(", ") || "-"),
    element("td", {}, people.filter(({ host }) => host === server.host).map(({ user }) => user).join(", ") || "-")));
  const heads = ["host", "domains", "address", "smtp", "submission", "people"];
  return element("table", { class: "table" },
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, t(`table.${head}`))))),
    replace(element("tbody"), rows));
}
