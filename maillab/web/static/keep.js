// What a browser keeps for this page: small choices. A browser may refuse to; then they last as long as the page.

const kept = new Map();

export function recall(key) {
  try {
    return localStorage.getItem(`maillab-${key}`) ?? kept.get(key) ?? null;
  } catch {
    return kept.get(key) ?? null;
  }
}

export function keep(key, value) {
  kept.set(key, value);
  try {
    localStorage.setItem(`maillab-${key}`, value);
  } catch {
    // kept in memory, as above
  }
}
