//! Raw job -> [`Job`]: defaults, then the preset, then what was typed; every mistake noted, every invariant checked.

use serde_json::{Map, Value, json};

use super::section::{Mistakes, Section};
use super::{features, filter, words};
use crate::detectors;
use crate::model::job::{CalibrationBy, JobLabels};
use crate::model::time::DAY_MS;
use crate::model::{AlertBudget, DetectorSpec, Job};
use crate::presets;

/// Longest id of a job: it stands in document ids, file names and labels.
const MAX_ID: usize = 64;
/// Lists of a job that a preset's can be added to: (key that adds, key that it adds to).
const ADDING: &[(&str, &str)] = &[("add_features", "features"), ("add_value_features", "value_features"), ("add_detectors", "detectors")];

/// What a job is resolved against.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// `job_defaults` of the configuration.
    pub defaults: &'a Value,
    /// Prefix of our own indices, which no job may read.
    pub prefix: &'a str,
    /// False when the job reads files and needs no index.
    pub needs_index: bool,
}

/// Resolves a job; with mistakes noted, what comes back is not to be used.
pub fn resolve(path: &str, typed: &Value, around: Surroundings<'_>, mistakes: &Mistakes) -> Option<Job> {
    if !typed.is_object() {
        mistakes.add(path, format!("{} is no job", words::shown(typed)), "a job is a mapping with `id` and `preset` or `features`");
        return None;
    }
    let before = mistakes.count();
    let merged = merged(path, typed, around.defaults, mistakes);
    let s = Section::new(path, &merged, mistakes);
    s.know(&["preset"]);
    let mut job = Job { preset: typed.get("preset").and_then(Value::as_str).map(str::to_owned), ..Job::default() };
    job.id = id(&s);
    job.index = index(&s, around);
    job.filter = s.raw("filter").and_then(|v| filter::read(&s.path_of("filter"), v, mistakes));
    job.time_field = s.text("time_field").unwrap_or_default();
    job.entity_fields = entity_fields(&s);
    times(&s, &mut job);
    job.features = features::read(&s, "features");
    job.value_features = features::read_values(&s, "value_features");
    features::check_names(&s, &job);
    job.detectors = detector_specs(&s);
    job.alert_budget = budget(&s);
    job.min_score = s.number("min_score", 0.0, 100.0).unwrap_or(job.min_score);
    let rows = s.count("min_score_rows", 0, 1_000_000_000_000);
    // Of a least score that the job names itself nothing is taken off because of what a preset's was meant for.
    job.min_score_rows = if is_own(typed, "min_score") && !is_own(typed, "min_score_rows") { 0 } else { rows.unwrap_or(0) };
    job.calibration = match s.choice("calibration", &["job", "detectors"]) {
        Some("detectors") => CalibrationBy::Detectors,
        _ => CalibrationBy::Job,
    };
    job.timezone = timezone(&s).unwrap_or(job.timezone);
    job.max_entities = s.count("max_entities", 1, 100_000_000).map_or(job.max_entities, |n| n as usize);
    job.labels = labels(s.section("labels"));
    s.done();
    if mistakes.count() == before {
        check_detectors(path, &job, mistakes);
    }
    (mistakes.count() == before).then_some(job)
}

/// True for a key that the job itself gives.
fn is_own(typed: &Value, key: &str) -> bool {
    typed.get(key).is_some_and(|v| !v.is_null())
}

