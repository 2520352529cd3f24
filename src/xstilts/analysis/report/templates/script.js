"use strict";
// The only script of the report: tables sort and filter, and the tables of a large grid are built
// when they are opened. Without it everything is there to read; a large grid's rows are in its CSV.

const MINUS = "\u2212";
const live = document.getElementById("live");

// --- sorting: a button in every column's head ---------------------------------------------------

function key(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.v ?? cell.textContent.trim();
  const number = Number(text.replaceAll(",", "").replaceAll(MINUS, "-"));
  if (cell.dataset.v === "" || text === "" || text === "\u2013") return null;
  return Number.isNaN(number) ? text.toLowerCase() : number;
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null); // undefined values stay last
  if (typeof a === typeof b && typeof a === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}

function sort(table, head) {
  const ascending = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
  rows.sort((a, b) => compare(a[0], b[0], ascending ? 1 : -1));
  body.append(...rows.map((pair) => pair[1]));
  live.textContent = `Sorted by ${head.textContent.trim()}, ${ascending ? "ascending" : "descending"}.`;
}

function makeSortable(table) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head));
    head.append(button);
  }
}

// --- filtering: a row stays if it holds all words ------------------------------------------------

function filter(table, words) {
  let left = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    left += !row.hidden;
  }
  live.textContent = `${left} of ${table.tBodies[0].rows.length} rows.`;
}

function makeFilterable(table) {
  const label = document.createElement("label");
  label.className = "filter";
  const input = document.createElement("input");
  input.type = "search";
  input.addEventListener("input", () => {
    filter(table, input.value.toLowerCase().split(/\s+/).filter(Boolean));
  });
  label.append("Filter rows ", input);
  table.parentElement.before(label);
}

function enhance(table) {
  if (table.dataset.ready) return;
  table.dataset.ready = "yes";
  makeSortable(table);
  if (table.tBodies[0].rows.length > 5) makeFilterable(table);
}

// --- the rows of a large grid, built when their block is opened ----------------------------------

const island = document.getElementById("cells-data");
const cells = island ? JSON.parse(island.textContent) : null;

function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

function plain(value) {
  return value === null ? "\u2013" : value.toFixed(1).replace("-", MINUS);
}

function signed(value) {
  if (value === null) return "\u2013";
  const text = value.toFixed(1);
  if (Number(text) === 0) return "0.0";
  return (value > 0 ? "+" : "") + text.replace("-", MINUS);
}

function addCell(row, text, value, tag = "td") {
  const cell = document.createElement(tag);
  cell.textContent = text;
  if (tag === "th") cell.scope = "row";
  if (value !== undefined) cell.dataset.v = value ?? "";
  row.append(cell);
  return cell;
}

function addScores(row, place, condition, scores) {
  const cell = addCell(row, "");
  scores.forEach((score, k) => {
    const link = document.createElement("a");
    link.href = `#file.${place.encoder}.${condition}.${place.target}`;
    link.textContent = plain(score);
    cell.append(k ? " " : "", link);
  });
}

function build(details) {
  const body = details.querySelector("tbody");
  const block = cells?.blocks[details.id];
  if (!block || body.rows.length) return;
  const rows = document.createDocumentFragment();
  for (const [condition, { scores, warnings }] of Object.entries(block.conditions)) {
    block.languages.forEach((code, k) => {
      if (!scores[k]) return;
      const [name, level] = cells.languages[code];
      const row = document.createElement("tr");
      row.id = `cell.${block.encoder}.${block.target}.${condition}.${code}`;
      const score = mean(scores[k]);
      const none = block.conditions.none?.scores[k];
      const baseline = none ? mean(none) : null;
      const gain = condition === "none" || score === null || baseline === null ? null : score - baseline;
      addCell(row, condition, undefined, "th");
      addCell(row, `${name} (${code})`);
      addCell(row, level);
      addCell(row, signed(gain), gain);
      addCell(row, plain(score), score);
      addCell(row, plain(baseline), baseline);
      addScores(row, block, condition, scores[k]);
      addCell(row, block.items[k].toLocaleString("en"), block.items[k]);
      addCell(row, warnings[code] ?? "");
      rows.append(row);
    });
  }
  body.append(rows);
  enhance(details.querySelector("table"));
}

// --- links into folded parts ---------------------------------------------------------------------

function reveal() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id) return;
  if (id.startsWith("cell.")) {
    const block = [...document.querySelectorAll("details.cells")].find((each) =>
      id.startsWith(`cell.${each.dataset.place}.`),
    );
    if (block && !document.getElementById(id)) {
      build(block);
      location.replace(location.href); // so that the row, which is new, is the target
    }
  }
  const target = document.getElementById(id);
  for (let node = target; node; node = node.parentElement) {
    if (node.tagName === "DETAILS") node.open = true;
  }
  target?.scrollIntoView();
}

for (const details of document.querySelectorAll("details.cells")) {
  details.addEventListener("toggle", () => details.open && build(details));
}
for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length) enhance(table);
}
window.addEventListener("hashchange", reveal);
reveal();
