// What the records are held against, to be understood: who is in the lab.

import { lab } from "/static/lab.js";

export const world = {
  isHost: (name) => [...lab.info.servers, ...lab.info.foreign].some(({ host }) => host === name?.toLowerCase()),
  personOf: (address) => lab.personOf(address) ?? null,
  userAt: (host, name) =>
    lab.people.find((person) => person.host === host && person.user === name.toLowerCase()) ?? null,
};
