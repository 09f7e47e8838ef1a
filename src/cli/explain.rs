//! `elkhound explain`: the evidence of one finding, from the cluster or from a file that `scan` or `demo` wrote.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::connect::{ConfigFile, block_on, exit_of};
use super::exit::Exit;
use super::failed;
use crate::cluster::{Call, path};
use crate::config::{self, Environment};
use crate::model::figure::number;
use crate::model::problem::{counted, printable};
use crate::model::time::{is_timeless, parse_time};
use crate::{app, source::files::open::words};

/// Longest line of a file of findings that is looked at.
const MAX_LINE: u64 = 16 << 20;
/// Characters of a value from the logs that are shown.
const SHOWN: usize = 300;
/// Characters of a link or a query.
const COPIED: usize = 8_000;

/// Arguments of `explain`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The finding's id (`event.id` of its document, the column `id` of `scan`), or its beginning.
    pub id: String,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Look for it in this file (NDJSON of `scan --out`) and not in a cluster.
    #[arg(long = "in", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

struct Stop(Exit, String);

/// Prints the evidence.
pub fn run(args: &Args, is_json: bool) -> Exit {
    let found = match &args.file {
        Some(file) => in_file(file, &args.id),
        None => in_cluster(args),
    };
    match found {
        Ok(document) => {
            let text = if is_json { document.to_string() } else { lines(&document).join("\n") };
            say!("{text}");
            Exit::Ok
        }
        Err(Stop(exit, message)) => failed(is_json, exit, &message),
    }
}

fn in_file(file: &Path, id: &str) -> Result<Value, Stop> {
    let name = file.display();
    let opened = std::fs::File::open(file).map_err(|e| Stop(Exit::NoInput, format!("{name}: {}", words(&e))))?;
    let mut reader = std::io::BufReader::new(opened);
    let mut line = Vec::new();
    let mut documents = 0u64;
    let mut found = None;
    loop {
        line.clear();
        let read =
            std::io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut line).map_err(|e| Stop(Exit::NoInput, format!("{name}: {e}")))?;
        if read == 0 {
            break;
        }
        let Ok(document) = serde_json::from_slice::<Value>(&line) else { continue };
        documents += u64::from(document.get("elkhound").is_some());
        let is_meant = !id.is_empty() && document.pointer("/event/id").and_then(Value::as_str).is_some_and(|known| known.starts_with(id));
        if is_meant && found.replace(document).is_some() {
            return Err(Stop(
                Exit::BadInput,
                format!("{name}: several findings have an id that begins with `{}`; write more of it", printable(id.as_bytes(), 80)),
            ));
        }
    }
    if let Some(document) = found {
        return Ok(document);
    }
    let what = if documents == 0 {
        "holds no finding at all; is it what `scan --out` wrote?".into()
    } else {
        format!("holds {}, none with this id", counted(documents, "finding", "findings"))
    };
    Err(Stop(Exit::BadInput, format!("{name}: {what}")))
}

fn in_cluster(args: &Args) -> Result<Value, Stop> {
    let config = config::load(args.config.config.as_deref(), &Environment::of_process()).map_err(|e| Stop(Exit::BadConfig, e.to_string()))?;
    let Some(cluster) = &config.cluster else {
        return Err(Stop(Exit::BadConfig, "cluster.hosts is empty: name the cluster, or a file with --in FILE".into()));
    };
    let alias = format!("{}-anomalies", config.indices.prefix);
    let body = json!({ "size": 2, "query": { "prefix": { "event.id": args.id } } });
    let answer: Result<Value, _> = block_on(async {
        let connection = app::connect(cluster).await?;
        connection.cluster.fetch(Call::post(path(&[&alias, "_search"])).json(&body)).await
    })
    .map_err(|m| Stop(Exit::Failure, m))?;
    let answer = answer.map_err(|e| Stop(exit_of(&e), e.to_string()))?;
    if answer.pointer("/hits/hits/1").is_some() {
        return Err(Stop(
            Exit::BadInput,
            format!("{alias}: several findings have an id that begins with `{}`; write more of it", printable(args.id.as_bytes(), 80)),
        ));
    }
    let found = answer.pointer("/hits/hits/0/_source").cloned();
    found.ok_or_else(|| {
        Stop(
            Exit::BadInput,
            format!("{alias} holds no finding with the id `{}`; the id is the document's _id, and event.id in it", printable(args.id.as_bytes(), 80)),
        )
    })
}

fn text<'a>(d: &'a Value, at: &str) -> &'a str {
    d.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

