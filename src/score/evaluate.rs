//! Judged rows against labels: precision, recall, alarms a day, time to detect, over thresholds.
//!
//! Counting is by events, as people count: rows of one entity above the threshold that follow each other within the quiet
//! period are one alarm; a labelled event is found when an alarm of its entity overlaps it. What any other alarm is depends on
//! what is known: false where the labels are complete; where people looked at some alarms only, false if they said so and
//! else unjudged, which counts neither way.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Window;
use crate::model::time::DAY_MS;

/// One judged row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// Entity key.
    pub entity: String,
    /// Bucket start, milliseconds of the epoch.
    pub start_ms: i64,
    /// Bucket width, milliseconds.
    pub span_ms: i64,
    /// Score 0-100.
    pub score: f64,
}

/// A labelled event: something that happened to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Entity key; empty: any entity.
    pub entity: String,
    /// First instant inside, milliseconds of the epoch.
    pub start_ms: i64,
    /// First instant outside, milliseconds of the epoch.
    pub end_ms: i64,
}

/// What is known of the past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// What happened.
    pub events: Vec<Label>,
    /// What looked like an event and was none, where that is known case by case; `None`: the events are complete, and all
    /// else is none.
    pub harmless: Option<Vec<Label>>,
}

/// What an alarm turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// About a labelled event.
    True,
    /// About none.
    False,
    /// Nobody said.
    Unjudged,
}

impl Truth {
    /// What an alarm of an entity was.
    pub fn verdict(&self, entity: &str, start_ms: i64, end_ms: i64) -> Verdict {
        let about = |labels: &[Label]| labels.iter().any(|l| l.is_touched(entity, start_ms, end_ms));
        match &self.harmless {
            _ if about(&self.events) => Verdict::True,
            Some(harmless) if !about(harmless) => Verdict::Unjudged,
            _ => Verdict::False,
        }
    }
}

impl Label {
    /// True when something of an entity and time is about this event.
    pub fn is_touched(&self, entity: &str, start_ms: i64, end_ms: i64) -> bool {
        (self.entity.is_empty() || self.entity == entity) && start_ms < self.end_ms && end_ms > self.start_ms
    }
}

/// Figures at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Rows count from this score on.
    pub threshold: f64,
    /// Alarms: runs of rows of one entity.
    pub alarms: usize,
    /// Alarms that overlap a labelled event.
    pub true_alarms: usize,
    /// Alarms of which nobody said what they were.
    pub unjudged: usize,
    /// Labelled events that were found.
    pub found: usize,
    /// Labelled events inside the judged time.
    pub events: usize,
    /// Share of judged alarms that are true; `NaN` without any, and without events.
    pub precision: f64,
    /// Share of events that were found; `NaN` without events.
    pub recall: f64,
    /// Alarms per day of judged time.
    pub alarms_per_day: f64,
    /// Median time from the beginning of an event to the end of the first bucket that shows it, minutes; `NaN` without any.
    pub minutes_to_detect: f64,
}

/// Labels that lie outside the judged time, or end before they begin: reported, not counted as missed.
pub fn outside(judged: Window, labels: &[Label]) -> usize {
    labels.iter().filter(|l| !is_inside(judged, l)).count()
}

fn is_inside(judged: Window, l: &Label) -> bool {
    l.end_ms > judged.start_ms && l.start_ms < judged.end_ms && l.end_ms > l.start_ms
}

/// One run of rows of one entity.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    start_ms: i64,
    end_ms: i64,
    first_end_ms: i64,
    peak_ms: i64,
    score: f64,
}

/// An alarm: rows of one entity that follow each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarm {
    /// Entity key.
    pub entity: String,
    /// Start of its first bucket, milliseconds of the epoch.
    pub start_ms: i64,
    /// End of its last bucket.
    pub end_ms: i64,
    /// Largest score.
    pub score: f64,
    /// Start of the bucket with that score.
    pub peak_ms: i64,
    /// What was said about that bucket, where it is known.
    pub why: String,
}

impl Alarm {
    /// True when it is about a labelled event.
    pub fn is_of(&self, label: &Label) -> bool {
        label.is_touched(&self.entity, self.start_ms, self.end_ms)
    }

