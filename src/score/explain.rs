//! The plain sentence: entity, feature, actual, typical, span, since when.

use crate::model::anomaly::{OTHER_ENTITIES, SEVERAL_FEATURES};
use crate::model::figure::{number, with_decimals};
use crate::model::time::{is_timeless, iso};
use crate::model::{Contributor, Job};

/// Features named of several that are surprising only together.
const MOST_TOLD_OF_SEVERAL: usize = 3;

/// What a sentence is made of.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'a> {
    /// The job.
    pub job: &'a Job,
    /// Entity key as text.
    pub entity: &'a str,
    /// Strongest first.
    pub contributors: &'a [Contributor],
    /// Bucket start, milliseconds of the epoch.
    pub start_ms: i64,
    /// Bucket width, milliseconds.
    pub span_ms: i64,
    /// When the run of anomalies began, milliseconds of the epoch.
    pub since_ms: i64,
    /// True when the entity was silent.
    pub imputed: bool,
    /// Since when it shows nothing, milliseconds of the epoch, where that is known.
    pub silent_since_ms: Option<i64>,
}

/// At most `max` contributors, strongest first, whose shares still sum to the same: the mildest are taken together as one,
/// and what adds nothing is left out, unless nothing adds anything.
pub fn strongest(mut list: Vec<Contributor>, max: usize) -> Vec<Contributor> {
    if list.iter().any(|c| c.surprise > 0.0) && !list.iter().any(|c| c.feature == SEVERAL_FEATURES) {
        list.retain(|c| c.surprise > 0.0);
    }
    if list.len() > max {
        let rest = list.split_off(max.saturating_sub(1));
        let surprise = rest.iter().map(|c| c.surprise).sum();
        let title = format!("{} others", rest.len());
        list.push(Contributor { title, ..Contributor::new("others", f64::NAN, f64::NAN, surprise, "together") });
    }
    list
}

/// Short and stable: becomes the name of the alert. Names job and feature, not the entity.
pub fn message(f: &Finding<'_>) -> String {
    match own(f.contributors).next() {
        _ if f.imputed => format!("{}: {} went silent", f.job.id, noun(f.job)),
        Some(c) => format!("{}: unusual {} of a {}", f.job.id, c.title, noun(f.job)),
        None => format!("{}: unusual {}", f.job.id, noun(f.job)),
    }
}

/// One plain sentence.
pub fn reason(f: &Finding<'_>) -> String {
    let who = format!("{} {}", capitalised(noun(f.job)), f.entity);
    let has_time = !is_timeless(f.job.preset.as_deref(), f.start_ms);
    let when = if has_time { span_text(f.start_ms, f.span_ms) } else { String::new() };
    if f.contributors.is_empty() {
        return format!("{who} was unusual {when}.").replace(" .", ".");
    }
    let told = if f.imputed { usually } else { values };
    let facts = own_facts(f, told).into_iter().chain(others(f)).collect::<Vec<_>>().join("; ");
    let mut out = match (f.imputed, has_time) {
        (true, _) => format!("{who} was silent {when}: {}; {facts}", nothing(f)),
        (false, true) => format!("{who}, {when}: {facts}"),
        (false, false) => format!("{who}: {facts}"),
    };
    if f.since_ms < f.start_ms && has_time && !f.imputed {
        out.push_str(&format!("; since {}", clock(f.since_ms)));
    }
    out.push('.');
    out
}

