"use strict";
(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const names = report.columns;
  const trials = report.trials.map((values) => Object.fromEntries(names.map((name, k) => [name, values[k]])));
  const methods = unique(trials.map((t) => t.what));
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
  if (report.waiting) statuses.push(`${report.waiting} waiting`);
  for (const [label, value] of [
    ["trials", `${trials.length}`], ["how they ended", statuses.join(", ") || "none"], ["methods", `${methods.length}`],
    ...(report.plots ? [["problems", `${Object.keys(best).length}`], ["certified optimal to 0.01 %", `${closed} of ${Object.keys(best).length}`]] : []),
    ["computed for", duration(given(trials.map((t) => t.seconds)).reduce((a, b) => a + b, 0))],
  ]) { const card = element("div", label); card.prepend(element("b", value)); $("summary").append(card); }
  report.unsound.forEach((sentence) => $("unsound").append(element("p", sentence)));

  // Columns: those that say anything can be chosen; at first those of the report, on a narrow page the main ones.
  const choosable = report.columns.slice(0, report.choosable).filter((name) => trials.some((t) => t[name] !== null && t[name] !== "" && t[name] !== false));
  const numeric = new Set(choosable.filter((name) => trials.some((t) => typeof t[name] === "number")));
  const narrow = matchMedia("(max-width: 600px)").matches;
  const usual = choosable.filter((name) => (narrow ? report.main : report.shown).includes(name) && !["hash", "attempt", "solver_status"].includes(name));
  let columns = usual;
  const title = (name) => name.replaceAll("_", " ");
  for (const name of choosable) {
    const label = element("label"), box = element("input");
    box.type = "checkbox"; box.value = name; box.checked = columns.includes(name);
    box.addEventListener("change", () => {
      columns = choosable.filter((other) => $("columns").querySelector(`input[value="${CSS.escape(other)}"]`).checked);
      update();
    });
    label.append(box, title(name));
    $("columns").lastElementChild.append(label);
  }
  $("download").addEventListener("click", () => {
    const cell = (value) => { const said = String(value ?? ""); return /[",\r\n]/.test(said) ? `"${said.replaceAll('"', '""')}"` : said; };
    const lines = [columns, ...rows.map((t) => columns.map((name) => t[name]))].map((line) => line.map(cell).join(","));
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = `${report.name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  // The table: only the rows in sight exist.
  const HEIGHT = 28;
  let rows = trials, order = { name: null, up: true }, opened = null;
  const head = $("table").tHead.rows[0], body = $("table").tBodies[0], viewport = $("viewport");
  function headings() {
    head.replaceChildren(...columns.map((name) => {
      const sorted = order.name === name;
      const cell = element("th", title(name) + (sorted ? (order.up ? " ▲" : " ▼") : ""), numeric.has(name) ? "number" : "");
      cell.dataset.name = name; cell.tabIndex = 0; cell.title = report.standing[name] ?? "";
      cell.setAttribute("aria-sort", sorted ? (order.up ? "ascending" : "descending") : "none");
      const sort = () => { order = { name, up: sorted ? !order.up : true }; update(); };
      cell.addEventListener("click", sort);
      cell.addEventListener("keydown", (event) => { if (event.key === "Enter") { sort(); head.querySelector(`[data-name="${CSS.escape(name)}"]`).focus(); } });
      return cell;
    }));
  }

  // Filters: words, one value of a column, and numbers from and to.
  const searched = trials.map((t) => report.shown.map((name) => text(t, name)).join(" ").toLowerCase());
  const filters = Object.fromEntries(report.filters.map((name) => [name, element("select")]));
  for (const [name, select] of Object.entries(filters)) {
    select.id = `filter-${name}`; select.setAttribute("aria-label", name);
    $("range").before(select, " ");
    select.append(new Option(`all: ${name}`, ""));
    unique(trials.map((t) => String(t[name]))).forEach((value) => select.append(new Option(value, value)));
    select.addEventListener("change", update);
  }
  // An empty field is no bound, and what is no number is none either, and is marked.
  const number = (field) => {
    const [, figures, percent] = field.value.trim().match(/^(.*?)\s*(%?)$/);
    const value = field.value.trim() === "" ? null : figures === "" ? NaN : Number(figures) / (percent ? 100 : 1);
    field.setAttribute("aria-invalid", String(Number.isNaN(value)));
    field.title = Number.isNaN(value) ? "a number, such as 0.05, 1e-6 or 5 %" : "";
    return Number.isNaN(value) ? null : value;
  };
  let ranges = [];
  [...numeric].forEach((name) => $("range").append(new Option(title(name), name)));
  $("range").addEventListener("change", () => {
    const name = $("range").value, label = element("label", `${title(name)} from`), remove = element("button", "×");
    const fields = ["from", "to"].map((end) => { const field = element("input"); field.inputMode = "text"; field.setAttribute("aria-label", `${title(name)} ${end}`); field.addEventListener("input", update); return field; });
    const range = { name, fields };
    remove.setAttribute("aria-label", `no filter by ${title(name)}`);
    remove.addEventListener("click", () => { label.remove(); ranges = ranges.filter((other) => other !== range); update(); });
    label.append(fields[0], "to", fields[1], remove);
    $("ranges").append(label);
    ranges.push(range);
    $("range").value = "";
    fields[0].focus();
  });
  $("search").addEventListener("input", update);
  $("clear").addEventListener("click", () => {
    $("search").value = ""; Object.values(filters).forEach((s) => { s.value = ""; });
    ranges = []; $("ranges").replaceChildren(); order = { name: null, up: true }; update();
  });
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
    const bounds = ranges.map(({ name, fields }) => [name, ...fields.map(number)]).filter(([, from, to]) => from !== null || to !== null);
    rows = trials.filter((t, k) => words.every((word) => searched[k].includes(word)) &&
      Object.entries(filters).every(([name, select]) => select.value === "" || String(t[name]) === select.value) &&
      bounds.every(([name, from, to]) => typeof t[name] === "number" && t[name] >= (from ?? -Infinity) && t[name] <= (to ?? Infinity)));
    if (order.name) rows.sort(compare);
    headings();
    $("count").textContent = rows.length === trials.length ? `(${rows.length})` : `(${rows.length} of ${trials.length})`;
    $("columns").firstElementChild.textContent = `columns: ${columns.length} of ${choosable.length}`;
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
    if (t.network) { const box = element("div", "", "plot"); box.id = "plot-neurons"; part("Neurons", box); draw.neurons("plot-neurons", t); }
    if (t.trace?.length) { const box = element("div", "", "plot"); box.id = "plot-trial"; part("Bounds against time, as reported (solid: lower, dotted: upper)", box); draw.traces("plot-trial", [t], t.problem); }
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

  // Plots, of the rows that are shown, and again where the reader's mode changes.
  const draw = plotter(report, best);
  const SIGNS = { circle: "●", square: "■", "triangle-up": "▲", diamond: "◆", "triangle-down": "▼", cross: "✚", x: "✖", star: "★" };
  function legend() {
    const select = filters[report.method];
    $("legend").replaceChildren(...unique(rows.map((t) => t.what)).map((method) => {
      const entry = element("button", method), sign = element("span", SIGNS[draw.symbol(method)]);
      sign.style.color = draw.colour(method);
      entry.prepend(sign);
      entry.title = "only this method, or all again";
      entry.setAttribute("aria-pressed", String(select.value === method));
      entry.addEventListener("click", () => { select.value = select.value === method ? "" : method; update(); });
      return entry;
    }));
  }
  const time = () => draw.traces("plot-time", rows.filter((t) => t.problem === $("problem").value).slice(0, 60), $("problem").value);
  function plot() { legend(); draw.gaps(rows); time(); draw.profile(rows); draw.scaling(rows); }
  let timer = 0;
  function plotsLater() { if (!report.plots) return; clearTimeout(timer); timer = setTimeout(plot, 150); }
  if (report.plots) {
    unique(trials.map((t) => t.problem)).forEach((problem) => $("problem").append(new Option(problem, problem)));
    $("problem").addEventListener("change", time);
    $("success").addEventListener("change", () => draw.profile(rows));
    draw.darkness.addEventListener("change", () => { plot(); if (opened) open(); });
  }

  update();
  open();
  document.body.dataset.ready = "true";
})();
