//! Conditions on documents, as data: which ones count for a feature.

use serde::{Deserialize, Serialize};

/// A condition on one document. The features folder gives it its two faces: a query and a mask over events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Filter {
    /// The field has one of these values (compared as text; numbers also as numbers).
    In {
        /// Field name.
        field: String,
        /// Accepted values.
        values: Vec<String>,
    },
    /// The numeric field lies between bounds (absent bound = open).
    Range {
        /// Field name.
        field: String,
        /// Inclusive lower bound.
        gte: Option<f64>,
        /// Exclusive upper bound.
        lt: Option<f64>,
    },
    /// The text field starts with this.
    Prefix {
        /// Field name.
        field: String,
        /// First characters.
        prefix: String,
    },
    /// The field has a value.
    Exists {
        /// Field name.
        field: String,
    },
    /// All hold.
    All(Vec<Filter>),
    /// At least one holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
}

impl Filter {
    /// Fields that it reads, with `true` for those read as numbers.
    pub fn fields(&self) -> Vec<(&str, bool)> {
        match self {
            Self::In { field, .. } | Self::Prefix { field, .. } | Self::Exists { field } => vec![(field, false)],
            Self::Range { field, .. } => vec![(field, true)],
            Self::All(list) | Self::Any(list) => list.iter().flat_map(Self::fields).collect(),
            Self::Not(inner) => inner.fields(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_nested_conditions_are_listed() {
        let f = Filter::All(vec![
            Filter::Range { field: "status".into(), gte: Some(400.0), lt: None },
            Filter::Not(Box::new(Filter::Exists { field: "user".into() })),
        ]);
        assert_eq!(f.fields(), [("status", true), ("user", false)]);
    }
}
