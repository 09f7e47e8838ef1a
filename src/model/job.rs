//! A job: what to watch, as resolved from configuration; every field is valid.

use serde::{Deserialize, Serialize};

use super::Filter;

/// One configured unit of work: an index, an entity, features, detectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Unique name; part of every document id.
    pub id: String,
    /// Preset it came from, if any.
    pub preset: Option<String>,
    /// Index pattern that it reads (unused for files).
    pub index: String,
    /// Extra condition on the documents.
    pub filter: Option<Filter>,
    /// Field that holds the time.
    pub time_field: String,
    /// Fields whose values make the entity key; empty: one entity for everything.
    pub entity_fields: Vec<String>,
    /// Width of a bucket, milliseconds.
    pub bucket_span_ms: i64,
    /// How often it polls, milliseconds: a multiple of the bucket span.
    pub frequency_ms: i64,
    /// How long it waits for late logs, milliseconds.
    pub window_delay_ms: i64,
    /// How long late logs still count, milliseconds.
    pub allowed_lateness_ms: i64,
    /// How far back a first run begins, milliseconds: history that makes the first window useful.
    pub lookback_ms: i64,
    /// A model that has learned nothing for longer than this is over age, milliseconds.
    pub model_max_age_ms: i64,
    /// Numeric features, one column each.
    pub features: Vec<FeatureSpec>,
    /// Keyword-valued features: sparse counts of values per entity.
    pub value_features: Vec<FeatureSpec>,
    /// Detectors that score the entities.
    pub detectors: Vec<DetectorSpec>,
    /// How many alarms the reader wants at most.
    pub alert_budget: AlertBudget,
    /// Anomalies below this score are not reported, whatever the budget.
    pub min_score: f64,
    /// Rows a day that `min_score` is meant for; 0: for any number. Jobs with fewer are asked for less.
    pub min_score_rows: u64,
    /// Whether the combined surprise is calibrated on the job's own past even when every detector keeps a tail of its own.
    pub calibration: CalibrationBy,
    /// IANA time zone of the calendar (hour of week).
    pub timezone: chrono_tz::Tz,
    /// Bound on entities kept in memory.
    pub max_entities: usize,
    /// How the anomaly is named and tagged.
    pub labels: JobLabels,
}

/// Words and codes that go into a job's anomaly documents as they stand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobLabels {
    /// What an entity is called in sentences, such as "client".
    pub entity_noun: String,
    /// What a document is called in sentences, in the plural, such as "requests".
    pub document_noun: String,
    /// `event.category` of the source, such as `web`.
    pub category: String,
    /// `event.dataset`.
    pub dataset: String,
    /// ATT&CK tactic ids.
    pub tactic_ids: Vec<String>,
    /// ATT&CK technique ids.
    pub technique_ids: Vec<String>,
    /// Free tags.
    pub tags: Vec<String>,
}

/// A measured number (or set of keyword values) per entity and bucket, as configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureSpec {
    /// Name of the column; unique in the job.
    pub name: String,
    /// Catalogue name, such as `count` or `ratio`.
    pub kind: String,
    /// Field it is computed from, where the kind needs one.
    pub field: Option<String>,
    /// Documents that count (the numerator of a ratio).
    pub filter: Option<Filter>,
    /// Percent for `percentile`, 0 to 100.
    pub percent: Option<f64>,
    /// Bound on distinct values kept per entity, for kinds that keep them.
    pub limit: Option<usize>,
    /// Which side is suspicious.
    pub direction: Direction,
    /// Plain words for sentences, such as "requests per minute".
    pub title: String,
}

impl FeatureSpec {
    /// What it is called in sentences: its title, or its name in plain words.
    pub fn words(&self) -> String {
        if self.title.is_empty() { self.name.replace('_', " ") } else { self.title.clone() }
    }
}

