"use strict";
(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const names = report.columns;
  const trials = report.trials.map((values) => Object.fromEntries(names.map((name, k) => [name, values[k]])));
  const COLOURS = report.palette;
  const $ = (id) => document.getElementById(id);
  const unique = (values) => [...new Set(values)];
  const methods = unique(trials.map((t) => t.what));
  const [colour, symbol] = [0, 1].map((k) => (method) => report.looks[method][k]);
  const identity = (t) => (t.sweep === undefined ? t.hash : `${encodeURIComponent(t.sweep)}-${t.hash}`);
  if (!report.plots) document.querySelectorAll(".plots").forEach((part) => part.remove());

  // Numbers as people read them.
  const general = (value, digits = 6) => (value === null || value === undefined ? "" : String(+value.toPrecision(digits)));
  const show = {
    gap: (v) => (v === null ? "" : v.toExponential(1)), program_gap: (v) => (v === null ? "" : v.toExponential(1)), seconds: (v) => (v === null ? "" : v < 10 ? v.toFixed(2) : v.toFixed(1)),
    lower: (v) => general(v, 8), upper: (v) => general(v, 8), peak_memory_mb: (v) => (v === null ? "" : v.toFixed(0)),
    ...Object.fromEntries(["train_accuracy", "test_accuracy", "accuracy", "agreement"].map((name) => [name, (v) => (v === null ? "" : (100 * v).toFixed(1) + " %")])),
    bias: (v) => (v ? "yes" : "no"),
  };
  const text = (t, name) => (show[name] ? show[name](t[name]) : typeof t[name] === "number" ? general(t[name]) : String(t[name] ?? ""));
  const duration = (s) => (s < 60 ? `${s.toFixed(0)} s` : s < 3600 ? `${(s / 60).toFixed(1)} min` : s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${(s / 86400).toFixed(1)} d`);
  const minimum = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
  const maximum = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  const given = (values) => values.filter((v) => v !== null);
  const median = (values) => { const s = [...values].sort((a, b) => a - b); const h = s.length >> 1; return s.length % 2 ? s[h] : (s[h - 1] + s[h]) / 2; };
  const element = (tag, content = "", className = "") => { const e = document.createElement(tag); e.textContent = content; if (className) e.className = className; return e; };

  // The best bounds of every problem, over all methods.
  const best = {};
  for (const t of trials) {
    const b = (best[t.problem] ??= { lower: -Infinity, upper: Infinity });
    if (t.lower !== null) b.lower = Math.max(b.lower, t.lower);
    if (t.upper !== null) b.upper = Math.min(b.upper, t.upper);
  }

  // Summary.
  const closed = Object.values(best).filter((b) => b.lower > -Infinity && (b.upper - b.lower) <= 1e-4 * Math.abs(b.upper)).length;
  const statuses = unique(trials.map((t) => t.status)).map((s) => `${trials.filter((t) => t.status === s).length} ${s}`);
  for (const [label, value] of [
    ["trials", `${trials.length}`], ["how they ended", statuses.join(", ") || "none"], ["methods", `${methods.length}`],
    ...(report.plots ? [["problems", `${Object.keys(best).length}`], ["certified optimal to 0.01 %", `${closed} of ${Object.keys(best).length}`]] : []),
    ["computed for", duration(given(trials.map((t) => t.seconds)).reduce((a, b) => a + b, 0))],
  ]) { const card = element("div", label); card.prepend(element("b", value)); $("summary").append(card); }
  report.unsound.forEach((sentence) => $("unsound").append(element("p", sentence)));

  // The table: only the rows in sight exist.
  const columns = report.shown.filter((name) => name !== "hash" && name !== "attempt" && name !== "solver_status" &&
    trials.some((t) => t[name] !== null && t[name] !== "" && t[name] !== false));
  const numeric = new Set(columns.filter((name) => trials.some((t) => typeof t[name] === "number")));
  const HEIGHT = 28;
  let rows = trials, order = { name: null, up: true }, opened = null;
  const head = $("table").tHead.rows[0], body = $("table").tBodies[0], viewport = $("viewport");
  columns.forEach((name) => {
    const cell = element("th", name.replaceAll("_", " "), numeric.has(name) ? "number" : "");
    cell.dataset.name = name; cell.tabIndex = 0; cell.title = report.standing[name] ?? ""; cell.setAttribute("aria-sort", "none");
    const sort = () => { order = { name, up: order.name === name ? !order.up : true }; update(); };
    cell.addEventListener("click", sort);
    cell.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    head.append(cell);
  });
  const searched = trials.map((t) => columns.map((name) => text(t, name)).join(" ").toLowerCase() + " " + t.hash);
  const filters = Object.fromEntries(report.filters.map((name) => [name, element("select")]));
  for (const [name, select] of Object.entries(filters)) {
    select.id = `filter-${name}`; select.setAttribute("aria-label", name);
    $("clear").before(select, " ");
    select.append(new Option(`all: ${name}`, ""));
    unique(trials.map((t) => String(t[name]))).forEach((value) => select.append(new Option(value, value)));
    select.addEventListener("change", update);
  }
  $("search").addEventListener("input", update);
  $("clear").addEventListener("click", () => { $("search").value = ""; Object.values(filters).forEach((s) => { s.value = ""; }); order = { name: null, up: true }; update(); });
  viewport.addEventListener("scroll", () => requestAnimationFrame(paint));

  function compare(a, b) {
    const x = a[order.name], y = b[order.name];
    if (x === null || x === "") return y === null || y === "" ? 0 : 1; // what is missing comes last either way
    if (y === null || y === "") return -1;
    const sign = order.up ? 1 : -1;
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
  }

  function update() {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    rows = trials.filter((t, k) => words.every((word) => searched[k].includes(word)) &&
      Object.entries(filters).every(([name, select]) => select.value === "" || String(t[name]) === select.value));
    if (order.name) rows.sort(compare);
    [...head.cells].forEach((cell) => cell.setAttribute("aria-sort", cell.dataset.name === order.name ? (order.up ? "ascending" : "descending") : "none"));
    [...head.cells].forEach((cell) => { cell.textContent = cell.dataset.name.replaceAll("_", " ") + (cell.dataset.name === order.name ? (order.up ? " ▲" : " ▼") : ""); });
    $("count").textContent = rows.length === trials.length ? `(${rows.length})` : `(${rows.length} of ${trials.length})`;
    viewport.scrollTop = 0;
    paint();
    plotsLater();
  }

  function paint() {
    const first = Math.max(0, Math.floor(viewport.scrollTop / HEIGHT) - 10);
    const last = Math.min(rows.length, first + Math.ceil(viewport.clientHeight / HEIGHT) + 20);
    const painted = document.createDocumentFragment();
    const space = (count) => { const row = element("tr", "", "space"), cell = element("td"); cell.colSpan = columns.length; cell.style.height = `${count * HEIGHT}px`; row.append(cell); return row; };
    painted.append(space(first));
    for (const t of rows.slice(first, last)) {
      const row = element("tr", "", t === opened ? "row open" : "row");
      row.dataset.hash = t.hash;
      columns.forEach((name) => row.append(element("td", text(t, name), numeric.has(name) ? "number" : name === "status" && t.status !== report.usual ? "bad" : "")));
      row.addEventListener("click", () => { location.hash = `trial-${identity(t)}`; });
      painted.append(row);
    }
    painted.append(space(rows.length - last));
    body.replaceChildren(painted);
  }

  // One trial.
  function open() {
    const hash = location.hash.replace("#trial-", "");
    opened = trials.find((t) => identity(t) === hash) ?? null;
    const section = $("trial");
    section.hidden = opened === null;
    section.replaceChildren();
    paint();
    if (!opened) return;
    const t = opened;
    section.append(element("h2", `${t.problem} · ${t.what} · #${t.repeat}`));
    const close = element("button", "close");
    close.addEventListener("click", () => { history.replaceState(null, "", "#"); open(); });
    section.firstChild.append(" ", close);
    const parts = element("div", "", "parts");
    section.append(parts);
    const part = (title, ...content) => { const box = element("div"); box.append(element("h3", title), ...content); parts.append(box); return box; };
    const list = element("dl");
    for (const name of report.shown.filter((name) => !["dataset", "bias", "loss", "activation", "offset", "penalise_bias", "class_weight", "gamma", "method", "repeat"].includes(name))) {
      if (t[name] === null || t[name] === "") continue;
      const exact = name === "lower" || name === "upper" || name === "solver_value";
      list.append(element("dt", name.replaceAll("_", " ")), element("dd", exact ? String(t[name]) : text(t, name)));
    }
    part("Result", list);
    const copy = element("button", "copy");
    const options = element("pre", t.options, "options");
    copy.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(t.options); } catch {
        getSelection().selectAllChildren(options); document.execCommand("copy"); // a file: page may have no clipboard
      }
      copy.textContent = "copied";
    });
    if (t.options) part("Options as a sweep", copy, options);
    const tested = (t.predictors ?? []).filter((p) => p.test_rmse !== null || p.test_loss != null);
    if (tested.length) part("On the test set", predictions(tested));
    if (t.network) { const box = element("div", "", "plot"); box.id = "plot-neurons"; part("Neurons", box); neurons(t); }
    if (t.trace?.length) { const box = element("div", "", "plot"); box.id = "plot-trial"; part("Bounds against time, as reported (solid: lower, dotted: upper)", box); traces("plot-trial", [t], t.problem); }
    part("Log", element("pre", t.log || "(empty)", "log"));
    if (Object.keys(t.details).length) part(`Details (${report.details})`, element("pre", JSON.stringify(t.details, null, 1)));
    part("Where it was computed", element("pre", report.origins[t.origin]));
    section.scrollIntoView({ block: "start" });
  }
  function predictions(list) {
    const shown = [["name", "predictor"], ["objective", "objective"], ["test_accuracy", "accuracy"], ["test_balanced_accuracy", "balanced"],
      ["test_f1", "F1"], ["test_rmse", "RMSE"], ["test_loss", "loss"], ["paper_accuracy", "paper's"]].filter(([key]) => list.some((p) => p[key] != null));
    const table = element("table", "", "predictions"), head = element("tr");
    for (const [, title] of shown) head.append(element("th", title));
    table.append(head);
    for (const p of list) {
      const row = element("tr");
      for (const [key] of shown) {
        const value = p[key], percent = key.endsWith("accuracy") || key === "test_f1";
        row.append(element("td", value == null ? "" : key === "name" ? value : percent ? (100 * value).toFixed(1) + " %" : general(value, 6)));
      }
      table.append(row);
    }
    return table;
  }
  window.addEventListener("hashchange", open);

  // Plots.
  const settings = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const layout = (x, y, more = {}) => ({ margin: { l: 64, r: 12, t: 8, b: 46 }, legend: { orientation: "h", y: -0.2 }, font: { size: 12 },
    xaxis: { title: { text: x }, automargin: true }, yaxis: { title: { text: y }, automargin: true }, hovermode: "closest", ...more });
  const draw = (id, data, shape) => {
    const box = $(id);
    if (data.length) { if (!box.classList.contains("js-plotly-plot")) box.replaceChildren(); Plotly.react(box, data, shape, settings); return; }
    Plotly.purge(box); box.replaceChildren(element("div", "nothing to plot among these rows", "none"));
  };
  const by = (list, key) => { const found = new Map(); for (const t of list) { const k = key(t); if (!found.has(k)) found.set(k, []); found.get(k).push(t); } return found; };

  function gaps() {
    const data = [];
    for (const [method, list] of by(rows.filter((t) => t.gap !== null), (t) => t.what)) {
      data.push({ type: "box", name: method, boxpoints: list.length <= 400 ? "all" : "outliers", jitter: 0.4, pointpos: 0, marker: { color: colour(method), size: 5, opacity: 0.7 },
        line: { width: 1 }, x: list.map((t) => Math.max(t.gap, 1e-12)), text: list.map((t) => t.problem), hovertemplate: "%{text}<br>gap %{x:.2e}<extra>%{fullData.name}</extra>" });
    }
    draw("plot-gap", data, layout("relative gap (smaller is better)", "", { showlegend: false, xaxis: { type: "log", title: { text: "relative gap (smaller is better)" }, exponentformat: "power" },
      yaxis: { automargin: true } }));
  }

  function traces(id, list, problem) {
    // 1 is the best network, and what is below it lies below 1, whatever its sign.
    const b = best[problem], known = b.upper !== 0 && b.upper < Infinity, data = [];
    const relative = (bound) => (known ? 1 + (bound - b.upper) / Math.abs(b.upper) : bound);
    const seen = new Set();
    for (const t of list.filter((t) => t.trace.length)) {
      for (const [k, label] of [[1, "lower"], [2, "upper"]]) {
        const points = t.trace.filter((p) => p[k] !== null);
        if (!points.length) continue;
        let running = k === 1 ? -Infinity : Infinity;
        const y = points.map((p) => relative(running = k === 1 ? Math.max(running, p[k]) : Math.min(running, p[k])));
        data.push({ x: points.map((p) => Math.max(p[0], 1e-3)), y, mode: "lines+markers", line: { shape: "hv", color: colour(t.what), width: 1.5, dash: k === 1 ? "solid" : "dot" },
          marker: { size: 5, symbol: symbol(t.what), color: colour(t.what) }, name: t.what, legendgroup: t.what, showlegend: !seen.has(t.what),
          hovertemplate: `${label} %{y:.6f} after %{x:.3g} s<extra>%{fullData.name} #${t.repeat}</extra>` });
        seen.add(t.what);
      }
    }
    draw(id, data, layout("seconds", "bound / best network", {
      xaxis: { type: "log", title: { text: "seconds" } }, shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: "#999", width: 1 } }],
      yaxis: { title: { text: "bound / best network" }, automargin: true, range: [-0.03, 1.6] } }));
  }

  // Dolan and Moré (2002): the share of problems that a method solves within a factor of the fastest.
  function profile() {
    const rule = $("success").value;
    const solved = (t) => {
      if (t.seconds === null || t.status === "error" || t.status === "unavailable" || t.status === "too large") return false;
      const b = best[t.problem];
      if (rule === "any") return t.status === "solved";
      if (rule === "upper") return t.upper !== null && t.upper <= b.upper + 0.001 * Math.abs(b.upper);
      return t.lower !== null && t.lower >= b.upper - Number(rule) * Math.abs(b.upper);
    };
    const problems = by(rows, (t) => `${t.problem} #${t.repeat}`);
    const ratios = new Map(unique(rows.map((t) => t.what)).map((m) => [m, []]));
    let counted = 0;
    for (const list of problems.values()) {
      const fine = list.filter(solved);
      counted += 1;
      const fastest = minimum(fine.map((t) => t.seconds));
      fine.forEach((t) => ratios.get(t.what).push(Math.max(1, t.seconds / Math.max(fastest, 1e-9))));
    }
    const most = 1.3 * maximum([2, ...[...ratios.values()].flat()]);
    const data = [...ratios].filter(([, list]) => list.length).map(([method, list]) => {
      const sorted = [...list].sort((a, b) => a - b);
      const x = [1, ...sorted, most], y = [0, ...sorted.map((_, k) => (k + 1) / counted), sorted.length / counted];
      return { x, y, mode: "lines", line: { shape: "hv", color: colour(method), width: 2 }, name: method, hovertemplate: "%{y:.0%} within %{x:.3g}×<extra>%{fullData.name}</extra>" };
    });
    draw("plot-profile", data, layout("", "", { xaxis: { type: "log", title: { text: "time relative to the fastest method on the problem" } },
      yaxis: { range: [0, 1.03], tickformat: ".0%", title: { text: "problems solved" } } }));
  }

  function scaling() {
    const data = [];
    for (const [method, list] of by(rows.filter((t) => t.n !== null && t.seconds !== null && ["solved", "time limit", "timeout"].includes(t.status)), (t) => t.what)) {
      const sizes = [...by(list, (t) => t.n)].sort((a, b) => a[0] - b[0]);
      data.push({ x: sizes.map(([n]) => n), y: sizes.map(([, l]) => Math.max(1e-3, median(l.map((t) => t.seconds)))), mode: "lines+markers", name: method,
        line: { color: colour(method) }, marker: { symbol: symbol(method), size: 7 }, hovertemplate: "n = %{x}: %{y:.3g} s<extra>%{fullData.name}</extra>" });
    }
    draw("plot-scaling", data, layout("", "", { xaxis: { type: "log", title: { text: "n, samples" } }, yaxis: { type: "log", title: { text: "seconds" }, exponentformat: "power" } }));
  }

  function neurons(t) {
    const { X, labels } = report.data[t.network.data];
    const reach = 1.05 * maximum(X.map((p) => Math.hypot(...p)));
    const size = t.network.hidden.map((u, k) => Math.hypot(...u) * Math.hypot(...t.network.output[k]));
    const largest = maximum([1e-300, ...size]);
    const data = [{ x: X.map((p) => p[0]), y: X.map((p) => p[1]), mode: "markers", marker: { color: labels.map((k) => COLOURS[k % COLOURS.length]), size: 6, opacity: 0.55 },
      hovertemplate: "(%{x:.3g}, %{y:.3g})<extra>sample</extra>", showlegend: false }];
    t.network.hidden.forEach((u, k) => {
      if (size[k] <= 1e-3 * largest) return;
      const length = reach * size[k] / largest / Math.hypot(...u), v = t.network.output[k];
      const strongest = v.reduce((a, value, j) => (Math.abs(value) > Math.abs(v[a]) ? j : a), 0);
      data.push({ x: [0, u[0] * length], y: [0, u[1] * length], mode: "lines", line: { color: COLOURS[strongest % COLOURS.length], width: 2 }, showlegend: false,
        hovertemplate: `neuron ${k + 1}: ‖u‖‖v‖ = ${size[k].toPrecision(3)}<extra></extra>` });
    });
    draw("plot-neurons", data, layout("x₁", "x₂", { yaxis: { scaleanchor: "x", title: { text: "x₂" } } }));
  }

  if (report.plots) {
    unique(trials.map((t) => t.problem)).forEach((problem) => $("problem").append(new Option(problem, problem)));
    $("problem").addEventListener("change", time);
    $("success").addEventListener("change", profile);
  }
  function time() { traces("plot-time", rows.filter((t) => t.problem === $("problem").value).slice(0, 60), $("problem").value); }
  let timer = 0;
  function plotsLater() { if (!report.plots) return; clearTimeout(timer); timer = setTimeout(() => { gaps(); time(); profile(); scaling(); }, 150); }

  update();
  open();
  document.body.dataset.ready = "true";
})();