    /// True when both say the same of the same time.
    pub fn is_like(&self, other: &Self) -> bool {
        self.entity == other.entity && self.start_ms < other.end_ms && self.end_ms > other.start_ms
    }
}

/// The alarms that rows from a threshold on make, strongest first.
pub fn alarms_of(rows: &[Judged], threshold: f64, quiet_ms: i64) -> Vec<Alarm> {
    let by_entity = alarms(rows, threshold, quiet_ms).into_iter();
    let mut all: Vec<Alarm> = by_entity
        .flat_map(|(entity, runs)| {
            runs.into_iter().map(|r| Alarm {
                entity: entity.to_owned(),
                start_ms: r.start_ms,
                end_ms: r.end_ms,
                score: r.score,
                peak_ms: r.peak_ms,
                why: String::new(),
            })
        })
        .collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| (a.start_ms, &a.entity).cmp(&(b.start_ms, &b.entity))));
    all
}

/// Labelled events inside the judged time that no alarm is about.
pub fn missed<'a>(alarms: &[Alarm], judged: Window, labels: &'a [Label]) -> Vec<&'a Label> {
    labels.iter().filter(|l| is_inside(judged, l) && !alarms.iter().any(|a| a.is_of(l))).collect()
}

fn alarms(rows: &[Judged], threshold: f64, quiet_ms: i64) -> BTreeMap<&str, Vec<Run>> {
    let mut by_entity: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for r in rows.iter().filter(|r| r.score >= threshold) {
        by_entity.entry(&r.entity).or_default().push(r);
    }
    by_entity
        .into_iter()
        .map(|(entity, mut rows)| {
            rows.sort_by_key(|r| r.start_ms);
            let mut runs: Vec<Run> = Vec::new();
            for r in rows {
                let end_ms = r.start_ms.saturating_add(r.span_ms);
                match runs.last_mut() {
                    Some(last) if r.start_ms <= last.end_ms.saturating_add(quiet_ms) => {
                        last.end_ms = last.end_ms.max(end_ms);
                        if r.score > last.score {
                            (last.score, last.peak_ms) = (r.score, r.start_ms);
                        }
                    }
                    _ => runs.push(Run { start_ms: r.start_ms, end_ms, first_end_ms: end_ms, peak_ms: r.start_ms, score: r.score }),
                }
            }
            (entity, runs)
        })
        .collect()
}

/// Figures at each threshold over the judged time; rows of one entity within `quiet_ms` of each other are one alarm.
pub fn evaluate(rows: &[Judged], judged: Window, truth: &Truth, thresholds: &[f64], quiet_ms: i64) -> Vec<Figures> {
    let inside: Vec<&Label> = truth.events.iter().filter(|l| is_inside(judged, l)).collect();
    let days = (judged.len_ms() as f64 / DAY_MS as f64).max(f64::MIN_POSITIVE);
    thresholds.iter().map(|&t| figures(&alarms(rows, t, quiet_ms), truth, &inside, t, days)).collect()
}

fn figures(alarms: &BTreeMap<&str, Vec<Run>>, truth: &Truth, labels: &[&Label], threshold: f64, days: f64) -> Figures {
    let (mut count, mut true_alarms, mut unjudged) = (0, 0, 0);
    let mut delays: BTreeMap<usize, f64> = BTreeMap::new();
    for (entity, runs) in alarms {
        for a in runs {
            count += 1;
            match truth.verdict(entity, a.start_ms, a.end_ms) {
                Verdict::True => true_alarms += 1,
                Verdict::Unjudged => unjudged += 1,
                Verdict::False => {}
            }
            for i in (0..labels.len()).filter(|&i| labels[i].is_touched(entity, a.start_ms, a.end_ms)) {
                // An alarm that was on before the event began shows it in its first minute at the latest.
                let delay = (a.first_end_ms - labels[i].start_ms).max(0) as f64 / 60_000.0;
                let best = delays.entry(i).or_insert(delay);
                *best = best.min(delay);
            }
        }
    }
    // Where no event is inside the judged time, nobody knows what an alarm was.
    let is_known = !labels.is_empty() || truth.harmless.is_some();
    let share = |part: usize, whole: usize| if whole == 0 { f64::NAN } else { part as f64 / whole as f64 };
    let mut sorted: Vec<f64> = delays.values().copied().collect();
    sorted.sort_by(f64::total_cmp);
    Figures {
        threshold,
        alarms: count,
        true_alarms,
        unjudged,
        found: delays.len(),
        events: labels.len(),
        precision: if is_known { share(true_alarms, count - unjudged) } else { f64::NAN },
        recall: share(delays.len(), labels.len()),
        alarms_per_day: count as f64 / days,
        minutes_to_detect: median(&sorted),
    }
}

