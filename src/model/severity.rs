//! From score to band.

use serde::{Deserialize, Serialize};

/// The four bands of the score: below 25, 50, 75, and from 75 on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Score below 25.
    #[default]
    Low,
    /// Score from 25 to below 50.
    Medium,
    /// Score from 50 to below 75.
    High,
    /// Score of 75 and more.
    Critical,
}

impl Severity {
    /// All bands, mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Band of a score from 0 to 100.
    pub fn of(score: f64) -> Self {
        match score {
            s if s >= 75.0 => Self::Critical,
            s if s >= 50.0 => Self::High,
            s if s >= 25.0 => Self::Medium,
            _ => Self::Low,
        }
    }

    /// `event.severity`: 21, 47, 73 or 99, the only values that Elastic's alert rules map.
    pub fn number(self) -> u32 {
        match self {
            Self::Low => 21,
            Self::Medium => 47,
            Self::High => 73,
            Self::Critical => 99,
        }
    }

    /// The word that documents and dashboards use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_begin_at_25_50_75() {
        let bands: Vec<_> = [0.0, 24.9, 25.0, 49.9, 50.0, 75.0, 100.0, f64::NAN].map(|s| Severity::of(s).as_str()).to_vec();
        assert_eq!(bands, ["low", "low", "medium", "medium", "high", "critical", "critical", "low"]);
        assert_eq!(Severity::ALL.map(Severity::number), [21, 47, 73, 99]);
    }
}