/// Defaults, then the preset's keys, then the job's; `labels` key by key.
fn merged(path: &str, typed: &Value, defaults: &Value, mistakes: &Mistakes) -> Value {
    let mut out = defaults.as_object().cloned().unwrap_or_default();
    let empty = Map::new();
    let typed_map = typed.as_object().unwrap_or(&empty);
    if let Some(wanted) = typed_map.get("preset").filter(|v| !v.is_null()) {
        match wanted.as_str().and_then(presets::find) {
            Some(preset) => match super::load::parse_yaml(preset.yaml) {
                Ok(Value::Object(mut keys)) => {
                    // The preset's is for the preset's span: a job with a span of its own polls once a bucket.
                    if is_own(typed, "bucket_span") && !is_own(typed, "frequency") {
                        keys.remove("frequency");
                    }
                    put_all(&mut out, &keys);
                }
                Ok(_) => mistakes.add(format!("{path}.preset"), "the preset is no mapping", "this is a defect of this build"),
                Err(e) => mistakes.add(format!("{path}.preset"), e, "this is a defect of this build"),
            },
            None => {
                let names = presets::names();
                let mend = words::suggestion(wanted.as_str().unwrap_or(""), &names).unwrap_or_else(|| format!("there are: {}", names.join(", ")));
                mistakes.add(format!("{path}.preset"), format!("there is no preset {}", words::shown(wanted)), mend);
            }
        }
    }
    if let Some(fields) =
        typed_map.get("entity_fields").filter(|f| f.as_array().is_some_and(|f| !f.is_empty()) && out.get("entity_fields") != Some(f))
    {
        let noun = noun_of(fields);
        put_all(&mut out, &Map::from_iter([("labels".to_owned(), json!({ "entity_noun": noun }))]));
    }
    let mut typed_map = typed_map.clone();
    for (adding, to) in ADDING {
        if let (Some(Value::Array(more)), Some(Value::Array(base))) = (typed_map.get(*adding), typed_map.get(*to).or(out.get(*to))) {
            let list: Vec<Value> = base.iter().chain(more).cloned().collect();
            typed_map.remove(*adding);
            typed_map.insert((*to).to_owned(), Value::Array(list));
        } else if let Some(list @ Value::Array(_)) = typed_map.remove(*adding) {
            typed_map.insert((*to).to_owned(), list);
        }
    }
    put_all(&mut out, &typed_map);
    Value::Object(out)
}

/// What entities of these fields are called: as in a preset that has them, otherwise plainly.
fn noun_of(entity_fields: &Value) -> Value {
    let all = presets::names().into_iter().filter_map(presets::find).filter_map(|p| super::load::parse_yaml(p.yaml).ok());
    let same = all.into_iter().find(|p| p.get("entity_fields") == Some(entity_fields));
    same.and_then(|p| p.pointer("/labels/entity_noun").cloned()).unwrap_or_else(|| json!("entity"))
}

fn put_all(out: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from.iter().filter(|(_, v)| !v.is_null()) {
        match (out.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) if key == "labels" => put_all(old, new),
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
}

fn id(s: &Section<'_>) -> String {
    let id = s.text("id").unwrap_or_default();
    if id.is_empty() {
        s.wrong("id", "the job has no id", "give it a unique name, such as `id: web`");
    } else if id.len() > MAX_ID || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
        let shown = words::shown(&Value::String(id.clone()));
        s.wrong("id", format!("{shown} is no id"), format!("use at most {MAX_ID} small letters, digits, `-` and `_`"));
    }
    id
}

fn index(s: &Section<'_>, around: Surroundings<'_>) -> String {
    let index = s.list("index").unwrap_or_default().join(",");
    if index.is_empty() {
        if around.needs_index {
            s.wrong("index", "the job has no index", "name the indices that it reads, such as `index: \"logs-nginx.access-*\"`");
        }
        return index;
    }
    let (out, inside): (Vec<&str>, Vec<&str>) = index.split(',').partition(|p| p.starts_with('-'));
    let own = format!("{}-anomalies-2026.01", around.prefix);
    let hits = |pattern: &str| pattern == "_all" || glob(pattern.as_bytes(), own.as_bytes());
    if inside.iter().any(|p| hits(p)) && !out.iter().any(|p| hits(&p[1..])) {
        s.wrong(
            "index",
            format!("{} also matches the indices that anomalies are written to", words::shown(&Value::String(index.clone()))),
            format!("name the source more closely, or exclude them: `index: [\"...\", \"-{}-*\"]`", around.prefix),
        );
    }
    index
}

/// Whether a pattern with `*` matches a name.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|i| glob(rest, &name[i..])),
        (Some((p, rest)), Some((n, tail))) if p == n => glob(rest, tail),
        _ => false,
    }
}

fn entity_fields(s: &Section<'_>) -> Vec<String> {
    let fields = s.list("entity_fields").unwrap_or_default();
    for (i, field) in fields.iter().enumerate() {
        if field.is_empty() || field.contains(',') || fields[..i].contains(field) {
            s.wrong(
                "entity_fields",
                format!("`{}` is empty, has a comma or stands there twice", words::printable_key(field)),
                "name each field once",
            );
        }
    }
    fields
}

