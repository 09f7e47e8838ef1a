//! What documents must have for a job: said by `parts presets`, and by `scan` of documents that have it not.

use serde::Serialize;

use crate::formats::LogFormat;
use crate::formats::access_log::AccessLog;
use crate::model::{FeatureSpec, Filter, Job};

/// Fields of a job by what they are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// The entity: a document without one is skipped.
    pub entity: Vec<String>,
    /// Conditions on the documents that the job looks at; without these fields there are none.
    pub chosen_by: Vec<String>,
    /// What is judged; what is absent is left out.
    pub judged: Vec<String>,
    /// Where such documents come from.
    pub from: &'static str,
}

impl Needs {
    /// The needs of a job.
    pub fn of(job: &Job) -> Self {
        let of_spec = |spec: &FeatureSpec| spec.field.iter().cloned().chain(spec.filter.iter().flat_map(names)).collect::<Vec<_>>();
        let judged = each_once(job.features.iter().chain(&job.value_features).flat_map(of_spec));
        let mut out = Self { entity: job.entity_fields.clone(), chosen_by: job.filter.iter().flat_map(conditions).collect(), judged, from: "" };
        let fields = out.fields(job);
        let of_log = AccessLog.names(&[]);
        out.from = match job.preset.as_deref() {
            Some("series") => "from a CSV with a header: --time and --value name the columns",
            Some("table") => "from a CSV with a header",
            _ if fields.iter().all(|f| of_log.contains(f)) => {
                "from access logs as they stand, or JSON lines or CSV with these fields (--map FIELD=NAME)"
            }
            _ => "from parsed documents (JSON lines, CSV) with these fields (--map FIELD=NAME), not from raw text",
        };
        out
    }

    /// All fields, the most needed first.
    pub fn fields(&self, job: &Job) -> Vec<String> {
        each_once(self.entity.iter().cloned().chain(job.filter.iter().flat_map(names)).chain(self.judged.iter().cloned()))
    }

    /// All of it but where it comes from, in a line.
    pub fn line(&self) -> String {
        let entity = match self.entity.as_slice() {
            [one] if one == "row" => return "needs columns of numbers; every row is an entity".into(),
            [] if self.judged == ["value"] => return "needs a time and a number".into(),
            [] => "a time (all documents are one entity)".to_owned(),
            some => format!("{} (the entity)", some.join(", ")),
        };
        let chosen = if self.chosen_by.is_empty() { String::new() } else { format!(" and {} (which documents)", self.chosen_by.join(", ")) };
        format!("needs {entity}{chosen}; judges {}", self.judged.join(", "))
    }
}

fn conditions(filter: &Filter) -> Vec<String> {
    match filter {
        Filter::In { field, values } => vec![format!("{field} = {}", values.join(" or "))],
        Filter::All(list) => list.iter().flat_map(conditions).collect(),
        other => names(other),
    }
}

/// Names of the fields that a filter reads.
fn names(filter: &Filter) -> Vec<String> {
    filter.fields().into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// Every name once, where it comes first.
fn each_once(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.filter(|name| seen.insert(name.clone())).collect()
}
