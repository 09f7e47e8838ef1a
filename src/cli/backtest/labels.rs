//! Labelled events: from a CSV file, or from the verdicts that people gave.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use super::Stop;
use crate::cli::exit::Exit;
use crate::cluster::{Call, Cluster, ClusterError, path};
use crate::model::document::ecs;
use crate::model::problem::printable;
use crate::model::time::parse_time;
use crate::score::evaluate::{Label, Truth};

/// Largest label file that is read.
const MAX_BYTES: u64 = 64 << 20;
/// Verdicts that are read at most: one page.
const MAX_VERDICTS: usize = 10_000;
/// Mistakes of a file that are told.
const MAX_TOLD: usize = 5;

/// Reads `entity,start,end`. Times are ISO 8601 or numbers of the epoch; every mistake is told with its line.
pub fn read(path: &Path) -> Result<Vec<Label>, Stop> {
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|e| Stop::new(Exit::NoInput, format!("{name}: {}", crate::source::files::open::words(&e))))?;
    let mut text = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut text);
    read.map_err(|e| Stop::new(Exit::NoInput, format!("{name}: {e}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Stop::new(Exit::BadInput, format!("{name}: larger than 64 MiB; labels are one line per event")));
    }
    parse(&text).map_err(|mistakes| Stop::new(Exit::BadInput, mistakes.iter().map(|m| format!("{name}: {m}")).collect::<Vec<_>>().join("\n")))
}

fn parse(text: &[u8]) -> Result<Vec<Label>, Vec<String>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let head = reader.byte_headers().cloned().map_err(|e| vec![e.to_string()])?;
    let column = |name: &str| head.iter().position(|h| h.eq_ignore_ascii_case(name.as_bytes()));
    let (Some(entity), Some(start), Some(end)) = (column("entity"), column("start"), column("end")) else {
        let there: Vec<String> = head.iter().take(10).map(|h| printable(h, 40)).collect();
        return Err(vec![format!("the first line must name the columns entity, start and end; it names: {}", there.join(", "))]);
    };
    let (mut labels, mut mistakes) = (Vec::new(), Vec::new());
    for record in reader.byte_records() {
        match record.map_err(|e| e.to_string()).and_then(|r| label(&r, entity, start, end)) {
            Ok(label) => labels.push(label),
            Err(m) => mistakes.push(m),
        }
        if mistakes.len() > MAX_TOLD {
            mistakes.push("... and maybe more".into());
            break;
        }
    }
    if labels.is_empty() && mistakes.is_empty() {
        mistakes.push("holds no event below its first line".into());
    }
    if mistakes.is_empty() { Ok(labels) } else { Err(mistakes) }
}

fn label(record: &csv::ByteRecord, entity: usize, start: usize, end: usize) -> Result<Label, String> {
    let line = record.position().map_or(0, csv::Position::line);
    let field = |i: usize| record.get(i).unwrap_or_default();
    let time = |name: &str, i: usize| {
        let text = String::from_utf8_lossy(field(i));
        parse_time(&text).ok_or_else(|| format!("line {line}: {name} `{}` is no time; write 2026-01-31T12:00:00Z", printable(field(i), 60)))
    };
    let (start_ms, end_ms) = (time("start", start)?, time("end", end)?);
    if end_ms <= start_ms {
        return Err(format!("line {line}: the event ends before it begins, or at once"));
    }
    Ok(Label { entity: String::from_utf8_lossy(field(entity)).into_owned(), start_ms, end_ms })
}

/// What people said of a job's anomalies, the last word of each; and a note when there is more than was read.
pub async fn verdicts(cluster: &Cluster, prefix: &str, job: &str) -> Result<(Truth, Option<String>), ClusterError> {
    let filter = json!([{ "term": { "elkhound.kind": "verdict" } }, { "term": { "elkhound.job": job } }]);
    let found = page(cluster, &format!("{prefix}-triage"), &filter).await?;
    let more = (found.len() == MAX_VERDICTS).then(|| format!("only {MAX_VERDICTS} verdicts were read"));
    let last = last_words(&found);
    let ids: Vec<&str> = last.keys().map(String::as_str).collect();
    let anomalies = page(cluster, &format!("{prefix}-anomalies"), &json!([{ "ids": { "values": ids } }])).await?;
    let mut truth = Truth { events: Vec::new(), harmless: Some(Vec::new()) };
    let mut events: Vec<(Label, bool)> = anomalies.iter().filter_map(|h| Some((event(h)?, *last.get(h.get("_id")?.as_str()?)?))).collect();
    events.sort_by(|(a, _), (b, _)| (a.start_ms, &a.entity).cmp(&(b.start_ms, &b.entity)));
    for (label, is_real) in events {
        if is_real { truth.events.push(label) } else { truth.harmless.get_or_insert_default().push(label) }
    }
    let judged = truth.events.len() + truth.harmless.as_ref().map_or(0, Vec::len);
    Ok((truth, more.or_else(|| (judged == 0).then(|| no_verdict(prefix, job, found.len())))))
}

