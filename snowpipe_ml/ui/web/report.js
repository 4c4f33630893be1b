// The parts of a report that answer to the reader: the chart of a chosen series, and the graph.

// Unfold a curve: its values by place in the dates that all series share, from its first period to its last.
function unfold(of, curve) {
  const last = Math.max(curve.u + curve.f.length, curve.s + curve.a.length);
  const row = (values, first) => Array.from({length: last - curve.s}, (_, i) => {
    const value = values[i + curve.s - first];
    return value === undefined || i + curve.s < first ? null : value;
  });
  const series = [{name: "actual", kind: "line", values: row(curve.a, curve.s), color: "c0"}];
  if (curve.p.length) series.push({name: `predicted one ${of.noun} ahead`, kind: "line", values: row(curve.p, curve.s), color: "c2"});
  series.push({name: "forecast", kind: "line", values: row(curve.f, curve.u), color: "c1"});
  const chart = {title: `${of.key} ${curve.k}, ${of.value}`, x: {values: of.dates.slice(curve.s, last), title: of.noun},
    y: {title: of.value}, series, height: 300};
  if (curve.a.length) chart.split = {at: curve.u - curve.s, name: "forecast"};
  if (curve.l.some(value => value !== null)) chart.band = {name: "interval", low: row(curve.l, curve.u), high: row(curve.h, curve.u)};
  return chart;
}

for (const part of document.querySelectorAll("[data-forecasts]")) {
  const of = page.forecasts[+part.dataset.forecasts], list = part.querySelector("select.series");
  const box = part.querySelector(".one"), title = part.querySelector(".chosen"), note = part.querySelector(".note");
  const search = part.querySelector("input"), order = part.querySelector("select.order"), count = part.querySelector(".count");
  if (innerWidth < 640) list.size = 6;
  const scores = new Map(of.scores.map(score => [score.k, score]));
  const error = curve => { const score = scores.get(curve.k); return score && score.m !== null ? score.m : -Infinity; };
  const orders = {largest: (a, b) => b.t - a.t, name: (a, b) => a.k.localeCompare(b.k, "en", {numeric: true}), worst: (a, b) => error(b) - error(a), best: (a, b) => error(a) - error(b)};
  const choose = key => {
    const curve = of.curves.find(one => one.k === key);
    if (!curve) return;
    const score = scores.get(key), facts = [`model ${curve.m}`];
    if (score && score.m !== null) facts.push(`MASE ${number(score.m)} in the backtest`);
    if (score && score.b !== null) facts.push(`mean absolute error ${number(score.e)} (${score.n} ${number(score.b)})`);
    title.textContent = `${of.key} ${key}`;
    note.textContent = facts.concat(curve.n ? [curve.n] : []).join("; ");
    show(box, unfold(of, curve));
    if (list.value !== key) list.value = key;
  };
  const fill = () => {
    const wanted = search.value.trim().toLowerCase();
    const found = of.curves.filter(curve => curve.k.toLowerCase().includes(wanted)).sort(orders[order.value]);
    const before = list.value;
    list.replaceChildren(...found.map(curve => html("option", {value: curve.k}, curve.k)));
    count.textContent = `${found.length.toLocaleString("en-US")} of ${of.curves.length.toLocaleString("en-US")} series`;
    if (found.some(curve => curve.k === before)) list.value = before;
    else if (found.length) choose(found[0].k);
  };
  search.addEventListener("input", fill);
  order.addEventListener("change", () => { fill(); if (list.options.length) choose(list.options[0].value); });
  list.addEventListener("change", () => choose(list.value));
  for (const button of document.querySelectorAll(`[data-series][data-of="${part.dataset.forecasts}"]`))
    button.addEventListener("click", () => {
      search.value = "";
      fill();
      choose(button.dataset.series);
      part.scrollIntoView({block: "nearest"});
      list.focus({preventScroll: true});
    });
  const first = new IntersectionObserver(entries => {
    if (entries.some(entry => entry.isIntersecting)) { first.disconnect(); fill(); }
  }, {rootMargin: "400px"});
  first.observe(part);
  addEventListener("beforeprint", () => { first.disconnect(); if (!list.options.length) fill(); });
}

// The graph fits its width; it can be enlarged, and then moved with the mouse, the arrow keys or a finger.
for (const frame of document.querySelectorAll(".graph")) {
  const svg = frame.querySelector("svg"), whole = svg.viewBox.baseVal.width;
  const size = (width, most, least) => Object.assign(svg.style, {width, maxWidth: most, minWidth: least});
  const scaled = by => () => {
    const scale = Math.max(0.2, Math.min(2, svg.getBoundingClientRect().width / whole * by));
    size(`${whole * scale}px`, "none", "0");
  };
  const changes = {fit: () => size("100%", `${whole}px`, "0"), larger: scaled(1.25), smaller: scaled(0.8)};
  for (const button of frame.parentElement.querySelectorAll("button")) button.addEventListener("click", changes[button.classList[1]]);
  let from;
  frame.addEventListener("pointerdown", event => {
    if (event.pointerType === "mouse") from = {x: event.clientX + frame.scrollLeft, y: event.clientY + frame.scrollTop};
  });
  addEventListener("pointermove", event => {
    if (from) { frame.scrollLeft = from.x - event.clientX; frame.scrollTop = from.y - event.clientY; }
  });
  addEventListener("pointerup", () => { from = undefined; });
}
