//! Explanations hold: on every reported row of the demo's day the parts sum to the whole, what is typical is not what was
//! seen, and without the strongest part the score is lower. `robust` weighs features against each other (bytes sent against
//! mean size) and takes the strangest: without one of two that say the same the other says it as loud or louder. There most
//! rows must get lower, not all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use elkhound::config::{Environment, load_text};
use elkhound::demo::{plants::plant, traffic::quiet};
use elkhound::formats;
use elkhound::model::keys::stable_hash;
use elkhound::model::time::DAY_MS;
use elkhound::model::{Anomaly, Bucket, Job, ValueCounts, Window};
use elkhound::pipeline::models::Models;
use elkhound::source::Source;
use elkhound::source::memory::{Lines, MemorySource};

const DAY_START_MS: i64 = 1_768_867_200_000;
/// Contributors that a finding keeps at most: where it has as many, some may have been cut.
const KEPT: usize = 10;

/// The demo's day of a sixth of the clients, attackers among them.
fn day() -> Lines {
    let mut requests = quiet(1, DAY_START_MS - DAY_MS, DAY_START_MS + DAY_MS);
    let plants = plant(1, DAY_START_MS, &mut requests);
    let is_kept = |client: &str| plants.iter().any(|p| p.entity == client) || stable_hash(client.as_bytes()).is_multiple_of(6);
    Lines::new(requests.iter().filter(|r| is_kept(&r.client)).map(|r| (r.time_ms, r.line())).collect())
}

fn jobs() -> Vec<Job> {
    load_text(include_str!("../../src/demo/jobs.yaml"), Path::new("."), &Environment::default()).unwrap().jobs
}

/// The bucket without a contributor of a row: a number is absent (set to what is typical it would contradict the features that
/// move with it), a keyword value is taken out.
fn without(job: &Job, bucket: &Bucket, row: usize, contributor: &str) -> Bucket {
    let mut out = bucket.clone();
    if let Some(i) = job.features.iter().position(|f| f.name == contributor) {
        out.columns[i][row] = f64::NAN;
        return out;
    }
    let (feature, value) = contributor.split_once('=').unwrap();
    let f = job.value_features.iter().position(|f| f.name == feature).unwrap();
    let counts = &bucket.values[f];
    // Paths are told by their first segment.
    let is_meant = |hash: u64| {
        let name = counts.name(hash);
        name == value || name.strip_prefix(value).is_some_and(|rest| value.ends_with('/') || rest.starts_with(['/', '?', '#']))
    };
    let keep = |r: usize, hash: u64| r != row || !is_meant(hash);
    let rows = (0..bucket.rows()).map(|r| counts.row(r).filter(|(h, _)| keep(r, *h)).collect()).collect();
    let names: BTreeMap<u64, Box<str>> = counts.names.clone();
    out.values[f] = ValueCounts::from_rows(rows, names, counts.other.clone());
    out
}

fn check(job: &Job, models: &Models, bucket: &Bucket, claimed: &[Vec<f64>], before: f64, a: &Anomaly) -> bool {
    let row = (0..bucket.rows()).find(|&r| bucket.keys.text(r) == a.entity_key).unwrap();
    let what = format!("{} {} {}", a.job, a.reason, a.detector);
    let first = a.contributors.first().unwrap_or_else(|| panic!("nothing explains: {what}"));
    assert!(first.typical.is_nan() || first.typical != first.actual, "typical is the actual: {what}");
    let sum: f64 = a.contributors.iter().map(|c| c.surprise).sum();
    let said = job.detectors.iter().position(|d| d.kind == a.detector).map(|d| claimed[d][row]).unwrap();
    assert!(sum <= said + 1e-6 * said.abs().max(1.0), "parts {sum} of {said}: {what}");
    if a.contributors.len() < KEPT {
        assert!((sum - said).abs() <= 1e-6 * said.abs().max(1.0), "parts {sum} are not the whole {said}: {what}");
    }
    let surprise = |b: &Bucket| models.score(b, &models.claim(b)).surprise[row];
    let alone = surprise(&without(job, bucket, row, &first.feature));
    if alone < before {
        return true;
    }
    assert_eq!(a.detector, "robust", "without {} {alone}, with it {before}: {what}", first.feature);
    false
}

#[tokio::test]
async fn on_every_reported_row_the_parts_make_the_whole_and_the_strongest_counts() {
    let lines = day();
    let mut checked = BTreeMap::<String, usize>::new();
    let mut together = 0;
    for job in jobs() {
        let job = Arc::new(job);
        let mut source = MemorySource::new(job.clone(), lines.clone(), formats::by_name("access_log").unwrap()).unwrap();
        let mut models = Models::new(job.clone()).unwrap();
        let all = Window::new(DAY_START_MS - DAY_MS, DAY_START_MS + DAY_MS);
        for bucket in source.fetch(all).await.unwrap().buckets {
            let bucket = models.fill_silent(bucket);
            let claimed = models.claim(&bucket);
            let scores = models.score(&bucket, &claimed);
            let anomalies = if bucket.start_ms >= DAY_START_MS { models.decide(models.grade(&bucket, &scores)) } else { Vec::new() };
            for a in &anomalies {
                let row = (0..bucket.rows()).find(|&r| bucket.keys.text(r) == a.entity_key).unwrap();
                together += usize::from(!check(&job, &models, &bucket, &claimed, scores.surprise[row], a));
                *checked.entry(format!("{} {}", a.job, a.detector)).or_default() += 1;
            }
            models.learn(&bucket, &claimed, &scores, &anomalies);
            models.advance(bucket.end_ms());
        }
    }
    let all: usize = checked.values().sum();
    assert!(all >= 20 && checked.len() >= 3, "too little was checked: {checked:?}");
    let robust: usize = checked.iter().filter(|(k, _)| k.ends_with(" robust")).map(|(_, n)| n).sum();
    println!("{all} findings: {checked:?}; of {robust} by robust {together} do not get lower without their strongest part");
    assert!(together * 2 <= robust, "{together} of {robust}: {checked:?}");
}