/// What to say when nobody has judged an anomaly that is there, and how to begin.
fn no_verdict(prefix: &str, job: &str, found: usize) -> String {
    let what = match found {
        0 => format!("nobody has said anything of job `{job}` in {prefix}-triage"),
        _ => format!("the verdicts on job `{job}` in {prefix}-triage are on no anomaly that is in {prefix}-anomalies"),
    };
    let how = json!({ "@timestamp": "2026-01-31T12:00:00Z", "elkhound.kind": "verdict", "elkhound.job": job,
        "elkhound.anomaly_id": "_id of the anomaly", "elkhound.verdict": "true_positive" });
    format!("{what}; to give a verdict (true_positive, false_positive or expected): POST {prefix}-triage/_doc {how}")
}

/// Whether an anomaly was real, by its id: of several verdicts the latest counts.
fn last_words(verdicts: &[Value]) -> BTreeMap<String, bool> {
    let mut said: BTreeMap<String, (i64, bool)> = BTreeMap::new();
    for hit in verdicts {
        let text = |name: &str| ecs::at(&hit["_source"], name).or_else(|| hit["_source"].get(name)).and_then(Value::as_str);
        let (Some(id), Some(verdict)) = (text("elkhound.anomaly_id"), text("elkhound.verdict")) else { continue };
        let is_real = match verdict {
            "true_positive" => true,
            "false_positive" | "expected" => false,
            _ => continue,
        };
        let at_ms = text("@timestamp").and_then(parse_time).unwrap_or(i64::MIN);
        let entry = said.entry(id.to_owned()).or_insert((at_ms, is_real));
        if at_ms >= entry.0 {
            *entry = (at_ms, is_real);
        }
    }
    said.into_iter().map(|(id, (_, is_real))| (id, is_real)).collect()
}

fn event(hit: &Value) -> Option<Label> {
    let source = hit.get("_source")?;
    let entity = source.pointer("/elkhound/entity/key").and_then(Value::as_str)?.to_owned();
    let start_ms = source.get("@timestamp").and_then(Value::as_str).and_then(parse_time)?;
    let span = source.pointer("/elkhound/bucket_span_ms").and_then(Value::as_i64)?;
    Some(Label { entity, start_ms, end_ms: start_ms.saturating_add(span.max(1)) })
}

async fn page(cluster: &Cluster, index: &str, filter: &Value) -> Result<Vec<Value>, ClusterError> {
    let body = json!({ "size": MAX_VERDICTS, "query": { "bool": { "filter": filter } }, "sort": ["_doc"] });
    let answer: Value = cluster.fetch(Call::post(path(&[index, "_search"])).json(&body)).await?;
    Ok(answer.pointer("/hits/hits").and_then(Value::as_array).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_verdict_counts() {
        let of = |id: &str, verdict: &str, day: u32| json!({ "_source": { "@timestamp": format!("2026-01-0{day}"), "elkhound": { "anomaly_id": id, "verdict": verdict } } });
        let all = [of("a", "false_positive", 2), of("a", "true_positive", 1), of("b", "expected", 1), of("c", "true_positive", 3), of("d", "?", 1)];
        assert_eq!(last_words(&all), [("a", false), ("b", false), ("c", true)].map(|(id, real)| (id.to_owned(), real)).into());
        assert_eq!(last_words(&[json!({}), json!({ "_source": { "elkhound.anomaly_id": "x", "elkhound.verdict": "expected" } })]).len(), 1);
    }

    #[test]
    fn where_nobody_has_judged_anything_it_is_said_how_to_begin() {
        let none = no_verdict("elkhound", "web", 0);
        assert!(none.starts_with("nobody has said anything of job `web` in elkhound-triage; to give a verdict"), "{none}");
        let document: Value = serde_json::from_str(none.split_once("_doc ").unwrap().1).unwrap();
        assert_eq!(last_words(&[json!({ "_source": document })]), BTreeMap::from([("_id of the anomaly".to_owned(), true)]));
        assert!(no_verdict("elkhound", "web", 3).contains("are on no anomaly that is in elkhound-anomalies"));
    }

    #[test]
    fn labels_are_read_and_mistakes_are_told_with_their_line() {
        let good = "\u{feff}start,End,entity,note\n2026-01-01T00:00:00Z,2026-01-01T01:00:00Z, a ,x\n1767225600,1767229200000,,\"y, z\"\n";
        let labels = parse(good.as_bytes()).unwrap();
        assert_eq!(labels[0].entity, "a");
        assert_eq!((labels[1].entity.as_str(), labels[1].start_ms, labels[1].end_ms), ("", 1_767_225_600_000, 1_767_229_200_000));
        for (bad, word) in [
            ("", "columns"),
            ("entity,start\na,1", "columns"),
            ("entity,start,end\n", "no event"),
            ("entity,start,end\na,1,2\nb,yesterday,2", "line 3"),
            ("entity,start,end\na,5,5", "line 2"),
            ("entity,start,end\na,5", "line: 2"),
        ] {
            let told = parse(bad.as_bytes()).unwrap_err();
            assert!(told[0].contains(word), "{bad:?}: {told:?}");
        }
        let many: String = "entity,start,end\n".to_owned() + &"a,x,y\n".repeat(100);
        assert_eq!(parse(many.as_bytes()).unwrap_err().len(), MAX_TOLD + 2);
        let long = format!("entity,start,end\na,{},2\n", "9".repeat(10 << 20));
        let told = parse(long.as_bytes()).unwrap_err();
        assert!(told[0].contains("line 2") && told[0].len() < 300, "{}", told[0].len());
    }
}
