// Tabs over one panel, as the ARIA practices have them: Left, Right, Home and End go from tab to tab.
//
//   tabs({ id, label, tabs: [{ key, name, open(panel) }], chosen, onChoose(key) }) gives { node }
//
// `open` fills the panel when its tab is chosen for the first time; a promise is waited for.

import { element, replace } from "/static/dom.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

export function tabs({ id, label, tabs: all, chosen, onChoose = () => {}, failed }) {
  const panels = new Map();
  const panelOf = (key) => `${id}-panel-${key}`;
  const heads = all.map(({ key, name }) => element("button", {
    type: "button", role: "tab", id: `${id}-tab-${key}`, "aria-controls": panelOf(key), data: { key },
    on: { click: () => choose(key) },
  }, name));
  const list = element("div", { class: "tabs", role: "tablist", "aria-label": label, on: { keydown: steer } }, heads);
  const node = element("div", { class: "tabbed" }, list, all.map(({ key }) => {
    const panel = element("div", {
      id: panelOf(key), role: "tabpanel", class: "letter-panel", tabindex: "0", "aria-labelledby": `${id}-tab-${key}`,
    });
    panels.set(key, panel);
    return panel;
  }));
  const opened = new Set();

  function choose(key) {
    for (const head of heads) {
      const isChosen = head.dataset.key === key;
      head.setAttribute("aria-selected", String(isChosen));
      head.tabIndex = isChosen ? 0 : -1;
      panels.get(head.dataset.key).hidden = !isChosen;
    }
    if (!opened.has(key)) {
      opened.add(key);
      fill(key).catch((error) => {
        opened.delete(key); // may be better next time
        replace(panels.get(key), failed(error));
      });
    }
    onChoose(key);
  }

  async function fill(key) {
    await all.find((each) => each.key === key).open(panels.get(key));
  }

  function steer(event) {
    const at = heads.indexOf(event.target);
    if (at < 0 || !(event.key in STEPS)) {
      return;
    }
    event.preventDefault();
    const step = STEPS[event.key];
    const next = Number.isFinite(step) ? (at + step + heads.length) % heads.length : step < 0 ? 0 : heads.length - 1;
    heads[next].focus();
    choose(heads[next].dataset.key);
  }

  choose(all.some(({ key }) => key === chosen) ? chosen : all[0].key);
  return { node };
}
