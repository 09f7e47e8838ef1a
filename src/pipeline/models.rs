//! Everything that a job has learned, and the pure stages on it: claim, score, grade, decide, learn.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::detectors::{self, Detector, pack, unpack};
use crate::features::extract::FeatureSet;
use crate::model::entity::EntityTableState;
use crate::model::ids::anomaly_id;
use crate::model::{Anomaly, Bucket, BucketView, Contributor, EntityTable, Job, NO_SLOT, Problems, RunDocument, Severity, Slot};
use crate::score::budget::{BucketAt, LeastScore, Volume};
use crate::score::calibrate::Calibration;
use crate::score::explain::{Finding, message, reason, strongest};
use crate::score::gauges::Gauges;
use crate::score::rule_box::RuleBoxes;
use crate::score::story::Stories;
use crate::score::{Scores, score_of, surprise_of};

/// Layout of a snapshot.
const SNAPSHOT_VERSION: u8 = 3;
/// Contributors kept in a document.
const MAX_CONTRIBUTORS: usize = 10;
/// Findings of one bucket that get a rule box; each costs a pass over the bucket's rows.
const MAX_RULE_BOXES: usize = 32;

/// Everything that a job has learned.
pub struct Models {
    job: Arc<Job>,
    empties: Vec<f64>,
    table: EntityTable,
    detectors: Vec<Box<dyn Detector>>,
    calibration: Calibration,
    volume: Volume,
    stories: Stories,
    gauges: Gauges,
    learned_until_ms: i64,
    last_row_ms: Option<i64>,
    evicted_seen: u64,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    table: EntityTableState,
    detectors: Vec<(String, Vec<u8>)>,
    calibration: Calibration,
    volume: Volume,
    stories: Stories,
    gauges: Gauges,
    learned_until_ms: i64,
    last_row_ms: Option<i64>,
}

impl Models {
    /// Fresh models for a job, or what is wrong with its features or detectors.
    pub fn new(job: Arc<Job>) -> Result<Self, String> {
        let set = FeatureSet::new(&job)?;
        let detectors = detectors::build_all(&job)?;
        Ok(Self {
            empties: set.numeric.iter().map(|f| f.empty()).collect(),
            table: EntityTable::new(job.max_entities),
            calibration: Calibration::new(&detectors.iter().map(|d| d.is_calibrated()).collect::<Vec<_>>(), job.calibration),
            detectors,
            volume: Volume::default(),
            stories: Stories::default(),
            gauges: Gauges::default(),
            learned_until_ms: i64::MIN,
            last_row_ms: None,
            evicted_seen: 0,
            job,
        })
    }

    /// Hash of everything in the job that the models depend on: with another one a snapshot is of no use.
    pub fn config_hash(&self) -> String {
        let j = &self.job;
        // A snapshot of another layout is of no use, like one of another configuration: the job learns its look-back anew.
        let parts = (SNAPSHOT_VERSION, &j.entity_fields, j.bucket_span_ms, &j.features, &j.value_features, &j.detectors, &j.filter, &j.index);
        let bytes = serde_json::to_vec(&parts).unwrap_or_default();
        Sha256::digest(&bytes).iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    /// The job that they belong to.
    pub fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// Everything before this instant was learned.
    pub fn learned_until_ms(&self) -> i64 {
        self.learned_until_ms
    }

    /// Marks the time before `t_ms` as learned.
    pub fn advance(&mut self, t_ms: i64) {
        self.learned_until_ms = self.learned_until_ms.max(t_ms);
    }

    /// Entities known now.
    pub fn entities(&self) -> usize {
        self.table.len()
    }

    /// Entities evicted since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        let new = self.table.evicted() - self.evicted_seen;
        self.evicted_seen = self.table.evicted();
        new
    }

    /// What detectors had no room for since the last call.
    pub fn take_problems(&mut self) -> Problems {
        let mut out = Problems::default();
        self.detectors.iter_mut().for_each(|d| out.merge(d.take_problems()));
        out
    }

    /// What detectors decided by themselves, and why: (detector, sentence).
    pub fn choices(&self) -> Vec<(&'static str, String)> {
        self.detectors.iter().filter_map(|d| Some((d.name(), d.describe()?))).collect()
    }

    /// How long before `t_ms` a row was last learned; `None` when none ever was.
    pub fn age_ms(&self, t_ms: i64) -> Option<i64> {
        self.last_row_ms.map(|last| t_ms.saturating_sub(last).max(0))
    }

