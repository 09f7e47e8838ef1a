//! Whether the fields that a job reads are there, of a type that serves, and the same everywhere.

use crate::cluster::fields::{FieldReport, FieldsReport};
use crate::features::extract::FeatureSet;
use crate::model::event::FieldKind;
use crate::model::problem::counted;
use crate::model::{Filter, Job};

use super::check::{Finding, Level};

/// What a job needs a field for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A time.
    Time,
    /// A number: arithmetic, ranges.
    Number,
    /// A value as it stands: grouping, counting, comparing.
    Keyword,
    /// Only whether it matches; a text field can do that, by its words.
    Match,
}

const DATES: &[&str] = &["date", "date_nanos"];
const NUMBERS: &[&str] = &[
    "long",
    "integer",
    "short",
    "byte",
    "double",
    "float",
    "half_float",
    "scaled_float",
    "unsigned_long",
    "counted_keyword",
    "aggregate_metric_double",
];
/// Types that are told apart by how values compare; a change inside a family does no harm.
const FAMILIES: &[&[&str]] = &[DATES, NUMBERS, &["keyword", "constant_keyword", "wildcard"], &["text", "match_only_text"]];

/// Every field that a job reads, and what for; a field needed for several things stands there several times.
pub fn needs(job: &Job) -> Result<Vec<(String, Need)>, String> {
    let mut out = vec![(job.time_field.clone(), Need::Time)];
    for (name, kind) in FeatureSet::new(job)?.fields.iter() {
        out.push((name.to_owned(), if kind == FieldKind::Number { Need::Number } else { Need::Keyword }));
    }
    let specs = job.features.iter().chain(&job.value_features);
    let filters = specs.filter_map(|f| f.filter.as_ref()).chain(&job.filter);
    let mut matched: Vec<String> = Vec::new();
    filters.for_each(|f| collect(f, &mut matched));
    // What is only compared with, and by nothing grouped or counted.
    let grouped: Vec<&String> = job.entity_fields.iter().chain(job.value_features.iter().filter_map(|f| f.field.as_ref())).collect();
    let counted: Vec<&String> = job.features.iter().filter_map(|f| f.field.as_ref()).collect();
    for (name, need) in &mut out {
        if *need == Need::Keyword && matched.contains(name) && !grouped.contains(&&*name) && !counted.contains(&&*name) {
            *need = Need::Match;
        }
    }
    out.extend(matched.into_iter().map(|name| (name, Need::Match)));
    out.sort();
    out.dedup();
    // A field needed as a keyword or a number is not told again because it is matched too.
    let strict: Vec<String> = out.iter().filter(|(_, n)| matches!(n, Need::Keyword)).map(|(f, _)| f.clone()).collect();
    out.retain(|(f, n)| *n != Need::Match || !strict.contains(f));
    Ok(out)
}

/// Fields that a condition compares as text.
fn collect(filter: &Filter, out: &mut Vec<String>) {
    match filter {
        Filter::In { field, .. } | Filter::Prefix { field, .. } => out.push(field.clone()),
        Filter::All(list) | Filter::Any(list) => list.iter().for_each(|f| collect(f, out)),
        Filter::Not(inner) => collect(inner, out),
        Filter::Exists { .. } | Filter::Range { .. } => {}
    }
}

/// Fields to ask about: those needed, and the `.keyword` beside each, which many mappings have.
pub fn to_ask(needs: &[(String, Need)]) -> Vec<String> {
    let mut out: Vec<String> = needs.iter().flat_map(|(f, _)| [f.clone(), format!("{f}.keyword")]).collect();
    out.sort();
    out.dedup();
    out
}

/// What is wrong with the fields of a job, with the mend.
pub fn judge(job: &Job, needs: &[(String, Need)], report: &FieldsReport) -> Vec<Finding> {
    let nothing = FieldReport::default();
    let of = |f: &str| report.fields.get(f).unwrap_or(&nothing);
    let mut out = Vec::new();
    for (field, need) in needs {
        let has_keyword = !of(&format!("{field}.keyword")).is_missing();
        if let Some((level, text, mend)) = judge_one(field, *need, of(field), has_keyword, report.indices.len()) {
            out.push(Finding::new(level, format!("job {}", job.id), text, mend));
        }
    }
    if out.is_empty() {
        let fields = counted(needs.len() as u64, "field", "fields");
        let text = format!("as it should be: {fields} in {}", counted(report.indices.len() as u64, "index", "indices"));
        out.push(Finding::new(Level::Ok, format!("job {}", job.id), text, ""));
    }
    out
}

