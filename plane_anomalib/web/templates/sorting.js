// Tables that sort by any column: `table.sortable`, and what is given to `makeSortable`. Groups of
// rows (ours, incomplete, reported) stay apart: each is sorted within itself. Rows without a number
// come last in either direction.

const makeSortable = (function () {
  function keyOf(row, column) {
    const cell = row.cells[column], value = cell.dataset.value;
    return value === undefined ? { text: cell.textContent.trim() } : { number: Number(value) };
  }

  // Words go in the order of the alphabet, numbers within them by size; absent numbers are words.
  function compare(a, b, down) {
    if (a.number !== undefined && b.number !== undefined) {
      return down ? b.number - a.number : a.number - b.number;
    }
    if (a.number !== undefined) return -1;
    if (b.number !== undefined) return 1;
    const order = a.text.localeCompare(b.text, "en", { numeric: true });
    return down ? -order : order;
  }

  function sort(table, column, down) {
    for (const body of table.querySelectorAll("tbody.rows")) {
      const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
      rows.sort((a, b) => compare(a[0], b[0], down));
      body.append(...rows.map((pair) => pair[1]));
    }
  }

  return (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const first = head.classList.contains("number");
        const down = before === null ? first : before === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, down);
      });
    });
  };
}());

document.querySelectorAll("table.sortable").forEach(makeSortable);
