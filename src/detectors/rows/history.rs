//! A bounded sample of past rows that slowly forgets: reservoir sampling (Vitter 1985, algorithm R)
//! whose count of rows seen stops growing, so that old rows are replaced at a steady rate
//! (Aggarwal 2006, "On biased reservoir sampling in the presence of stream evolution").

use crate::math::chance::Chance;
use crate::math::rows::Rows;
use serde::{Deserialize, Serialize};

/// The count of rows seen stops at this many times the capacity: the sample then looks back over about
/// as many histories, long enough for a week of daily rhythm and short enough to follow a change.
const MEMORY: u64 = 8;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    capacity: usize,
    seen: u64,
    rows: Rows,
}

impl History {
    pub(super) fn new(width: usize, capacity: usize) -> Self {
        Self { capacity: capacity.max(1), seen: 0, rows: Rows::new(width) }
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Adds rows; chance comes from `seed` and the number of rows in this call alone.
    pub(super) fn extend<'a>(&mut self, rows: impl Iterator<Item = &'a [f64]>, seed: u64) {
        let mut chance = Chance::new(seed, 1);
        let most = self.capacity as u64 * MEMORY;
        for row in rows {
            self.seen = (self.seen + 1).min(most);
            if self.rows.len() < self.capacity {
                self.rows.push(row);
            } else {
                let place = chance.below(self.seen as usize);
                if place < self.capacity {
                    self.rows.replace(place, row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_everything_up_to_its_bound_and_a_fair_sample_beyond() {
        let all: Vec<[f64; 1]> = (0..1000).map(|i| [f64::from(i)]).collect();
        let mut history = History::new(1, 100);
        history.extend(all.iter().take(100).map(|r| &r[..]), 1);
        assert_eq!(history.rows().column(0)[99], 99.0);
        history.extend(all.iter().skip(100).map(|r| &r[..]), 2);
        assert_eq!(history.rows().len(), 100);
        let mean = history.rows().column(0).iter().sum::<f64>() / 100.0;
        assert!((400.0..650.0).contains(&mean), "{mean}");
        let mut again = History::new(1, 100);
        again.extend(all.iter().take(100).map(|r| &r[..]), 1);
        again.extend(all.iter().skip(100).map(|r| &r[..]), 2);
        assert_eq!(history, again);
    }

    #[test]
    fn it_forgets_what_no_longer_comes() {
        let mut history = History::new(1, 50);
        for seed in 0..40 {
            let row = [if seed < 20 { 0.0 } else { 1.0 }];
            history.extend(std::iter::repeat_n(&row[..], 50), seed);
        }
        let new = history.rows().column(0).iter().sum::<f64>();
        assert!(new > 40.0, "{new} of 50");
    }
}
