//! One scale over detectors, entities and jobs: every surprise becomes the tail probability that this job has seen.

use serde::{Deserialize, Serialize};

use super::Scores;
use super::combine::combine;
use crate::math::tail::Tail;
use crate::model::job::CalibrationBy;

/// Days after which a learned row counts half.
const HALF_LIFE_DAYS: f64 = 14.0;

/// Tails of every detector and of their combination.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// `None` for a detector that keeps a tail of its own.
    detectors: Vec<Option<Tail>>,
    /// `None` when every detector keeps a tail of its own: the harmonic mean of valid tail probabilities is valid as it stands. Counting it
    /// once more would make a job with many real events deaf: they would be its own definition of usual.
    combined: Option<Tail>,
}

impl Calibration {
    /// For detectors of which each says whether it is calibrated already. Where the job takes them `by` their own word those are
    /// left as they are; else each is brought on the job's scale, so that one that claims too much does not drown the others and
    /// the alert budget holds, and so is the combination of several.
    pub fn new(is_calibrated: &[bool], by: CalibrationBy) -> Self {
        let tail = |done: bool| (!done).then(Tail::default);
        let is_word_taken = by == CalibrationBy::Detectors;
        let all = is_calibrated.iter().all(|&done| done) && is_word_taken;
        Self { detectors: is_calibrated.iter().map(|&done| tail(done && is_word_taken)).collect(), combined: tail(is_calibrated.len() == 1 || all) }
    }

    /// How many detectors it was made for.
    pub fn detectors(&self) -> usize {
        self.detectors.len()
    }

    /// Rows learned so far (after decay).
    pub fn rows(&self) -> f64 {
        self.detectors.iter().flatten().chain(&self.combined).map(Tail::rows).fold(0.0, f64::max)
    }

    /// Calibrates what the detectors said (`claimed[d][row]`) and combines it.
    pub fn apply(&self, claimed: &[Vec<f64>], rows: usize) -> Scores {
        let detectors: Vec<Vec<f64>> = claimed.iter().zip(&self.detectors).map(|(column, tail)| calibrated(tail.as_ref(), column)).collect();
        let raw: Vec<f64> = (0..rows).map(|r| combine(detectors.iter().map(|d| d.get(r).copied().unwrap_or(0.0)))).collect();
        let surprise = calibrated(self.combined.as_ref(), &raw);
        Scores { detectors, raw, surprise }
    }

    /// Learns a bucket that was judged: what the detectors claimed, the combined raw surprise, and a weight per row.
    pub fn learn(&mut self, claimed: &[Vec<f64>], raw: &[f64], weights: &[f64], buckets_per_day: f64) {
        let weight = |r: usize| weights.get(r).copied().unwrap_or(1.0);
        let factor = 0.5f64.powf(1.0 / (HALF_LIFE_DAYS * buckets_per_day.max(1e-6)));
        let columns = claimed.iter().map(Vec::as_slice).chain([raw]);
        for (tail, column) in self.detectors.iter_mut().chain([&mut self.combined]).zip(columns) {
            let Some(tail) = tail else { continue };
            column.iter().enumerate().for_each(|(r, &s)| tail.observe(s, weight(r)));
            tail.decay_and_fit(factor);
        }
    }
}

fn calibrated(tail: Option<&Tail>, column: &[f64]) -> Vec<f64> {
    match tail.map(Tail::table) {
        Some(table) => column.iter().map(|&s| table.calibrate(s)).collect(),
        None => column.iter().map(|&s| if s > 0.0 { s } else { 0.0 }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loud_detector_does_not_drown_an_honest_one() {
        let mut c = Calibration::new(&[false, false], CalibrationBy::Job);
        let n = 5_000;
        let honest: Vec<f64> = (0..n).map(|i| -((i as f64 + 0.5) / n as f64).log10()).collect();
        let loud: Vec<f64> = honest.iter().rev().map(|s| s * 5.0).collect();
        c.learn(&[honest.clone(), loud.clone()], &vec![0.0; n], &vec![1.0; n], 288.0);
        let s = c.apply(&[vec![5.0, 0.0], vec![0.0, 5.0]], 2);
        assert!(s.raw[0] > s.raw[1] + 2.0, "{s:?}");
        assert_eq!(s.loudest(0).map(|l| l.0), Some(0));
    }

    #[test]
    fn a_detector_with_a_tail_of_its_own_is_taken_at_its_word() {
        let mut c = Calibration::new(&[true], CalibrationBy::Detectors);
        c.learn(&[vec![9.0; 1_000]], &vec![9.0; 1_000], &[], 288.0);
        assert_eq!(c.apply(&[vec![4.0, f64::NAN]], 2).surprise, [4.0, 0.0]);
    }
}
