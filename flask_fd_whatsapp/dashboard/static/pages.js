// Sorts tables in place, and refreshes the page. All pages work without it.
"use strict";

(() => {
  const text = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };

  const sort = (head) => {
    const table = head.closest("table");
    const column = head.cellIndex;
    const link = head.querySelector("a");
    const address = new URL(link.href);
    const key = address.searchParams.get("sort");
    const isDown = key.startsWith("-");
    const rows = [...table.tBodies[0].rows];
    const isNumber = rows.every((row) => text(row, column) !== "" && !Number.isNaN(Number(text(row, column))));
    rows.sort((a, b) => {
      const [x, y] = [text(a, column), text(b, column)];
      const order = isNumber ? Number(x) - Number(y) : x.localeCompare(y, "en");
      return isDown ? -order : order;
    });
    table.tBodies[0].append(...rows);
    for (const other of table.tHead.rows[0].cells) {
      other.removeAttribute("aria-sort");
      other.querySelector(".arrow")?.remove();
    }
    head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    const arrow = document.createElement("span");
    arrow.className = "arrow";
    arrow.ariaHidden = "true";
    arrow.textContent = isDown ? " ↓" : " ↑";
    link.append(arrow);
    history.replaceState(null, "", address);
    address.searchParams.set("sort", isDown ? key.slice(1) : `-${key}`);
    link.href = address;
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    table.tHead.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      sort(link.closest("th"));
    });
  }

  // A minute is how long the figures are shared. Nobody loses what they are typing or reading.
  const seconds = Number(document.body.dataset.refresh);
  if (seconds) {
    const isBusy = () =>
      document.hidden || document.querySelector("details[open]") ||
      document.activeElement?.matches("input, select") || !getSelection().isCollapsed ||
      scrollY > 200;
    setInterval(() => {
      if (!isBusy()) location.reload();
    }, seconds * 1000);
  }
})();
