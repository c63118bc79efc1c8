// Where everything stands in the picture of the lab. Values in, values out: no document is touched here.
//
// Houses stand in two halves, with what is between them in the middle: relays, hosts outside of the lab, or a cloud
// where all send straight to all. Every way to arrange them is tried, and the one that can be drawn largest is taken.

// Two sizes of everything: for labs of a few servers, and for those of many. Units are pixels at scale 1.
const LARGE = {
  name: "large", cell: 92, row: 122, least: 256, side: 22, roof: 44, server: 76, wait: 28, end: 8,
  hub: { width: 230, height: 130 }, gap: 40, between: 120, slot: { width: 44, height: 30, y: 16 }, pc: 74,
};
const SMALL = {
  name: "small", cell: 52, row: 54, least: 184, side: 8, roof: 32, server: 44, wait: 20, end: 6,
  hub: { width: 178, height: 86 }, gap: 30, between: 76, slot: null, pc: 22,
};

const FEW_SERVERS = 8;
const LARGEST_SCALE = 1.55;
const LARGEST_SCROLLED_SCALE = 1.1;
const LEAST_LARGE_SCALE = 0.62; // below that, small houses are the better ones to read
const MARGIN = 26;
const MOST_COUNTED_BOXES = 9;
const HIDDEN_LINK_COST = 0.5;
const LINE_STEPS = 60; // how finely a link is looked at
const MOST_COLUMNS = 16; // side by side
const PEOPLE_COLUMNS = [4, 3, 2, 5, 6, 8, 10, 12]; // in one house; the first that is as good as any
const MESH_HOSTS = 5; // so many hosts that all send to all are drawn around a cloud

export const linkKey = (one, other) => [one, other].sort().join(" ");

// info and people as lab.js has them; width and height of the room there is, in pixels. A height of Infinity is a page
// that can be scrolled.
export function layout(info, people, width, height) {
  const plan = planOf(info, people);
  const large = arrange(plan, LARGE, width, height);
  const crowded = info.servers.length > FEW_SERVERS || large.scale < LEAST_LARGE_SCALE;
  return finish(plan, crowded ? better(large, arrange(plan, SMALL, width, height)) : large);
}

const better = (large, small) => (small.scale > large.scale * 1.05 ? small : large);

function planOf(info, people) {
  const atHome = (host) => people.filter((person) => person.host === host);
  const houses = info.servers.filter((server) => server.domains.length)
    .map((server) => ({ kind: "house", server, people: atHome(server.host) }));
  const hubs = [
    ...info.servers.filter((server) => !server.domains.length).map((server) => ({ kind: "relay", server })),
    ...info.foreign.map((server) => ({ kind: "foreign", server })),
  ];
  const links = new Map();
  for (const link of info.links ?? []) {
    const key = linkKey(link.from, link.to);
    const known = links.get(key);
    links.set(key, { key, from: link.from, to: link.to, isBackup: link.is_backup && (known?.isBackup ?? true) });
  }
  const direct = new Set(houses.map(({ server }) => server.host));
  const isMesh = ({ from, to }) => direct.has(from) && direct.has(to);
  const meshCount = [...links.values()].filter(isMesh).length;
  const hasCloud = info.links === null || (houses.length >= MESH_HOSTS && meshCount > houses.length);
  if (hasCloud) {
    hubs.push({ kind: "cloud" });
  }
  return { houses, hubs, links: [...links.values()], hasCloud, isMesh };
}

function sizeOf(house, size, peopleColumns) {
  const count = house.people.length;
  const columns = Math.max(1, Math.min(count, peopleColumns));
  const rows = Math.ceil(count / columns);
  return {
    columns, rows,
    width: Math.max(size.least, columns * size.cell + 2 * size.side),
    height: size.roof + size.server + size.wait + rows * size.row + size.end,
  };
}

