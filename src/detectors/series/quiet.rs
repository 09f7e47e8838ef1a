//! Quiet after a peak: one incident, one alarm.
//!
//! A surprise counts in full only when it is higher than every one within the quiet period before it. This needs no
//! threshold, so that it holds at whichever threshold alarms are raised: what does not reach a threshold is lower than what
//! does and silences none of it. It bounds alarms, too: of rows in no order one in `period + 1` is the highest of a period and
//! itself, so that a budget above a row in so many is never spent.

use serde::{Deserialize, Serialize};

/// The period as a share of the rows seen: what repeats within a tenth of the history is no news.
const SHARE: f64 = 0.1;
/// Shortest and longest period in rows.
const ROWS: (u64, u64) = (100, 2_000);
/// Peaks remembered; more would need a falling row of as many ever lower peaks.
const PEAKS: usize = 256;

/// The falling row of peaks in the quiet period: (row, surprise), each lower than the one before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quiet {
    row: u64,
    peaks: std::collections::VecDeque<(u64, f64)>,
}

impl Quiet {
    /// The surprise as reported: unchanged when it is the highest of the period, else squeezed below 1.
    pub fn damp(&self, surprise: f64) -> f64 {
        let from = self.row.saturating_sub(((self.row as f64 * SHARE) as u64).clamp(ROWS.0, ROWS.1));
        let peak = self.peaks.iter().find(|(row, _)| *row >= from).map_or(0.0, |p| p.1);
        if surprise > peak { surprise } else { surprise / (1.0 + surprise) }
    }

    /// Takes in the next one.
    pub fn learn(&mut self, surprise: f64) {
        let from = self.row.saturating_sub(((self.row as f64 * SHARE) as u64).clamp(ROWS.0, ROWS.1));
        while self.peaks.front().is_some_and(|(row, _)| *row < from) {
            self.peaks.pop_front();
        }
        while self.peaks.back().is_some_and(|(_, s)| *s <= surprise) {
            self.peaks.pop_back();
        }
        if self.peaks.len() < PEAKS {
            self.peaks.push_back((self.row, surprise));
        }
        self.row += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_silences_what_is_lower_for_a_while() {
        let mut q = Quiet::default();
        let mut say = |s: f64| {
            let out = q.damp(s);
            q.learn(s);
            out
        };
        assert_eq!(say(4.0), 4.0);
        assert!(say(3.9) < 1.0 && say(4.0) < 1.0);
        assert_eq!(say(5.0), 5.0);
        (0..101).for_each(|_| assert!(say(0.1) < 1.0));
        assert_eq!(say(4.0), 4.0);
    }

    #[test]
    fn what_is_below_a_threshold_silences_nothing_above_it() {
        let mut chance = crate::math::chance::Chance::new(3, 1);
        let drawn: Vec<f64> = (0..5_000).map(|_| -(1.0 - chance.unit()).log10()).collect();
        for threshold in [1.2, 2.0, 3.0] {
            let reported = |least: f64| -> Vec<usize> {
                let mut q = Quiet::default();
                let loud = |(i, &s): (usize, &f64)| {
                    let s = if s >= least { s } else { 0.0 };
                    let out = q.damp(s);
                    q.learn(s);
                    (out >= threshold).then_some(i)
                };
                drawn.iter().enumerate().filter_map(loud).collect()
            };
            let all = reported(0.0);
            assert!(!all.is_empty() && all == reported(threshold), "{threshold}");
            // One in 101 rows at first, one in 501 at last.
            assert!(all.len() <= 5_000 / 101, "{}", all.len());
        }
    }

    #[test]
    fn damped_surprises_keep_their_order_and_memory_stays_small() {
        let mut q = Quiet::default();
        q.learn(100.0);
        assert!(q.damp(3.0) < q.damp(4.0) && q.damp(99.0) < 1.0);
        (0..50_000u32).for_each(|i| q.learn(1e6 - f64::from(i)));
        assert!(q.peaks.len() <= PEAKS);
    }
}
