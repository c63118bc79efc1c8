// A list of records that can be gone through, back and forth: the picture's state at every place of it.

import { advance, beginning, isDialogue, isStep } from "/static/network-model.js";

// `withDialogue`: every line that is said is a stop, too.
export function tape(world, records, { withDialogue = false, copies = new Map() } = {}) {
  const all = [];
  const stops = []; // indexes of records that are stopped at
  let state = beginning();
  let taken = 0; // how many records are in the state
  let at = 0; // how many stops were passed

  function add(more) {
    for (const record of more) {
      if (isStep(record) || (withDialogue && isDialogue(record))) {
        stops.push(all.length);
      }
      all.push(record);
    }
  }

  function begin() {
    state = beginning();
    copies.forEach((copy, id) => {
      const ways = [...copy.ways].map(([hop, way]) => [hop, { ...way }]);
      state.copies.set(id, { ...copy, ways: new Map(ways) });
    });
    taken = 0;
    at = 0;
  }

  // Goes to a stop, without anything moving.
  function go(place) {
    const wanted = Math.max(0, Math.min(stops.length, place));
    if (wanted < at) {
      begin();
    }
    const end = wanted ? stops[wanted - 1] + 1 : 0;
    while (taken < end) {
      advance(state, all[taken++], world);
    }
    at = wanted;
  }

  // Goes on by one stop, and gives the moves that it means.
  function next() {
    let moves = [];
    while (at < stops.length && taken <= stops[at]) {
      moves = advance(state, all[taken++], world);
    }
    at = Math.min(stops.length, at + 1);
    return moves;
  }

  // The stop at a record, or the last one before it.
  function placeOf(record) {
    const index = all.indexOf(record);
    return stops.filter((stop) => stop <= index).length;
  }

  begin();
  add(records);
  return {
    add, go, next, placeOf,
    get at() { return at; },
    get length() { return stops.length; },
    get state() { return state; },
    get record() { return at ? all[stops[at - 1]] : null; },
    get records() { return all; },
  };
}
