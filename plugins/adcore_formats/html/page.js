"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const pane = document.getElementById("pane"), world = document.getElementById("world");
const panel = document.getElementById("panel"), strip = document.getElementById("timeline");
const items = new Map([...document.querySelectorAll(".item")].map((item) => [item.id, item]));
const lines = [...document.querySelectorAll(".line")];
const itemOfNode = new Map(Object.entries(data.items).filter(([, d]) => d.node >= 0).map(([id, d]) => [d.node, id]));
const views = new Map([...document.querySelectorAll(".view")].map((view) => [view.dataset.view, view]));
const title = document.getElementById("title");
let chosen = null, open = "";

// --- views: the graph, and sub-graphs that are too large to be drawn inside their box ---------------
const viewOf = (id) => items.get(id).closest(".view").dataset.view;

function enter(view) {
  open = view;
  for (const [name, element] of views) element.classList.toggle("open", name === view);
  const trail = [];
  for (let name = view; name !== ""; ) {
    const owner = Object.keys(data.items).find((id) => (data.items[id].views || []).some((v) => v[0] === name));
    trail.unshift([name, `${data.items[owner].name} ${data.items[owner].views.find((v) => v[0] === name)[1]}`]);
    name = viewOf(owner);
  }
  title.replaceChildren();
  for (const [name, text] of [["", data.name], ...trail]) {
    if (name !== "") title.append(" › ");
    if (name === view) { title.append(text); continue; }
    const link = title.appendChild(document.createElement("a"));
    link.textContent = text;
    link.onclick = () => { choose(null); enter(name); };
  }
  fit(0.45);
}

// --- moving and zooming ---------------------------------------------------------------------------
let view = { x: 0, y: 0, scale: 1 };
const show = () => world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);

function fit(least) {
  const { width, height } = pane.getBoundingClientRect(), [w, h] = data.views[open];
  const all = Math.min((width - 40) / w, (height - 40) / h, 1.6), scale = Math.max(all, least || 0);
  view = { x: (width - w * scale) / 2, y: scale > all ? 20 : (height - h * scale) / 2, scale };
  show();
}

function zoom(factor, x, y) {
  const box = pane.getBoundingClientRect();
  const [px, py] = x === undefined ? [box.width / 2, box.height / 2] : [x - box.left, y - box.top];
  const scale = Math.min(8, Math.max(0.02, view.scale * factor)), k = scale / view.scale;
  view = { x: px - (px - view.x) * k, y: py - (py - view.y) * k, scale };
  show();
}

function center(id, least) {
  if (viewOf(id) !== open) enter(viewOf(id));
  const box = items.get(id).getBoundingClientRect(), around = pane.getBoundingClientRect();
  if (least && view.scale < least) {
    zoom(least / view.scale, box.left + box.width / 2, box.top + box.height / 2);
    return center(id);
  }
  view.x += around.left + around.width / 2 - (box.left + box.width / 2);
  view.y += around.top + around.height / 2 - (box.top + box.height / 2);
  show();
}

pane.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(-e.deltaY * 0.0015), e.clientX, e.clientY); }, { passive: false });
const fingers = new Map();
let moved = 0;
pane.addEventListener("pointerdown", (e) => { fingers.set(e.pointerId, e); moved = 0; });
pane.addEventListener("pointermove", (e) => {
  const before = fingers.get(e.pointerId);
  if (!before) return;
  moved += Math.hypot(e.clientX - before.clientX, e.clientY - before.clientY);
  if (moved > 4 && !pane.hasPointerCapture(e.pointerId)) pane.setPointerCapture(e.pointerId);
  pane.classList.toggle("moving", moved > 4);
  const other = [...fingers.values()].find((f) => f.pointerId !== e.pointerId);
  if (other) {
    const was = Math.hypot(before.clientX - other.clientX, before.clientY - other.clientY);
    const is = Math.hypot(e.clientX - other.clientX, e.clientY - other.clientY);
    if (was > 0) zoom(is / was, (e.clientX + other.clientX) / 2, (e.clientY + other.clientY) / 2);
  } else {
    view.x += e.clientX - before.clientX;
    view.y += e.clientY - before.clientY;
    show();
  }
  fingers.set(e.pointerId, e);
});
for (const end of ["pointerup", "pointercancel"]) pane.addEventListener(end, (e) => { fingers.delete(e.pointerId); pane.classList.remove("moving"); });
document.getElementById("in").onclick = () => zoom(1.35);
document.getElementById("out").onclick = () => zoom(1 / 1.35);
document.getElementById("fit").onclick = () => fit();
addEventListener("keydown", (e) => {
  if (e.target.tagName === "INPUT") return;
  const act = { "+": () => zoom(1.35), "=": () => zoom(1.35), "-": () => zoom(1 / 1.35), 0: () => fit(), Escape: () => choose(null) }[e.key];
  if (act) act();
  if (e.key === "Enter" && items.has(document.activeElement.id)) choose(document.activeElement.id);
});

