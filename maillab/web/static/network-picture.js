// Draws the lab as its layout says, and knows where each place in it is.

import { element, replace, svgElement } from "/static/dom.js";
import { linkKey } from "/static/network-layout.js";

const CHARACTER = 0.56; // of the font's size: how wide one is on average
const OUTSIDE = 34; // how far from a house a client stands that is nobody's PC in it
const ON_THE_WAY = 0.45; // where on a link a letter waits for the next server's answer

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
    const [hostFrom, hostTo] = [hostOf(from), hostOf(to)];
    if (hostFrom && hostTo && hostFrom !== hostTo) {
      const whole = route(hostFrom, hostTo);
      const start = from.way ? cut(whole, ON_THE_WAY)[1] : whole;
      return to.way ? null : start;
    }
    if (to.way && from.server === to.way[0]) {
      return cut(route(...to.way), ON_THE_WAY)[0];
    }
    if (from.way && to.server === from.way[0]) {
      return cut(route(...from.way), ON_THE_WAY)[0].reverse();
    }
    const ends = [point(from), point(to)];
    return ends.every(Boolean) ? ends : null;
  }

  const hostOf = (place) => place.server ?? place.way?.[0] ?? null;

  function route(from, to) {
    const link = ways.get(linkKey(from, to));
    const points = link?.points ?? [boxes.get(from)?.anchor, boxes.get(to)?.anchor];
    if (!points.every(Boolean)) {
      return [];
    }
    return link && link.from !== from ? [...points].reverse() : points;
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
      return cut(route(...place.way), ON_THE_WAY)[0].at(-1) ?? null;
    }
    const box = boxes.get(place.outside);
    return box ? { x: Math.max(16, box.x - OUTSIDE), y: Math.min(plan.height - 16, box.y + box.height - 20) } : null;
  }

  const linkNode = (from, to) => node.querySelector(`[data-link="${CSS.escape(linkKey(from, to))}"]`);
  const residentNode = (address) => node.querySelector(`[data-person="${CSS.escape(address)}"]`);
  const slotNode = (address) => node.querySelector(`[data-mailbox="${CSS.escape(address)}"]`);
  const waitNode = (host) => node.querySelector(`[data-wait="${CSS.escape(host)}"]`);
  const boxNode = (host) => node.querySelector(`[data-host="${CSS.escape(host)}"]`);

  return { node, plan, path, point, route, rest, flying, bubbles, locks, linkNode, residentNode, slotNode, waitNode, boxNode };
}

// The two parts of a line of points, cut at a share of its length.
function cut(points, share) {
  if (points.length < 2) {
    return [points, points];
  }
  const lengths = points.slice(1).map((end, index) => Math.hypot(end.x - points[index].x, end.y - points[index].y));
  let left = share * lengths.reduce((sum, length) => sum + length, 0);
  let index = 0;
  while (left > lengths[index] && index < lengths.length - 1) {
    left -= lengths[index++];
  }
  const part = lengths[index] ? left / lengths[index] : 0;
  const [one, other] = [points[index], points[index + 1]];
  const middle = { x: one.x + (other.x - one.x) * part, y: one.y + (other.y - one.y) * part };
  return [[...points.slice(0, index + 1), middle], [middle, ...points.slice(index + 1)]];
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
  const [big, small] = large ? [15.5, 13.5] : [11, 10.5];
  const { server, label } = box;
  const name = box.kind === "house" ? server.domains.join(", ") : t(`kind.${box.kind}`);
  const address = server.address ?? server.smtp;
  const lines = large || box.kind !== "house" ? [[server.host, big, "net-host"], [address, small, "net-address"]]
    : [[address, small, "net-address"]];
  const group = svgElement("g", { class: `net-box net-${box.kind}`, data: { host: box.host } },
    svgElement("title", {}, t("box", { host: server.host, address, domains: server.domains.join(", ") || "-" })),
    shape(box, name, large),
    rack(box.icon),
    lines.map(([text, size, kind], index) => svgElement("text", {
      class: kind, x: label.x, y: label.y + size * 0.35 + (index - (lines.length - 1) / 2) * size * 1.4, "font-size": size,
    }, fitted(text, label.width, size))),
    svgElement("g", { class: "net-wait", data: { wait: box.host } }));
  const shelves = box.shelves.map(({ y }) =>
    svgElement("rect", { class: "net-shelf", x: box.x + 10, y, width: box.width - 20, height: 32, rx: 4 }));
  return [group, shelves, box.residents.map((person) => drawPerson(person, box, large, t, app))];
}