/// Which side of typical is suspicious.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Only more than typical.
    Up,
    /// Only less than typical.
    Down,
    /// Both sides.
    #[default]
    Both,
}

/// Whose past says how rare a combined surprise is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalibrationBy {
    /// The job's: the alert budget holds even where detectors claim too much. For many entities with short histories.
    #[default]
    Job,
    /// The detectors' alone, where each keeps long histories of its entities: a job with many real events stays alert.
    Detectors,
}

/// A detector with its options, as configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectorSpec {
    /// Catalogue name, such as `robust`.
    pub kind: String,
    /// Options by name; the catalogue's builder checks them.
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// How many alarms to expect at most while nothing is wrong; real events may bring more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AlertBudget {
    /// Alarms per day.
    pub per_day: f64,
}

impl Default for AlertBudget {
    fn default() -> Self {
        Self { per_day: 20.0 }
    }
}

impl Job {
    /// Entity field as one word: the single field, or all joined by a comma, or `_all`.
    pub fn entity_field(&self) -> String {
        if self.entity_fields.is_empty() { "_all".to_owned() } else { self.entity_fields.join(",") }
    }

    /// What a feature, or one value of it (`feature=value`), is called in sentences.
    pub fn words_of(&self, feature: &str) -> String {
        let named = |name: &str| self.features.iter().chain(&self.value_features).find(|f| f.name == name).map(FeatureSpec::words);
        let plain = |name: &str| named(name).unwrap_or_else(|| name.replace('_', " "));
        match (named(feature), feature.split_once('=')) {
            (Some(words), _) => words,
            (None, Some((name, value))) => format!("{} {value}", plain(name)),
            (None, None) => plain(feature),
        }
    }

    /// Hour of the week (0 = Monday 00:00) of an instant in the job's time zone.
    pub fn hour_of_week(&self, t_ms: i64) -> u32 {
        use chrono::{Datelike, TimeZone, Timelike};
        let local = self.timezone.timestamp_millis_opt(t_ms).single();
        local.map_or(0, |t| t.weekday().num_days_from_monday() * 24 + t.hour())
    }

    /// How many buckets make a day.
    pub fn buckets_per_day(&self) -> f64 {
        super::time::DAY_MS as f64 / self.bucket_span_ms.max(1) as f64
    }
}

impl Default for Job {
    /// A job without features or detectors: buckets of five minutes, the calendar in UTC.
    fn default() -> Self {
        Self {
            id: "job".into(),
            preset: None,
            index: String::new(),
            filter: None,
            time_field: "@timestamp".into(),
            entity_fields: Vec::new(),
            bucket_span_ms: 300_000,
            frequency_ms: 300_000,
            window_delay_ms: 60_000,
            allowed_lateness_ms: 3_600_000,
            lookback_ms: 2 * super::time::DAY_MS,
            model_max_age_ms: 30 * super::time::DAY_MS,
            features: Vec::new(),
            value_features: Vec::new(),
            detectors: Vec::new(),
            alert_budget: AlertBudget::default(),
            min_score: 50.0,
            min_score_rows: 0,
            calibration: CalibrationBy::Job,
            timezone: chrono_tz::UTC,
            max_entities: 1_000_000,
            labels: JobLabels::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_time;

    #[test]
    fn hour_of_week_follows_the_time_zone_through_daylight_saving() {
        let mut job = Job::default();
        let at = |s| parse_time(s).unwrap_or_default();
        assert_eq!(job.hour_of_week(at("2026-01-05T00:30:00Z")), 0);
        job.timezone = chrono_tz::Europe::Berlin;
        // 2026-03-29 01:00 UTC: clocks go from 02:00 to 03:00.
        assert_eq!(job.hour_of_week(at("2026-03-29T00:59:00Z")), 6 * 24 + 1);
        assert_eq!(job.hour_of_week(at("2026-03-29T01:00:00Z")), 6 * 24 + 3);
        assert_eq!(job.entity_field(), "_all");
    }
}
