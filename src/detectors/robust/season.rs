//! What an entity usually shows at this time of day, and how the days of the week differ from it.
//!
//! The day is a row of cells, at most 288 (five minutes), one byte each: the deviation from a fixed anchor in half units of the scale
//! (2.5 %). The expected value is the mean of the cells within half an hour; where the cell itself disagrees with its
//! neighbours (the edge of a nightly batch) either is believed. The week is 28 quarter days on top, used from the second week on.
//! The place in the week is local time and comes from outside, so that days of 23 or 25 hours need nothing here.

use serde::{Deserialize, Serialize};

/// Cells of a day at most.
const DAY_CELLS: usize = 288;
/// Quarter days of a week.
const WEEK_CELLS: usize = 28;
/// Minutes of a week and of a day.
const WEEK_MINUTES: u32 = 7 * 1440;
/// Width of a step of a day cell, in units of the scale.
const DAY_STEP: f32 = 0.5;
/// Width of a step of a week cell.
const WEEK_STEP: f32 = 1.0 / 64.0;
/// A cell that has not been visited yet.
const UNSEEN: i8 = i8::MIN;
/// A cell disagrees with its neighbours beyond this many standard deviations of its own mean.
const DISAGREES: f32 = 3.0;
/// Days and weeks that a profile remembers.
const DAYS: f32 = 7.0;
const WEEKS: f32 = 4.0;
/// An unusual day moves its cells by at most this many standard deviations.
const CLIP: f32 = 8.0;

/// The place of a bucket in the local day and week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    cell: usize,
    quarter: usize,
}

/// The expected deviation from the anchor: by the hour, and by the cell itself where that says something else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    pub(super) smooth: f32,
    pub(super) other: f32,
}

/// One value on its way into the profile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Difference to the anchor, and the standard deviation of residuals.
    pub(super) deviation: f32,
    pub(super) spread: f32,
    /// Days of history of the entity.
    pub(super) days: f32,
    /// Below 1 for buckets that look bad.
    pub(super) trust: f32,
    /// Makes the rounding fair.
    pub(super) seed: u64,
}

/// The profiles of all entities that have enough history: one block each, bytes in one piece.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Season {
    cells: usize,
    features: usize,
    day: Vec<i8>,
    week: Vec<i16>,
}

impl Season {
    pub(super) fn new(span_ms: i64, features: usize) -> Self {
        let cells = usize::try_from(86_400_000 / span_ms.max(1)).unwrap_or(1).clamp(1, DAY_CELLS);
        Self { cells, features, day: Vec::new(), week: Vec::new() }
    }

    /// Cells of a day; 1 means that buckets are too long for a daily profile.
    pub(super) const fn cells(&self) -> usize {
        self.cells
    }

    pub(super) fn moment(&self, minute_of_week: u32) -> Moment {
        let minute = minute_of_week % WEEK_MINUTES;
        Moment { cell: (minute % 1440) as usize * self.cells / 1440, quarter: (minute / 360) as usize }
    }

    /// Makes room for one more entity and returns its block.
    pub(super) fn allocate(&mut self) -> u32 {
        let block = self.day.len() / (self.features * self.cells);
        self.day.resize(self.day.len() + self.features * self.cells, UNSEEN);
        self.week.resize(self.week.len() + self.features * WEEK_CELLS, 0);
        u32::try_from(block).unwrap_or(u32::MAX - 1)
    }

    fn profile(&self, block: u32, feature: usize) -> &[i8] {
        let at = (block as usize * self.features + feature) * self.cells;
        self.day.get(at..at + self.cells).unwrap_or_default()
    }

    fn week_at(&self, block: u32, feature: usize, moment: Moment) -> usize {
        (block as usize * self.features + feature) * WEEK_CELLS + moment.quarter
    }

    /// Forgets what one feature of one entity showed.
    pub(super) fn clear(&mut self, block: u32, feature: usize) {
        let at = (block as usize * self.features + feature) * self.cells;
        if let Some(cells) = self.day.get_mut(at..at + self.cells) {
            cells.fill(UNSEEN);
        }
    }

    /// Was any feature of this entity seen at this moment of the day?
    pub(super) fn is_visited(&self, block: u32, moment: Moment) -> bool {
        (0..self.features).any(|f| self.profile(block, f).get(moment.cell).is_some_and(|c| *c != UNSEEN))
    }

    /// What is usual now. `days` of history, `deviation` the standard deviation of the residuals; `None` without any cell near.
    pub(super) fn usual(&self, block: u32, feature: usize, moment: Moment, days: f32, deviation: f32) -> Option<Usual> {
        let cells = self.profile(block, feature);
        let half = self.cells / 48;
        let (mut sum, mut n) = (0i32, 0i32);
        let mut add = |part: &[i8]| {
            for c in part {
                let seen = i32::from(*c != UNSEEN);
                sum += i32::from(*c) * seen;
                n += seen;
            }
        };
        let (from, to) = (moment.cell as isize - half as isize, moment.cell + half + 1);
        if from < 0 {
            add(cells.get((from + self.cells as isize) as usize..)?);
        }
        add(cells.get(from.max(0) as usize..to.min(self.cells))?);
        if to > self.cells {
            add(cells.get(..to - self.cells)?);
        }
        if n == 0 {
            return None;
        }
        let smooth = sum as f32 / n as f32 * DAY_STEP;
        let own = match cells.get(moment.cell) {
            Some(&c) if c != UNSEEN => f32::from(c) * DAY_STEP,
            _ => smooth,
        };
        let disagrees = (own - smooth).abs() > DISAGREES * deviation / days.clamp(1.0, DAYS).sqrt();
        let week = if days >= 7.0 { self.week.get(self.week_at(block, feature, moment)).map_or(0.0, |w| f32::from(*w) * WEEK_STEP) } else { 0.0 };
        Some(Usual { smooth: smooth + week, other: week + if disagrees { own } else { smooth } })
    }