function shape(box, name, large) {
  const { x, y, width, height } = box;
  if (box.kind !== "house") {
    const size = large ? 12.5 : 10;
    return [
      svgElement("rect", { class: "net-wall", x, y, width, height, rx: 8 }),
      svgElement("text", { class: "net-kind", x: x + width / 2, y: y + size * 1.45, "font-size": size, "text-anchor": "middle" },
        name),
    ];
  }
  const { roof } = box;
  const size = large ? 18 : 13;
  const slope = large ? 34 : 20;
  return [
    svgElement("path", { class: "net-wall", d: `M${x} ${y + roof - 2}v${height - roof - 4}q0 6 6 6h${width - 12}q6 0 6-6v${4 + roof - height}z` }),
    svgElement("path", {
      class: "net-roof",
      d: `M${x - 10} ${y + roof}L${x + slope - 6} ${y + 4}q3-4 8-4H${x + width - slope - 2}q5 0 8 4L${x + width + 10} ${y + roof}z`,
    }),
    svgElement("text", { class: "net-domain", x: x + width / 2, y: y + roof / 2 + size * 0.38, "font-size": size, "text-anchor": "middle" },
      fitted(name, width - 2 * slope + 14, size)),
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
  const size = large ? 15 : 10.5;
  const name = svgElement("text", { class: "net-name", x: pc.x, y: pc.y + (large ? 40 : 24), "font-size": size, "text-anchor": "middle" },
    fitted(user, box.cell - 4, size));
  const computer = svgElement("a", {
    class: "net-person", href: app.link("desktop", address), "aria-label": t("pc", { address }), data: { person: address },
  },
  svgElement("title", {}, t("pc", { address })),
  svgElement("rect", {
    class: "net-touch", x: pc.x - box.cell / 2 + 2, y: pc.y - (large ? 26 : 18), width: box.cell - 4, height: large ? 72 : 46, rx: 6,
  }),
  screen(pc, large ? 1 : 0.58), name);
  const mailbox = svgElement("a", {
    class: "net-slot", href: app.link("mailboxes", address), "aria-label": t("mailbox", { address }), data: { mailbox: address },
  }, svgElement("title", {}, t("mailbox", { address })), drawSlot(slot, box.slot));
  return [large && svgElement("path", { class: "net-cable", d: `M${pc.x} ${slot.y + 16}V${pc.y - 22}` }), computer, mailbox];
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
      svgElement("text", { class: "net-count", x, y: y + 3.5, "font-size": 10, "text-anchor": "middle" }),
    ];
  }
  const { width, height } = size;
  return [
    svgElement("rect", { class: "net-opening", x: x - width / 2, y: y - height / 2 + 2, width, height: height - 4, rx: 4 }),
    svgElement("path", { class: "net-envelope", d: ENVELOPE, transform: `translate(${x - 7} ${y}) scale(0.72)` }),
    svgElement("text", { class: "net-count", x: x + 12, y: y + 5, "font-size": 14, "text-anchor": "middle" }),
  ];
}

function drawCloud({ anchor: { x, y } }, t) {
  return svgElement("g", { class: "net-cloud" },
    svgElement("path", {
      transform: `translate(${x} ${y})`,
      d: "M-70 34a30 30 0 0 1-4-60a40 40 0 0 1 72-16a34 34 0 0 1 56 18a30 30 0 0 1 8 58z",
    }),
    svgElement("text", { x, y: y + 6, "font-size": 13, "text-anchor": "middle" }, t("cloud")));
}

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
    element("td", {}, people.filter((person) => person.host === server.host).map(({ user }) => user).join(", ") || "-")));
  const heads = ["host", "domains", "address", "smtp", "submission", "people"];
  return element("table", { class: "table" },
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, t(`table.${head}`))))),
    replace(element("tbody"), rows));
}
