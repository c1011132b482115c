// The explorer of committed results. Everything it shows is in the JSON of the page; it asks no server for anything.
(() => {
  "use strict";
  const root = document.getElementById("explorer");
  const source = document.getElementById("explorer-data");
  if (!root || !source) return;
  const { conditions, cells } = JSON.parse(source.textContent);
  const BASELINE = "cross_entropy";
  const SHOWN = ["adaptive", "evolved-base", "evolved-noise", "evolved-noise-strong", "gce", "sce", "label_smoothing"];
  const byKey = new Map(cells.map((cell) => [`${cell.condition}|${cell.loss}`, cell]));
  const losses = [...new Set(cells.map((cell) => cell.loss))].filter((name) => name !== BASELINE).sort();

  const MEASURES = {
    difference: { label: "points over cross-entropy, last epoch", digits: 1, sign: true, best: Math.max },
    accuracy: { label: "test accuracy, last epoch, %", digits: 1, best: Math.max },
    best_accuracy: { label: "test accuracy at the best validation epoch, %", digits: 1, best: Math.max },
    nll: { label: "negative log-likelihood, nats", digits: 3, best: Math.min },
    ece: { label: "calibration error (15 bins)", digits: 3, best: Math.min },
  };
  const bucket = (edges, unit) => (value) => {
    const index = edges.findIndex((edge) => value <= edge);
    const from = index < 0 ? edges[edges.length - 1] + 1 : index ? edges[index - 1] + 1 : null;
    const text = (number) => number.toLocaleString("en-US");
    if (index < 0) return `${text(from)} and more${unit}`;
    return from === null ? `up to ${text(edges[index])}${unit}` : `${text(from)} to ${text(edges[index])}${unit}`;
  };
  const FILTERS = [
    ["Data", (one) => one.data],
    ["Wrong labels", (one) => (one.noise === "none" ? "none added" : one.noise === "human" ? "an annotator's" : one.noise)],
    ["Share of wrong labels", (one) => (one.rate === null ? "unknown" : `${Math.round(100 * one.rate)} %`)],
    ["Validation labels", (one) => (one.noise === "none" ? "as training labels" : one.noisy_validation ? "as wrong as those trained on" : "clean")],
    ["Training samples", (one) => bucket([500, 2000, 10000], "")(one.samples)],
    ["Epochs", (one) => bucket([15, 40], "")(one.epochs)],
    ["Augmented", (one) => (one.augmented ? "yes" : "no")],
    ["Network", (one) => one.network],
    ["Study", (one) => one.study],
  ];
  const state = { measure: "difference", common: false, sort: "median", down: true, losses: new Set(SHOWN.filter((name) => losses.includes(name))) };
  const ticked = FILTERS.map(([, value]) => new Set(conditions.map(value)));

  const element = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value === true) node.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  };
  const shown = (value, measure = MEASURES[state.measure]) => {
    if (value === null || value === undefined) return "–";
    const text = value.toFixed(measure.digits).replace("-", "−");
    if (Number(value.toFixed(measure.digits)) === 0) return (0).toFixed(measure.digits);
    return measure.sign && value > 0 ? `+${text}` : text;
  };
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = Math.floor(sorted.length / 2);
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  };

  // What is looked at.
  const chosenConditions = () => {
    let found = conditions.filter((one) => FILTERS.every(([, value], number) => ticked[number].has(value(one))));
    if (state.common) found = found.filter((one) => [...state.losses].every((loss) => byKey.has(`${one.id}|${loss}`)));
    return found;
  };
  const rows = (found) => {
    const names = [...state.losses].concat(state.measure === "difference" ? [] : [BASELINE]);
    return names.map((loss) => {
      const points = found
        .map((one) => [one, (byKey.get(`${one.id}|${loss}`) || {})[state.measure]])
        .filter(([, value]) => value !== null && value !== undefined);
      const values = points.map(([, value]) => value);
      if (!values.length) return { loss, count: 0, mean: null, median: null, worst: null, low: null, high: null };
      const total = values.reduce((sum, value) => sum + value, 0);
      const without = values.length > 1 ? values.map((value) => (total - value) / (values.length - 1)) : null;
      const worst = MEASURES[state.measure].best === Math.max ? Math.min(...values) : Math.max(...values);
      return {
        loss,
        count: values.length,
        mean: mean(values),
        median: median(values),
        worst,
        where: points.find(([, value]) => value === worst)[0].title,
        low: without && Math.min(...without),
        high: without && Math.max(...without),
      };
    });
  };

  // Controls.
  const box = (label, checked, change) =>
    element("label", {}, element("input", { type: "checkbox", checked, onchange: (event) => change(event.target.checked) }), ` ${label}`);
  const group = (title, names, set) => {
    const list = element("div", { class: "ex-list" });
    const fill = () => list.replaceChildren(...names.map((name) => box(name, set.has(name), (on) => { on ? set.add(name) : set.delete(name); render(); })));
    fill();
    const all = (on) => () => { names.forEach((name) => (on ? set.add(name) : set.delete(name))); fill(); render(); };
    return element("details", { class: "ex-group" },
      element("summary", {}, title),
      element("p", {}, element("button", { type: "button", onclick: all(true) }, "all"), " ", element("button", { type: "button", onclick: all(false) }, "none")),
      list);
  };
  const ordered = (values) => [...new Set(values)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const lossGroup = group("Losses", losses, state.losses);
  lossGroup.open = true;
  lossGroup.classList.add("ex-losses");
  const controls = element("form", { class: "ex-controls", "aria-label": "What is looked at" },
    lossGroup,
    ...FILTERS.map(([title, value], number) => group(title, ordered(conditions.map(value)), ticked[number])),
    element("p", {},
      element("label", {}, "Measure ",
        element("select", { onchange: (event) => { state.measure = event.target.value; render(); } },
          ...Object.entries(MEASURES).map(([key, { label }]) => element("option", { value: key }, label))))),
    element("p", {}, box("only conditions that all chosen losses have", state.common, (on) => { state.common = on; render(); })));
  controls.addEventListener("submit", (event) => event.preventDefault());
  const status = element("p", { role: "status" });
  const summary = element("div", { class: "ex-scroll", tabindex: "0", role: "region", "aria-label": "Losses over conditions" });
  const matrix = element("div", { class: "ex-scroll", tabindex: "0", role: "region", "aria-label": "Conditions by losses" });
  const detail = element("section", { class: "ex-detail", "aria-label": "Runs", tabindex: "-1" });
  root.replaceChildren(controls, status, element("h3", {}, "Over the conditions"), summary,
    element("h3", {}, "Condition by condition"), matrix, detail);

  const COLUMNS = [
    ["loss", "loss"], ["count", "conditions"], ["median", "median"], ["mean", "mean"],
    ["worst", "worst"], ["low", "mean without any one condition"],
  ];
  const render = () => {
    const found = chosenConditions();
    status.textContent = `${found.length} of ${conditions.length} conditions, ${state.losses.size} of ${losses.length} losses`;
    const table = rows(found).sort((one, other) => {
      const a = one[state.sort], b = other[state.sort];
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "string" ? a.localeCompare(b) : a - b;
      return state.down ? -order : order;
    });
    const head = COLUMNS.map(([key, title]) => {
      const sorted = state.sort === key ? (state.down ? "descending" : "ascending") : null;
      const click = () => { state.down = state.sort === key ? !state.down : key !== "loss"; state.sort = key; render(); };
      return element("th", { scope: "col", "aria-sort": sorted },
        element("button", { type: "button", onclick: click }, title, sorted ? (state.down ? " ↓" : " ↑") : ""));
    });
    summary.replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...table.map((row) => element("tr", {},
        element("th", { scope: "row" }, row.loss),
        element("td", {}, String(row.count)),
        element("td", {}, shown(row.median)),
        element("td", {}, shown(row.mean)),
        element("td", { title: row.where }, row.count ? `${shown(row.worst)}, ${row.where}` : "–"),
        element("td", {}, row.low === null ? "–" : `${shown(row.low)} to ${shown(row.high)}`))))));
    const names = table.map((row) => row.loss);
    const reference = state.measure === "difference" ? [BASELINE] : [];
    const lines = found.map((one) => element("tr", {},
      element("th", { scope: "row" }, one.title, element("small", {}, ` ${one.samples.toLocaleString("en-US")} samples`)),
      ...reference.map((loss) => cellOf(one, loss, "accuracy")),
      ...names.map((loss) => cellOf(one, loss, state.measure))));
    matrix.replaceChildren(element("table", {}, element("thead", {}, element("tr", {},
      element("th", { scope: "col" }, "condition"),
      ...reference.map((loss) => element("th", { scope: "col" }, `${loss}, %`)),
      ...names.map((loss) => element("th", { scope: "col" }, loss)))), element("tbody", {}, ...lines)));
  };
  const cellOf = (one, loss, measure) => {
    const cell = byKey.get(`${one.id}|${loss}`);
    if (!cell || cell[measure] === null) return element("td", {}, "–");
    const clear = measure === "difference" && cell.interval && (cell.interval[0] > 0 || cell.interval[1] < 0);
    const text = shown(cell[measure], MEASURES[measure]);
    return element("td", {}, element("button", {
      type: "button", class: "ex-cell", "aria-label": `${loss}, ${one.title}: ${text}; show the runs`,
      onclick: () => open(one, cell),
    }, clear ? element("strong", {}, text) : text, cell.edge ? "*" : ""));
  };

  // The runs of one cell.
  const open = (one, cell) => {
    const reference = byKey.get(`${one.id}|${BASELINE}`);
    const given = cell.loss === BASELINE ? "" : ` --losses ${cell.loss}`;
    const command = `${one.command}${given}`;
    const interval = cell.interval ? `, 95 % interval ${shown(cell.interval[0], MEASURES.difference)} to ${shown(cell.interval[1], MEASURES.difference)}` : "";
    const chart = element("div", { class: "ex-chart" });
    detail.replaceChildren(
      element("h3", {}, `${cell.loss}: ${one.title}`),
      element("p", {}, `${one.network}, ${one.samples.toLocaleString("en-US")} training samples, ${one.test_samples.toLocaleString("en-US")} test samples, ${one.epochs} epochs, ${one.augmented ? "augmented" : "not augmented"}. Learning rate ${cell.lr}${cell.edge ? ", at an end of its grid (*): one beyond it may be better" : ""}.`),
      element("p", {}, cell.loss === BASELINE ? "The baseline." : `${shown(cell.difference, MEASURES.difference)} points over cross-entropy${interval}, ${cell.seeds} ${cell.seeds === 1 ? "seed" : "seeds"}.`),
      element("div", { class: "ex-scroll" }, element("table", {},
        element("thead", {}, element("tr", {}, ...["seed", "test accuracy, %", "at best epoch, %", "best epoch", "seconds"].map((title) => element("th", { scope: "col" }, title)))),
        element("tbody", {}, ...cell.runs.map((run) => element("tr", {},
          ...[run.seed, shown(run.accuracy, MEASURES.accuracy), shown(run.best_accuracy, MEASURES.accuracy), run.best_epoch, run.seconds].map((value) => element("td", {}, String(value ?? "–")))))))),
      element("p", {}, "Accuracy on the validation split over the epochs, a line a seed; cross-entropy's in grey."),
      chart,
      element("p", {}, "Make it again, from the root of the repository:"),
      element("pre", {}, element("code", {}, command)),
      element("button", { type: "button", onclick: () => { detail.replaceChildren(); matrix.focus(); } }, "Close"));
    draw(chart, cell, reference);
    detail.scrollIntoView({ block: "nearest" });
    detail.focus({ preventScroll: true });
  };
  const draw = (place, cell, reference) => {
    const own = cell.runs.map((run) => [run, `seed ${run.seed}`, 2, ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"][run.seed % 6]]);
    const others = reference && reference !== cell ? reference.runs.map((run) => [run, `cross-entropy, ${run.seed}`, 1, "#999"]) : [];
    const series = [...others, ...own];
    const epochs = [...new Set(series.flatMap(([run]) => run.epochs))].sort((a, b) => a - b);
    const lines = series.map(([run]) => epochs.map((epoch) => { const at = run.epochs.indexOf(epoch); return at < 0 ? null : run.validation[at]; }));
    const colour = getComputedStyle(root).color;
    const axis = { stroke: colour, grid: { stroke: "#8884", width: 1 } };
    new uPlot({
      width: Math.max(280, Math.min(720, root.clientWidth - 16)), height: 260,
      legend: { show: false }, scales: { x: { time: false } },
      axes: [{ ...axis, label: "epoch" }, { ...axis, label: "validation accuracy, %" }],
      series: [{}, ...series.map(([, label, width, stroke]) => ({ label, width, stroke, spanGaps: true, points: { show: false } }))],
    }, [epochs, ...lines], place);
  };
  render();
})();