/// The median of ascending numbers, of an even count the mean of the middle two; `NaN` of none.
fn median(sorted: &[f64]) -> f64 {
    let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    (at(sorted.len().saturating_sub(1) / 2) + at(sorted.len() / 2)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(entity: &str, start: i64, score: f64) -> Judged {
        Judged { entity: entity.into(), start_ms: start * 60_000, span_ms: 60_000, score }
    }

    fn label(entity: &str, start: i64, end: i64) -> Label {
        Label { entity: entity.into(), start_ms: start * 60_000, end_ms: end * 60_000 }
    }

    #[test]
    fn alarms_and_events_are_counted_as_people_count() {
        let mut rows: Vec<Judged> = (0..1_440).map(|i| row("a", i, 1.0)).collect();
        rows.extend([row("b", 100, 80.0), row("b", 101, 90.0), row("b", 500, 60.0), row("c", 10, 95.0)]);
        let labels = [label("b", 99, 103), label("c", 700, 710), label("a", 5_000, 5_001)];
        let day = Window::new(0, DAY_MS);
        let truth = Truth { events: labels.to_vec(), harmless: None };
        let f = evaluate(&rows, day, &truth, &[50.0, 85.0], 0);
        assert_eq!((f[0].alarms, f[0].true_alarms, f[0].found, f[0].events), (3, 1, 1, 2));
        assert_eq!((f[0].recall, f[0].alarms_per_day, f[0].minutes_to_detect), (0.5, 3.0, 2.0));
        assert_eq!((f[1].alarms, f[1].precision), (2, 0.5));
        assert_eq!(outside(day, &labels), 1);
        let alarms = alarms_of(&rows, 50.0, 0);
        let what: Vec<_> = alarms.iter().map(|a| (a.entity.as_str(), a.start_ms / 60_000, a.end_ms / 60_000, a.score)).collect();
        assert_eq!(what, [("c", 10, 11, 95.0), ("b", 100, 102, 90.0), ("b", 500, 501, 60.0)]);
        assert_eq!(missed(&alarms, day, &labels), [&labels[1]]);
        assert!(alarms[1].is_like(&alarms[1]) && !alarms[1].is_like(&alarms[2]));
    }

    #[test]
    fn alarms_that_nobody_judged_count_neither_way() {
        let rows = [row("a", 10, 90.0), row("b", 10, 80.0), row("b", 12, 95.0), row("c", 10, 70.0)];
        let truth = Truth { events: vec![label("a", 10, 11)], harmless: Some(vec![label("b", 12, 13)]) };
        let f = evaluate(&rows, Window::new(0, DAY_MS), &truth, &[50.0], 60_000)[0];
        assert_eq!((f.alarms, f.true_alarms, f.unjudged, f.precision, f.recall), (3, 1, 1, 0.5, 1.0));
        assert_eq!(truth.verdict("c", 0, DAY_MS), Verdict::Unjudged);
        assert_eq!(alarms_of(&rows, 50.0, 60_000)[0].peak_ms, 12 * 60_000);
    }

    #[test]
    fn labels_outside_the_judged_time_say_nothing_of_alarms() {
        let truth = Truth { events: vec![label("a", 5_000, 5_001)], harmless: None };
        let f = evaluate(&[row("a", 10, 90.0)], Window::new(0, DAY_MS), &truth, &[50.0], 0)[0];
        assert!(f.alarms == 1 && f.precision.is_nan() && f.recall.is_nan(), "{f:?}");
    }

    #[test]
    fn nothing_to_count_is_no_number() {
        let f = evaluate(&[], Window::new(0, 0), &Truth::default(), &[50.0], 0);
        assert!(f[0].precision.is_nan() && f[0].recall.is_nan() && f[0].minutes_to_detect.is_nan());
        assert_eq!(f[0].alarms, 0);
    }
}
