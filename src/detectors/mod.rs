//! Detectors: algorithms on features. Each gives one surprise (-log10 of a tail probability) per row, dense and cheap;
//! explanations are made only for rows that are reported.
//!
//! To add one: one file, one line in [`CATALOGUE`].

pub mod count_surprise;
pub mod first_seen;
pub mod isolation_forest;
pub mod neighbours;
mod others;
pub mod population;
pub mod reconstruction;
pub mod robust;
mod rows;
pub mod series;
pub mod silence;
pub mod table;
#[cfg(test)]
pub(crate) mod testing;
mod value_memory;
pub mod zscore;

use serde_json::{Map, Value};

use crate::model::{BucketView, Contributor, Job, Part, Problems, Slot};

/// An algorithm on features. `score` never changes it; it learns a bucket only after that bucket was judged.
///
/// Arrays that it keeps per entity are indexed by slot. Everything is a pure function of configuration, what was learned
/// and the bucket: seeds come from [`crate::model::ids::seed`], nothing depends on the order of rows.
pub trait Detector: Send {
    /// Catalogue name.
    fn name(&self) -> &'static str;

    /// How surprising each row is: -log10 of a tail probability, at least 0; 0 where it has nothing to say.
    fn score(&self, view: &BucketView<'_>) -> Vec<f64>;

    /// Learns a bucket. `weights[row]` is 1 for a normal row, less (0 at the least) for one that was judged abnormal and
    /// must not poison the baseline. Every row has a slot.
    fn learn(&mut self, view: &BucketView<'_>, weights: &[f64]);

    /// Why a row got its surprise, strongest first; the contributions sum to it.
    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor>;

    /// How mature it is for a row, 0-1.
    fn confidence(&self, view: &BucketView<'_>, row: usize) -> f64;

    /// Forgets entities whose slots will be used again.
    fn forget(&mut self, slots: &[Slot]);

    /// Everything it has learned, as bytes (versioned inside where the layout may change).
    fn snapshot(&self) -> Vec<u8>;

    /// Takes a snapshot back, or says why it cannot.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// True when its surprises are tail probabilities of the job's own history already (it keeps that history itself), so
    /// that they are taken as they stand instead of being calibrated once more.
    fn is_calibrated(&self) -> bool {
        false
    }

    /// What it decided by itself, and why, in one sentence; `None` when there was nothing to decide (yet).
    fn describe(&self) -> Option<String> {
        None
    }

    /// What it had no room for since the last call: counted, never silent.
    fn take_problems(&mut self) -> Problems {
        Problems::default()
    }

    /// Slots that ought to have a row in every bucket: when one has none, a row without documents is added (silence).
    fn expected(&self) -> Vec<Slot> {
        Vec::new()
    }
}

/// Options of a detector as configured, read by name with defaults; what is left unread is an unknown option.
pub type Options = Map<String, Value>;

/// Builds a detector for a job, or says what is wrong with its options.
pub type Build = fn(&Job, &Options) -> Result<Box<dyn Detector>, String>;

/// An entry of the catalogue.
#[derive(Clone, Copy)]
pub struct DetectorPart {
    /// Name, description, example.
    pub part: Part,
    /// Builds the detector for a job, or says what is wrong with its options.
    pub build: Build,
}

/// Every detector there is.
pub const CATALOGUE: &[DetectorPart] = &[
    count_surprise::COUNT_SURPRISE,
    first_seen::FIRST_SEEN,
    isolation_forest::PART,
    neighbours::PART,
    population::POPULATION,
    reconstruction::PART,
    robust::PART,
    series::PART,
    silence::SILENCE,
    table::PART,
    zscore::PART,
];

/// Builds the detectors of a job.
pub fn build_all(job: &Job) -> Result<Vec<Box<dyn Detector>>, String> {
    job.detectors
        .iter()
        .map(|spec| match CATALOGUE.iter().find(|d| d.part.name == spec.kind) {
            Some(entry) => (entry.build)(job, &spec.options).map_err(|e| format!("detector `{}`: {e}", spec.kind)),
            None => Err(format!("unknown detector `{}`; there are: {}", spec.kind, names().join(", "))),
        })
        .collect()
}

/// Index of a keyword-valued feature of a job, by name.
fn value_feature(job: &Job, name: &str) -> Result<usize, String> {
    let found = job.value_features.iter().position(|f| f.name == name);
    found.ok_or_else(|| format!("`{name}` is not a keyword-valued feature of the job"))
}

/// Names of all detectors.
pub fn names() -> Vec<&'static str> {
    CATALOGUE.iter().map(|d| d.part.name).collect()
}

/// Reads options of the shape `T` (which denies unknown fields and has defaults), with the mistake in words.
pub fn parse_options<T: serde::de::DeserializeOwned>(options: &Options) -> Result<T, String> {
    serde_json::from_value(Value::Object(options.clone())).map_err(|e| e.to_string())
}

/// Packs a serde state as a snapshot, with a version byte in front.
pub fn pack<T: serde::Serialize>(version: u8, state: &T) -> Vec<u8> {
    let mut bytes = vec![version];
    // Serialising plain data into memory has no way to fail; an empty body would be refused by `unpack`.
    bytes.extend(postcard::to_allocvec(state).unwrap_or_default());
    bytes
}

/// Unpacks what [`pack`] made; refuses another version.
pub fn unpack<T: serde::de::DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((&v, body)) if v == version => postcard::from_bytes(body).map_err(|e| format!("snapshot cannot be read: {e}")),
        Some((&v, _)) => Err(format!("snapshot has version {v}, this build reads version {version}")),
        None => Err("snapshot is empty".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detector_has_words_and_a_name_of_its_own() {
        let mut seen = names();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), CATALOGUE.len());
        assert!(CATALOGUE.iter().all(|d| d.part.description.ends_with('.') && d.part.example.contains(d.part.name)));
    }
}
