// DOM helpers of both pages. They insert text only as text, never as HTML.

export const byId = (id) => document.getElementById(id);

/**
 * Creates an element. An attribute whose name starts with "on" is an event listener. The value true sets an attribute
 * without a value; false and undefined leave it out.
 */
export function createElement(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Writes a text only if it differs, so that a refresh does not clear the user's selection. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