    /// Learns what one feature showed.
    pub(super) fn learn(&mut self, block: u32, feature: usize, moment: Moment, seen: &Seen) {
        let &Seen { deviation, spread, days, trust, seed } = seen;
        let week_at = self.week_at(block, feature, moment);
        let per_cell = (self.cells as f32 / 4.0).max(1.0);
        let at = (block as usize * self.features + feature) * self.cells + moment.cell;
        let (Some(cell), Some(week)) = (self.day.get_mut(at), self.week.get_mut(week_at)) else { return };
        let week_now = if days >= 7.0 { f32::from(*week) * WEEK_STEP } else { 0.0 };
        let deviation = deviation - week_now;
        if *cell == UNSEEN {
            *cell = rounded(deviation / DAY_STEP, seed) as i8;
            return;
        }
        let now = f32::from(*cell) * DAY_STEP;
        let error = (deviation - now).clamp(-CLIP * spread, CLIP * spread) * trust;
        *cell = rounded((now + error / (days.floor().clamp(1.0, DAYS - 1.0) + 1.0)) / DAY_STEP, seed) as i8;
        let gain = 1.0 / (per_cell * ((days / 7.0).floor() + 1.0).min(WEEKS));
        let error = error + week_now - f32::from(*week) * WEEK_STEP;
        *week = ((f32::from(*week) * WEEK_STEP + error * gain) / WEEK_STEP).round().clamp(-32_000.0, 32_000.0) as i16;
    }

    #[cfg(test)]
    pub(super) fn size_bytes(&self) -> usize {
        self.day.len() + 2 * self.week.len()
    }
}

/// Rounds to a whole number within a byte, up or down by chance in proportion (seeded): small steps are not lost.
fn rounded(v: f32, seed: u64) -> f32 {
    let mut h = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    h = (h ^ (h >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    h ^= h >> 32;
    (v + (h & 0xFFFF) as f32 / 65536.0).floor().clamp(-127.0, 127.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MINUTES: i64 = 300_000;

    fn seen(deviation: f32, days: f32, seed: u64) -> Seen {
        Seen { deviation, spread: 1.0, days, trust: 1.0, seed }
    }

    #[test]
    fn a_daily_wave_is_learned_and_a_batch_keeps_its_edges() {
        let mut season = Season::new(FIVE_MINUTES, 1);
        let block = season.allocate();
        let shape = |cell: usize| (cell as f32 / 288.0 * std::f32::consts::TAU).sin() * 10.0 + if (100..104).contains(&cell) { 16.0 } else { 0.0 };
        for day in 0..3 {
            for cell in 0..288 {
                let m = season.moment(cell as u32 * 5);
                season.learn(block, 0, m, &seen(shape(cell), day as f32, (day * 288 + cell) as u64));
            }
        }
        for cell in 0..288 {
            let u = season.usual(block, 0, season.moment(cell as u32 * 5), 3.0, 1.0).unwrap();
            let off = (u.smooth - shape(cell)).abs().min((u.other - shape(cell)).abs());
            // Beside the batch the hourly mean is pulled up and the cell is believed only beyond three deviations of its own.
            assert!(off < 2.0, "cell {cell}: {u:?}, {}", shape(cell));
        }
    }

    #[test]
    fn weekends_are_told_apart_from_the_second_week_on() {
        let mut season = Season::new(3_600_000, 1);
        let block = season.allocate();
        let value = |hour: u32| if hour / 24 % 7 >= 5 { -8.0 } else { 2.0 };
        for hour in 0..24 * 42u32 {
            let m = season.moment(hour % 168 * 60);
            season.learn(block, 0, m, &seen(value(hour), hour as f32 / 24.0, u64::from(hour)));
        }
        let at = |hour: u32| season.usual(block, 0, season.moment(hour * 60), 42.0, 1.0).unwrap().smooth;
        assert!(at(12) - at(24 * 6 + 12) > 6.0, "{} {}", at(12), at(24 * 6 + 12));
    }

    #[test]
    fn nothing_is_usual_where_nothing_was_seen() {
        let mut season = Season::new(FIVE_MINUTES, 2);
        let block = season.allocate();
        let m = season.moment(0);
        assert_eq!(season.usual(block, 1, m, 0.0, 1.0), None);
        assert!(!season.is_visited(block, m));
        season.learn(block, 1, m, &seen(3.0, 0.0, 1));
        assert!(season.is_visited(block, m));
        season.clear(block, 1);
        assert_eq!(season.usual(block, 1, m, 0.0, 1.0), None);
        assert_eq!(Season::new(i64::MAX, 1).cells(), 1);
        assert_eq!(season.moment(WEEK_MINUTES), season.moment(0));
    }

    #[test]
    fn rounding_is_fair() {
        let mean: f32 = (0..10_000).map(|i| rounded(0.1, i)).sum::<f32>() / 10_000.0;
        assert!((mean - 0.1).abs() < 0.02, "{mean}");
    }
}
