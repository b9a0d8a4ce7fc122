"use strict";
// Sorts the table by a column and searches it by name. Without this script the page reads the same, best first.
{
  const table = document.querySelector("table.board");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const headers = Array.from(table.tHead.rows[0].querySelectorAll("th"));
  const search = document.getElementById("search");
  const found = document.getElementById("found");
  const searchable = rows.filter((row) => !("bound" in row.dataset));
  const words = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });

  function keyOf(row, header) {
    const cell = row.cells[header.cellIndex];
    if (!cell || cell.colSpan > 1) return "";
    return "value" in cell.dataset ? cell.dataset.value : cell.textContent.trim();
  }

  function compare(first, second, header, direction) {
    const [a, b] = [keyOf(first, header), keyOf(second, header)];
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no value is last, whichever way
    const order = header.dataset.kind === "number" ? Number(a) - Number(b) : words.compare(a, b);
    return direction === "ascending" ? order : -order;
  }

  function sortBy(header) {
    const other = { ascending: "descending", descending: "ascending" };
    const current = header.getAttribute("aria-sort");
    const direction = current ? other[current] : header.dataset.first;
    for (const each of headers) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    body.append(...rows.slice().sort((a, b) => compare(a, b, header, direction)));
  }

  function show() {
    const wanted = search.value.trim().toLocaleLowerCase();
    let count = 0;
    for (const row of rows) {
      const name = row.querySelector(".theirs");
      row.hidden = wanted !== "" && !(name && name.textContent.toLocaleLowerCase().includes(wanted));
    }
    for (const row of searchable) count += !row.hidden;
    found.textContent = wanted === "" ? "" : `${count} of ${searchable.length}`;
  }

  for (const header of headers) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortBy(header));
  }
  search.addEventListener("input", show);
  document.querySelector(".toolbar").hidden = false;
  table.classList.add("sortable");
}
