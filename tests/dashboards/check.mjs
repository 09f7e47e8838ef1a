// Compiles and draws every Vega specification of the dashboards, without a browser.
// node check.mjs FILE.ndjson [FOLDER of search answers, one <panel>.json each] [FOLDER for drawings] [empty]
import { readFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as vega from "vega";
import * as vegaLite from "vega-lite";

const [file, answers, out, empty] = process.argv.slice(2);
const HOUR = 3600000;
const START = Date.UTC(2026, 0, 5);

// What an engine answers, in small: used where there is no real answer.
const cells = (step) => Array.from({ length: 12 }, (_, i) => ({ key: START + i * HOUR, doc_count: i % step === 0 ? 0 : i, s: { value: i % step === 0 ? null : (i * 9) % 100 } }));
const lanes = { lanes: { buckets: ["203.0.113.77", "2001:db8::1", "<script>alert(1)</script>"].map((key, i) => ({ key, doc_count: 9, s: { value: 90 - i }, t: { buckets: cells(i + 2) } })) } };
const samples = { aggregations: {
  lanes: { aggregations: lanes },
  band: {
    aggregations: {
      e: { buckets: [{ key: "203.0.113.77", doc_count: 3, s: { value: 97 }, f: { buckets: [{ key: "requests", doc_count: 3, t: { buckets: [0, 1, 2, 5].map((i) => ({ key: START + i * HOUR, doc_count: 1, s: { value: 30 + i * 10 }, actual: { value: 100 + i }, typical: { value: 10 }, lower: { value: i ? 2 : null }, upper: { value: i ? 30 : null } })) } }] } }] },
    },
  },
} };

function specs(text) {
  const found = [];
  for (const line of text.split("\n").filter(Boolean)) {
    const object = JSON.parse(line);
    if (object.type === "visualization") {
      const state = JSON.parse(object.attributes.visState);
      if (state.type === "vega") found.push([object.id, state.params.spec]);
    }
    if (object.type === "dashboard") {
      for (const panel of JSON.parse(object.attributes.panelsJSON)) {
        const saved = panel.embeddableConfig?.savedVis;
        if (saved?.type === "vega") found.push([panel.panelIndex, saved.params.spec]);
      }
    }
  }
  return found;
}

let faults = 0;
for (const [id, text] of specs(readFileSync(file, "utf8"))) {
  const warnings = [];
  const logger = { level: () => logger, warn: (...a) => (warnings.push(a.join(" ")), logger), error: (...a) => (warnings.push(a.join(" ")), logger), info: () => logger, debug: () => logger };
  try {
    const spec = JSON.parse(text);
    const url = spec.data.url;
    if (url["%context%"] && url.body.query) throw new Error("a context and a query of its own exclude each other");
    const real = answers && join(answers, id.replace(/^elkhound-/, "") + ".json");
    const answer = real && existsSync(real) ? JSON.parse(readFileSync(real, "utf8")) : samples[spec.data.format.property][id.includes("band") ? "band" : "lanes"];
    if (!answer) throw new Error("no sample for " + spec.data.format.property);
    // Made-up answers carry scores where these two drawings want times.
    const isTime = url.index.endsWith("-state") || url.body.aggs.lanes?.aggs?.s?.max?.field === "event.end";
    if (isTime && !answers) answer.aggregations.lanes.buckets.forEach((v) => (v.s = { value: Date.now() - 5 * HOUR }));
    // As both products do it: the whole answer stands in place of the address.
    const compiled = vegaLite.compile({ ...spec, data: { ...spec.data, url: undefined, values: answer }, width: 900, height: 300 }, { logger }).spec;
    const view = new vega.View(vega.parse(compiled, null, { ast: true }), { renderer: "none", logger, expr: undefined });
    const plain = new vega.View(vega.parse(compiled), { renderer: "none", logger });
    void view;
    const svg = await plain.toSVG();
    const marks = (svg.match(/<path[^>]+aria-roledescription|<path aria-label/g) || []).length;
    const notes = (svg.match(/<text /g) || []).length;
    if (!svg.includes("<svg") || svg.includes("NaN")) throw new Error("the drawing is broken");
    if (marks < 1 && !empty) throw new Error("nothing is drawn");
    if (empty && !/no data in this range|no snapshot yet/.test(svg)) throw new Error("it does not say that there is nothing");
    if (svg.includes("<script")) throw new Error("a value became an element");
    if (warnings.length) throw new Error("warnings: " + warnings.join("; "));
    if (out) { mkdirSync(out, { recursive: true }); writeFileSync(join(out, id + ".svg"), svg); }
    console.log(`${id}: ${marks} marks, ${notes} labels`);
  } catch (e) {
    faults++;
    console.error(`${id}: ${e.message}`);
  }
}
process.exit(faults ? 1 : 0);
