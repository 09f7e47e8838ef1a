"use strict";
(function () {
  // Values from logs are shown with textContent only: nothing in this script makes HTML out of text.
  const D = JSON.parse(document.getElementById("data").textContent);
  const S = D.s, $ = (id) => document.getElementById(id), PAGE = 50, LANES = 15, AROUND = 24;
  const BANDS = ["critical", "high", "medium", "low"];
  const band = (s) => (s >= 75 ? "critical" : s >= 50 ? "high" : s >= 25 ? "medium" : "low");
  const rows = D.rows.map((r) => ({
    at: r[0], span: r[1] * 1000, job: S[r[2]], entity: S[r[3]], field: S[r[4]], detector: S[r[5]], score: r[6] || 0, confidence: r[7], docs: r[8],
    silent: r[9] & 1, suppressed: r[9] & 2, revised: r[9] & 4, reason: r[10], since: r[11], source: S[r[12]], samples: r[14], message: S[r[15]], rule: r[16],
    why: r[13].map((c) => ({ title: S[c[0]] || S[c[7]], actual: c[1], typical: c[2], lower: c[3], upper: c[4], surprise: c[5], reference: S[c[6]], feature: S[c[7]] })),
    band: band(r[6] || 0),
  }));

  const SVG = "http://www.w3.org/2000/svg";
  function make(ns, tag, attributes, children) {
    const e = ns ? document.createElementNS(ns, tag) : document.createElement(tag);
    for (const k in attributes || {}) {
      const v = attributes[k];
      if (v === undefined || v === null || v === false) continue;
      if (k === "on") for (const name in v) e.addEventListener(name, v[name]);
      else if (k === "text") e.textContent = v;
      else if (k === "width" && !ns) e.style.width = v;
      else e.setAttribute(k, v === true ? "" : v);
    }
    for (const c of children || []) if (c !== null && c !== undefined) e.append(c);
    return e;
  }
  const h = (tag, attributes, ...children) => make(null, tag, attributes, children);
  const g = (tag, attributes, ...children) => make(SVG, tag, attributes, children);
  const fill = (id, ...nodes) => $(id).replaceChildren(...nodes);

  const pad = (n) => String(n).padStart(2, "0");
  function time(ms, short) {
    if (ms === null) return "–";
    const d = new Date(ms);
    if (Number.isNaN(d.getTime())) return "out of range";
    const clock = pad(d.getUTCHours()) + ":" + pad(d.getUTCMinutes());
    const day = d.getUTCFullYear() + "-" + pad(d.getUTCMonth() + 1) + "-" + pad(d.getUTCDate());
    return short === "clock" ? clock : short === "day" ? day.slice(5) : day + " " + clock;
  }
  function length(ms) {
    const s = ms / 1000;
    return s < 60 ? s + " s" : s < 3600 ? Math.round(s / 60) + " min" : s < 86400 ? +(s / 3600).toFixed(1) + " h" : +(s / 86400).toFixed(1) + " d";
  }
  function num(x) {
    if (x === null || x === undefined) return "–";
    const a = Math.abs(x);
    return a >= 1000 ? Math.round(x).toLocaleString("en") : a >= 100 || x === Math.round(x) ? String(+x.toFixed(1)) : String(+x.toPrecision(3));
  }
  const findings = (n) => num(n) + (n === 1 ? " finding" : " findings");
  const pill = (b) => h("span", { class: "pill " + b, text: b });
  const legend = (items) => h("p", { class: "key-line" }, ...items.map(([c, t]) => h("span", {}, h("span", { class: "swatch " + c }), t)));

  // Time axis shared by all charts: cells of one width that cover everything, as many as the window has room for.
  const usable = rows.filter((r) => r.at !== null && Math.abs(r.at) < 8e15);
  const timeless = rows.length > 0 && rows.every((r) => r.at === null);
  const when = (r) => (r.at === null ? "row " + r.entity : time(r.at));
  let low = Infinity, high = -Infinity, least = Infinity;
  for (const r of usable) { low = Math.min(low, r.at); high = Math.max(high, r.at + r.span); least = Math.min(least, r.span); }
  for (const t of D.timeline) { low = Math.min(low, t[0]); high = Math.max(high, t[0] + (D.timeline.length > 1 ? D.timeline[1][0] - D.timeline[0][0] : 0)); }
  if (!(high > low)) { high = low + 1; }
  const STEPS = [1e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 12096e5, 25920e5, 77760e5, 31536e6];
  const LABEL = 95;
  let wide, names, cell, first, cells;
  function measure() {
    wide = Math.max(280, Math.min(1352, document.documentElement.clientWidth - 48) - 34);
    names = wide > 900 ? 230 : Math.round(wide / 4);
    const most = Math.max(8, Math.min(72, Math.floor((wide - names) / 16)));
    const fits = (s) => Math.ceil((high - Math.floor(low / s) * s) / s) <= most;
    cell = STEPS.find((s) => s >= least && fits(s)) || Math.ceil((high - low) / (most - 1));
    first = Math.floor(low / cell) * cell;
    cells = Math.max(1, Math.ceil((high - first) / cell));
  }
  const cellOf = (t) => Math.min(cells - 1, Math.max(0, Math.floor((t - first) / cell)));
  const label = (t, a, b, step) => (step >= 864e5 ? time(t, "day") : time(a, "day") === time(b - 1, "day") ? time(t, "clock") : time(t, "day") + " " + time(t, "clock"));
  // Round times between two, as many as there is room for.
  function axis(x0, x1, y, a, b) {
    const step = STEPS.find((s) => s >= 6e4 && (b - a) / s <= (x1 - x0) / LABEL) || b - a, out = [];
    for (let t = Math.ceil(a / step) * step; t <= b && out.length < 40; t += step) {
      const x = x0 + ((x1 - x0) * (t - a)) / (b - a);
      out.push(g("text", { x: x.toFixed(1), y, "text-anchor": x - x0 < LABEL / 3 ? "start" : x1 - x < LABEL / 3 ? "end" : "middle", text: label(t, a, b, step) }));
    }
    return out;
  }

  function timeline() {
    if (!usable.length && !D.timeline.length) return $("s-time").setAttribute("hidden", "");
    const W = wide, H = 150, x0 = 40, x1 = W - 50, y0 = 10, y1 = 120;
    const count = Array.from({ length: cells }, () => ({ critical: 0, high: 0, medium: 0, low: 0, all: 0 })), docs = new Array(cells).fill(0);
    for (const r of usable) { const c = count[cellOf(r.at)]; c[r.band]++; c.all++; }
    for (const t of D.timeline) docs[cellOf(t[0])] += t[1];
    const top = Math.max(1, ...count.map((c) => c.all)), topDocs = Math.max(1, ...docs), w = (x1 - x0) / cells;
    const svg = g("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `Findings per ${length(cell)}: at most ${top}; the table of findings below holds each of them.` });
    for (const f of [0, 0.5, 1]) {
      const y = y1 - (y1 - y0) * f;
      svg.append(g("line", { class: "grid", x1: x0, x2: x1, y1: y, y2: y }));
      if (f === 1 || (f === 0.5 && top % 2 === 0)) svg.append(g("text", { x: x0 - 6, y: y + 4, "text-anchor": "end", text: num(top * f) }));
      if (D.timeline.length && f) svg.append(g("text", { x: x1 + 5, y: y + 4, text: num(topDocs * f) }));
    }
    count.forEach((c, i) => {
      let y = y1;
      for (const b of BANDS) {
        const hgt = ((y1 - y0) * c[b]) / top;
        if (!hgt) continue;
        y -= hgt;
        svg.append(g("rect", { class: b + "-f", x: x0 + i * w + 0.5, width: Math.max(1, w - 1), y, height: hgt }, g("title", { text: `${time(first + i * cell)}: ${c[b]} ${b}` })));
      }
    });
    // A cell that the data covers in part only would look like a fall.
    const whole = (i) => cells < 4 || (first + i * cell >= low && first + (i + 1) * cell <= high);
    if (D.timeline.length) svg.append(g("polyline", { class: "docs", points: docs.map((d, i) => !whole(i) ? "" : `${(x0 + (i + 0.5) * w).toFixed(1)},${(y1 - ((y1 - y0) * d) / topDocs).toFixed(1)}`).join(" ") }));
    svg.append(...axis(x0, x1, y1 + 18, first, first + cells * cell));
    const keys = BANDS.map((b) => [b, b]);
    if (D.timeline.length) keys.push(["docs-s", "documents (right scale)"]);
    fill("timeline", svg, legend(keys));
  }

  const byEntity = new Map();
  for (const r of rows) {
    let e = byEntity.get(r.entity);
    if (!e) byEntity.set(r.entity, (e = { entity: r.entity, max: 0, sum: 0, rows: [] }));
    e.max = Math.max(e.max, r.score); e.sum += r.score; e.rows.push(r);
  }
  const ranked = [...byEntity.values()].sort((a, b) => b.max - a.max || b.sum - a.sum || (a.entity < b.entity ? -1 : 1));

  function lanes() {
    if (!usable.length) return $("s-lanes").setAttribute("hidden", "");
    const px = (wide - names) / cells, step = STEPS.find((t) => t % cell === 0 && (t / cell) * px >= LABEL) || cell * Math.ceil(LABEL / px);
    const every = Math.round(step / cell), from = ((-Math.round(first / cell) % every) + every) % every, end = first + cells * cell;
    const head = h("tr", {}, h("td", { width: names + "px" }), from ? h("td", { colspan: Math.min(from, cells) }) : null);
    for (let i = from; i < cells; i += every) { const n = Math.min(every, cells - i); head.append(h("th", { scope: "colgroup", colspan: n, text: n * px < LABEL * 0.75 ? "" : label(first + i * cell, first, end, step) })); }
    const body = h("tbody"), grid = [];
    if (ranked.length > LANES) $("lanes-of").textContent = `The ${LANES} strongest of ${num(ranked.length)} entities. `;
    ranked.slice(0, LANES).forEach((e, y) => {
      const best = new Array(cells).fill(null), n = new Array(cells).fill(0);
      for (const r of e.rows) if (r.at !== null && Math.abs(r.at) < 8e15) { const i = cellOf(r.at); n[i]++; if (best[i] === null || r.score > best[i]) best[i] = r.score; }
      const tr = h("tr", { role: "row" }, h("th", { scope: "row", role: "rowheader", title: e.entity }, h("button", { type: "button", class: "link key", text: e.entity || "(empty)", on: { click: () => open(e.entity) } })));
      best.forEach((s, x) => {
        const td = h("td", { role: "gridcell" });
        if (s !== null) {
          const from = first + x * cell;
          const b = h("button", {
            type: "button", class: band(s), tabindex: grid.length ? -1 : 0, title: `${e.entity}\n${time(from)} UTC\nscore ${num(s)}, ${findings(n[x])}`,
            "aria-label": `${e.entity}, ${time(from)}, score ${num(s)}, ${band(s)}, ${findings(n[x])}`, on: { click: () => narrow(e.entity, from, from + cell) },
          });
          grid.push({ b, x, y }); td.append(b);
        }
        tr.append(td);
      });
      body.append(tr);
    });
    const table = h("table", { class: "lanes", role: "grid", "aria-label": "Highest score by entity and time" }, h("thead", {}, head), body);
    table.addEventListener("keydown", (ev) => {
      const here = grid.find((c) => c.b === document.activeElement), d = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[ev.key];
      if (!here || !d) return;
      const ahead = grid.filter((c) => (d[0] ? c.y === here.y && (c.x - here.x) * d[0] > 0 : (c.y - here.y) * d[1] > 0));
      const near = (c) => (d[0] ? Math.abs(c.x - here.x) : Math.abs(c.y - here.y) * 1e4 + Math.abs(c.x - here.x));
      const next = ahead.sort((a, b) => near(a) - near(b))[0];
      ev.preventDefault();
      if (next) { here.b.tabIndex = -1; next.b.tabIndex = 0; next.b.focus(); }
    });
    fill("lanes", h("div", { class: "scroll" }, table), legend([["low", "below 25"], ["medium", "25 to 50"], ["high", "50 to 75"], ["critical", "75 and more"]]));
  }

  const table = (heads, body, caption) => h("table", {}, caption && h("caption", { text: caption }), h("thead", {}, h("tr", {}, ...heads.map(([t, c]) => h("th", { scope: "col", class: c, text: t })))), h("tbody", {}, ...body));
  const td = (text, cls) => h("td", { class: cls, text });

  function top() {
    const most = ranked.length ? Math.max(...ranked.map((e) => e.sum)) : 1;
    const body = ranked.slice(0, 12).map((e) => h("tr", {}, h("td", { class: "key" }, h("button", { type: "button", class: "link", text: e.entity || "(empty)", on: { click: () => open(e.entity) } })),
      h("td", { class: "n" }, num(e.max) + " ", pill(band(e.max))), td(num(e.rows.length), "n"), h("td", { width: "22%" }, h("span", { class: "bar", title: "sum of scores " + num(e.sum), width: (90 * e.sum) / most + "%" }))));
    fill("top", body.length ? table([["Entity"], ["Highest score", "n"], ["Findings", "n"], ["Sum of scores"]], body) : h("p", { class: "empty", text: "No entity was reported." }));
    const sums = new Map();
    for (const r of rows) for (const c of r.why) { const s = sums.get(c.title) || { t: c.title, n: 0, sum: 0, max: 0 }; s.n++; s.sum += c.surprise || 0; s.max = Math.max(s.max, r.score); sums.set(c.title, s); }
    const list = [...sums.values()].sort((a, b) => b.sum - a.sum || (a.t < b.t ? -1 : 1)).slice(0, 12), much = list.length ? Math.max(list[0].sum, 1e-9) : 1;
    const whys = list.map((s) => h("tr", {}, td(s.t), td(num(s.n), "n"), td(num(s.max), "n"), h("td", { width: "22%" }, h("span", { class: "bar", title: "surprise " + num(s.sum), width: (90 * s.sum) / much + "%" }))));
    fill("why", whys.length ? table([["Contributor"], ["Findings", "n"], ["Highest score", "n"], ["Surprise"]], whys) : h("p", { class: "empty", text: "Nothing stood out." }));
  }

  // One entity: actual against typical with the usual range, a chart per feature over one and the same time: that of its findings
  // and a while around them.
  const withTime = (entity) => byEntity.get(entity).rows.filter((r) => r.at !== null && Math.abs(r.at) < 8e15).sort((a, b) => a.at - b.at);
  const lineOf = (entity, feature) => D.series.find((s) => S[s[1]] === entity && (feature === null || S[s[2]] === feature));
  function around(entity) {
    const all = withTime(entity);
    if (!all.length) return null;
    const from = all[0].at, to = Math.max(...all.map((r) => r.at + r.span)), more = Math.max(AROUND * all[0].span, 0.15 * (to - from));
    return [Math.max(Math.min(low, from), from - more), Math.min(Math.max(high, to), to + more)];
  }
  function chart(entity, feature, title, [a, b], used) {
    const mine = withTime(entity).map((r) => ({ r, c: r.why.find((c) => c.feature === feature) })).filter((p) => p.c);
    const within = (p) => p[0] >= a && p[0] < b, line = (lineOf(entity, feature) || [0, 0, 0, []])[3].filter(within), ys = [];
    for (const p of mine) for (const v of [p.c.actual, p.c.typical, p.c.lower, p.c.upper]) if (v !== null) ys.push(v);
    for (const p of line) if (p[1] !== null) ys.push(p[1]);
    if (!ys.length) return null;
    const span = mine.length ? mine[0].r.span : 1, W = wide, H = 190, x0 = 70, x1 = W - 20, y0 = 12, y1 = 155;
    let lo = Math.min(0, ...ys), hi = Math.max(...ys); if (hi === lo) hi = lo + 1;
    const X = (t) => x0 + ((x1 - x0) * (Math.min(b, Math.max(a, t)) - a)) / (b - a), Y = (v) => y1 - ((y1 - y0) * (Math.min(hi, Math.max(lo, v)) - lo)) / (hi - lo), f = (n) => n.toFixed(1);
    const svg = g("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${title} of ${entity} from ${time(a)} to ${time(b)}: actual against typical; the values stand in the table below.` });
    for (const q of [0, 0.5, 1]) { const v = lo + (hi - lo) * q; svg.append(g("line", { class: "grid", x1: x0, x2: x1, y1: Y(v), y2: Y(v) }), g("text", { x: x0 - 6, y: Y(v) + 4, "text-anchor": "end", text: num(v) })); }
    // Where nothing was seen: of a value of a keyword nobody kept count, but not of the entity.
    const known = line.length ? line : (lineOf(entity, null) || [0, 0, 0, []])[3].filter(within);
    known.forEach((p, i) => { if (p[1] === null) { used.add("none"); svg.append(g("line", { class: "none", x1: f(X(p[0])), x2: f(X(i + 1 < known.length ? known[i + 1][0] : p[0] + span)), y1, y2: y1 })); } });
    for (const p of mine) {
      const l = p.c.lower === null ? lo : p.c.lower, u = p.c.upper === null ? (p.c.lower === null ? null : hi) : p.c.upper, middle = X(p.r.at + p.r.span / 2), w = Math.max(9, X(p.r.at + p.r.span) - X(p.r.at)), x = middle - w / 2;
      if (u !== null) { used.add("band"); svg.append(g("rect", { class: "band", x: f(x), width: f(w), y: f(Y(u)), height: f(Math.max(1, Y(l) - Y(u))) })); }
      if (p.c.typical !== null) { used.add("typical"); svg.append(g("line", { class: "typical", x1: f(x - 5), x2: f(x + w + 5), y1: f(Y(p.c.typical)), y2: f(Y(p.c.typical)) })); }
      if (p.c.typical !== null && p.c.actual !== null) svg.append(g("line", { class: "gap", x1: f(middle), x2: f(middle), y1: f(Y(p.c.typical)), y2: f(Y(p.c.actual)) }));
    }
    let run = [];
    const flush = () => { if (run.length > 1) used.add("actual"); if (run.length > 1) svg.append(g("polyline", { class: "actual", points: run.join(" ") })); else if (run.length) { const [x, y] = run[0].split(","); svg.append(g("circle", { cx: x, cy: y, r: 1.6, class: "actual" })); } run = []; };
    for (const p of line) if (p[1] === null) flush(); else run.push(f(X(p[0] + span / 2)) + "," + f(Y(p[1])));
    flush();
    for (const p of mine) if (p.c.actual !== null) svg.append(g("circle", { class: p.r.band + "-f", cx: f(X(p.r.at + span / 2)), cy: f(Y(p.c.actual)), r: 5, stroke: "currentColor", "stroke-width": 0.7 }, g("title", { text: `${time(p.r.at)}: actual ${num(p.c.actual)}, typical ${num(p.c.typical)}, score ${num(p.r.score)}` })));
    svg.append(...axis(x0, x1, y1 + 18, a, b));
    if (line.some((p, i) => i && p[0] - line[i - 1][0] > 1.5 * span)) used.every = lineOf(entity, feature)[4];
    return h("figure", { class: "fig" }, h("figcaption", { text: title }), svg);
  }
  const KEYS = { actual: ["line-s", "actual"], typical: ["dash-s", "typical at the finding"], band: ["band-s", "usual range"], none: ["none-s", "nothing seen"] };

  let shown = null;
  function open(entity, quiet) {
    const e = byEntity.get(entity);
    if (!e) return;
    shown = entity;
    const best = new Map();
    for (const r of e.rows) for (const c of r.why) { const b = best.get(c.feature) || { f: c.feature, t: c.title, s: 0 }; b.s += c.surprise || 0; best.set(c.feature, b); }
    const range = around(entity), used = new Set(), by = [...best.values()].sort((x, y) => y.s - x.s), top = by.slice(0, 3);
    // Of values of keywords only the findings are known: at least one chart shows what was before and after.
    const lined = by.find((x) => lineOf(entity, x.f));
    if (lined && !top.some((x) => lineOf(entity, x.f))) top[Math.min(2, top.length - 1)] = lined;
    const charts = range ? top.map((x) => chart(entity, x.f, x.t, range, used)).filter(Boolean) : [];
    const strongest = [...e.rows].sort((a, b) => b.score - a.score);
    const field = e.rows[0].field;
    $("h-entity").textContent = field === "_all" ? entity : `${field || "entity"}: ${entity || "(empty)"}`;
    const facts = h("dl", { class: "facts" }, ...[["findings", num(e.rows.length)], ["highest score", num(e.max)], ["first", timeless ? "" : time(Math.min(...e.rows.map((r) => r.at)))], ["last", timeless ? "" : time(Math.max(...e.rows.map((r) => r.at)))], ["charts from", range ? time(range[0]) : ""], ["to", range ? time(range[1]) : ""]].filter((x) => x[1]).map(([t, v]) => h("div", {}, h("dt", { text: t }), h("dd", { text: v }))));
    fill("entity-body", h("p", { text: strongest[0].reason }), facts, ...charts,
      charts.length ? legend([...Object.keys(KEYS).filter((k) => used.has(k)).map((k) => KEYS[k]), ["dot-s " + strongest[0].band, "finding (colour: severity)"]]) : "",
      used.every > 1 ? h("p", { class: "hint", text: `Far from findings one value in ${num(used.every)} is drawn.` }) : "",
      h("p", {}, h("button", { type: "button", text: "List its findings", on: { click: () => narrow(entity) } })));
    $("entity").hidden = false;
    if (!quiet) { $("h-entity").focus(); $("entity").scrollIntoView({ block: "start" }); }
  }

  // The list: filtered, sorted and paged, so that only one page of rows is ever in the document.
  const state = { text: "", job: "", bands: new Set(BANDS), entity: null, from: null, to: null, sort: "score", down: true, page: 0 };
  const columns = [[timeless ? "Row" : "Time (UTC)", timeless ? "entity" : "at", "t"], ["Severity", "score"], ["Score", "score", "n"], ["Job", "job"], ["Entity", "entity"], ["What happened", null], ["Details", null]];
  function narrow(entity, from, to) { Object.assign(state, { entity, from: from === undefined ? null : from, to: to === undefined ? null : to, page: 0 }); list(); $("h-list").scrollIntoView({ block: "start" }); $("h-list").tabIndex = -1; $("h-list").focus(); }
  function chosen() {
    const words = state.text.toLowerCase();
    const out = rows.filter((r) => state.bands.has(r.band) && (!state.job || r.job === state.job) && (state.entity === null || r.entity === state.entity) &&
      (state.from === null || (r.at >= state.from && r.at < state.to)) && (!words || r.entity.toLowerCase().includes(words) || r.reason.toLowerCase().includes(words) || r.message.toLowerCase().includes(words)));
    const k = state.sort, d = state.down ? -1 : 1;
    return out.sort((a, b) => (a[k] < b[k] ? -d : a[k] > b[k] ? d : 0) || b.score - a.score || a.at - b.at);
  }
  function detail(r) {
    const facts = [["job", r.job], ["detector", r.detector], ["confidence", r.confidence === null ? "–" : Math.round(r.confidence * 100) + " %"], ["documents", num(r.docs)], ["bucket", r.at === null ? "" : length(r.span)], ["since", r.at === null ? "" : time(r.since)], ["source", r.source]];
    if (r.rule) facts.push(["rule that cuts it out", r.rule]);
    if (r.silent) facts.push(["silent", "no document in this bucket"]);
    if (r.suppressed) facts.push(["status", "suppressed"]);
    if (r.revised) facts.push(["revised", "late documents changed it"]);
    const whys = r.why.map((c) => h("tr", {}, td(c.title), td(num(c.actual), "n"), td(num(c.typical), "n"), td(c.lower === null && c.upper === null ? "–" : `${c.lower === null ? "any" : num(c.lower)} to ${c.upper === null ? "any" : num(c.upper)}`, "n"), td(num(c.surprise), "n"), td(c.reference)));
    return h("div", {}, h("dl", { class: "facts" }, ...facts.filter((f) => f[1]).map(([t, v]) => h("div", {}, h("dt", { text: t }), h("dd", { text: v })))),
      whys.length ? table([["Contributor"], ["Actual", "n"], ["Typical", "n"], ["Usual range", "n"], ["Surprise", "n"], ["Compared with"]], whys) : null,
      r.samples.length ? h("p", { class: "hint", text: "Evidence" }) : null, ...r.samples.map((s) => h("pre", { text: s })));
  }
  function list() {
    const all = chosen(), pages = Math.max(1, Math.ceil(all.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const narrowed = state.entity !== null ? ` of ${state.entity || "(empty)"}` + (state.from !== null ? ` from ${time(state.from)} to ${time(state.to)}` : "") : "";
    $("count").textContent = `${num(all.length)} of ${findings(D.total)}${narrowed}` + (D.omitted ? `; the ${num(D.omitted)} mildest are left out of this page` : "");
    const head = h("tr", {}, ...columns.map(([t, k, c], i) => h("th", { scope: "col", class: c, "aria-sort": k === state.sort && i !== 1 ? (state.down ? "descending" : "ascending") : undefined },
      k ? h("button", { type: "button", class: "sort", text: t + (k === state.sort && i !== 1 ? (state.down ? " ▾" : " ▴") : ""), on: { click: () => { if (state.sort === k) state.down = !state.down; else { state.sort = k; state.down = k === "score"; } state.page = 0; list(); const b = $("list").querySelectorAll("button.sort")[columns.slice(0, i).filter((x) => x[1]).length]; if (b) b.focus(); } } }) : t)));
    const body = h("tbody");
    all.slice(state.page * PAGE, (state.page + 1) * PAGE).forEach((r, i) => {
      const id = "detail-" + i, more = h("tr", { class: "detail", id, hidden: true }), cellMore = h("td", { colspan: columns.length });
      more.append(cellMore);
      const b = h("button", { type: "button", "aria-expanded": "false", "aria-controls": id, "aria-label": "Details of " + r.entity + (r.at === null ? "" : " at " + time(r.at)), text: "show", on: { click: () => {
        const willOpen = more.hidden; if (willOpen && !cellMore.firstChild) cellMore.append(detail(r));
        more.hidden = !willOpen; b.setAttribute("aria-expanded", String(willOpen)); b.textContent = willOpen ? "hide" : "show"; } } });
      body.append(h("tr", {}, td(when(r), "t"), h("td", {}, pill(r.band), r.suppressed ? " suppressed" : null), td(num(Math.round(r.score)), "n"), td(r.job, "key"),
        h("td", { class: "key" }, h("button", { type: "button", class: "link", text: r.entity || "(empty)", on: { click: () => open(r.entity) } })), td(r.reason), h("td", {}, b)), more);
    });
    const go = (d) => () => { state.page += d; list(); $("h-list").scrollIntoView({ block: "start" }); const b = $(d > 0 ? "next" : "prev"); if (b && !b.disabled) b.focus(); };
    const pager = h("nav", { class: "pager", "aria-label": "Pages of findings" }, h("button", { type: "button", id: "prev", text: "Previous", disabled: state.page === 0, on: { click: go(-1) } }),
      h("span", { text: `Page ${state.page + 1} of ${pages}` }), h("button", { type: "button", id: "next", text: "Next", disabled: state.page >= pages - 1, on: { click: go(1) } }));
    fill("list", all.length ? h("div", { class: "scroll" }, h("table", {}, h("thead", {}, head), body)) : h("p", { class: "empty", text: rows.length ? "No finding matches the filters." : "No anomalies." }), pages > 1 ? pager : "");
  }
  function filters() {
    const jobs = [...new Set(rows.map((r) => r.job))].sort();
    $("f-job").append(h("option", { value: "", text: "all" }), ...jobs.map((j) => h("option", { value: j, text: j })));
    $("l-job").hidden = jobs.length < 2;
    const boxes = BANDS.map((b) => h("label", {}, h("input", { type: "checkbox", checked: true, value: b, on: { change: (ev) => { if (ev.target.checked) state.bands.add(b); else state.bands.delete(b); state.page = 0; list(); } } }), " ", pill(b)));
    $("f-sev").append(...boxes);
    let timer = 0;
    $("f-text").addEventListener("input", (ev) => { clearTimeout(timer); timer = setTimeout(() => { state.text = ev.target.value.trim(); state.page = 0; list(); }, 120); });
    $("f-job").addEventListener("change", (ev) => { state.job = ev.target.value; state.page = 0; list(); });
    $("f-clear").addEventListener("click", () => { Object.assign(state, { text: "", job: "", entity: null, from: null, to: null, page: 0, bands: new Set(BANDS) }); $("f-text").value = ""; $("f-job").value = ""; boxes.forEach((l) => { l.firstChild.checked = true; }); list(); });
  }

  function health() {
    const r = D.runs;
    if (!r.count) return $("s-health").setAttribute("hidden", "");
    const heads = [["Job"], ["From (UTC)"], ["To (UTC)"], ["Documents", "n"], ["Skipped", "n"], ["Late", "n"], ["Rows judged", "n"], ["Dropped", "n"], ["Anomalies", "n"], ["Retries", "n"], ["CPU", "n"]];
    const line = (x, verdict) => h("tr", {}, td(x[0], "key"), td(time(timeless ? null : x[1]), "t"), td(time(timeless ? null : x[2]), "t"), ...(verdict ? [td(x[3])] : []), ...[5, 6, 10, 7, 8, 9, 11].map((i) => td(num(x[i]), "n")), td(length(x[13]), "n"));
    const problems = D.problems.map((p) => h("tr", {}, td(p[0], "key"), td(p[1].replace(/_/g, " ")), td(num(p[2]), "n"), td(p[3], "key")));
    const more = h("details", {}, h("summary", { text: `Windows (${num(r.count)})` }));
    more.addEventListener("toggle", () => { if (more.open && more.children.length === 1) more.append(h("div", { class: "scroll" }, table([...heads.slice(0, 3), ["Verdict"], ...heads.slice(3)], r.list.map((x) => line(x, true)), r.count > r.list.length ? `The last ${r.list.length} windows` : ""))); });
    fill("health", h("div", { class: "scroll" }, table(heads, r.jobs.map((x) => line(x)))), problems.length ? h("div", { class: "scroll" }, table([["Job"], ["Problem with the data"], ["Count", "n"], ["First example"]], problems)) : h("p", { class: "hint", text: "Nothing in the data had to be skipped." }), more);
  }

  const draw = () => { measure(); timeline(); lanes(); };
  draw(); top(); filters(); list(); health();
  if (ranked.length) open(ranked[0].entity, true);
  let later = 0;
  addEventListener("resize", () => { clearTimeout(later); later = setTimeout(() => { const before = wide; measure(); if (wide !== before) { draw(); if (shown !== null) open(shown, true); } }, 150); });
  $("app").hidden = false;
  document.documentElement.dataset.ready = Math.round(performance.now());
})();
