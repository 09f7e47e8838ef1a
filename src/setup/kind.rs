//! The kinds of index that we write.

use serde_json::Value;

use crate::config::IndicesConfig;

/// A kind of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One document per anomaly; monthly.
    Anomalies,
    /// One document per window; monthly.
    Runs,
    /// Feature rows; monthly.
    Features,
    /// Checkpoints and leases.
    State,
    /// Snapshots of models.
    Models,
    /// What people say.
    Triage,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [Self::Anomalies, Self::Runs, Self::Features, Self::State, Self::Models, Self::Triage];

    /// The word in names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anomalies => "anomalies",
            Self::Runs => "runs",
            Self::Features => "features",
            Self::State => "state",
            Self::Models => "models",
            Self::Triage => "triage",
        }
    }

    /// True when there is one index a month, under a common read alias.
    pub fn is_monthly(self) -> bool {
        matches!(self, Self::Anomalies | Self::Runs | Self::Features)
    }

    /// How long documents are kept, milliseconds; `None` = for ever.
    pub fn keep_ms(self, indices: &IndicesConfig) -> Option<i64> {
        match self {
            Self::Anomalies => Some(indices.keep_anomalies_ms),
            Self::Runs => Some(indices.keep_runs_ms),
            Self::Features => Some(indices.keep_features_ms),
            Self::State | Self::Models | Self::Triage => None,
        }
    }

    /// Name of the single index, or of the read alias of the monthly ones.
    pub fn alias(self, prefix: &str) -> String {
        format!("{prefix}-{}", self.name())
    }

    /// Pattern of its indices.
    pub fn pattern(self, prefix: &str) -> String {
        if self.is_monthly() { format!("{prefix}-{}-*", self.name()) } else { self.alias(prefix) }
    }

    /// The mapping, as it stands in `mappings/common`.
    pub fn mapping_text(self) -> &'static str {
        match self {
            Self::Anomalies => include_str!("../../mappings/common/anomalies.json"),
            Self::Runs => include_str!("../../mappings/common/runs.json"),
            Self::Features => include_str!("../../mappings/common/features.json"),
            Self::State => include_str!("../../mappings/common/state.json"),
            Self::Models => include_str!("../../mappings/common/models.json"),
            Self::Triage => include_str!("../../mappings/common/triage.json"),
        }
    }

    /// The mapping; a test holds that the embedded text is JSON.
    pub fn mapping(self) -> Value {
        serde_json::from_str(self.mapping_text()).unwrap_or_default()
    }
}