fn times(s: &Section<'_>, job: &mut Job) {
    let span = s.duration_ms("bucket_span", 1_000, 7 * DAY_MS);
    job.bucket_span_ms = span.unwrap_or(job.bucket_span_ms);
    // A preset or a default gives a frequency for its own bucket span; without one of its own a job polls once a bucket.
    job.frequency_ms = s.duration_ms("frequency", 1_000, 31 * DAY_MS).unwrap_or(job.bucket_span_ms);
    job.window_delay_ms = s.duration_ms("window_delay", 0, 7 * DAY_MS).unwrap_or(job.window_delay_ms);
    job.allowed_lateness_ms = s.duration_ms("allowed_lateness", 0, 31 * DAY_MS).unwrap_or(job.allowed_lateness_ms);
    job.lookback_ms = s.duration_ms("lookback", 0, 366 * DAY_MS).unwrap_or(job.lookback_ms);
    job.model_max_age_ms = s.duration_ms("model_max_age", 60_000, 3660 * DAY_MS).unwrap_or(job.model_max_age_ms);
    if span.is_some() && job.frequency_ms % job.bucket_span_ms != 0 {
        let (f, b) = (words::span(job.frequency_ms), words::span(job.bucket_span_ms));
        s.wrong("frequency", format!("{f} is no multiple of the bucket span {b}"), format!("use {b} or a multiple of it"));
    }
}

fn budget(s: &Section<'_>) -> AlertBudget {
    let Some(value) = s.raw("alert_budget") else { return AlertBudget::default() };
    words::budget(value).unwrap_or_else(|| {
        s.wrong("alert_budget", format!("{} does not fit", words::shown(value)), "write it as `20 per day` (or per hour, per week)");
        AlertBudget::default()
    })
}

fn timezone(s: &Section<'_>) -> Option<chrono_tz::Tz> {
    let name = s.text("timezone")?;
    let found = name.parse().ok();
    if found.is_none() {
        let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name()).collect();
        let mend = words::suggestion(&name, &names).unwrap_or_else(|| "use an IANA name such as `Europe/Berlin` or `UTC`".into());
        s.wrong("timezone", format!("there is no time zone `{}`", words::printable_key(&name)), mend);
    }
    found
}

fn labels(s: Section<'_>) -> JobLabels {
    let text = |key| s.text(key).unwrap_or_default();
    let list = |key| s.list(key).unwrap_or_default();
    let out = JobLabels {
        entity_noun: text("entity_noun"),
        document_noun: text("document_noun"),
        category: text("category"),
        dataset: text("dataset"),
        tactic_ids: list("tactic_ids"),
        technique_ids: list("technique_ids"),
        tags: list("tags"),
    };
    for (key, ids, start) in [("tactic_ids", &out.tactic_ids, "TA"), ("technique_ids", &out.technique_ids, "T")] {
        for id in ids {
            let digits = id.strip_prefix(start).unwrap_or("");
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
                s.wrong(key, format!("`{}` is no ATT&CK id", words::printable_key(id)), format!("it begins with `{start}` and a number follows"));
            }
        }
    }
    s.done();
    out
}

fn detector_specs(s: &Section<'_>) -> Vec<DetectorSpec> {
    let Some(value) = s.raw("detectors") else { return Vec::new() };
    let Some(items) = value.as_array() else {
        s.wrong("detectors", format!("{} is no list", words::shown(value)), "write a list, such as `[robust, first_seen]`");
        return Vec::new();
    };
    let mut out: Vec<DetectorSpec> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{}[{i}]", s.path_of("detectors"));
        let (kind, options) = match item {
            Value::String(kind) => (Some(kind.clone()), Map::new()),
            Value::Object(map) => {
                let mut options = map.clone();
                (options.remove("kind").as_ref().and_then(words::text), options)
            }
            _ => (None, Map::new()),
        };
        let names = detectors::names();
        match kind {
            None => s.mistakes().add(path, "it names no detector", "write a name, or `{ kind: robust, ... }`"),
            Some(kind) if !names.contains(&kind.as_str()) => {
                let mend = words::suggestion(&kind, &names).unwrap_or_else(|| format!("there are: {}", names.join(", ")));
                s.mistakes().add(path, format!("there is no detector `{}`", words::printable_key(&kind)), mend);
            }
            Some(kind) if out.iter().any(|d| d.kind == kind) => {
                s.mistakes().add(path, format!("the detector `{kind}` stands there twice"), "keep one of them");
            }
            Some(kind) => out.push(DetectorSpec { kind, options }),
        }
    }
    out
}

