(() => {
  "use strict";
  const twin = JSON.parse(document.getElementById("numbers").textContent);
  const { charts, files } = JSON.parse(document.getElementById("charts").textContent);
  const walk = (from, keys) => keys.reduce((value, key) => value[key], from);

  // Rows of a chart as objects; lists become a row for each entry.
  function rowsOf(chart) {
    const report = twin.reports[chart.report];
    const { columns, rows } = walk(report, chart.source);
    const grid = chart.grid.length ? walk(report, chart.grid.slice(1)) : null;
    const found = [];
    for (const row of rows) {
      const whole = Object.fromEntries(columns.map((column, place) => [column, row[place]]));
      if (!chart.expand.length) {
        found.push(whole);
        continue;
      }
      const length = whole[chart.expand[0]].length;
      for (let place = 0; place < length; place++) {
        const one = { ...whole };
        for (const column of chart.expand) one[column] = whole[column][place];
        if (grid) one[chart.grid[0]] = grid[place];
        found.push(one);
      }
    }
    return found;
  }

  // The values that a control has chosen; null stands for all of them.
  function chosen(control, place) {
    const values = control.options.map((option) => option.value);
    if (control.kind === "checkboxes") {
      return new Set([...place.querySelectorAll("input")].filter((box) => box.checked).map((box) => values[box.value]));
    }
    const input = place.querySelector("select, input");
    const value = values[input.value];
    if (control.kind === "slider") {
      const text = control.options[input.value].text;
      place.querySelector("output").textContent = text;
      input.setAttribute("aria-valuetext", text);
    }
    return value === "" ? null : new Set([value]);
  }

  function filtered(chart) {
    const conditions = chart.controls.map((control, place) => [control.field, chosen(control, chart.places[place])]);
    return chart.rows.filter((row) =>
      conditions.every(([field, values]) => values === null || row[field] === null || row[field] === undefined || values.has(row[field])),
    );
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // Names of data are left alone: only what stands for a colour is replaced.
  function themed(part, key) {
    if (key === "domain" || key === "sort") return part;
    if (Array.isArray(part)) return part.map((entry) => themed(entry, key));
    if (part && typeof part === "object") {
      return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, themed(value, name)]));
    }
    return typeof part === "string" && part.startsWith("theme:") ? colour(part.slice(6)) : part;
  }

  function config() {
    const [text, muted, line] = ["text", "muted", "line"].map(colour);
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: "transparent",
      font,
      view: { stroke: "transparent" },
      axis: {
        labelColor: text, titleColor: muted, gridColor: line, domainColor: line, tickColor: line,
        labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", gridOpacity: 0.6,
      },
      text: { color: text },
    };
  }

  const ERRORS = 1; // vega.Error
  const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark";

  async function draw(chart) {
    const spec = themed(chart.spec);
    spec.data = { name: "rows", values: filtered(chart) };
    // The size may have changed since the last time.
    if (chart.result) chart.result.finalize();
    chart.result = await window.vegaEmbed(chart.element, spec, {
      // An empty chart, where nothing is chosen, is no reason to warn.
      actions: false, ast: true, renderer: "svg", logLevel: ERRORS, config: config(), tooltip: { theme: isDark() ? "dark" : "light" },
    });
    chart.element.querySelector("svg").setAttribute("aria-label", chart.spec.description);
  }

  async function update(chart) {
    await chart.ready;
    chart.result.view.data("rows", filtered(chart));
    await chart.result.view.runAsync();
    chart.element.dataset.rows = filtered(chart).length;
  }

  for (const chart of charts) {
    const figure = document.getElementById(chart.id);
    chart.element = figure.querySelector(".chart");
    const [least, most] = chart.widths;
    if (least) Object.assign(chart.element.style, { minWidth: `${least}px`, maxWidth: `${Math.max(least, most)}px` });
    chart.places = [...figure.querySelectorAll("[data-control]")];
    chart.rows = rowsOf(chart);
    chart.ready = draw(chart).then(() => { chart.element.dataset.rows = filtered(chart).length; });
    chart.ready.catch((error) => {
      chart.element.textContent = "This chart could not be drawn; the numbers are in the JSON file.";
      console.error(chart.id, error);
    });
    figure.addEventListener("input", () => update(chart));
  }
  Promise.allSettled(charts.map((chart) => chart.ready)).then(() => { document.body.dataset.drawn = "yes"; });

  async function redraw() {
    for (const chart of charts) {
      chart.ready = chart.ready.then(() => draw(chart));
      await chart.ready;
    }
  }
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    redraw();
  });

  // Sorting: by the numbers behind the cells, words by their letters; empty cells last.
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const first = head.dataset.first || "descending";
        const other = first === "descending" ? "ascending" : "descending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((cell) => cell.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const value = (row) => row.cells[column].dataset.value;
        const compare = (a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === "" || y === "") return (x === "") - (y === "");
          return sign * (head.dataset.kind === "word" ? x.localeCompare(y) : Number(x) - Number(y));
        };
        table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
        table.closest("section").querySelector("[role=status]").textContent = `Sorted by ${button.textContent}, ${order}.`;
      });
    });
  }

  // One part of several, such as the suspects by one of the losses.
  for (const choice of document.querySelectorAll("select[data-parts]")) {
    const show = () => {
      for (const part of document.querySelectorAll(`[data-part-of="${choice.dataset.parts}"]`)) {
        part.hidden = part.dataset.part !== choice.value;
      }
    };
    choice.addEventListener("input", show);
    choice.closest(".controls").hidden = false;
    show();
  }

  function save(name, text, kind) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  for (const button of document.querySelectorAll("button[data-save]")) {
    const { save: name, kind, from } = button.dataset;
    const text = () => (from === "numbers" ? `${JSON.stringify(twin, null, 1)}\n` : files[from]);
    button.addEventListener("click", () => save(name, text(), kind));
  }
})();