// --- choosing a box -------------------------------------------------------------------------------
const word = (name, text) => { const e = document.createElement(name); if (text !== undefined) e.textContent = text; return e; };

function table(rows) {
  const found = word("table");
  for (const [name, value] of rows) {
    const row = found.appendChild(word("tr"));
    row.appendChild(word("td", name));
    const cell = row.appendChild(word("td"));
    if (value instanceof Node) cell.appendChild(value); else cell.textContent = value;
  }
  return found;
}

function links(ids) {
  const found = word("span");
  ids.forEach((id, i) => {
    if (i) found.append(", ");
    const link = found.appendChild(word("a", data.items[id].name));
    link.onclick = () => { choose(id); center(id); };
  });
  return found;
}

function doors(inner) {
  const found = word("span");
  inner.forEach(([view, name], i) => {
    if (i) found.append(", ");
    found.appendChild(word("a", `open ${name}`)).onclick = () => { choose(null); enter(view); };
  });
  return found;
}

function choose(id) {
  if (chosen) items.get(chosen).classList.remove("chosen");
  chosen = id;
  for (const line of lines) {
    line.classList.toggle("in", id !== null && line.dataset.to === id);
    line.classList.toggle("out", id !== null && line.dataset.from === id);
  }
  panel.replaceChildren();
  if (id === null) {
    const far = document.querySelectorAll(".line.far").length;
    const more = far ? [["long lines", `${far}, drawn when a box at their end is chosen`]] : [];
    panel.append(word("h2", data.name), table([...data.facts, ...more]));
  } else {
    items.get(id).classList.add("chosen");
    const d = data.items[id], rows = [];
    if (d.params) rows.push(["params", d.params]);
    if (d.source) rows.push(["written at", d.source]);
    const unique = (list) => [...new Set(list)];
    const from = unique(lines.filter((l) => l.dataset.to === id).map((l) => l.dataset.from));
    const to = unique(lines.filter((l) => l.dataset.from === id).map((l) => l.dataset.to));
    if (from.length) rows.push(["made from", links(from)]);
    if (to.length) rows.push(["used by", links(to)]);
    if (data.plan && d.node >= 0 && data.plan.lives[d.node]) {
      const lives = data.plan.lives[d.node].map(([a, b]) => (b > a ? `step ${a} to ${b}` : `step ${a}`));
      rows.push([lives.length > 1 ? `runs ${lives.length} times` : "lives", lives.join("; ")]);
    }
    if (d.views && d.views.length) rows.push(["sub-graphs", doors(d.views)]);
    panel.append(word("h2", d.name), table(rows));
    for (const r of d.results) {
      panel.append(table([["type", r.type + (r.bytes ? `, ${r.bytes}` : "")]]));
      if (r.value !== undefined) panel.append(word("pre", r.value));
    }
  }
  drawTimeline();
}

for (const [id, item] of items) {
  item.addEventListener("click", (e) => { e.stopPropagation(); if (moved <= 4) choose(id); });
  item.addEventListener("dblclick", (e) => {
    e.stopPropagation();
    const inner = data.items[id].views || [];
    if (inner.length) { choose(null); enter(inner[0][0]); } else center(id, 1.4);
  });
}
pane.addEventListener("click", () => { if (moved <= 4) choose(null); });

// --- search ---------------------------------------------------------------------------------------
const search = document.getElementById("search"), told = document.getElementById("found");
let hits = [], at = -1;
search.addEventListener("input", () => {
  const text = search.value.trim().toLowerCase();
  hits = text ? Object.entries(data.items).filter(([, d]) => `${d.name} ${d.source || ""} ${d.params || ""}`.toLowerCase().includes(text)).map(([id]) => id) : [];
  at = -1;
  for (const [id, item] of items) item.classList.toggle("hit", hits.includes(id));
  told.textContent = text ? `${hits.length} found` : "";
});
search.addEventListener("keydown", (e) => {
  if (e.key !== "Enter" || !hits.length) return;
  at = (at + (e.shiftKey ? hits.length - 1 : 1)) % hits.length;
  choose(hits[at]);
  center(hits[at], 0.8);
  told.textContent = `${at + 1} of ${hits.length}`;
});

// --- the memory of the plan -------------------------------------------------------------------------
const made = (name, attributes, text) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
};
function bytes(n) {
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (n < 1000 || unit === "TB") return unit === "B" ? `${Math.round(n)} B` : `${n.toFixed(1)} ${unit}`;
    n /= 1000;
  }
}

