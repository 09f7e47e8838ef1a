//! Dashboards: one typed list of panels, and a writer per product.
//!
//! `list/` says what the panels are; `opensearch` and `kibana` write them as saved objects, byte for byte the same each
//! time; `query` is the search that a panel sends; `import` brings the objects into a server. The files under
//! `dashboards/` are made by [`ndjson`] and compared with it by a test.

pub mod fields;
pub mod import;
pub mod kibana;
pub mod list;
pub mod opensearch;
pub mod panel;
pub mod query;
pub mod vega;

use serde_json::Value;

pub use panel::{Dashboard, Index, Panel, View};

/// The product that objects are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// OpenSearch Dashboards 1 to 3; also the fallback for Kibana from 7.10 on.
    OpenSearch,
    /// Kibana from 8.9 on.
    Kibana,
}

impl Target {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OpenSearch, Self::Kibana];

    /// The word on the command line and in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenSearch => "opensearch",
            Self::Kibana => "kibana",
        }
    }
}

/// All objects for a product, in the order in which they stand in the file: index patterns first. `prefix` is that of the
/// index names.
pub fn objects(target: Target, prefix: &str) -> Vec<Value> {
    match target {
        Target::OpenSearch => opensearch::objects(prefix),
        Target::Kibana => kibana::objects(prefix),
    }
}

/// The file to import: one object per line.
pub fn ndjson(target: Target, prefix: &str) -> String {
    objects(target, prefix).iter().map(|o| format!("{o}\n")).collect()
}

/// Logs that a job reads: what a finding's link shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Logs {
    /// Index pattern.
    pub index: String,
    /// Field of the time picker.
    pub time_field: String,
}

/// Data views (index patterns) of logs, one object per line, each once: what `elkhound.link` opens.
pub fn log_views(target: Target, prefix: &str, logs: &[Logs]) -> String {
    let each: std::collections::BTreeSet<&Logs> = logs.iter().collect();
    let write = |l: &&Logs| match target {
        Target::OpenSearch => opensearch::log_view(l, prefix),
        Target::Kibana => kibana::log_view(l, prefix),
    };
    each.iter().map(|l| format!("{}\n", write(l))).collect()
}

/// The README of the folder: what each panel answers.
pub fn readme() -> String {
    let mut out = String::from(include_str!("readme_head.md"));
    for d in list::ALL {
        out.push_str(&format!("\n## {}\n\n{}\n\n| panel | shows | answers |\n|---|---|---|\n", d.title, d.description));
        for p in d.panels {
            out.push_str(&format!("| {} | {} | {} |\n", p.title, p.view.name(), p.answers));
        }
    }
    out
}