fn noun(job: &Job) -> &str {
    if job.labels.entity_noun.is_empty() { "entity" } else { &job.labels.entity_noun }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// What the entity shows itself, strongest first.
fn own(contributors: &[Contributor]) -> impl Iterator<Item = &Contributor> {
    contributors.iter().filter(|c| c.feature != OTHER_ENTITIES)
}

/// The strongest that the entity shows; of several features that are surprising only together, the first.
fn own_facts(f: &Finding<'_>, told: impl Fn(&Contributor) -> String) -> Vec<String> {
    if let Some((several, each)) = f.contributors.split_first().filter(|(first, _)| first.feature == SEVERAL_FEATURES) {
        let more = each.len().saturating_sub(MOST_TOLD_OF_SEVERAL);
        let rest = (more > 0).then(|| format!("and {more} more"));
        let end = format!("unusual {}", several.reference);
        return each.iter().take(MOST_TOLD_OF_SEVERAL).map(told).chain(rest).chain([end]).collect();
    }
    let least = own(f.contributors).next().map_or(0.0, |first| 0.25 * first.surprise);
    own(f.contributors).take(2).filter(|c| c.surprise >= least).map(told).collect()
}

/// What other entities show, and whether that says more than what this one shows.
fn others(f: &Finding<'_>) -> Option<String> {
    let c = f.contributors.iter().find(|c| c.feature == OTHER_ENTITIES)?;
    let rest: f64 = own(f.contributors).map(|c| c.surprise).sum();
    let counts = if c.surprise > rest { ", which says more than its own values" } else { "" };
    Some(format!("at about that time {} {} stands out{counts}", noun(f.job), c.title))
}

/// What a silent entity does not show, and since when.
fn nothing(f: &Finding<'_>) -> String {
    let what = if f.job.labels.document_noun.is_empty() { "documents" } else { &f.job.labels.document_noun };
    f.silent_since_ms.map_or_else(|| format!("no {what}"), |since| format!("no {what} since {}", clock(since)))
}

/// What a silent entity shows when it is there.
fn usually(c: &Contributor) -> String {
    if !c.typical.is_finite() {
        return c.reference.clone();
    }
    let range = if holds_typical(c) { format!(", {} to {}", number(c.lower), number(c.upper)) } else { String::new() };
    format!("usually {} {} ({}{range})", c.words(), number(c.typical), c.reference)
}

fn holds_typical(c: &Contributor) -> bool {
    c.lower <= c.typical && c.typical <= c.upper && c.upper.is_finite() && c.lower.is_finite()
}

/// What was seen, what is typical, and the usual range where it says something against the value: a range that holds the value would
/// contradict the finding, and it is then the words of the reference that say what is strange.
fn values(c: &Contributor) -> String {
    let range = holds_typical(c) && !(c.lower..=c.upper).contains(&c.actual);
    let others = [c.typical, c.lower, c.upper];
    let decimals = told_apart(c.actual, others.get(..if range { 3 } else { 1 }).unwrap_or_default());
    let shown = |x: f64| decimals.map_or_else(|| number(x), |d| with_decimals(x, d));
    let (title, actual) = (c.words(), shown(c.actual));
    // A value of a keyword feature, such as status 401: two numbers side by side would read as one.
    let seen = if c.feature.contains('=') { format!("{actual} x {title}") } else { format!("{title} {actual}") };
    if !c.typical.is_finite() {
        return format!("{seen} ({})", c.reference);
    }
    let range = if range { format!(", usually {} to {}", shown(c.lower), shown(c.upper)) } else { String::new() };
    format!("{seen}, typical {}{range} ({})", shown(c.typical), c.reference)
}

/// Decimals at which what was seen does not look like one of the others; `None` where it does not anyway.
fn told_apart(actual: f64, others: &[f64]) -> Option<usize> {
    let is_apart = |show: &dyn Fn(f64) -> String| others.iter().all(|x| *x == actual || show(*x) != show(actual));
    if !actual.is_finite() || !others.iter().all(|x| x.is_finite()) || is_apart(&number) {
        return None;
    }
    (0..=12).find(|&d| is_apart(&|x| with_decimals(x, d)))
}

fn span_text(start_ms: i64, span_ms: i64) -> String {
    format!("{} to {} UTC", clock(start_ms), iso(start_ms.saturating_add(span_ms)).get(11..16).unwrap_or(""))
}

fn clock(t_ms: i64) -> String {
    let text = iso(t_ms);
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::JobLabels;

    #[test]
    fn the_mildest_are_taken_together_and_the_sum_stays() {
        let c = |surprise: f64| Contributor {
            feature: format!("f{surprise}"),
            title: String::new(),
            actual: 1.0,
            typical: 0.0,
            lower: 0.0,
            upper: 0.0,
            surprise,
            reference: String::new(),
        };
        let short = |l: Vec<Contributor>| l.into_iter().map(|c| (c.feature, c.surprise)).collect::<Vec<_>>();
        let all = || vec![c(4.0), c(3.0), c(2.0), c(1.0), c(0.0)];
        assert_eq!(short(strongest(all(), 3)), [("f4".into(), 4.0), ("f3".into(), 3.0), ("others".into(), 3.0)]);
        assert_eq!(strongest(all(), 3)[2].title, "2 others");
        assert_eq!(strongest(all(), 4).len(), 4, "what adds nothing takes no place");
        assert_eq!(short(strongest(vec![c(0.0)], 3)), [("f0".into(), 0.0)]);
        assert!(strongest(Vec::new(), 0).is_empty());
    }

    #[test]
    fn the_sentence_names_entity_feature_both_values_span_and_since_when() {
        let job = Job { id: "web".into(), labels: JobLabels { entity_noun: "client".into(), ..JobLabels::default() }, ..Job::default() };
        let c = Contributor {
            feature: "status_4xx_count".into(),
            title: "4xx responses".into(),
            actual: 512.0,
            typical: 3.25,
            lower: 0.0,
            upper: 9.0,
            surprise: 6.0,
            reference: "own history".into(),
        };
        let f = Finding {
            job: &job,
            entity: "10.0.0.9",
            contributors: &[c],
            start_ms: 1_767_225_600_000,
            span_ms: 300_000,
            since_ms: 1_767_225_300_000,
            imputed: false,
            silent_since_ms: None,
        };
        assert_eq!(message(&f), "web: unusual 4xx responses of a client");
        assert_eq!(
            reason(&f),
            "Client 10.0.0.9, 2026-01-01 00:00 to 00:05 UTC: 4xx responses 512, typical 3.25, usually 0 to 9 (own history); since 2025-12-31 23:55."
        );
        let silent = Finding { imputed: true, silent_since_ms: Some(1_767_225_600_000), ..f };
        assert_eq!(
            reason(&silent),
            "Client 10.0.0.9 was silent 2026-01-01 00:00 to 00:05 UTC: no documents since 2026-01-01 00:00; usually 4xx responses 3.25 (own history, 0 to 9)."
        );
        let value = Contributor { feature: "rules=7".into(), title: "rule 7".into(), surprise: 1.0, ..f.contributors[0].clone() };
        let others = Contributor { title: "10.0.0.1".into(), ..Contributor::new(OTHER_ENTITIES, 9.0, 1.0, 2.5, "other entities") };
        let doubtful = Finding { contributors: &[others.clone(), value], ..f };
        assert_eq!(message(&doubtful), "web: unusual rule 7 of a client");
        let said = "512 x rule 7, typical 3.25, usually 0 to 9 (own history); at about that time client 10.0.0.1 stands out, which says more than its own values";
        assert!(reason(&doubtful).contains(said), "{}", reason(&doubtful));
        assert!(reason(&Finding { contributors: &[others], ..f }).contains("UTC: at about that time client 10.0.0.1 stands out"));
        let table = Job { preset: Some("table".into()), labels: JobLabels { entity_noun: "row".into(), ..JobLabels::default() }, ..Job::default() };
        let row = Finding { job: &table, entity: "20", start_ms: 86_400_000, since_ms: 0, ..f };
        assert_eq!(reason(&row), "Row 20: 4xx responses 512, typical 3.25, usually 0 to 9 (own history).");
        assert_eq!(reason(&Finding { contributors: &[], ..row }), "Row 20 was unusual.");
        let each = |n: usize| (0..n).map(|i| Contributor::new(["a", "b", "c", "d", "e"][i], 5.0, i as f64, 0.0, "past rows")).collect();
        let several = Contributor::of_several(each(2), 3.0);
        assert_eq!(strongest(several.clone(), 8).len(), 3, "features without a part of their own are still told");
        let several = Finding { contributors: &several, ..row };
        assert_eq!(message(&several), "job: unusual a and b together of a row");
        assert_eq!(reason(&several), "Row 20: a 5, typical 0 (past rows); b 5, typical 1 (past rows); unusual only together.");
        let many = Contributor::of_several(each(5), 3.0);
        assert_eq!(many[0].title, "a, b, c and 2 more together");
        let said = reason(&Finding { contributors: &many, ..row });
        assert!(said.ends_with("; c 5, typical 2 (past rows); and 2 more; unusual only together."), "{said}");
    }

    #[test]
    fn a_sentence_does_not_contradict_itself() {
        let c = |actual: f64, typical: f64, lower: f64, upper: f64| Contributor {
            lower,
            upper,
            ..Contributor::new("value", actual, typical, 1.0, "own history")
        };
        for (contributor, said) in [
            (c(8.0, 5.0, 1.0, 9.0), "value 8, typical 5 (own history)"),
            (c(8.0, 9.5, 1.0, 7.0), "value 8, typical 9.5 (own history)"),
            (c(8.0, 5.0, f64::NAN, 7.0), "value 8, typical 5 (own history)"),
            (c(8.0, 5.0, 1.0, 7.0), "value 8, typical 5, usually 1 to 7 (own history)"),
            (c(100.31, 100.29, f64::NAN, f64::NAN), "value 100.31, typical 100.29 (own history)"),
            (c(187.6, 20.0, 12.04, 187.5), "value 187.6, typical 20.0, usually 12.0 to 187.5 (own history)"),
            (c(8.0, f64::NAN, 1.0, 7.0), "value 8 (own history)"),
            (c(f64::NAN, 5.0, 1.0, 7.0), "value absent, typical 5, usually 1 to 7 (own history)"),
        ] {
            assert_eq!(values(&contributor), said);
        }
        assert_eq!(usually(&c(0.0, 9.5, 1.0, 7.0)), "usually value 9.5 (own history)");
    }
}
