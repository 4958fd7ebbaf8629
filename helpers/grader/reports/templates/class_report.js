// Sorts and searches the tables, and opens the folded part that a link leads to. Without it, all is still there to read.
"use strict";
const say = (table, text) => { document.getElementById(table.dataset.status).textContent = text; };
const key = (row, column) => {
  const cell = row.cells[column], text = cell.dataset.sort ?? cell.textContent.trim(), number = parseFloat(text);
  return Number.isNaN(number) || cell.tagName === "TH" ? text.toLowerCase() : number;
};
function sort(table, heading) {
  const column = heading.cellIndex, down = heading.getAttribute("aria-sort") === "ascending";
  const rows = [...table.tBodies[0].rows].map(row => [key(row, column), row]);
  const compare = (a, b) => typeof a === typeof b ? (typeof a === "number" ? a - b : a.localeCompare(b)) : typeof a === "number" ? -1 : 1;
  rows.sort((one, other) => (down ? -1 : 1) * compare(one[0], other[0]));
  table.tBodies[0].append(...rows.map(([, row]) => row));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  say(table, `Sorted by ${heading.textContent.trim()}, ${down ? "descending" : "ascending"}.`);
}
function search(table, text) {
  const words = text.toLowerCase().trim(), rows = [...table.tBodies[0].rows];
  let shown = 0;
  for (const row of rows) {
    row.dataset.text ??= row.textContent.toLowerCase();
    row.hidden = !row.dataset.text.includes(words);
    shown += !row.hidden;
  }
  say(table, words ? `${shown} of ${rows.length} rows.` : `${rows.length} rows.`);
}
for (const table of document.querySelectorAll("table[data-status]")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, heading));
    heading.append(button);
  }
}
for (const field of document.querySelectorAll("input[type=search]")) {
  const table = document.getElementById(field.dataset.table);
  field.closest("p").hidden = false;
  field.addEventListener("input", () => search(table, field.value));
}
for (const link of document.querySelectorAll("a[data-search]")) {
  link.addEventListener("click", () => {
    const part = document.querySelector(link.getAttribute("href")), field = part.querySelector("input[type=search]");
    part.open = true;
    if (field) { field.value = link.dataset.search; field.dispatchEvent(new Event("input")); }
    part.querySelector("summary").focus({ preventScroll: true });
  });
}
addEventListener("hashchange", () => {
  const part = document.getElementById(location.hash.slice(1));
  if (part && part.tagName === "DETAILS") part.open = true;
});
