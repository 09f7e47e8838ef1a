//! One scale over detectors, entities and jobs: every surprise becomes the tail probability that this job has seen.

use serde::{Deserialize, Serialize};

use super::Scores;
use super::combine::combine;
use crate::math::tail::Tail;

/// Days after which a learned row counts half.
const HALF_LIFE_DAYS: f64 = 14.0;

/// Tails of every detector and of their combination.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    detectors: Vec<Tail>,
    combined: Tail,
}

impl Calibration {
    /// For this many detectors.
    pub fn new(detectors: usize) -> Self {
        Self { detectors: vec![Tail::default(); detectors], combined: Tail::default() }
    }

    /// How many detectors it was made for.
    pub fn detectors(&self) -> usize {
        self.detectors.len()
    }

    /// Rows learned so far (after decay).
    pub fn rows(&self) -> f64 {
        self.combined.rows()
    }

    /// Calibrates what the detectors said (`claimed[d][row]`) and combines it.
    pub fn apply(&self, claimed: &[Vec<f64>], rows: usize) -> Scores {
        let detectors: Vec<Vec<f64>> = claimed
            .iter()
            .zip(&self.detectors)
            .map(|(column, tail)| {
                let table = tail.table();
                column.iter().map(|&s| table.calibrate(s)).collect()
            })
            .collect();
        let raw: Vec<f64> = (0..rows).map(|r| combine(detectors.iter().map(|d| d.get(r).copied().unwrap_or(0.0)))).collect();
        let table = self.combined.table();
        let surprise = raw.iter().map(|&s| table.calibrate(s)).collect();
        Scores { detectors, raw, surprise }
    }

    /// Learns a bucket that was judged: what the detectors claimed, the combined raw surprise, and a weight per row.
    pub fn learn(&mut self, claimed: &[Vec<f64>], raw: &[f64], weights: &[f64], buckets_per_day: f64) {
        let weight = |r: usize| weights.get(r).copied().unwrap_or(1.0);
        for (tail, column) in self.detectors.iter_mut().zip(claimed) {
            column.iter().enumerate().for_each(|(r, &s)| tail.observe(s, weight(r)));
        }
        raw.iter().enumerate().for_each(|(r, &s)| self.combined.observe(s, weight(r)));
        let factor = 0.5f64.powf(1.0 / (HALF_LIFE_DAYS * buckets_per_day.max(1e-6)));
        self.detectors.iter_mut().for_each(|t| t.decay_and_fit(factor));
        self.combined.decay_and_fit(factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loud_detector_does_not_drown_an_honest_one() {
        let mut c = Calibration::new(2);
        let n = 5_000;
        let honest: Vec<f64> = (0..n).map(|i| -((i as f64 + 0.5) / n as f64).log10()).collect();
        let loud: Vec<f64> = honest.iter().rev().map(|s| s * 5.0).collect();
        c.learn(&[honest.clone(), loud.clone()], &vec![0.0; n], &vec![1.0; n], 288.0);
        let s = c.apply(&[vec![5.0, 0.0], vec![0.0, 5.0]], 2);
        assert!(s.raw[0] > s.raw[1] + 2.0, "{s:?}");
        assert_eq!(s.loudest(0).map(|l| l.0), Some(0));
    }
}