function arrange(plan, size, width, height) {
  const { houses, hubs } = plan;
  const most = (count) => Math.max(1, Math.min(count, MOST_COLUMNS));
  const crowd = Math.max(1, ...houses.map(({ people }) => people.length));
  let best = null;
  for (const across of [true, false]) {
    for (const peopleColumns of PEOPLE_COLUMNS.filter((columns, index) => !index || columns < crowd)) {
      for (let columns = 1; columns <= most(Math.ceil(houses.length / 2)); columns++) {
        for (let hubColumns = 1; hubColumns <= most(hubs.length); hubColumns++) {
          for (const aside of [false, true]) {
            const candidate = place(plan, size, { across, peopleColumns, columns, hubColumns, aside });
            const largest = height === Infinity ? LARGEST_SCROLLED_SCALE : LARGEST_SCALE;
            candidate.scale = Math.min(width / candidate.width, height / candidate.height, largest);
            candidate.worth = candidate.scale * (1 - HIDDEN_LINK_COST * hiddenShare(candidate, plan));
            if (!best || isBetter(candidate, best)) {
              best = candidate;
            }
          }
        }
      }
    }
  }
  return best;
}

// How many of the links go behind a third box, from 0 to 1. In a lab of many, some do, and nobody counts.
function hiddenShare({ boxes }, { links, hasCloud }) {
  if (boxes.length > MOST_COUNTED_BOXES || hasCloud || !links.length) {
    return 0;
  }
  const boxOf = (host) => boxes.find(({ thing }) => thing.server?.host === host);
  const hidden = links.filter(({ from, to }) => {
    const ends = [boxOf(from), boxOf(to)];
    if (!ends.every(Boolean)) {
      return false;
    }
    const [one, other] = ends.map(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }));
    const others = boxes.filter((box) => !ends.includes(box));
    return Array.from({ length: LINE_STEPS }, (_, step) => between(one, other, step / LINE_STEPS))
      .some((point) => others.some((box) => isInside(point, box)));
  });
  return hidden.length / links.length;
}

const between = (one, other, share) => ({ x: one.x + (other.x - one.x) * share, y: one.y + (other.y - one.y) * share });

const isInside = ({ x, y }, box, margin = 4) =>
  x > box.x - margin && x < box.x + box.width + margin && y > box.y - margin && y < box.y + box.height + margin;

// Larger, or as large and lower.
function isBetter(one, other) {
  const gain = one.worth - other.worth;
  return gain > 0.001 || (gain > -0.001 && one.height < other.height);
}

// One half of the houses, the middle, the other half: from left to right, or from top to bottom. Aside, the middle keeps
// clear of what goes straight from one half to the other.
function place({ houses, hubs }, size, { across, peopleColumns, columns, hubColumns, aside }) {
  const sizes = houses.map((house) => sizeOf(house, size, peopleColumns));
  const cell = {
    width: Math.max(0, ...sizes.map((each) => each.width)), height: Math.max(0, ...sizes.map((each) => each.height)),
  };
  const firstHalf = Math.ceil(houses.length / 2);
  const groups = [
    grid(houses.slice(0, firstHalf), cell, columns, size.gap),
    grid(hubs, size.hub, hubColumns, size.gap),
    grid(houses.slice(firstHalf), cell, columns, size.gap),
  ].filter((group) => group.boxes.length);
  const long = across ? "width" : "height";
  const wide = across ? "height" : "width";
  const half = Math.max(...groups.map((group) => group[wide])) / 2;
  const isAside = (group) => aside && groups.length === 3 && group === groups[1];
  const breadth = Math.max(2 * half, ...groups.filter(isAside).map((group) => half + size.gap + group[wide]));
  const between = groups.length === 2 ? size.between * 1.4 : size.between;
  const boxes = [];
  let at = MARGIN;
  for (const group of groups) {
    const shift = MARGIN + (isAside(group) ? half + size.gap : half - group[wide] / 2);
    const [dx, dy] = across ? [at, shift] : [shift, at];
    boxes.push(...group.boxes.map((box) => ({ ...box, x: box.x + dx, y: box.y + dy })));
    at += group[long] + between;
  }
  const length = at - between + MARGIN;
  const [width, height] = across ? [length, breadth + 2 * MARGIN] : [breadth + 2 * MARGIN, length];
  return { size, boxes, width, height, peopleColumns };
}

function grid(things, cell, columns, gap) {
  const rows = Math.ceil(things.length / columns);
  const used = Math.min(columns, things.length);
  const boxes = things.map((thing, index) => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, things.length - row * columns);
    const indent = ((used - inRow) * (cell.width + gap)) / 2;
    return {
      thing, width: cell.width, height: cell.height,
      x: indent + (index % columns) * (cell.width + gap), y: row * (cell.height + gap),
    };
  });
  return { boxes, width: used * (cell.width + gap) - gap, height: rows * (cell.height + gap) - gap };
}