    /// Fills in the gauges of a run document: share of rows reported, and the feature that has moved most.
    pub fn measure(&self, run: &mut RunDocument) {
        let budget = self.job.alert_budget.per_day;
        run.flagged_share = self.gauges.flagged_share();
        run.flagged_of_budget = self.gauges.flagged_per_day().filter(|_| budget > 0.0).map(|n| n / budget);
        let shift = self.gauges.shift();
        run.feature_shift = shift.map(|s| s.index);
        run.shifted_feature = shift.and_then(|s| self.job.features.get(s.feature)).map(|f| f.name.clone()).unwrap_or_default();
    }

    fn view<'a>(&'a self, bucket: &'a Bucket, slots: &'a [Slot]) -> BucketView<'a> {
        BucketView { bucket, slots, table: &self.table, hour_of_week: self.job.hour_of_week(bucket.start_ms) }
    }

    /// Adds a row without documents for every entity that a detector expects and that is absent.
    pub fn fill_silent(&self, mut bucket: Bucket) -> Bucket {
        let mut expected: Vec<Slot> = self.detectors.iter().flat_map(|d| d.expected()).collect();
        expected.sort_unstable();
        expected.dedup();
        if expected.is_empty() {
            return bucket;
        }
        let mut present = self.table.find_all(&bucket.keys);
        present.sort_unstable();
        let before = bucket.rows();
        bucket.imputed.resize(before, false);
        for slot in expected.into_iter().filter(|s| present.binary_search(s).is_err()) {
            bucket.keys.push(self.table.key(slot));
            bucket.doc_counts.push(0);
            bucket.imputed.push(true);
            bucket.columns.iter_mut().zip(&self.empties).for_each(|(c, &e)| c.push(e));
            for v in &mut bucket.values {
                v.offsets.push(v.offsets.last().copied().unwrap_or(0));
                v.other.push(0);
            }
        }
        if bucket.rows() == before { bucket } else { bucket.canonical() }
    }

    /// What each detector claims: `claimed[detector][row]`.
    pub fn claim(&self, bucket: &Bucket) -> Vec<Vec<f64>> {
        let slots = self.table.find_all(&bucket.keys);
        let view = self.view(bucket, &slots);
        self.detectors.iter().map(|d| d.score(&view)).collect()
    }

    /// Claims, calibrated and combined. Changes nothing.
    pub fn score(&self, bucket: &Bucket, claimed: &[Vec<f64>]) -> Scores {
        self.calibration.apply(claimed, bucket.rows())
    }

    /// Anomalies: the rows above the threshold of budget and minimum score, explained, most surprising first.
    pub fn grade(&self, bucket: &Bucket, scores: &Scores) -> Vec<Anomaly> {
        let threshold = self.threshold(bucket.rows());
        let mut rows: Vec<usize> =
            (0..bucket.rows()).filter(|&r| scores.surprise[r] >= threshold && !self.is_said(bucket, r, scores.surprise[r])).collect();
        rows.sort_by(|&a, &b| scores.surprise[b].total_cmp(&scores.surprise[a]).then(a.cmp(&b)));
        let slots = self.table.find_all(&bucket.keys);
        let view = self.view(bucket, &slots);
        let mut anomalies: Vec<Anomaly> = rows.iter().map(|&row| self.anomaly(&view, scores, row)).collect();
        let boxed = &anomalies[..anomalies.len().min(MAX_RULE_BOXES)];
        let boxes = RuleBoxes::new(&self.job, bucket, boxed.iter().map(|a| &a.contributors[..]));
        let found: Vec<_> = boxed.iter().zip(&rows).map(|(a, &row)| boxes.of(row, &a.contributors)).collect();
        anomalies.iter_mut().zip(found).for_each(|(a, found)| a.rule_box = found.unwrap_or_default());
        anomalies
    }

    fn is_said(&self, bucket: &Bucket, row: usize, surprise: f64) -> bool {
        self.stories.is_said(bucket.keys.hash(row), bucket.start_ms, bucket.span_ms, self.job.buckets_per_day(), surprise)
    }

    fn anomaly(&self, view: &BucketView<'_>, scores: &Scores, row: usize) -> Anomaly {
        let (bucket, job) = (view.bucket, &self.job);
        let (detector, contributors, confidence) = match scores.loudest(row) {
            Some((d, _)) => {
                let detector = &self.detectors[d];
                (detector.name(), self.contributors(detector.as_ref(), view, row), detector.confidence(view, row))
            }
            None => ("none", Vec::new(), 0.0),
        };
        let score = scores.score(row);
        let entity_key = bucket.keys.text(row).into_owned();
        Anomaly {
            id: anomaly_id(&job.id, bucket.keys.get(row), bucket.start_ms),
            job: job.id.clone(),
            preset: job.preset.clone(),
            config_hash: self.config_hash(),
            detector: detector.into(),
            entity_field: job.entity_field(),
            entity_key,
            start_ms: bucket.start_ms,
            span_ms: bucket.span_ms,
            score,
            severity: Severity::of(score),
            raw_score: scores.raw[row],
            confidence,
            contributors,
            doc_count: bucket.doc_counts.get(row).copied().unwrap_or(0),
            imputed: view.is_imputed(row),
            since_ms: bucket.start_ms,
            status: "open".into(),
            source: job.index.clone(),
            labels: job.labels.clone(),
            ..Anomaly::default()
        }
    }

    fn contributors(&self, detector: &dyn Detector, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let mut list = strongest(detector.explain(view, row), MAX_CONTRIBUTORS);
        list.iter_mut().filter(|c| c.title.is_empty()).for_each(|c| c.title = self.job.words_of(&c.feature));
        list
    }

    /// Gives each anomaly its story and its words.
    pub fn decide(&self, mut anomalies: Vec<Anomaly>) -> Vec<Anomaly> {
        for a in &mut anomalies {
            let hash = crate::model::keys::stable_hash(a.entity_key.as_bytes());
            match self.stories.open(hash, a.start_ms, a.span_ms) {
                Some(story) => (a.story, a.since_ms) = (story.id.clone(), story.since_ms),
                None => a.story = a.id.clone(),
            }
            let finding = Finding {
                job: &self.job,
                entity: &a.entity_key,
                contributors: &a.contributors,
                start_ms: a.start_ms,
                span_ms: a.span_ms,
                since_ms: a.since_ms,
                imputed: a.imputed,
                silent_since_ms: self.silent_since_ms(a),
            };
            let (m, r) = (message(&finding), reason(&finding));
            (a.message, a.reason) = (m, r);
        }
        anomalies
    }

    /// End of the bucket in which a silent entity was last there.
    fn silent_since_ms(&self, a: &Anomaly) -> Option<i64> {
        let key = a.entity_key.as_bytes();
        let slot = self.table.find(key, crate::model::keys::stable_hash(key)).filter(|_| a.imputed)?;
        self.table.last_seen_ms(slot).map(|t| t.saturating_add(a.span_ms))
    }

    /// Learns a judged bucket; rows that were reported are kept out of the baselines until they last.
    pub fn learn(&mut self, bucket: &Bucket, claimed: &[Vec<f64>], scores: &Scores, anomalies: &[Anomaly]) {
        let (start, span) = (bucket.start_ms, bucket.span_ms);
        if bucket.rows() == 0 && self.table.is_empty() {
            // Time before the first row is no past: detectors would take themselves for grown up.
            self.learned_until_ms = self.learned_until_ms.max(bucket.end_ms());
            return;
        }
        let reported: std::collections::BTreeSet<&str> = anomalies.iter().map(|a| a.entity_key.as_str()).collect();
        let is_reported = |r: usize| !reported.is_empty() && reported.contains(&*bucket.keys.text(r));
        let weights: Vec<f64> = (0..bucket.rows()).map(|r| self.stories.learn_weight(bucket.keys.hash(r), start, span, is_reported(r))).collect();
        // The tail must see rare rows or it would be cut at the threshold; of a story it sees the first row only.
        let tail_weights: Vec<f64> = (0..bucket.rows())
            .map(|r| if is_reported(r) && self.stories.open(bucket.keys.hash(r), start, span).is_some() { 0.0 } else { 1.0 })
            .collect();
        for a in anomalies {
            let surprise = surprise_of(a.score);
            self.stories.note(crate::model::keys::stable_hash(a.entity_key.as_bytes()), &a.id, start, span, surprise);
        }
        let threshold = self.threshold(bucket.rows());
        for r in (0..bucket.rows()).filter(|&r| scores.surprise[r] >= threshold) {
            self.stories.go_on(bucket.keys.hash(r), start);
        }
        self.stories.close_quiet(start, span);
        let incoming = self.table.find_all(&bucket.keys).iter().filter(|&&s| s == NO_SLOT).count();
        let gone = self.table.make_room(incoming);
        self.detectors.iter_mut().for_each(|d| d.forget(&gone));
        let slots: Vec<Slot> = (0..bucket.rows())
            .map(|r| {
                let (key, hash) = (bucket.keys.get(r), bucket.keys.hash(r));
                // A silent entity was not seen: its time of last sight stays.
                let at = if bucket.imputed.get(r) == Some(&true) { i64::MIN } else { start };
                self.table.intern(key, hash, at)
            })
            .collect();
        let hour_of_week = self.job.hour_of_week(start);
        let view = BucketView { bucket, slots: &slots, table: &self.table, hour_of_week };
        self.detectors.iter_mut().for_each(|d| d.learn(&view, &weights));
        self.calibration.learn(claimed, &scores.raw, &tail_weights, self.job.buckets_per_day());
        let base = self.base_threshold(bucket.rows());
        let through = (0..bucket.rows()).filter(|&r| scores.surprise[r] >= base).map(|r| (bucket.keys.hash(r), scores.surprise[r]));
        self.volume.observe(bucket.rows(), through, base, BucketAt { start_ms: start, span_ms: span, per_day: self.job.buckets_per_day() });
        self.gauges.learn(bucket, anomalies.len(), self.job.buckets_per_day());
        if bucket.rows() > 0 {
            self.last_row_ms = Some(self.last_row_ms.map_or(bucket.end_ms(), |t| t.max(bucket.end_ms())));
        }
        self.learned_until_ms = self.learned_until_ms.max(bucket.end_ms());
    }

    /// Everything learned, as bytes: versioned and compressed.
    pub fn snapshot(&self) -> Vec<u8> {
        let state = Snapshot {
            table: self.table.state(),
            detectors: self.detectors.iter().map(|d| (d.name().to_owned(), d.snapshot())).collect(),
            calibration: self.calibration.clone(),
            volume: self.volume.clone(),
            stories: self.stories.clone(),
            gauges: self.gauges.clone(),
            learned_until_ms: self.learned_until_ms,
            last_row_ms: self.last_row_ms,
        };
        let packed = pack(SNAPSHOT_VERSION, &state);
        // Compressing in memory has no way to fail; an empty snapshot would be refused by `restore`.
        zstd::encode_all(packed.as_slice(), 1).unwrap_or_default()
    }

    /// Takes a snapshot back, or says why it cannot.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        let packed = zstd::decode_all(bytes).map_err(|e| format!("snapshot cannot be unpacked: {e}"))?;
        let state: Snapshot = unpack(SNAPSHOT_VERSION, &packed)?;
        if state.detectors.len() != self.detectors.len() || state.calibration.detectors() != self.detectors.len() {
            return Err("snapshot was made with other detectors".into());
        }
        for (detector, (name, bytes)) in self.detectors.iter_mut().zip(&state.detectors) {
            if detector.name() != name {
                return Err(format!("snapshot has detector `{name}` where the job has `{}`", detector.name()));
            }
            detector.restore(bytes).map_err(|e| format!("detector `{name}`: {e}"))?;
        }
        self.table = EntityTable::from_state(state.table, self.job.max_entities);
        self.evicted_seen = self.table.evicted();
        self.calibration = state.calibration;
        self.volume = state.volume;
        self.stories = state.stories;
        self.gauges = state.gauges;
        self.learned_until_ms = state.learned_until_ms;
        self.last_row_ms = state.last_row_ms;
        Ok(())
    }

    /// Surprise that budget and least score ask for.
    fn base_threshold(&self, rows_now: usize) -> f64 {
        let job = &self.job;
        let least = LeastScore { score: job.min_score, rows: job.min_score_rows as f64 };
        self.volume.threshold(job.alert_budget, least, job.buckets_per_day(), rows_now)
    }

    /// Surprise from which a row is reported now.
    fn threshold(&self, rows_now: usize) -> f64 {
        self.base_threshold(rows_now) + self.volume.raise(self.job.alert_budget, self.job.buckets_per_day())
    }

    /// Score 0-100 that a row needs to be reported now.
    pub fn report_score(&self, rows_now: usize) -> f64 {
        score_of(self.threshold(rows_now))
    }
}
