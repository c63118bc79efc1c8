// The ladder of one trace: the server's own picture in the page, to be walked through line by line.
//
// The picture comes as SVG from the server; here its steps become things that take the focus, and its conversations
// things that fold. Nothing in it is drawn a second time: only the sign of the fold and the field of the focus are new.

import { element, svgElement } from "/static/dom.js";

const LEAST_SCALE = 0.85; // smaller than that is scrolled
const MOST_SCALE = 1.45;
const ZOOM_STEP = 1.2;
const SIGN = 9; // half the size of the fold's sign
const ABOVE_LANES = 10;
// The colours that the picture brings along; the page has its own, and its policy lets none stand within a document.
const STYLE = /<style>[^<]*<\/style>/;

let zoom = 1; // for all ladders, as long as the page is open

// `choose` gets the step that is to be explained, `fold` the key of a conversation and whether it shall be open, and
// `open` the other trace of a notice.
export function ladderView({ t, choose, fold, open }) {
  const node = element("div", { class: "ladder-sheet" });
  const resized = new ResizeObserver(scale);
  let picture = null;
  let known = null; // the names of the steps that were there before
  let here = 0; // the step that Tab leads to

  resized.observe(node);
  node.addEventListener("click", (event) => act(stepOf(event.target)));
  node.addEventListener("keydown", steer);

  const steps = () => [...node.querySelectorAll(".step")];
  const stepOf = (target) => target.closest?.(".step");

  // Puts a new picture in the place of the old one; focus, scrolling and mark stay.
  function show(source, { find }) {
    const focused = stepOf(document.activeElement ?? node);
    const kept = focused && node.contains(focused) ? nameOf(focused) : null;
    const { scrollTop, scrollLeft } = node;
    const parsed = new DOMParser().parseFromString(source.replace(STYLE, ""), "image/svg+xml");
    picture = document.importNode(parsed.documentElement, true);
    picture.setAttribute("role", "group");
    const others = [...picture.children].filter((child) => !child.matches(".step, title, desc"));
    others.forEach((child) => child.setAttribute("aria-hidden", "true"));
    node.replaceChildren(picture);
    crop();
    scale();
    const before = known;
    known = new Set(steps().map(nameOf));
    // All is measured before anything is changed: else each change would have the whole picture laid out anew.
    const measured = steps().map((step) => [step, step.getBBox(), step.dataset.fold && signOf(step)]);
    for (const [step, box, sign] of measured) {
      equip(step, box, sign, find);
      step.classList.toggle("new", before !== null && !before.has(nameOf(step)));
    }
    here = Math.min(here, steps().length - 1);
    steps()[Math.max(here, 0)]?.setAttribute("tabindex", "0");
    Object.assign(node, { scrollTop, scrollLeft });
    if (kept) {
      const again = steps().find((step) => nameOf(step) === kept) ?? steps().find((step) => isOf(step, kept));
      focus(again ?? steps()[here]);
    }
  }

  // The page has a head of its own: the picture begins with its lanes.
  function crop() {
    const top = picture.querySelector(".lane")?.getBBox().y - ABOVE_LANES || 0;
    const [, , width, height] = picture.getAttribute("viewBox").split(" ").map(Number);
    picture.setAttribute("viewBox", `0 ${top} ${width} ${height - top}`);
    picture.setAttribute("height", height - top); // both say how high it is for its width
  }

  function equip(step, { x, y, width, height }, sign, find) {
    const title = step.querySelector("title");
    const { fold: folded, trace } = step.dataset;
    step.setAttribute("tabindex", "-1");
    step.setAttribute("role", trace ? "link" : "button");
    step.setAttribute("aria-label", [title?.textContent, trace && t("opensTrace")].filter(Boolean).join(", "));
    const addresses = find(title?.textContent ?? "");
    if (addresses.length) {
      step.dataset.addresses = addresses.join(" ");
    }
    step.prepend(svgElement("rect", { class: "hit", x: x - 4, y: y - 2, width: width + 8, height: height + 4, rx: 4 }));
    if (folded) {
      step.setAttribute("aria-expanded", String(folded === "unfolded"));
      step.append(sign);
    }
  }

  // Stands where the conversation begins: a plus to open it, a minus to close it.
  function signOf(step) {
    const { fold: folded } = step.dataset;
    const shape = step.querySelector("rect.box, .block, .shaft").getBBox();
    const x = folded === "unfolded" ? shape.x : shape.x + shape.width / 2;
    const y = folded === "unfolded" ? shape.y + shape.height / 2 : shape.y + shape.height;
    const lines = `M${x - 4} ${y}h8${folded === "folded" ? `M${x} ${y - 4}v8` : ""}`;
    return svgElement("g", { class: "fold-sign", "aria-hidden": "true" },
      svgElement("circle", { cx: x, cy: y, r: SIGN }), svgElement("path", { d: lines }));
  }

  function act(step) {
    if (!step) {
      return;
    }
    if (step.dataset.trace) {
      open(step.dataset.trace);
      return;
    }
    choose(step);
    focus(step); // only now it is known what lies over the ladder
    if (step.dataset.fold) {
      fold(step.dataset.talk, step.dataset.fold === "folded");
    }
  }

  function focus(step) {
    const all = steps();
    all[here]?.setAttribute("tabindex", "-1");
    here = Math.max(0, all.indexOf(step));
    all[here]?.setAttribute("tabindex", "0");
    all[here]?.focus({ preventScroll: true });
    all[here]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function steer(event) {
    const step = stepOf(event.target);
    if (!step || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const all = steps();
    const moves = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 };
    if (event.key in moves) {
      focus(all[Math.max(0, Math.min(all.length - 1, moves[event.key]))]);
    } else if (event.key === "Enter" || event.key === " ") {
      act(step);
    } else if (event.key === "ArrowRight" && step.dataset.fold === "folded") {
      fold(step.dataset.talk, true);
    } else if (event.key === "ArrowLeft" && step.dataset.talk) {
      fold(step.dataset.talk, false);
    } else {
      return;
    }
    event.preventDefault();
  }

  function mark(isChosen) {
    steps().forEach((step) => step.classList.toggle("chosen", isChosen(step)));
  }

  // As wide as there is room, but so large that it can be read.
  function scale() {
    if (!picture) {
      return;
    }
    const width = naturalWidth();
    const fitting = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, node.clientWidth / width));
    picture.style.width = `${Math.floor(width * fitting * zoom)}px`;
    picture.style.height = "auto";
  }

  function naturalWidth() {
    return picture ? Number(picture.getAttribute("viewBox").split(" ")[2]) : 0;
  }

  function resize(direction) {
    zoom = direction ? Math.min(3, Math.max(0.4, zoom * ZOOM_STEP ** direction)) : 1;
    scale();
  }

  // Scrolls the ladder alone: who reads the transcript below it stays there.
  function reveal(step) {
    const [box, place] = [node.getBoundingClientRect(), step?.getBoundingClientRect() ?? node.getBoundingClientRect()];
    if (place.top < box.top || place.bottom > box.bottom) {
      node.scrollTop += place.top - box.top - box.height / 2;
    }
    if (place.left < box.left || place.right > box.right) {
      node.scrollLeft += place.left - box.left - ABOVE_LANES;
    }
  }

  // Whether it needs more room than that to be read well.
  const needsMoreThan = (width) => naturalWidth() * LEAST_SCALE > width;

  return { node, show, mark, resize, reveal, steps, needsMoreThan, end: () => resized.disconnect() };
}

// The same step in another picture of the same trace: what its record, its look and its conversation are.
const nameOf = ({ dataset, classList }) =>
  [dataset.run, dataset.seq, dataset.talk, dataset.fold ? "fold" : classList[1]].join(" ");

// Of a conversation that was folded away, its one arrow.
const isOf = (step, name) => step.dataset.fold && name.split(" ")[2] === step.dataset.talk;
