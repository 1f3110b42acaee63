// Sorts and filters the table of policies. Without scripts, all rows are shown in the order of the configuration.
"use strict";
(() => {
  const table = document.getElementById("policies-table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];

  const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

  // Missing values come last in either direction; equal values keep their order.
  const sort = (column, descending) => {
    const numeric = headings[column].dataset.sort === "number";
    const keyOf = (row) => row.cells[column].dataset.key;
    const valueOf = (row) => (numeric ? Number(keyOf(row)) : keyOf(row));
    rows.sort((a, b) => {
      if (keyOf(a) === "" || keyOf(b) === "") return (keyOf(a) === "") - (keyOf(b) === "");
      return compare(valueOf(a), valueOf(b)) * (descending ? -1 : 1);
    });
    body.append(...rows);
  };

  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(column, descending);
    });
  });

  const [task, size, misidentified, words] = ["task", "size", "misidentified", "words"].map((name) =>
    document.getElementById(`filter-${name}`)
  );
  const filter = () => {
    const sought = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent.toLowerCase()).join(" ");
      row.hidden = !(
        (task.value === "" || row.dataset.task === task.value) &&
        (size.value === "" || row.dataset.size === size.value) &&
        (!misidentified.checked || row.classList.contains("misidentified")) &&
        sought.every((word) => text.includes(word))
      );
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
  };

  const form = document.getElementById("filters");
  form.addEventListener("input", filter);
  form.addEventListener("change", filter); // the only event that some assistive tools send for a list
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
})();