let stepAt = () => -1;
function drawTimeline() {
  const plan = data.plan;
  if (!plan || !plan.during.length) return;
  const { width, height } = strip.getBoundingClientRect();
  const left = 70, right = 16, top = 26, bottom = 24, n = plan.during.length;
  const most = Math.max(plan.peak, ...plan.held) * 1.06 || 1;
  const x = (i) => left + ((width - left - right) * i) / n, y = (b) => top + (height - top - bottom) * (1 - b / most);
  stepAt = (px) => Math.min(n - 1, Math.max(0, Math.floor(((px - left) / (width - left - right)) * n)));
  strip.replaceChildren();
  strip.append(made("text", { x: 14, y: 16, class: "told" }, "memory over the steps of the plan"));
  for (let i = 0; i <= 4; i++) {
    const b = (most * i) / 4;
    strip.append(made("line", { class: "grid", x1: left, x2: width - right, y1: y(b), y2: y(b) }));
    strip.append(made("text", { x: left - 8, y: y(b) + 4, "text-anchor": "end" }, bytes(b)));
  }
  let edge = `M${x(0)} ${y(plan.during[0])}`;
  for (let i = 0; i < n; i++) {
    const half = (x(i) + x(i + 1)) / 2;
    edge += `V${y(plan.during[i])}H${half}V${y(plan.after[i])}H${x(i + 1)}`;
  }
  strip.append(made("path", { class: "area", d: `${edge}V${y(0)}H${x(0)}Z` }));
  if (chosen !== null && plan.lives[data.items[chosen].node]) {
    for (const [a, b] of plan.lives[data.items[chosen].node]) {
      strip.append(made("rect", { class: "life", x: x(a), y: top, width: Math.max(2, x(b) - x(a)), height: height - top - bottom }));
    }
  }
  strip.append(made("path", { class: "edge", d: edge }));
  strip.append(made("path", { class: "held", d: plan.held.map((b, i) => `${i ? "L" : "M"}${x(i)} ${y(b)}H${x(i + 1)}`).join("") }));
  strip.append(made("line", { class: "peak", x1: left, x2: width - right, y1: y(plan.peak), y2: y(plan.peak) }));
  strip.append(made("text", { x: width - right, y: y(plan.peak) - 5, "text-anchor": "end" }, `peak ${bytes(plan.peak)}`));
  if (plan.again.length) {
    for (const i of plan.again) strip.append(made("rect", { class: "again", x: x(i), y: height - bottom + 2, width: Math.max(1, x(i + 1) - x(i)), height: 4 }));
  }
  const again = plan.again.length ? `; violet: ${plan.again.length} runs are repetitions` : "";
  strip.append(made("text", { x: left, y: height - 6 }, `step 0`));
  strip.append(made("text", { x: width - right, y: height - 6, "text-anchor": "end" }, `step ${n}`));
  strip.append(made("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, `filled: live, dashed: held with the arena${again}`));
  strip.append(made("line", { id: "now", class: "now", y1: top, y2: height - bottom, x1: -9, x2: -9 }));
  strip.append(made("text", { id: "nowtext", class: "told", x: left + 230, y: 16 }, ""));
  strip.dataset.left = left;
}
let hovered = null;
strip.addEventListener("mousemove", (e) => {
  if (!data.plan) return;
  const px = e.clientX - strip.getBoundingClientRect().left, i = stepAt(px), node = data.plan.nodes[i];
  const line = document.getElementById("now");
  line.setAttribute("x1", px); line.setAttribute("x2", px);
  const what = node >= 0 ? `runs node ${node}, ${data.plan.ops[i]}` : "drops a value";
  document.getElementById("nowtext").textContent = `step ${i} ${what}: ${bytes(data.plan.during[i])} meanwhile, ${bytes(data.plan.after[i])} after`;
  if (hovered) items.get(hovered).classList.remove("hover");
  hovered = itemOfNode.get(node) || null;
  if (hovered) items.get(hovered).classList.add("hover");
});
strip.addEventListener("click", (e) => {
  if (!data.plan) return;
  const id = itemOfNode.get(data.plan.nodes[stepAt(e.clientX - strip.getBoundingClientRect().left)]);
  if (id) { choose(id); center(id); }
});

// --- start ------------------------------------------------------------------------------------------
const legend = document.getElementById("legend");
for (const [kind, text] of data.legend) {
  const row = legend.appendChild(word("div"));
  row.className = "row";
  const sample = made("svg", {}), item = made("g", { class: `item ${kind}` });
  item.append(made("rect", { x: 1, y: 1, width: 24, height: 12, rx: kind === "input" || kind === "output" ? 6 : 3 }));
  sample.append(item);
  row.append(sample, text);
}
if (!data.plan) document.getElementById("memory").classList.add("absent");
addEventListener("resize", drawTimeline);
enter("");
const linked = decodeURIComponent(location.hash.slice(1));
choose(items.has(linked) ? linked : null);
if (items.has(linked)) center(linked, 0.8);
