// Letters on their way through the picture: each goes when the one it follows has come to rest.

import { svgElement } from "/static/dom.js";
import { drawLetter } from "/static/network-picture.js";

const FLIGHT_MS = 950;
const LEG_MS = 600; // half a way: from one server to where the next one's answer is waited for, or from there on
const REST_MS = 200; // after a flight, for the eye
const MOST_FLYING = 24; // more at a time show nothing more: the rest is counted
const MOST_PLANNED = 150;
const COUNTED_MS = 1500; // how long a count stays
const REMEMBERED_MS = 60_000;

// `began(flight)` is called when a letter sets out, and `ended(flight)` when it has arrived.
export function flights({ began, ended }) {
  const jumps = matchMedia("(prefers-reduced-motion: reduce)");
  const restAt = new Map(); // letter to when it comes to rest
  const crowds = new Map(); // a point to what is counted there
  let picture = null;
  let planned = []; // in the order of their start
  let flying = [];
  let frame = null;

  function show(next) {
    clear();
    picture = next;
  }

  function clear() {
    cancelAnimationFrame(frame);
    frame = null;
    [...planned, ...flying].forEach((flight) => flight.node?.remove());
    crowds.forEach(({ node }) => node.remove());
    planned = [];
    flying = [];
    crowds.clear();
    restAt.clear();
  }

  // Plans a move of the model; gives when it will be over.
  function fly(move, { speed = 1, record = null } = {}) {
    const now = performance.now();
    const points = picture.path(move.from, move.to);
    if (!points || planned.length >= MOST_PLANNED) {
      countOnly({ move, record, points });
      return now;
    }
    const startAt = Math.max(now, restAt.get(move.after) ?? 0);
    const endAt = startAt + (move.to.way || move.from.way ? LEG_MS : FLIGHT_MS) / speed;
    if (move.key) {
      remember(move.key, endAt + REST_MS / speed, now);
    }
    planned.push({ move, record, points, startAt, endAt, waits: Boolean(move.to.way) });
    planned.sort((one, other) => one.startAt - other.startAt);
    frame ??= requestAnimationFrame(draw);
    return endAt;
  }

  function remember(key, at, now) {
    restAt.set(key, at);
    if (restAt.size > 500) {
      restAt.forEach((time, known) => time < now - REMEMBERED_MS && restAt.delete(known));
    }
  }

  function draw() {
    const now = performance.now();
    while (planned.length && planned[0].startAt <= now) {
      depart(planned.shift());
    }
    flying = flying.filter((flight) => {
      const share = Math.min(1, (now - flight.startAt) / (flight.endAt - flight.startAt));
      if (!flight.hasArrived) {
        const { x, y } = along(flight.points, jumps.matches ? 1 : eased(share));
        flight.node.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      }
      return share < 1 || stays(flight, now);
    });
    crowds.forEach((crowd, key) => {
      if (crowd.until < now) {
        crowd.node.remove();
        crowds.delete(key);
      }
    });
    frame = flying.some((flight) => !flight.hasArrived) || crowds.size ? requestAnimationFrame(draw) : null;
    if (frame === null && (planned.length || flying.length)) {
      frame = requestAnimationFrame(draw);
    }
  }

  function depart(flight) {
    // What waited for this one, on the way or at a server, is this one now.
    flying = flying.filter((other) => {
      const isSame = other.hasArrived && other.move.key === flight.move.after;
      if (isSame) {
        other.node.remove();
      }
      return !isSame;
    });
    if (flying.length >= MOST_FLYING) {
      countOnly(flight);
      return;
    }
    flight.node = drawLetter(flight.move.kind, flight.move.isSecure);
    picture.flying.append(flight.node);
    flying.push(flight);
    began(flight);
  }

  function countOnly(flight) {
    if (flight.points) {
      count(flight.points.at(-1));
    }
    ended(flight);
  }

  // A letter on a link stays in sight until its next move; others for a moment, for the eye.
  function stays(flight, now) {
    if (!flight.hasArrived) {
      flight.hasArrived = true;
      ended(flight);
    }
    const isOver = !flight.waits && now > flight.endAt + REST_MS;
    if (isOver) {
      flight.node.remove();
    }
    return !isOver;
  }

  function count({ x, y }) {
    const key = `${x} ${y}`;
    if (!crowds.has(key)) {
      const text = svgElement("text", { "font-size": 13, "text-anchor": "middle", y: 5 });
      const node = svgElement("g", { class: "net-crowd", transform: `translate(${x} ${y - 32})` },
        svgElement("rect", { x: -24, y: -12, width: 48, height: 24, rx: 12 }), text);
      picture.flying.append(node);
      crowds.set(key, { node, text, count: 0 });
    }
    const crowd = crowds.get(key);
    crowd.count += 1;
    crowd.until = performance.now() + COUNTED_MS;
    crowd.text.textContent = `+${crowd.count}`;
    frame ??= requestAnimationFrame(draw);
  }

  // Whether something is still to arrive: what is told by marks is told when the letter is there.
  const isDue = (matches) => planned.some(matches) || flying.some((flight) => !flight.hasArrived && matches(flight));
  const countDue = (matches) => [...planned, ...flying].filter((each) => !each.hasArrived && matches(each)).length;

  const isBusy = () => crowds.size > 0;

  return { show, clear, fly, isDue, countDue, isBusy };
}

const eased = (share) => (share < 0.5 ? 2 * share * share : 1 - (-2 * share + 2) ** 2 / 2);

function along(points, share) {
  const lengths = points.slice(1).map((end, index) => Math.hypot(end.x - points[index].x, end.y - points[index].y));
  let left = share * lengths.reduce((sum, length) => sum + length, 0);
  for (let index = 0; index < lengths.length; index++) {
    if (left <= lengths[index] || index === lengths.length - 1) {
      const part = lengths[index] ? left / lengths[index] : 1;
      const [one, other] = [points[index], points[index + 1]];
      return { x: one.x + (other.x - one.x) * part, y: one.y + (other.y - one.y) * part };
    }
    left -= lengths[index];
  }
  return points.at(-1);
}
