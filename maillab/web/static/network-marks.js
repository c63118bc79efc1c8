// What rests in the picture: letters that wait, letters in mailboxes, locks of encrypted links, and who says what.

import { replace, svgElement } from "/static/dom.js";
import { drawLetter, drawLock } from "/static/network-picture.js";
import { time } from "/static/words.js";

const MOST_SHOWN = 3; // letters side by side, before a number stands for them
const LONGEST_LINE = 58;
const LETTER_WIDTH = 0.56 * 13.5;

// Letters that wait at a server: how many, and when the next one is tried. `now` is lab time, or null where time stands
// still, as in a replay.
export function markWaiting(picture, state, now, t, isDue = () => false) {
  const waiting = new Map();
  for (const copy of state.copies.values()) {
    const dues = [...copy.ways.values()].filter(({ stage }) => stage === "waiting").map(({ due }) => due);
    if (dues.length && !isDue(copy.queueId)) {
      const here = waiting.get(copy.host) ?? { count: 0, due: Infinity };
      waiting.set(copy.host, { count: here.count + 1, due: Math.min(here.due, ...dues) });
    }
  }
  for (const box of picture.plan.boxes) {
    const node = box.host && picture.waitNode(box.host);
    if (node) {
      markBox(node, box, waiting.get(box.host), now, t, picture.plan.size === "large");
    }
  }
}

function markBox(node, box, here, now, t, large) {
  const words = here ? waitingWords(here, now, t) : "";
  if (node.dataset.words === words) {
    return;
  }
  node.dataset.words = words;
  if (!here) {
    replace(node);
    return;
  }
  // The link stays the same while it counts down: it may have the focus.
  const link = node.firstChild ?? node.appendChild(svgElement("a", { href: "#/queue" }));
  link.setAttribute("aria-label", t("waiting.link", { host: box.host, words }));
  const size = large ? 13 : 11;
  const width = words.length * size * 0.55 + (large ? 46 : 34);
  const { x, y } = box.wait;
  replace(link,
    svgElement("rect", { x: x - width / 2, y: y - size, width, height: size * 2, rx: size }),
    svgElement("g", { transform: `translate(${x - width / 2 + (large ? 18 : 13)} ${y}) scale(${large ? 0.66 : 0.5})` },
      drawLetter("wait")),
    svgElement("text", {
      x: x + (large ? 13 : 9), y: y + size * 0.36, "font-size": size, "text-anchor": "middle",
    }, words));
}

function waitingWords({ count, due }, now, t) {
  if (now === null) {
    return t.plural("waiting.at", count, { time: time(due) });
  }
  const left = Math.ceil((due - now) / 1000);
  return left > 0 ? t.plural("waiting.in", count, { time: countdown(left) }) : t.plural("waiting.now", count);
}

// 1:07 or 2:00:05: as on an oven, short enough for a small house.
function countdown(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// How many letters lie in each mailbox.
export function markMailboxes(picture, countOf, t) {
  for (const { address } of picture.plan.boxes.flatMap((box) => box.residents)) {
    const node = picture.slotNode(address);
    const count = countOf(address);
    if (node.dataset.count !== String(count)) {
      node.dataset.count = count;
      node.classList.toggle("net-filled", count > 0);
      node.querySelector(".net-count").textContent = count > 0 ? (count > 99 ? "99+" : count) : "";
      const label = t("mailbox.count", { address, n: t.plural("letters", count) });
      node.setAttribute("aria-label", label);
      node.querySelector("title").textContent = label;
    }
  }
}

// A lock on each link whose last mail went encrypted.
export function markLocks(picture, state) {
  const secure = picture.plan.links.filter(({ key }) => state.secure.get(key)).map(({ key }) => key);
  const words = secure.join();
  if (picture.locks.dataset.words !== words) {
    picture.locks.dataset.words = words;
    const links = picture.plan.links.filter(({ key }) => secure.includes(key));
    replace(picture.locks, links.map(({ middles: [{ x, y }] }) => drawLock(x, y)));
  }
}

// Where each letter is while time stands still: at a server, or on its way from one.
export function markResting(picture, state) {
  const places = new Map(); // a point to the letters there
  for (const copy of state?.copies.values() ?? []) {
    const kind = copy.isNotice ? "notice" : "mail";
    const leaving = [...copy.ways].filter(([, { stage }]) => stage === "leaving");
    for (const place of [
      ...leaving.map(([nextHop]) => ({ way: [copy.host, nextHop] })), ...(copy.isHeld ? [{ server: copy.host }] : []),
    ]) {
      const at = picture.point(place);
      if (at) {
        const key = `${at.x} ${at.y}`;
        places.set(key, { at, kinds: [...(places.get(key)?.kinds ?? []), kind] });
      }
    }
  }
  replace(picture.rest, [...places.values()].flatMap(({ at, kinds }) => kinds.slice(0, MOST_SHOWN).map((kind, index) =>
    svgElement("g", { transform: `translate(${at.x + index * 7} ${at.y - index * 6})` }, drawLetter(kind)))));
}

// What somebody says, beside the link to the one who hears it; nothing takes it away.
export function markSpoken(picture, said) {
  picture.node.querySelectorAll(".net-talking").forEach((node) => node.classList.remove("net-talking"));
  if (!said) {
    replace(picture.bubbles);
    return;
  }
  const { line, from, to } = said;
  const ends = [picture.point(from), picture.point(to)];
  if (!ends[0]) {
    replace(picture.bubbles);
    return;
  }
  if (from.server && to?.server) {
    picture.linkNode(from.server, to.server)?.classList.add("net-talking");
  }
  const text = line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}\u2026` : line;
  const width = text.length * LETTER_WIDTH + 28;
  const [{ x, y }] = ends;
  const left = Math.max(6, Math.min(picture.plan.width - width - 6, x - width / 2));
  const top = y > 74 ? y - 68 : y + 34;
  const tip = Math.max(left + 16, Math.min(left + width - 16, x));
  const tail = top < y ? `M${tip - 8} ${top + 33}h16L${x} ${y - 24}z` : `M${tip - 8} ${top + 1}h16L${x} ${y + 24}z`;
  replace(picture.bubbles,
    svgElement("path", { class: "net-tail", d: tail }),
    svgElement("rect", { x: left, y: top, width, height: 34, rx: 10 }),
    svgElement("path", { class: "net-tail-over", d: tail }),
    svgElement("text", { x: left + width / 2, y: top + 22, "font-size": 13.5, "text-anchor": "middle" }, text));
}
