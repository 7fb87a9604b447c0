// Elements, made and kept without a line of HTML: what comes from elsewhere is only ever text.

export const one = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// Make a list show `items` in their order. Rows stay the same elements, so that neither focus nor place is lost.
export function showRows(list, items, key, makeRow, updateRow) {
  const rows = new Map([...list.children].map((row) => [row.dataset.key, row]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let row = rows.get(name);
    if (row === undefined) {
      row = makeRow(item);
      row.dataset.key = name;
    }
    rows.delete(name);
    updateRow(row, item);
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  for (const row of rows.values()) row.remove();
}

// Text that changes only where it differs: a screen reader reads a live region again whenever it is set.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const announce = (text) => say(one("announce"), text);

export const bytes = (count) =>
  count < 1e6 ? `${Math.ceil(count / 1e3)} kB` : `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;

export const day = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
