//! Every feature of every entity against its own habits, robustly: level, season, other features, memory, flat lines.
//!
//! For each feature the difference to what is usual at this time of day and week, on a scale where spreads are alike (`scale`), is
//! standardised by the entity's own spread and looked at in seven ways: alone, against the other features (`relation`), both over an hour and over
//! some hours, and as a run of equal values (`judge`). Each way has a tail that the entity teaches (`tail`), so that who bursts
//! every day does not alarm. The best way of a feature counts, and the features' tail probabilities are joined (harmonic mean). Measured on synthetic entities in `tests/bench/quality`.
//!
//! Rows that look bad are not learned, but the first buckets of an event are shown to the tails and the daily profile; a change that lasts
//! (a day, or half of the known past) becomes the new normal, so that alarms about it end. Memory: 170 bytes per entity and feature, and
//! 340 more once the entity has a day of history (buckets of five minutes; fewer cells where they are longer).

mod explain;
mod judge;
mod panel;
mod relation;
mod scale;
mod season;
mod tail;
mod track;

use chrono_tz::Tz;
use serde::Deserialize;

use super::{Detector, DetectorPart, Options, pack, parse_options, unpack};
use crate::math::normal::{agreed, best_of};
use crate::model::{BucketView, Contributor, Direction, Job, Part, Slot};
use judge::{MAX, Row, STATISTICS};
use panel::{Lesson, Panel};

/// Catalogue entry.
pub const PART: DetectorPart = DetectorPart {
    part: Part {
        name: "robust",
        description: "Each feature against the entity's own habits: level, hour and weekday, other features, slow drifts, flat lines.",
        example: "kind: robust",
    },
    build,
};

const SNAPSHOT_VERSION: u8 = 1;
/// Surprise from which a row is hardly learned; full weight up to two less.
const BAD: f64 = 5.0;
/// Surprise from which a row is not learned at all, whoever reports it: once in a million.
const REFUSED: f64 = 6.0;
/// Least weight of a row that is learned: what goes on for very long has to win in the end.
const LEAST_TRUST: f64 = 0.02;

/// Options of the detector.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RobustOptions {
    /// Buckets an entity must have been learned in before its own habits say anything; until then its peers do.
    min_buckets: u16,
    /// Only these features; all when none is named.
    features: Vec<String>,
    /// Buckets in a row after which a changed level is the new normal; a day (24 to 288 buckets) without it.
    adapt_buckets: Option<u16>,
}

impl Default for RobustOptions {
    /// Two dozen buckets: a short history knows too little of its own spread to call anything rare.
    fn default() -> Self {
        Self { min_buckets: 24, features: Vec::new(), adapt_buckets: None }
    }
}

struct Robust {
    min_buckets: f32,
    /// Columns of the bucket that are looked at, their names, and what they are called in sentences.
    columns: Vec<usize>,
    names: Vec<String>,
    titles: Vec<String>,
    timezone: Tz,
    panels: Vec<Panel>,
}

fn build(job: &Job, options: &Options) -> Result<Box<dyn Detector>, String> {
    let options: RobustOptions = parse_options(options)?;
    if let Some(unknown) = options.features.iter().find(|name| job.features.iter().all(|f| f.name != **name)) {
        return Err(format!("the job has no feature `{unknown}`"));
    }
    let columns: Vec<usize> =
        (0..job.features.len()).filter(|&i| options.features.is_empty() || options.features.contains(&job.features[i].name)).collect();
    let directions: Vec<Direction> = columns.iter().map(|&i| job.features[i].direction).collect();
    Ok(Box::new(Robust {
        min_buckets: f32::from(options.min_buckets),
        names: columns.iter().map(|&i| job.features[i].name.clone()).collect(),
        titles: columns.iter().map(|&i| job.features[i].words()).collect(),
        columns,
        timezone: job.timezone,
        panels: directions.chunks(MAX).map(|d| Panel::new(d, job.bucket_span_ms, options.adapt_buckets)).collect(),
    }))
}

/// One row, judged: one part per panel, and the surprise of it all.
struct Judged {
    panels: Vec<Row>,
    surprise: f64,
}

impl Robust {
    /// Minute of the week in the job's time zone.
    fn minute_of_week(&self, view: &BucketView<'_>) -> u32 {
        use chrono::{TimeZone, Timelike};
        let local = self.timezone.timestamp_millis_opt(view.bucket.start_ms).single();
        view.hour_of_week * 60 + local.map_or(0, |t| t.minute())
    }

    /// The values of one panel's features in one row.
    fn values(&self, view: &BucketView<'_>, panel: usize, row: usize) -> [f64; MAX] {
        let mut values = [f64::NAN; MAX];
        for (value, &column) in values.iter_mut().zip(self.columns.iter().skip(panel * MAX)) {
            *value = view.bucket.value(column, row);
        }
        values
    }

