//! An anomaly: one job, one entity, one bucket, with everything that explains it.

use serde::{Deserialize, Serialize};

use super::Severity;
use super::job::JobLabels;

/// Version of the anomaly document that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Name of the contributor that stands for what other entities show at the time.
pub const OTHER_ENTITIES: &str = "other_entities";

/// Name of the contributor that stands for features of which none is surprising alone; these follow it, and add nothing themselves.
pub const SEVERAL_FEATURES: &str = "several_features";

/// What one feature (or one value of a keyword feature) added to the surprise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contributor {
    /// Feature name, or `feature=value` for a keyword value.
    pub feature: String,
    /// Plain words for the feature.
    pub title: String,
    /// What was seen (`NaN` = absent).
    pub actual: f64,
    /// What was expected (`NaN` = nothing known).
    pub typical: f64,
    /// Lower end of the usual range (`NaN` = open).
    pub lower: f64,
    /// Upper end of the usual range (`NaN` = open).
    pub upper: f64,
    /// Share of the detector's surprise; all shares of a row sum to it.
    pub surprise: f64,
    /// What it was compared with: `own history`, `peers`, `first seen`, ...
    pub reference: String,
}

impl Contributor {
    /// Of a feature, without a usual range and without words of its own.
    pub fn new(feature: &str, actual: f64, typical: f64, surprise: f64, reference: &str) -> Self {
        let (feature, reference) = (feature.to_owned(), reference.to_owned());
        Self { feature, title: String::new(), actual, typical, lower: f64::NAN, upper: f64::NAN, surprise, reference }
    }

    /// Of one value of a keyword feature, without words of its own.
    pub fn of_value(feature: &str, value: &str, actual: f64, typical: f64, surprise: f64, reference: &str) -> Self {
        Self::new(&format!("{feature}={value}"), actual, typical, surprise, reference)
    }

    /// Of features that are surprising only together: one contributor for all, and each of them after it.
    pub fn of_several(each: Vec<Self>, surprise: f64) -> Vec<Self> {
        let names: Vec<&str> = each.iter().map(Self::words).collect();
        let title = match names.as_slice() {
            [first, second, third, _, ..] => format!("{first}, {second}, {third} and {} more together", names.len() - 3),
            [before @ .., last] if !before.is_empty() => format!("{} and {last} together", before.join(", ")),
            _ => names.concat(),
        };
        let all = Self { title, ..Self::new(SEVERAL_FEATURES, f64::NAN, f64::NAN, surprise, "only together") };
        std::iter::once(all).chain(each).collect()
    }

    /// Words for the feature: its title, or its name where it has none.
    pub fn words(&self) -> &str {
        if self.title.is_empty() { &self.feature } else { &self.title }
    }
}

impl Anomaly {
    /// True for a row of a table, which has a number and no time.
    pub fn is_timeless(&self) -> bool {
        super::time::is_timeless(self.preset.as_deref(), self.start_ms)
    }

    /// True when it says that something is missing, or less than is usual.
    pub fn is_of_less(&self) -> bool {
        self.imputed || self.contributors.first().is_some_and(|c| c.actual < c.typical)
    }
}

/// One finding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Deterministic id.
    pub id: String,
    /// Job id.
    pub job: String,
    /// Preset of the job, if any.
    pub preset: Option<String>,
    /// Hash of the configuration that it was found with.
    pub config_hash: String,
    /// Detector that was most surprised.
    pub detector: String,
    /// Entity key.
    pub entity_key: String,
    /// Entity field(s), joined by a comma.
    pub entity_field: String,
    /// Bucket start, milliseconds of the epoch.
    pub start_ms: i64,
    /// Bucket width, milliseconds.
    pub span_ms: i64,
    /// 0-100, calibrated, higher is rarer.
    pub score: f64,
    /// Band of the score.
    pub severity: Severity,
    /// Combined surprise before calibration.
    pub raw_score: f64,
    /// How mature the models behind it are, 0-1.
    pub confidence: f64,
    /// Ranked, strongest first.
    pub contributors: Vec<Contributor>,
    /// Documents behind the row.
    pub doc_count: u64,
    /// Documents that came late and changed the row.
    pub late_count: u64,
    /// True when no document stands behind the row (silence).
    pub imputed: bool,
    /// Short and stable: becomes the alert's name.
    pub message: String,
    /// One plain sentence: entity, feature, actual, typical, span, since when.
    pub reason: String,
    /// Id of the first anomaly of the same entity in this run of anomalies.
    pub story: String,
    /// When the run of anomalies began, milliseconds of the epoch.
    pub since_ms: i64,
    /// `open` or `suppressed`.
    pub status: String,
    /// Which rule suppressed it.
    pub suppressed_by: Option<String>,
    /// Index or file that it was seen in.
    pub source: String,
    /// Conditions that cut the row out of its bucket; empty when none do, or nobody looked.
    pub rule_box: String,
    /// Query that finds the documents behind it.
    pub query: String,
    /// Address of a page that shows those documents; empty when there is none.
    pub link: String,
    /// Example lines, cut and made printable.
    pub sample: Vec<String>,
    /// Ids of the example documents, where they have one.
    pub sample_ids: Vec<String>,
    /// Revision: 0 at first, one more each time late data changed it.
    pub revision: u32,
    /// Score of the revision before.
    pub was_score: Option<f64>,
    /// Facts added by enrichers (`field` = value).
    pub enrichment: Vec<(String, String)>,
    /// Words and codes of the job.
    pub labels: JobLabels,
}
