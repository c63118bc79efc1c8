// A list of any length of which only the part that is seen is in the document: 10,000 entries scroll as ten do.
//
//   const list = windowed({ key: (item) => item.trace, row: (item) => element(...), rowHeight: () => 64, label });
//   root.append(list.node); list.show(items); ... list.end();
//
// All rows are equally high; `rowHeight` gives pixels and is asked again when the list changes its size. `key` tells
// which row is which item: rows stay under the eyes and under the finger while others come above them, and keep the
// focus. `row` is asked again only for an item that is another object than before. The node needs a height from CSS.
// Up, Down, Page Up, Page Down, Home and End move the focus from row to row: to the first thing in it that takes it.

import { element } from "/static/dom.js";

const BEYOND_ROWS = 8; // above and below what is seen, so that scrolling shows no gaps
const FOCUSABLE = "a[href], button:not(:disabled), input, summary, [tabindex='0']";

export function windowed({ key, row, rowHeight, label }) {
  const rows = element("div", { class: "windowed-rows", role: "list", "aria-label": label });
  const node = element("div", { class: "windowed", tabindex: "-1", on: { scroll: later, keydown: steer } }, rows);
  const shown = new Map(); // key to { item, index, node }
  const resized = new ResizeObserver(() => measure());
  let items = [];
  let places = new Map(); // key to index
  let height = 0;
  let frame = null;

  resized.observe(node);

  function show(next) {
    const anchor = firstSeen();
    items = next;
    places = new Map(items.map((item, index) => [key(item), index]));
    measure();
    const moved = anchor && places.get(anchor.key);
    if (anchor && moved !== undefined) {
      node.scrollTop = moved * height + anchor.offset;
    }
    draw();
  }

  // What stands at the upper edge; nothing at the very top, where new rows are to be seen as they come.
  function firstSeen() {
    const index = height ? Math.floor(node.scrollTop / height) : 0;
    return node.scrollTop > 0 && items[index]
      ? { key: key(items[index]), offset: node.scrollTop - index * height }
      : null;
  }

  function measure() {
    const now = rowHeight();
    if (now !== height) {
      height = now;
      shown.forEach((each) => each.node.remove());
      shown.clear();
    }
    rows.style.height = `${items.length * height}px`;
    later();
  }

  function later() {
    frame ??= requestAnimationFrame(draw);
  }

  function draw() {
    cancelAnimationFrame(frame);
    frame = null;
    const first = Math.max(0, Math.floor(node.scrollTop / height) - BEYOND_ROWS);
    const last = Math.min(items.length - 1, Math.ceil((node.scrollTop + node.clientHeight) / height) + BEYOND_ROWS);
    for (const [name, each] of shown) {
      const index = places.get(name);
      const isNear = index >= first && index <= last;
      if (index === undefined || (!isNear && !each.node.contains(document.activeElement))) {
        each.node.remove();
        shown.delete(name);
      } else {
        each.node.setAttribute("aria-posinset", index + 1); // new rows find their places between these
      }
    }
    for (let index = first; index <= last; index++) {
      place(items[index], index);
    }
  }

  function place(item, index) {
    const name = key(item);
    let each = shown.get(name);
    if (!each) {
      each = { item: null, index: -1, node: element("div", { class: "windowed-row", role: "listitem" }) };
      each.node.style.height = `${height}px`;
      shown.set(name, each);
      insert(each.node, index);
    }
    if (each.item !== item) {
      const hadFocus = each.node.contains(document.activeElement);
      each.item = item;
      each.node.replaceChildren(row(item));
      if (hadFocus) {
        each.node.querySelector(FOCUSABLE)?.focus({ preventScroll: true });
      }
    }
    if (each.index !== index || each.count !== items.length) {
      Object.assign(each, { index, count: items.length });
      each.node.style.transform = `translateY(${index * height}px)`;
      each.node.setAttribute("aria-posinset", index + 1);
      each.node.setAttribute("aria-setsize", items.length);
    }
  }

  // Rows stand in the document in their order, for who reads it with Tab or a screen reader.
  function insert(made, index) {
    const next = [...rows.children].find((other) => Number(other.getAttribute("aria-posinset")) - 1 > index);
    rows.insertBefore(made, next ?? null);
  }

  function focus(index) {
    const wanted = Math.max(0, Math.min(items.length - 1, index));
    if (!items.length) {
      return;
    }
    const top = wanted * height;
    if (top < node.scrollTop) {
      node.scrollTop = top;
    } else if (top + height > node.scrollTop + node.clientHeight) {
      node.scrollTop = top + height - node.clientHeight;
    }
    draw();
    shown.get(key(items[wanted]))?.node.querySelector(FOCUSABLE)?.focus({ preventScroll: true });
  }

  function steer(event) {
    const at = [...shown.values()].find((each) => each.node.contains(event.target));
    if (!at || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select, textarea")) {
      return;
    }
    const page = Math.max(1, Math.floor(node.clientHeight / height) - 1);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      focus(at.index + steps[event.key]);
    }
  }

  function end() {
    resized.disconnect();
    cancelAnimationFrame(frame);
  }

  return { node, show, focus, end };
}