    fn judge(&self, view: &BucketView<'_>, row: usize, slot: usize, minute: u32) -> Judged {
        let mut panels = Vec::with_capacity(self.panels.len());
        for (i, panel) in self.panels.iter().enumerate() {
            let judged = panel.judge(slot, &self.values(view, i, row), panel.season.moment(minute));
            panels.push(judged);
        }
        let known = panels.iter().flat_map(|p: &Row| &p.features).filter(|j| j.is_known);
        // One way of seven is the best of a feature; features that agree say more than one of them.
        let tests = self.names.len() * (STATISTICS + 1);
        let surprise = best_of(agreed(known.map(|j| f64::from(j.surprise))), tests as f64);
        Judged { panels, surprise }
    }
}

impl Detector for Robust {
    fn name(&self) -> &'static str {
        PART.part.name
    }

    fn score(&self, view: &BucketView<'_>) -> Vec<f64> {
        let minute = self.minute_of_week(view);
        let known = |slot: &usize| self.panels.first().and_then(|p| p.entities.get(*slot)).is_some_and(|e| e.seen >= self.min_buckets);
        (0..view.rows()).map(|row| view.slot(row).filter(known).map_or(0.0, |slot| self.judge(view, row, slot, minute).surprise)).collect()
    }

    fn learn(&mut self, view: &BucketView<'_>, weights: &[f64]) {
        let minute = self.minute_of_week(view);
        let slots = view.table.capacity();
        for (i, panel) in self.panels.iter_mut().enumerate() {
            let columns = self.columns.iter().skip(i * MAX).filter_map(|&c| view.bucket.columns.get(c).map(Vec::as_slice));
            panel.prepare(slots, &columns.collect::<Vec<_>>());
        }
        for row in 0..view.rows() {
            let (Some(slot), Some(&weight)) = (view.slot(row), weights.get(row)) else { continue };
            let judged = self.judge(view, row, slot, minute);
            let own = ((BAD - judged.surprise) / 2.0).clamp(LEAST_TRUST, 1.0);
            let keep = weight > 0.0 && judged.surprise < REFUSED;
            let values: Vec<[f64; MAX]> = (0..self.panels.len()).map(|i| self.values(view, i, row)).collect();
            for ((panel, judged), values) in self.panels.iter_mut().zip(&judged.panels).zip(&values) {
                let moment = panel.season.moment(minute);
                let seed = view.bucket.start_ms as u64;
                let lesson = Lesson { moment, trust: (own * weight.clamp(0.0, 1.0)) as f32, keep, is_silent: view.is_imputed(row), seed };
                panel.learn(slot, values, judged, &lesson);
            }
        }
        self.panels.iter_mut().for_each(Panel::finish);
    }

    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let Some(slot) = view.slot(row) else { return Vec::new() };
        let judged = self.judge(view, row, slot, self.minute_of_week(view));
        let mut out = Vec::new();
        for (i, (panel, row_judged)) in self.panels.iter().zip(&judged.panels).enumerate() {
            let values = self.values(view, i, row);
            for share in panel.explain(slot, row_judged, view.is_imputed(row)) {
                let (Some(name), Some(&actual)) = (self.names.get(i * MAX + share.feature), values.get(share.feature)) else { continue };
                let seen = share.remembered.unwrap_or(actual);
                let other = |g: usize| self.titles.get(i * MAX + g).cloned().unwrap_or_default();
                let words = share.words(other, |g| values.get(g).copied().unwrap_or(f64::NAN));
                let base = Contributor::new(name, seen, share.typical, share.weight, &words);
                out.push(Contributor { lower: share.lower, upper: share.upper, ..base });
            }
        }
        // What was as usual is no reason, whatever a run of such values adds.
        out.retain(|c| c.actual != c.typical);
        let total: f64 = out.iter().map(|c| c.surprise).sum();
        out.iter_mut().for_each(|c| c.surprise *= if total > 0.0 { judged.surprise / total } else { 0.0 });
        out.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then_with(|| a.feature.cmp(&b.feature)));
        out
    }

    fn confidence(&self, view: &BucketView<'_>, row: usize) -> f64 {
        let Some(slot) = view.slot(row) else { return 0.0 };
        self.panels.iter().map(|p| p.confidence(slot)).fold(0.0, f64::max)
    }

    fn forget(&mut self, slots: &[Slot]) {
        for &slot in slots {
            self.panels.iter_mut().for_each(|p| p.forget(slot as usize));
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        pack(SNAPSHOT_VERSION, &self.panels)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.panels = unpack(SNAPSHOT_VERSION, bytes)?;
        Ok(())
    }

    /// The tails are the entity's own.
    fn is_calibrated(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