/// Builds every detector once: only its builder knows its options.
fn check_detectors(path: &str, job: &Job, mistakes: &Mistakes) {
    if job.detectors.is_empty() {
        mistakes.add(format!("{path}.detectors"), "the job has no detector", format!("choose from: {}", detectors::names().join(", ")));
    }
    for (i, spec) in job.detectors.iter().enumerate() {
        let Some(part) = detectors::CATALOGUE.iter().find(|d| d.part.name == spec.kind) else { continue };
        if let Err(e) = (part.build)(job, &spec.options) {
            mistakes.add(format!("{path}.detectors[{i}]"), format!("detector `{}`: {e}", spec.kind), format!("for example: {}", part.part.example));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(typed: Value) -> Result<Job, Vec<String>> {
        let defaults = json!({ "time_field": "@timestamp", "bucket_span": "5m", "min_score": 50 });
        let mistakes = Mistakes::default();
        let around = Surroundings { defaults: &defaults, prefix: "elkhound", needs_index: true };
        let job = resolve("jobs[0]", &typed, around, &mistakes);
        let list: Vec<String> = mistakes.into_list().into_iter().map(|m| m.path).collect();
        if list.is_empty() { job.ok_or_else(Vec::new) } else { Err(list) }
    }

    #[test]
    fn typed_keys_win_over_the_preset_and_lists_can_be_added_to() {
        let job = resolved(json!({
            "id": "web", "preset": "web_access", "index": "logs-*", "min_score": 60, "labels": { "tags": ["edge"] },
            "add_features": [{ "name": "posts", "kind": "count", "filter": { "field": "http.request.method", "is": "POST" } }],
        }))
        .unwrap();
        assert_eq!((job.min_score, job.preset.as_deref(), job.labels.category.as_str()), (60.0, Some("web_access"), "web"));
        assert_eq!(job.features.last().map(|f| f.name.as_str()), Some("posts"));
        assert!(job.features.len() > 6);
        let noun = |keys: Value| {
            let mut all = json!({ "id": "w", "preset": "web_access", "index": "w-*" });
            keys.as_object().unwrap().iter().for_each(|(k, v)| all[k] = v.clone());
            resolved(all).unwrap().labels.entity_noun
        };
        let hourly = resolved(json!({ "id": "w", "preset": "web_access", "index": "w-*", "bucket_span": "1h" })).unwrap();
        assert_eq!((hourly.bucket_span_ms, hourly.frequency_ms), (3_600_000, 3_600_000), "the preset's frequency is for its own span");
        assert_eq!(noun(json!({})), "client");
        assert_eq!(noun(json!({ "entity_fields": ["user.name"] })), "user", "as a preset of these entities calls them");
        assert_eq!(noun(json!({ "entity_fields": ["source.ip", "user_agent.name"] })), "entity");
        assert_eq!(noun(json!({ "entity_fields": ["user.name"], "labels": { "entity_noun": "account" } })), "account");
        let least = |keys: Value| {
            let mut all = json!({ "id": "m", "preset": "metrics", "index": "m-*" });
            keys.as_object().unwrap().iter().for_each(|(k, v)| all[k] = v.clone());
            let job = resolved(all).unwrap();
            (job.min_score, job.min_score_rows)
        };
        assert_eq!(least(json!({})), (75.0, 57_600));
        assert_eq!(least(json!({ "min_score": 80 })), (80.0, 0), "what a job asks for itself it gets");
        assert_eq!(least(json!({ "min_score": 80, "min_score_rows": 1_000 })), (80.0, 1_000));
    }

    #[test]
    fn our_own_indices_are_never_a_source() {
        for index in ["*", "_all", "elkhound-*", "logs-*,elk*"] {
            assert_eq!(resolved(json!({ "id": "a", "preset": "web_access", "index": index })).unwrap_err(), ["jobs[0].index"], "{index}");
        }
        assert!(resolved(json!({ "id": "a", "preset": "web_access", "index": ["*", "-elkhound-*"] })).is_ok());
    }

    #[test]
    fn invariants_are_checked() {
        let wrong = |typed| resolved(typed).unwrap_err();
        assert_eq!(wrong(json!(5)), ["jobs[0]"]);
        let bad = json!({ "id": "A b", "preset": "web_acces", "index": "x", "frequency": "7m", "timezone": "Europe/Berlim", "alert_budget": "few" });
        assert_eq!(wrong(bad), ["jobs[0].alert_budget", "jobs[0].frequency", "jobs[0].id", "jobs[0].preset", "jobs[0].timezone"]);
        assert_eq!(wrong(json!({ "id": "a", "preset": "web_acces", "index": "x" })), ["jobs[0].preset"]);
        assert_eq!(
            wrong(json!({ "id": "a", "preset": "web_access", "features": [], "value_features": [], "detectors": [], "index": "x" }))[0],
            "jobs[0].features"
        );
        let labels = json!({ "id": "a", "preset": "web_access", "index": "x", "labels": { "tatic_ids": [], "technique_ids": ["x"] } });
        assert_eq!(wrong(labels), ["jobs[0].labels.tatic_ids", "jobs[0].labels.technique_ids"]);
    }
}
