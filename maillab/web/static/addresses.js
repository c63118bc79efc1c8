// Mail addresses in a text: each one becomes an element, so that equal ones can be marked wherever they stand.

import { element } from "/static/dom.js";

const BETWEEN = /([\s<>()[\],;:"=]+)/;
const END = /[.!?']*$/;

// Finds the addresses of a list, and no others, in any text; in time that grows with its length only.
export function marker(addresses) {
  const known = new Set(addresses.map((address) => address.toLowerCase()));

  function addressIn(word) {
    const name = word.replace(END, "");
    return known.has(name.toLowerCase()) ? name : "";
  }

  return {
    find: (text) => [...new Set(text.split(BETWEEN).map(addressIn).filter(Boolean).map((name) => name.toLowerCase()))],

    // The text in strings and elements. `attributes` are those of the elements.
    split(text, attributes = {}) {
      const parts = [""];
      for (const word of text.split(BETWEEN)) {
        const name = addressIn(word);
        if (name) {
          parts.push(addressElement(name, attributes), word.slice(name.length));
        } else {
          parts.push(parts.pop() + word);
        }
      }
      return parts.filter((part) => part !== "");
    },
  };
}

export const addressElement = (address, attributes = {}) =>
  element("span", { class: "address", data: { address: address.toLowerCase() }, ...attributes }, address);

// Whoever is pointed at or has the focus marks its equals, everywhere in `root`; gives a function that looks again.
export function linkEquals(root) {
  let marked = null;

  function mark(address) {
    marked = address;
    for (const each of root.querySelectorAll(".same")) {
      each.classList.remove("same");
    }
    if (address) {
      for (const each of root.querySelectorAll("[data-address], [data-addresses]")) {
        const names = each.dataset.address ?? each.dataset.addresses;
        each.classList.toggle("same", names.split(" ").includes(address));
      }
    }
  }

  const pointedAt = (event) => event.target.closest?.("[data-address]")?.dataset.address ?? null;
  const change = (address) => address !== marked && mark(address);
  for (const event of ["pointerover", "focusin"]) {
    root.addEventListener(event, (pointed) => change(pointedAt(pointed)));
  }
  root.addEventListener("pointerleave", () => change(null));
  return () => mark(marked);
}