fn lines(d: &Value) -> Vec<String> {
    let shown = |at: &str| printable(text(d, at).as_bytes(), SHOWN);
    let score = d.pointer("/elkhound/score").and_then(Value::as_f64).unwrap_or(f64::NAN);
    let mut out = vec![shown("/event/reason"), String::new()];
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            out.push(format!("{name:<12}{value}"));
        }
    };
    fact("entity", format!("{} ({})", shown("/elkhound/entity/key"), shown("/elkhound/entity/field")));
    let start_ms = parse_time(text(d, "/@timestamp")).unwrap_or(i64::MIN);
    let has_time = !is_timeless(Some(text(d, "/elkhound/preset")), start_ms);
    if has_time {
        fact("bucket", format!("{} to {}", shown("/@timestamp"), shown("/event/end")));
    }
    fact("score", format!("{score:.1} {}, confidence {}", shown("/elkhound/severity"), number_at(d, "/elkhound/confidence")));
    fact("job", format!("{}, detector {}", shown("/elkhound/job"), shown("/elkhound/detector")));
    if has_time {
        fact("since", shown("/elkhound/since"));
    }
    fact("story", shown("/elkhound/story"));
    fact("status", shown("/elkhound/status"));
    fact("documents", number_at(d, "/elkhound/doc_count"));
    fact("rule", shown("/elkhound/rule_box"));
    // These are for copying: cut they are of no use.
    fact("raw logs", printable(text(d, "/elkhound/link").as_bytes(), COPIED));
    fact("query", printable(text(d, "/elkhound/query").as_bytes(), COPIED));
    out.extend(contributors(d));
    let samples = d.pointer("/elkhound/sample/message").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let samples: Vec<String> = samples.map(|s| format!("  {}", printable(s.as_bytes(), SHOWN))).collect();
    if !samples.is_empty() {
        out.extend([String::new(), "some of its documents:".into()]);
        out.extend(samples);
    }
    out
}

fn number_at(d: &Value, at: &str) -> String {
    d.pointer(at).and_then(Value::as_f64).map_or_else(|| "absent".into(), number)
}

/// Two numbers, unless both are absent.
fn either_at(d: &Value, one: &str, other: &str) -> Option<(String, String)> {
    let both = (number_at(d, one), number_at(d, other));
    (both.0 != "absent" || both.1 != "absent").then_some(both)
}

fn contributors(d: &Value) -> Vec<String> {
    let Some(values) = d.pointer("/elkhound/values").and_then(Value::as_array).filter(|v| !v.is_empty()) else { return Vec::new() };
    let mut out = vec![
        String::new(),
        format!("{:<32} {:>12} {:>12} {:>25} {:>9}  {}", "what adds to it", "actual", "typical", "usual range", "surprise", "held against"),
    ];
    for v in values {
        let title = if text(v, "/title").is_empty() { text(v, "/feature") } else { text(v, "/title") };
        let range = either_at(v, "/lower", "/upper").map_or("-".into(), |(lower, upper)| format!("{lower} to {upper}"));
        // What stands for several features, or for the mildest, has no value of its own.
        let (actual, typical) = either_at(v, "/actual", "/typical").unwrap_or(("-".into(), "-".into()));
        out.push(format!(
            "{:<32} {actual:>12} {typical:>12} {range:>25} {:>9}  {}",
            printable(title.as_bytes(), 32),
            number_at(v, "/surprise"),
            printable(text(v, "/reference").as_bytes(), SHOWN)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evidence_is_printed_and_hostile_values_are_harmless() {
        let d = json!({
            "@timestamp": "2026-01-01T00:00:00.000Z",
            "event": { "id": "x", "end": "2026-01-01T01:00:00.000Z", "reason": "Client a\u{1b}[31m was loud." },
            "elkhound": { "score": 61.25, "severity": "high", "entity": { "key": "a\u{7}", "field": "source.ip" }, "doc_count": 12,
                "values": [{ "feature": "requests", "title": "", "actual": 12.0, "typical": null, "lower": 1.0, "upper": 3.0, "surprise": 4.5, "reference": "peers" }],
                "sample": { "message": ["GET /\u{0}"] } },
        });
        let all = lines(&d).join("\n");
        for word in ["61.2 high", "requests", "1 to 3", "4.5", "GET /", "documents   12"] {
            assert!(all.contains(word), "{word}: {all}");
        }
        assert!(!all.contains('\u{1b}') && !all.contains('\u{7}') && !all.contains('\u{0}'));
        assert!(lines(&json!({})).len() > 3, "a document of another make is no reason to break");
    }

    #[test]
    fn a_finding_is_looked_for_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.ndjson");
        std::fs::write(&file, "no json\n{\"event\":{\"id\":\"a\"},\"elkhound\":{}}\n{\"event\":{\"id\":\"b\"},\"elkhound\":{\"score\":1}}\n")
            .unwrap();
        assert_eq!(in_file(&file, "b").ok().unwrap()["elkhound"]["score"], 1);
        assert!(in_file(&file, "c").err().unwrap().1.contains("2 findings"));
        std::fs::write(&file, "{\"event\":{\"id\":\"abc\"},\"elkhound\":{}}\n{\"event\":{\"id\":\"abd\"},\"elkhound\":{}}\n").unwrap();
        assert_eq!(in_file(&file, "abd").ok().unwrap()["event"]["id"], "abd");
        assert!(in_file(&file, "ab").err().unwrap().1.contains("several findings"));
        std::fs::write(&file, [0u8, 255, 10, 7]).unwrap();
        assert!(in_file(&file, "c").err().unwrap().1.contains("no finding at all"));
        assert_eq!(in_file(Path::new("nowhere"), "c").err().unwrap().0, Exit::NoInput);
    }
}