fn judge_one(field: &str, need: Need, has: &FieldReport, has_keyword: bool, indices: usize) -> Option<(Level, String, String)> {
    let types: Vec<&str> = has.types.keys().map(String::as_str).collect();
    let listed = types.join(" and ");
    let instead = format!("use `{field}.keyword` in the job");
    if has.is_missing() {
        let mend = if has_keyword { instead } else { "check its spelling, map it, or name the right field in the job".to_owned() };
        return Some((Level::Error, format!("field `{field}` is in no index"), mend));
    }
    let is_of = |family: &[&str]| types.iter().all(|t| family.contains(t));
    let is_text = types.iter().any(|t| matches!(*t, "text" | "match_only_text"));
    if types.len() > 1 && !FAMILIES.iter().any(|f| is_of(f)) {
        let mend = "narrow the index pattern, or reindex so that it has one type everywhere".to_owned();
        return Some((Level::Error, format!("field `{field}` clashes: it is {listed} in different indices"), mend));
    }
    match need {
        Need::Time if !is_of(DATES) => {
            Some((Level::Error, format!("time field `{field}` is {listed}, not date"), "name the right `time_field`, or map it as date".into()))
        }
        Need::Number if !is_of(NUMBERS) => Some((
            Level::Error,
            format!("field `{field}` is {listed}, a number is needed"),
            "map it as a number (long, double), or choose another field".into(),
        )),
        Need::Keyword if is_text && !has.is_aggregatable => {
            let mend = if has_keyword { instead } else { "map it as keyword, or add a keyword sub-field".to_owned() };
            Some((Level::Error, format!("field `{field}` is text only and cannot be grouped or counted"), mend))
        }
        Need::Keyword if !has.is_aggregatable => {
            Some((Level::Error, format!("field `{field}` ({listed}) cannot be grouped or counted"), "map it as keyword with doc_values".into()))
        }
        Need::Match if is_text => {
            let mend = if has_keyword { instead } else { "map it as keyword".to_owned() };
            Some((Level::Warning, format!("field `{field}` is text: a condition meets its words, not its value"), mend))
        }
        _ if !has.unmapped_in.is_empty() => {
            let n = has.unmapped_in.len();
            let text = format!(
                "field `{field}` is missing in {n} of {}, such as `{}`",
                counted(indices as u64, "index", "indices"),
                has.unmapped_in.first().map_or("", String::as_str)
            );
            Some((Level::Warning, text, "documents there are not read; narrow the index pattern if that is not meant".into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset_job;
    use serde_json::json;

    fn field(types: &[&str], aggregatable: bool) -> FieldReport {
        FieldReport {
            types: types.iter().map(|t| ((*t).to_owned(), Some(1))).collect(),
            is_aggregatable: aggregatable,
            is_searchable: true,
            unmapped_in: vec![],
        }
    }

    #[test]
    fn a_job_needs_what_its_parts_read() {
        let job = preset_job("ssh_auth", &json!({})).unwrap();
        let list = needs(&job).unwrap();
        assert!(list.contains(&("@timestamp".into(), Need::Time)) && list.contains(&("source.ip".into(), Need::Keyword)), "{list:?}");
        assert!(list.contains(&("event.outcome".into(), Need::Match)) && list.contains(&("event.category".into(), Need::Match)), "{list:?}");
        let web = needs(&preset_job("web_access", &json!({})).unwrap()).unwrap();
        assert!(web.contains(&("http.response.status_code".into(), Need::Number)), "{web:?}");
    }

    #[test]
    fn every_kind_of_misfit_has_its_words() {
        let is = |need, has: FieldReport, keyword| judge_one("f", need, &has, keyword, 3).map(|(l, text, mend)| (l, format!("{text}; {mend}")));
        assert_eq!(is(Need::Keyword, field(&["keyword"], true), false), None);
        assert_eq!(is(Need::Number, field(&["long", "float"], true), false), None);
        let told = |need, has, keyword, level, words: &str| {
            let (l, text) = is(need, has, keyword).unwrap();
            assert!(l == level && text.contains(words), "{text}");
        };
        told(Need::Keyword, FieldReport::default(), false, Level::Error, "in no index; check its spelling");
        told(Need::Keyword, FieldReport::default(), true, Level::Error, "use `f.keyword`");
        told(Need::Keyword, field(&["text"], false), true, Level::Error, "text only and cannot be grouped or counted; use `f.keyword`");
        told(Need::Keyword, field(&["ip", "keyword"], true), false, Level::Error, "clashes: it is ip and keyword");
        told(Need::Time, field(&["keyword"], true), false, Level::Error, "not date");
        told(Need::Number, field(&["keyword"], true), false, Level::Error, "a number is needed");
        told(Need::Match, field(&["text"], false), false, Level::Warning, "meets its words");
        let mut partly = field(&["keyword"], true);
        partly.unmapped_in = vec!["old".into()];
        told(Need::Keyword, partly, false, Level::Warning, "missing in 1 of 3 indices, such as `old`");
    }
}
