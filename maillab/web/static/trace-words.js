// What lists and heads of traces say alike: the state as a pill with a sign, and who has a message now.

import { element } from "/static/dom.js";

const LOOKS = { delivered: "good", relayed: "good", failed: "bad", deferred: "wait", underway: "accent" };
const SIGNS = { delivered: "✓", relayed: "→", failed: "✕", deferred: "◷", underway: "…" };

export const STATES = ["underway", "deferred", "delivered", "relayed", "failed"];

// A state is never told by its colour alone.
export const pill = (t, state) => element("span", { class: `pill ${LOOKS[state]}` },
  element("span", { "aria-hidden": "true" }, SIGNS[state]), t(`state.${state}`));

// Where a message is now: the copies whose state is that of the whole, by the first of them and how many there are.
export function holder(t, { copies, state }) {
  const same = copies.filter((copy) => copy.state === state);
  const [first] = same;
  if (!first) {
    return "";
  }
  const said = t(`has.${state}`, { server: first.server, recipient: first.recipient, next_hop: first.next_hop ?? "?" });
  return copies.length > 1 ? t("hasMore", { said, n: same.length, all: copies.length }) : said;
}
