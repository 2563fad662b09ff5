"use strict";
// What is drawn in a report, by the basic bundle of Plotly, and the small tools that page.js shares. Colours follow the
// reader's light or dark mode; method names stand in one legend above the plots, so that no plot needs room for them.
const $ = (id) => document.getElementById(id);
const element = (tag, content = "", className = "") => { const e = document.createElement(tag); e.textContent = content; if (className) e.className = className; return e; };
const unique = (values) => [...new Set(values)];
const given = (values) => values.filter((v) => v !== null && v !== undefined);
const minimum = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
const maximum = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
const by = (list, key) => { const found = new Map(); for (const t of list) { const k = key(t); if (!found.has(k)) found.set(k, []); found.get(k).push(t); } return found; };
const quantile = (values, share) => { const s = [...values].sort((a, b) => a - b), at = share * (s.length - 1), k = Math.floor(at); return k + 1 < s.length ? s[k] + (at - k) * (s[k + 1] - s[k]) : s[k]; };

function plotter(report, best) {
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const palette = () => report.palettes[darkness.matches ? "dark" : "light"];
  const colour = (method) => palette()[report.looks[method][0]];
  const symbol = (method) => report.looks[method][1];
  // The second method of a colour is dashed, and so on.
  const alike = (method) => Object.keys(report.looks).filter((name) => report.looks[name][0] === report.looks[method][0]);
  const dash = (method) => ["solid", "dash", "dot", "dashdot"][alike(method).indexOf(method) % 4];
  const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const coarse = matchMedia("(pointer: coarse)").matches; // a finger on a plot scrolls the page

  const axis = (title, more = {}) => ({ title: { text: title }, automargin: true, gridcolor: variable("line"), zerolinecolor: variable("line"), linecolor: variable("line"), ...more });
  // A logarithmic axis from the least to the largest of the values.
  const logarithmic = (title, values) => {
    const [low, high] = [minimum(values), maximum(values)].map(Math.log10), decades = high - low, margin = Math.max(0.04, 0.04 * decades);
    const dtick = decades < 0.8 ? "D1" : decades < 2.5 ? "D2" : Math.ceil(decades / 6);
    return axis(title, { type: "log", range: [low - margin, high + margin], dtick, ...(decades < 4 ? { tickformat: "~g" } : { exponentformat: "power" }) });
  };
  const shape = (xaxis, yaxis, more = {}) => ({
    margin: { l: 48, r: 12, t: 8, b: 42 }, font: { size: 12, color: variable("ink"), family: "system-ui, sans-serif" }, showlegend: false, hovermode: "closest", dragmode: coarse ? false : "zoom",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", modebar: { bgcolor: "rgba(0,0,0,0)", color: variable("quiet"), activecolor: variable("ink") }, xaxis, yaxis, ...more });
  const settings = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const draw = (id, data, layout) => {
    const box = $(id);
    if (data.length) { if (!box.classList.contains("js-plotly-plot")) box.replaceChildren(); Plotly.react(box, data, layout(), settings); return; }
    Plotly.purge(box); box.replaceChildren(element("div", "nothing to plot among these rows", "none"));
  };

  // Every trial's gap, one line of points for each method: half of them lie in the bar, the stroke is their median.
  function gaps(rows) {
    const data = [], names = [], all = [];
    for (const [method, list] of by(rows.filter((t) => t.gap !== null), (t) => t.what)) {
      const y = names.push(method) - 1, x = list.map((t) => Math.max(t.gap, 1e-12)), look = { name: method, hoverinfo: "skip" };
      all.push(...x);
      data.push({ ...look, x: [0.25, 0.75].map((share) => quantile(x, share)), y: [y, y], mode: "lines", line: { color: colour(method), width: 18 }, opacity: 0.3 });
      data.push({ ...look, x: [0, 1].map((share) => quantile(x, share)), y: [y, y], mode: "lines", line: { color: colour(method), width: 1 } });
      data.push({ ...look, x: [quantile(x, 0.5)], y: [y], mode: "markers", marker: { symbol: "line-ns-open", size: 18, color: colour(method), line: { width: 3 } } });
      if (x.length <= 400) data.push({ name: method, x, y: x.map((_, k) => y + 0.1 * ((k * 0.618) % 1 - 0.5)), mode: "markers", marker: { color: colour(method), symbol: symbol(method), size: 6, opacity: 0.75 },
        text: list.map((t) => t.problem), hovertemplate: "%{text}<br>gap %{x:.2e}<extra>%{fullData.name}</extra>" });
    }
    const box = $("plot-gap"), letters = Math.max(20, Math.floor(box.clientWidth / 8));
    const brief = (name) => (name.length <= letters ? name : `${name.slice(0, letters / 2)}…${name.slice(1 - letters / 2)}`);
    box.style.height = `${Math.max(360, 70 + 46 * names.length)}px`;
    draw("plot-gap", data, () => shape(logarithmic("relative gap (smaller is better)", all), axis("", { range: [names.length - 0.4, -0.7], showticklabels: false, showgrid: false, zeroline: false }), {
      margin: { l: 12, r: 12, t: 8, b: 42 },
      annotations: names.map((name, k) => ({ text: brief(name), x: 0, xref: "paper", xanchor: "left", y: k - 0.25, yanchor: "bottom", showarrow: false, font: { color: colour(name) } })) }));
  }

  // Bounds in units of the best network, of which 1 is the bound, whatever its sign.
  function traces(id, list, problem) {
    const b = best[problem], known = b.upper !== 0 && b.upper < Infinity, data = [], seconds = [], shown = [];
    const relative = (bound) => (known ? 1 + (bound - b.upper) / Math.abs(b.upper) : bound);
    const drawn = list.filter((t) => t.trace?.length);
    const start = Math.max(1e-3, minimum(drawn.flatMap((t) => t.trace.map((p) => p[0]).filter((s) => s > 0))));
    for (const t of drawn) {
      for (const [k, label] of [[1, "lower"], [2, "upper"]]) {
        const points = t.trace.filter((p) => p[k] !== null);
        if (!points.length) continue;
        let running = k === 1 ? -Infinity : Infinity;
        const y = points.map((p) => relative(running = k === 1 ? Math.max(running, p[k]) : Math.min(running, p[k])));
        const x = points.map((p) => (start < Infinity ? Math.max(p[0], start) : 1e-3));
        const near = y.map((value) => !known || (value >= -0.03 && value <= 1.6)); // the axes leave out what is far off
        seconds.push(...x.filter((_, at) => near[at]), x.at(-1));
        shown.push(...y.filter((_, at) => near[at]));
        data.push({ x, y, mode: "lines+markers", line: { shape: "hv", color: colour(t.what), width: 1.5, dash: k === 1 ? "solid" : "dot" }, marker: { size: 6, symbol: symbol(t.what), color: colour(t.what) },
          name: t.what, hovertemplate: `${label} %{y:.6f} after %{x:.3g} s<extra>%{fullData.name} #${t.repeat}</extra>` });
      }
    }
    if (known || !shown.length) shown.push(1);
    const low = minimum(shown), high = maximum(shown), margin = 0.05 * (high - low || 1);
    draw(id, data, () => shape(logarithmic("seconds", seconds), axis(known ? "bound / best network" : "bound", { range: [low - margin, high + margin] }), {
      shapes: known ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: variable("quiet"), width: 1 } }] : [] }));
  }

  // Dolan and Moré (2002): the share of problems that a method solves within a factor of the fastest.
  function profile(rows) {
    const rule = $("success").value;
    const solved = (t) => {
      if (t.seconds === null || t.status === "error" || t.status === "unavailable" || t.status === "too large") return false;
      const b = best[t.problem];
      if (rule === "any") return t.status === "solved" && (t.lower !== null || t.upper !== null); // others solve another problem
      if (rule === "upper") return t.upper !== null && t.upper <= b.upper + 0.001 * Math.abs(b.upper);
      return t.lower !== null && t.lower >= b.upper - Number(rule) * Math.abs(b.upper);
    };
    const problems = by(rows, (t) => `${t.problem} #${t.repeat}`);
    const ratios = new Map(unique(rows.map((t) => t.what)).map((m) => [m, []]));
    for (const list of problems.values()) {
      const fine = list.filter(solved), fastest = minimum(fine.map((t) => t.seconds));
      fine.forEach((t) => ratios.get(t.what).push(Math.max(1, t.seconds / Math.max(fastest, 1e-9))));
    }
    const most = 1.3 * maximum([2, ...[...ratios.values()].flat()]);
    const data = [...ratios].filter(([, list]) => list.length).map(([method, list]) => {
      const sorted = [...list].sort((a, b) => a - b);
      const x = [1, ...sorted, most], y = [0, ...sorted.map((_, k) => (k + 1) / problems.size), sorted.length / problems.size];
      return { x, y, mode: "lines", line: { shape: "hv", color: colour(method), width: 2, dash: dash(method) }, name: method, hovertemplate: "%{y:.0%} within %{x:.3g}×<extra>%{fullData.name}</extra>" };
    });
    draw("plot-profile", data, () => shape(logarithmic("time / the fastest method's", [1, most]), axis("problems solved", { range: [0, 1.03], tickformat: ".0%" })));
  }

  function scaling(rows) {
    const data = [], sizes = [], times = [];
    for (const [method, list] of by(rows.filter((t) => t.n !== null && t.seconds !== null && ["solved", "time limit", "timeout"].includes(t.status)), (t) => t.what)) {
      const found = [...by(list, (t) => t.n)].sort((a, b) => a[0] - b[0]);
      const x = found.map(([n]) => n), y = found.map(([, l]) => Math.max(1e-3, quantile(l.map((t) => t.seconds), 0.5)));
      sizes.push(...x); times.push(...y);
      data.push({ x, y, mode: "lines+markers", name: method, line: { color: colour(method), dash: dash(method) }, marker: { symbol: symbol(method), size: 7 }, hovertemplate: "n = %{x}: %{y:.3g} s<extra>%{fullData.name}</extra>" });
    }
    const several = unique(sizes).length > 1;
    $("plot-scaling").closest("figure").hidden = !several;
    if (several) draw("plot-scaling", data, () => shape(logarithmic("n, samples", sizes), logarithmic("seconds", times)));
  }

  function neurons(id, t) {
    const { X, labels } = report.data[t.network.data];
    const reach = 1.05 * maximum(X.map((p) => Math.hypot(...p)));
    const size = t.network.hidden.map((u, k) => Math.hypot(...u) * Math.hypot(...t.network.output[k]));
    const largest = maximum([1e-300, ...size]), colours = palette();
    const data = [{ x: X.map((p) => p[0]), y: X.map((p) => p[1]), mode: "markers", marker: { color: labels.map((k) => colours[k % colours.length]), size: 6, opacity: 0.55 }, hovertemplate: "(%{x:.3g}, %{y:.3g})<extra>sample</extra>" }];
    t.network.hidden.forEach((u, k) => {
      if (size[k] <= 1e-3 * largest) return;
      const length = reach * size[k] / largest / Math.hypot(...u), v = t.network.output[k];
      const strongest = v.reduce((a, value, j) => (Math.abs(value) > Math.abs(v[a]) ? j : a), 0);
      data.push({ x: [0, u[0] * length], y: [0, u[1] * length], mode: "lines", line: { color: colours[strongest % colours.length], width: 2 }, hovertemplate: `neuron ${k + 1}: ‖u‖‖v‖ = ${size[k].toPrecision(3)}<extra></extra>` });
    });
    draw(id, data, () => shape(axis("x₁"), axis("x₂", { scaleanchor: "x" })));
  }

  return { gaps, traces, profile, scaling, neurons, colour, symbol, darkness };
}
