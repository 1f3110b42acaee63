// Connects points in figures with rows of the table of policies. Without scripts, points are plain links to the rows.
(() => {
  const table = document.getElementById("policies-table");
  const headings = [...table.tHead.rows[0].cells];
  const figures = [...document.querySelectorAll("article > figure")].map((figure) => figure.parentElement);
  const rowOf = (point) => document.getElementById(point.getAttribute("href").slice(1));
  const pointsIn = (element) => [...element.querySelectorAll(".chart a")];
  const points = figures.flatMap(pointsIn);

  // A hint beside the point that is hovered over or focused.
  const hint = document.getElementById("hint");
  let told = null;
  const place = () => {
    const { left, right, top, bottom } = told.getBoundingClientRect();
    const { width, height } = hint.getBoundingClientRect();
    hint.style.left = `${Math.max(0, right + 8 + width < innerWidth ? right + 8 : left - 8 - width)}px`;
    hint.style.top = `${Math.max(0, bottom + 8 + height < innerHeight ? bottom + 8 : top - 8 - height)}px`;
  };
  const tell = (point) => {
    told = point;
    const cells = rowOf(point).cells;
    const values = headings.flatMap((heading, column) =>
      "told" in heading.dataset ? [`${heading.textContent.trim()}: ${cells[column].textContent.trim()}`] : []
    );
    hint.textContent = [point.getAttribute("aria-label"), ...values].join("\n");
    hint.hidden = false;
    place();
  };
  const hush = () => (hint.hidden = true);
  for (const point of points) {
    point.addEventListener("pointerenter", () => tell(point));
    point.addEventListener("focus", () => tell(point));
    point.addEventListener("pointerleave", hush);
    point.addEventListener("blur", hush);
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hush());
  addEventListener("scroll", () => hint.hidden || place(), { passive: true, capture: true });

  // One tab stop per figure; within it, arrow keys move from left to right.
  for (const figure of figures) {
    const stops = pointsIn(figure);
    stops.forEach((point, place) => point.setAttribute("tabindex", place ? -1 : 0));
    figure.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
      const from = event.target.closest?.(".chart a");
      if (!step || !from) return;
      event.preventDefault();
      const places = new Map(stops.map((point) => [point, point.getBoundingClientRect()]));
      const ordered = [...stops].sort((a, b) => places.get(a).x - places.get(b).x || places.get(b).y - places.get(a).y);
      const to = ordered[Math.min(Math.max(ordered.indexOf(from) + step, 0), ordered.length - 1)];
      from.setAttribute("tabindex", -1);
      to.setAttribute("tabindex", 0);
      to.focus();
    });
  }

  // Marks one policy in all figures.
  const panel = document.getElementById("marked");
  const [status, , small] = panel.children;
  let marked = null;
  let visited = -1;
  const inFigures = () => figures.filter((figure) => figure.querySelector("a.marked"));
  const mark = (row) => {
    marked = row;
    visited = -1;
    for (const other of table.tBodies[0].rows) {
      other.classList.toggle("marked", other === row);
      other.querySelector("button").setAttribute("aria-pressed", other === row);
    }
    for (const point of points) point.classList.toggle("marked", row !== null && rowOf(point) === row);
    document.body.classList.toggle("marking", row !== null);
    panel.hidden = row === null;
    small.replaceChildren();
    if (!row) return;
    const where = inFigures();
    status.textContent = `${row.cells[0].textContent.trim()} is marked in ${where.length} figures.`;
    document.getElementById("marked-row").setAttribute("href", `#${row.id}`);
    for (const figure of where.filter((figure) => figure.closest("[aria-labelledby='key-figures']"))) {
      const copy = figure.querySelector(".chart").cloneNode(true);
      copy.querySelectorAll("a").forEach((link) => link.removeAttribute("href"));
      copy.querySelectorAll("[tabindex]").forEach((link) => link.removeAttribute("tabindex"));
      small.append(copy);
    }
  };
  table.tBodies[0].addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) mark(button.closest("tr") === marked ? null : button.closest("tr"));
  });
  const visit = (step) => {
    const where = inFigures();
    if (!where.length) return;
    visited = visited < 0 && step < 0 ? where.length - 1 : (visited + step + where.length) % where.length;
    where[visited].scrollIntoView({ block: "center" });
    where[visited].querySelector("a.marked").focus({ preventScroll: true });
  };
  document.getElementById("marked-previous").addEventListener("click", () => visit(-1));
  document.getElementById("marked-next").addEventListener("click", () => visit(1));
  document.getElementById("marked-clear").addEventListener("click", () => {
    const button = marked.querySelector("button");
    mark(null);
    button.focus();
  });

  // Clicking a point marks its policy and goes to its row, which filters must not hide.
  for (const point of points) {
    point.addEventListener("click", () => {
      const row = rowOf(point);
      if (row.hidden) document.getElementById("filters").reset();
      document.getElementById("filters").dispatchEvent(new Event("input"));
      mark(row);
      hush();
    });
  }
  document.getElementById("marked-row").addEventListener("click", () => {
    document.getElementById("filters").reset();
    document.getElementById("filters").dispatchEvent(new Event("input"));
  });

  // Boxes with more content to the right say so.
  const boxes = [...document.querySelectorAll(".scroll")];
  const look = (box) => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  boxes.forEach((box) => box.addEventListener("scroll", () => look(box), { passive: true }));
  new ResizeObserver(() => boxes.forEach(look)).observe(document.body);

  // The contents highlight the section in view.
  const entries = [...document.querySelectorAll("nav a")];
  const current = () => {
    const passed = entries.filter(
      (link) => link.offsetParent && document.getElementById(link.hash.slice(1)).getBoundingClientRect().top < innerHeight / 3
    );
    entries.forEach((link) => link.removeAttribute("aria-current"));
    passed.at(-1)?.setAttribute("aria-current", "location");
  };
  addEventListener("scroll", current, { passive: true });
  current();
})();
