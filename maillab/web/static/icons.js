// Small pictures for words: strokes in the colour of the text, on a field of 24 by 24.

import { svgElement } from "/static/dom.js";

const PATHS = {
  network: "M12 8.5V13M12 13H5.5v3M12 13h6.5v3M9 3.5h6v5H9zM3 16h5v4.5H3zM16 16h5v4.5h-5z",
  traces: "M5 4v16M12 4v16M19 4v16M5 8h6m-2-2 2 2-2 2M12 13h6m-2-2 2 2-2 2",
  mailboxes: "M3.5 6h17v12.5h-17zM4 6.5l8 6.5 8-6.5",
  queue: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3 2.5",
  faults: "M13 3 5 13.5h6L10 21l8.5-11H12.5z",
  exercises: "M6 3.5h12v17H6zM9 8h6M9 12h6M9 16h3",
  light: "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM12 2v2.5M12 19.500V22M2 12h2.500M19.5 12H22M5 5l1.7 1.700M17.3 17.3 19 19M5 19l1.7-1.700M17.3 6.7 19 5",
  dark: "M20 14.500A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.500z",
  auto: "M12 3.500a8.5 8.5 0 1 0 0 17zM12 3.500a8.5 8.5 0 0 1 0 17M12 8h7M12 12h8.500M12 16h7",
  play: "M7 4.500v15l12.5-7.500z",
  pause: "M8 5v14M16 5v14",
  forward: "M5 5v14l9-7zM18 5v14",
  back: "M19 5v14l-9-7zM6 5v14",
  live: "M12 9.500a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM6.5 6.500a7.8 7.8 0 0 0 0 11M17.5 6.500a7.8 7.8 0 0 1 0 11",
  desktop: "M3.5 4.5h17v11.500h-17zM12 16v4M8 20h8",
  terminal: "M3.5 5h17v14h-17zM7 9.500l3 2.500-3 2.500M12 15h5",
  close: "M6 6l12 12M18 6 6 18",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  clock: "M12 3.500a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.500V12l3 2.5",
};

// An icon beside a word says nothing of its own; where it stands alone, its button has a label.
export function icon(name) {
  return svgElement("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svgElement("path", { d: PATHS[name] }));
}
