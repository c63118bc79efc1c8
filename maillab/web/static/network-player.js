// The player's controls: live, pause, step by step, speed, and which trace is replayed.

import { element, replace } from "/static/dom.js";
import { icon } from "/static/icons.js";
import { lab } from "/static/lab.js";
import { time } from "/static/words.js";

export const SPEEDS = { slow: 0.5, normal: 1, fast: 2, fastest: 5 };
const TRACES_SHOWN = 30;

// `does` is what the controls do: back, toggle, forward, goTo(place), live, setSpeed(name), setDialogue(yes), and
// chooseTrace(id, or "" for none). `show` draws them as things stand.
export function controls(t, does, { speed, dialogue, replay }) {
  const button = (name, label, click) => element("button", {
    type: "button", class: "round", "aria-label": label, title: label, on: { click },
  }, icon(name));
  const back = button("back", t("back"), does.back);
  const toggle = button("pause", t("pause"), does.toggle);
  const forward = button("forward", t("forward"), does.forward);
  const live = element("button", {
    type: "button", class: "net-live", title: t("live.title"), on: { click: does.live },
  }, icon("live"), t("live"));
  const slider = element("input", {
    type: "range", min: 0, max: 0, step: 1, "aria-label": t("place"),
    on: { input: () => does.goTo(Number(slider.value)) },
  });
  const place = element("span", { class: "muted net-place" });
  const chosen = select(t("show"), [["", t("show.live")]], replay ?? "", (value) => does.chooseTrace(value));
  const speeds = Object.keys(SPEEDS).map((name) => [name, t(`speed.${name}`)]);
  const speedChoice = select(t("speed"), speeds, speed, does.setSpeed);
  const lines = element("input", {
    type: "checkbox", checked: dialogue, on: { change: () => does.setDialogue(lines.checked) },
  });
  const node = element("div", { class: "net-controls", role: "group", "aria-label": t("controls") },
    element("div", { class: "net-buttons" }, back, toggle, forward, live),
    element("div", { class: "net-slider" }, slider, place),
    element("div", { class: "net-choices" },
      chosen.node, speedChoice.node, element("label", { class: "net-check" }, lines, t("dialogue"))));

  function show({ isLive, isPlaying, at, length, newCount }) {
    const isMoving = isLive || isPlaying;
    replace(toggle, icon(isMoving ? "pause" : "play"));
    toggle.setAttribute("aria-label", t(isMoving ? "pause" : "play"));
    toggle.title = t(isMoving ? "pause" : "play");
    live.setAttribute("aria-pressed", String(isLive));
    setUsable(back, at > 0);
    setUsable(forward, !isLive && at < length);
    slider.max = length;
    slider.value = at;
    slider.disabled = !length;
    const words = t("place.of", { at, length });
    slider.setAttribute("aria-valuetext", words);
    place.textContent = length ? `${words}${newCount ? `, ${t.plural("place.new", newCount)}` : ""}` : "";
  }

  // The newest traces to choose from; the one that is shown stays, however old it is.
  async function listTraces() {
    const traces = await lab.get(`/traces?limit=${TRACES_SHOWN}`);
    const entries = traces.map((trace) => [trace.trace, t("show.trace", {
      time: time(trace.at), subject: trace.subject || t("no_subject"), sender: trace.sender || t("nobody"),
    })]);
    if (replay && !entries.some(([id]) => id === replay)) {
      entries.push([replay, replay]);
    }
    chosen.fill([["", t("show.live")], ...entries]);
  }

  return { node, show, listTraces };
}

// A button that loses its use under the finger keeps the focus.
function setUsable(button, isUsable) {
  button.setAttribute("aria-disabled", String(!isUsable));
}

function select(label, options, value, choose) {
  const made = element("select", { on: { change: () => choose(made.value) } });
  let shown = "";

  function fill(entries) {
    const words = JSON.stringify(entries);
    if (words !== shown && document.activeElement !== made) {
      shown = words;
      const kept = made.value || value;
      replace(made, entries.map(([each, text]) => element("option", { value: each }, text)));
      made.value = kept;
    }
  }

  fill(options);
  return { node: element("label", { class: "net-choice" }, element("span", { class: "muted" }, label), made), fill };
}