function finish(plan, arranged) {
  const { size, boxes, width, height, scale, peopleColumns } = arranged;
  const made = boxes.map((box) => (box.thing.kind === "house" ? house(box, size, peopleColumns) : hub(box, size)));
  const points = new Map(made.filter((box) => box.host).map((box) => [box.host, box.anchor]));
  const cloud = made.find((box) => box.kind === "cloud");
  return {
    size: size.name, width, height, scale, boxes: made, cloud, points,
    links: plan.links.filter(({ from, to }) => points.has(from) && points.has(to)).map((link) => {
      const ends = [points.get(link.from), points.get(link.to)];
      const way = plan.hasCloud && plan.isMesh(link) ? [ends[0], cloud.anchor, ends[1]] : ends;
      const middles = [visibleMiddle(way[0], way[1], made), visibleMiddle(way.at(-1), way.at(-2), made)];
      return { ...link, points: way, middles };
    }),
  };
}

// The middle of the longest part of a line that no box hides.
function visibleMiddle(one, other, boxes) {
  let best = { from: 0.5, length: 0 };
  let from = 0;
  for (let step = 0; step <= LINE_STEPS; step++) {
    if (boxes.some((box) => isInside(between(one, other, step / LINE_STEPS), box))) {
      from = step + 1;
    } else if (step - from > best.length) {
      best = { from: from / LINE_STEPS, length: step - from };
    }
  }
  return between(one, other, best.from + best.length / LINE_STEPS / 2);
}

function house(box, size, peopleColumns) {
  const { thing } = box;
  const own = sizeOf(thing, size, peopleColumns);
  const x = box.x + (box.width - own.width) / 2;
  const y = box.y + (box.height - own.height) / 2;
  const top = y + size.roof + size.server + size.wait;
  const left = x + (own.width - own.columns * size.cell) / 2;
  const residents = thing.people.map((person, index) => {
    const row = Math.floor(index / own.columns);
    const inRow = Math.min(own.columns, thing.people.length - row * own.columns);
    const indent = ((own.columns - inRow) * size.cell) / 2;
    const cx = left + indent + ((index % own.columns) + 0.5) * size.cell;
    const cy = top + row * size.row;
    return {
      ...person, pc: { x: cx, y: cy + size.pc },
      slot: size.slot ? { x: cx, y: cy + size.slot.y } : { x: cx + 15, y: cy + 8 },
    };
  });
  const shelves = size.slot ? Array.from({ length: own.rows }, (_, row) => ({ y: top + row * size.row })) : [];
  return {
    kind: "house", host: thing.server.host, server: thing.server, x, y, width: own.width, height: own.height,
    roof: size.roof, residents, shelves, cell: size.cell, slot: size.slot,
    ...serverPart(x, y + size.roof, own.width, size),
  };
}

function hub(box, size) {
  const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  if (box.thing.kind === "cloud") {
    return { kind: "cloud", host: null, residents: [], shelves: [], ...box, anchor: centre };
  }
  const head = size === LARGE ? 20 : 14;
  return {
    kind: box.thing.kind, host: box.thing.server.host, server: box.thing.server,
    x: box.x, y: box.y, width: box.width, height: box.height, residents: [], shelves: [],
    ...serverPart(box.x, box.y + head, box.width, size),
  };
}

// The server's picture, where letters come to, and where those that wait are shown.
function serverPart(x, y, width, size) {
  const isLarge = size === LARGE;
  const icon = isLarge ? { width: 46, height: 50 } : { width: 26, height: 30 };
  const left = x + (isLarge ? 24 : 12);
  const middle = y + size.server / 2 + (isLarge ? 2 : 1);
  return {
    icon: { x: left, y: middle - icon.height / 2, ...icon },
    label: { x: left + icon.width + (isLarge ? 14 : 9), y: middle, width: width - icon.width - (isLarge ? 56 : 28) },
    anchor: { x: left + icon.width / 2, y: middle },
    wait: {
      x: x + width / 2, y: y + size.server + size.wait / 2 - (isLarge ? 2 : 1), width: width - (isLarge ? 32 : 12),
    },
  };
}
