// Elements from data. Text goes into the document as text, never as HTML: nothing that a mail says can become markup.

const SVG = "http://www.w3.org/2000/svg";

// element("button", { class: "primary", type: "button", on: { click }, data: { id } }, "Send", icon)
// A true attribute stands without a value; false, null and undefined ones are left out, and so are such children.
export function element(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

export function svgElement(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

// Puts children in the place of all that was there.
export function replace(node, ...children) {
  node.replaceChildren(...present(children));
  return node;
}

function dress(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") {
      Object.entries(value).forEach(([event, listener]) => made.addEventListener(event, listener));
    } else if (name === "data") {
      Object.entries(value).forEach(([key, text]) => (made.dataset[key] = text));
    } else if (name === "value") {
      made.value = value ?? ""; // the attribute would be no more than the first value
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...present(children));
  return made;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
