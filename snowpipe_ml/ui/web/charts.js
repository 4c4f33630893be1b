// Draws the charts of a page from its embedded data, and makes tables sortable. No library, nothing is loaded.
"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const SVG = Object.assign(document.createElement("div"), {innerHTML: "<svg></svg>"}).firstChild.namespaceURI;

function make(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  return element;
}

function html(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const key in attributes || {}) element.setAttribute(key, attributes[key]);
  element.append(...children);
  return element;
}

function number(value) {
  if (value === null || value === undefined) return "unknown";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(+value.toPrecision(4));
}

// Round numbers that enclose the lowest and highest values.
function ticks(low, high, wanted) {
  if (low === high) { low -= Math.abs(low) / 10; high += Math.abs(high) / 10 || 1; }
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(f => f * power).find(s => s >= rough * 0.999);
  const found = [];
  for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); i++) found.push(+(i * step).toPrecision(12));
  return found;
}

// Draw a chart: {x: {values, title}, y: {title, zero}, series: [{name, kind, values, color}], band: {name, low, high},
// split: {at, name}, bounds: [y], height}. A value per x, or null.
function draw(box, chart) {
  const width = Math.max(260, box.clientWidth), height = chart.height || 230;
  const xs = chart.x.values, count = xs.length;
  const all = chart.series.flatMap(s => s.values).concat(chart.band ? chart.band.low.concat(chart.band.high) : [], chart.bounds || []);
  const known = all.filter(v => v !== null);
  let low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!known.length) { low = 0; high = 1; }
  const bars = chart.series.some(s => s.kind === "bar");
  if (chart.y.zero || bars || (low > 0 && low < high / 2)) low = Math.min(low, 0);
  if (bars) high = Math.max(high, 0);
  const steps = ticks(low, high, height < 150 ? 3 : 4);
  low = steps[0]; high = steps[steps.length - 1];
  const labels = steps.map(number);
  const left = 26 + 7 * Math.max(...labels.map(t => t.length)), right = 12, top = chart.split ? 20 : 10, bottom = 42;
  const slot = (width - left - right) / Math.max(1, bars ? count : count - 1);
  const px = i => left + (bars ? slot * (i + 0.5) : count > 1 ? slot * i : (width - left - right) / 2);
  const py = v => height - bottom - (height - top - bottom) * (v - low) / (high - low);
  const svg = make("svg", {viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true"});
  steps.forEach((v, i) => {
    svg.append(make("line", {class: v === 0 ? "zero" : "rule", x1: left, x2: width - right, y1: py(v), y2: py(v)}));
    svg.append(make("text", {x: left - 6, y: py(v) + 4, "text-anchor": "end"}, labels[i]));
  });
  svg.append(make("text", {x: -(top + (height - top - bottom) / 2), y: 12, transform: "rotate(-90)", "text-anchor": "middle"}, chart.y.title));
  svg.append(make("text", {x: left + (width - left - right) / 2, y: height - 6, "text-anchor": "middle"}, chart.x.title));
  const room = 7 * Math.max(...xs.map(x => String(x).length)) + 12;
  const every = Math.max(1, Math.ceil(count / Math.max(1, Math.floor((width - left - right) / room))));
  for (let i = 0; i < count; i += every) {
    const x = px(i), text = String(xs[i]), half = text.length * 3.4;
    if (x + half > width + 2 && i > 0) break;
    svg.append(make("text", {x: Math.max(x, half), y: height - bottom + 17, "text-anchor": "middle"}, text));
  }
  if (chart.band) {
    let run = [];
    const close = () => {
      if (run.length) svg.append(make("path", {class: "area c1", d: "M" + run.map(i => `${px(i)},${py(chart.band.high[i])}`).join("L")
        + "L" + run.reverse().map(i => `${px(i)},${py(chart.band.low[i])}`).join("L") + "Z"}));
      run = [];
    };
    for (let i = 0; i < count; i++) chart.band.low[i] === null || chart.band.high[i] === null ? close() : run.push(i);
    close();
  }
  for (const bound of chart.bounds || [])
    svg.append(make("line", {class: "bound", x1: left, x2: width - right, y1: py(bound), y2: py(bound)}));
  if (chart.split) {
    const x = px(chart.split.at) - slot / 2;
    svg.append(make("line", {class: "split", x1: x, x2: x, y1: top - 8, y2: height - bottom}));
    const before = x > width * 0.7;
    svg.append(make("text", {x: x + (before ? -5 : 5), y: top - 6, "text-anchor": before ? "end" : "start"}, chart.split.name));
  }
  chart.series.forEach((series, place) => {
    const color = series.color || `c${place}`, thick = Math.max(1, slot * 0.8);
    if (series.kind === "bar") {
      series.values.forEach((v, i) => v !== null && svg.append(make("rect", {class: `bar ${color}`, x: px(i) - thick / 2, width: thick,
        y: Math.min(py(v), py(0)), height: Math.max(0.5, Math.abs(py(v) - py(0)))})));
      return;
    }
    let path = "", pen = false;
    series.values.forEach((v, i) => {
      if (v !== null) {
        path += `${pen ? "L" : "M"}${px(i).toFixed(1)},${py(v).toFixed(1)}`;
        const alone = (i === 0 || series.values[i - 1] === null) && (i === count - 1 || series.values[i + 1] === null);
        if (alone || series.kind === "dot") svg.append(make("circle", {class: `dot ${color}`, cx: px(i), cy: py(v), r: 2.5}));
      }
      pen = v !== null;
    });
    if (path && series.kind !== "dot") svg.append(make("path", {class: `line ${color}`, d: path}));
  });
  const cursor = make("line", {class: "cursor", y1: top, y2: height - bottom, visibility: "hidden"});
  svg.append(cursor);
  return {svg, cursor, px, place: x => Math.max(0, Math.min(count - 1, bars ? Math.floor((x - left) / slot) : Math.round((x - left) / (slot || 1))))};
}

function told(chart, i) {
  const parts = chart.series.filter(s => s.values[i] !== null && s.values[i] !== undefined)
    .map((s, k) => [s.color || `c${chart.series.indexOf(s)}`, s.name, number(s.values[i])]);
  if (chart.band && chart.band.low[i] !== null) parts.push(["c1", chart.band.name, `${number(chart.band.low[i])} to ${number(chart.band.high[i])}`]);
  return parts;
}

// Show a chart in a box, with its legend, a tip under the pointer or the arrow keys, and its values as a table.
function show(box, chart) {
  box.replaceChildren();
  const frame = html("div", {class: "chart", role: "slider", tabindex: "0", "aria-label": `${chart.title}. Arrow keys move along ${chart.x.title}.`,
    "aria-valuemin": "0", "aria-valuemax": String(chart.x.values.length - 1), "aria-valuenow": "0"});
  const tip = html("div", {class: "tip", hidden: ""});
  let drawn, at = 0;
  const render = () => { drawn = draw(frame, chart); frame.replaceChildren(drawn.svg, tip); };
  const point = i => {
    at = i;
    const parts = told(chart, i), x = drawn.px(i);
    drawn.cursor.setAttribute("x1", x); drawn.cursor.setAttribute("x2", x); drawn.cursor.setAttribute("visibility", "visible");
    tip.replaceChildren(html("b", {}, String(chart.x.values[i])));
    for (const [color, name, value] of parts) tip.append(html("br"), html("i", {class: color}), `${name}: `, html("b", {}, value));
    tip.hidden = false;
    const scale = frame.clientWidth / drawn.svg.viewBox.baseVal.width;
    tip.style.top = "6px";
    tip.style.left = `${Math.max(0, Math.min(x * scale + 12 > frame.clientWidth - tip.offsetWidth ? x * scale - tip.offsetWidth - 12 : x * scale + 12, frame.clientWidth - tip.offsetWidth))}px`;
    frame.setAttribute("aria-valuenow", String(i));
    frame.setAttribute("aria-valuetext", `${chart.x.values[i]}: ${parts.map(p => `${p[1]} ${p[2]}`).join(", ") || "no value"}`);
  };
  const leave = () => { tip.hidden = true; drawn.cursor.setAttribute("visibility", "hidden"); };
  frame.addEventListener("pointermove", event => {
    const area = drawn.svg.getBoundingClientRect();
    point(drawn.place((event.clientX - area.left) * drawn.svg.viewBox.baseVal.width / area.width));
  });
  frame.addEventListener("pointerleave", leave);
  frame.addEventListener("blur", leave);
  frame.addEventListener("keydown", event => {
    const last = chart.x.values.length - 1;
    const next = {ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: last, PageUp: at + 10, PageDown: at - 10}[event.key];
    if (event.key === "Escape") leave();
    if (next === undefined) return;
    event.preventDefault();
    point(Math.max(0, Math.min(last, next)));
  });
  box.append(frame);
  if (chart.series.length > 1 || chart.band) {
    const legend = html("p", {class: "legend"});
    chart.series.forEach((s, i) => legend.append(html("span", {class: s.color || `c${i}`}, s.name)));
    if (chart.band) legend.append(html("span", {class: "b c1"}, chart.band.name));
    box.append(legend);
  }
  const values = html("details", {class: "values"}, html("summary", {}, "values as a table"));
  values.addEventListener("toggle", () => values.open && values.children.length === 1 && values.append(asTable(chart)), {once: false});
  box.append(values);
  render();
  if (at === 0) frame.setAttribute("aria-valuetext", `${chart.x.values[0]}: ${told(chart, 0).map(p => `${p[1]} ${p[2]}`).join(", ") || "no value"}`);
  let wide = frame.clientWidth;
  new ResizeObserver(() => { if (Math.abs(frame.clientWidth - wide) > 1) { wide = frame.clientWidth; render(); } }).observe(frame);
}

function asTable(chart) {
  const names = chart.series.map(s => s.name).concat(chart.band ? [`${chart.band.name}, low`, `${chart.band.name}, high`] : []);
  const columns = chart.series.map(s => s.values).concat(chart.band ? [chart.band.low, chart.band.high] : []);
  const head = html("tr", {}, html("th", {scope: "col"}, chart.x.title), ...names.map(name => html("th", {scope: "col", class: "n"}, name)));
  const rows = chart.x.values.map((x, i) => html("tr", {}, html("td", {}, String(x)), ...columns.map(c => html("td", {class: "n"}, c[i] === null || c[i] === undefined ? "" : number(c[i])))));
  return html("div", {class: "tall", tabindex: "0", role: "region", "aria-label": `${chart.title}: values`}, html("table", {}, html("thead", {}, head), html("tbody", {}, ...rows)));
}

// Charts are drawn when they come into view.
const seen = new IntersectionObserver(entries => {
  for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); show(entry.target, page.charts[entry.target.dataset.chart]); }
}, {rootMargin: "400px"});
for (const box of document.querySelectorAll("[data-chart]")) { box.style.minHeight = `${page.charts[box.dataset.chart].height || 230}px`; seen.observe(box); }

// On paper, all charts are in view.
addEventListener("beforeprint", () => {
  for (const entry of document.querySelectorAll("[data-chart]")) if (!entry.childElementCount) { seen.unobserve(entry); show(entry, page.charts[entry.dataset.chart]); }
});

// A click on a head sorts the table by that column: numbers by value, empty cells last.
function sortable(table) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    if (!cell.textContent.trim()) return;
    const button = html("button", {type: "button"}, ...cell.childNodes);
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = cell.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = row => { const at = row.cells[column]; return at.dataset.v !== undefined ? at.dataset.v : at.textContent.trim(); };
      const numeric = [...body.rows].every(row => value(row) === "" || !isNaN(value(row)));
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        return (numeric ? x - y : x.localeCompare(y)) * (down ? -1 : 1);
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
document.querySelectorAll("table.sortable").forEach(sortable);

for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", async () => {
  const text = document.getElementById(button.dataset.copy).textContent;
  try { await navigator.clipboard.writeText(text); button.textContent = "copied"; }
  catch { getSelection().selectAllChildren(document.getElementById(button.dataset.copy)); button.textContent = "selected: copy it with Ctrl-C"; }
});
