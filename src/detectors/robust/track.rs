//! What is remembered about one feature of one entity (170 bytes), and how a bucket moves it.

use super::judge::{Judgement, STATISTICS, Statistic};
use super::scale::{Scale, unit_of};
use super::tail::Tail;
use serde::{Deserialize, Serialize};

/// Buckets after which the noise of a feature is known well enough to choose its unit and to begin a daily profile.
pub(super) const WARM: f32 = 24.0;
/// Buckets that the level follows before there is a daily profile: three hours of five minutes.
const LEVEL_MEMORY: f32 = 36.0;
/// Buckets of evidence that the typical spread of other entities counts for.
const PEERS: f32 = 4.0;
/// Residuals count for the spread up to this many standard deviations.
const CLIP: f32 = 3.0;
/// The smallest standard deviation on the scale, where 1 is pure chance of a count (or 5 %).
pub(super) const LEAST_SPREAD: f32 = 0.3;
/// The two memories: half an hour to an hour, and four hours, of five-minute buckets.
pub(super) const FAST: f32 = 1.0 / 6.0;
pub(super) const SLOW: f32 = 1.0 / 48.0;

/// A mean over recent buckets of a standardised residual, and how much wider it spreads than independent residuals would.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) mean: f32,
    pub(super) spread: f32,
}

impl Default for Memory {
    fn default() -> Self {
        Self { mean: 0.0, spread: 1.0 }
    }
}

/// Everything about one feature of one entity.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Track {
    /// Buckets learned in all, and since the way of judging last changed.
    pub(super) learned: f32,
    pub(super) settled: f32,
    pub(super) unit: f32,
    /// Recent level; fixed anchor of the daily profile and how far all of it has moved since.
    pub(super) level: f32,
    pub(super) anchor: f32,
    pub(super) drift: f32,
    /// Mean square of residuals, and of what is left of them when the other features are known.
    variance: f32,
    left_variance: f32,
    /// Correlation of neighbouring buckets (of both), and the last values for it.
    alike: [f32; 2],
    last: [f32; 2],
    memories: [Memory; 4],
    tails: [Tail; STATISTICS],
    /// Mean absolute step during warm-up; residual mean while the entity is doubted.
    step: f32,
    last_y: f32,
    shift: f32,
    /// Flat line: fingerprint of the last value, surprise of the run of equal values, share of repeats.
    fingerprint: u32,
    run: f32,
    repeats: f32,
}

/// What all tracks of a detector share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Buckets that levels and spreads remember: two days.
    pub(super) horizon: f32,
    /// Share of full weight for this bucket: it is low when the bucket looks bad.
    pub(super) trust: f32,
    /// Bad buckets are not learned at all.
    pub(super) keep: bool,
    /// The first buckets of an event teach the tails, later ones do not.
    pub(super) teach: bool,
    /// Bad buckets in a row, this one included.
    pub(super) doubted: u16,
    /// The change has lasted: take it as the new normal.
    pub(super) accept: bool,
    /// There were no documents: that was told as it was, and does not linger in what is remembered once they come again.
    pub(super) is_silent: bool,
}

/// A hash of the exact value.
pub(super) fn fingerprint(x: f64) -> u32 {
    let bits = x.to_bits();
    (bits ^ (bits >> 32)) as u32
}

impl Track {
    pub(super) fn first(scale: Scale, x: f64, peers: f32) -> Self {
        let unit = scale.first_unit(x);
        let y = scale.forward(x, unit);
        Self { learned: 1.0, unit, level: y, last_y: y, variance: peers, left_variance: 1.0, fingerprint: fingerprint(x), ..Self::default() }
    }

    /// Standard deviation of residuals, shrunk to that of other entities (`peers`, a variance) while young.
    pub(super) fn spread(&self, peers: f32) -> f32 {
        let variance = (PEERS * peers + self.settled * self.variance) / (PEERS + self.settled);
        // A level known from n buckets is itself uncertain: 1 + 1/n.
        (variance * (1.0 + 1.0 / self.learned.max(1.0))).sqrt().max(LEAST_SPREAD)
    }

    pub(super) fn own_variance(&self) -> f32 {
        self.variance
    }

    pub(super) fn left_variance(&self) -> f32 {
        self.left_variance.max(0.25)
    }

    /// The surprise of the run of equal values, with this value at its end; `chance` is the chance of a repeat by itself.
    pub(super) fn run(&self, x: f64, chance: f32, horizon: f32) -> f32 {
        if fingerprint(x) != self.fingerprint || self.learned < WARM {
            return 0.0;
        }
        let usual = (self.repeats + 1.0) / (self.learned.min(horizon) + 2.0);
        // A feature that repeats itself every other time is discrete or idle: no run of it means anything.
        self.run - (2.0 * usual.max(chance)).min(1.0).log10()
    }

    pub(super) fn tail(&self, statistic: usize) -> &Tail {
        &self.tails[statistic]
    }

    /// The memories after a bucket with these residuals (own, left), and the squares of their standard scores. The variance
    /// of an exponential mean over values with correlation `r` is `l/(2-l) (1+r(1-l))/(1-r(1-l))`.
    pub(super) fn remembered(&self, own: f32, left: f32) -> ([f32; 4], [f32; 4]) {
        let (mut means, mut squares) = ([0.0; 4], [0.0; 4]);
        for (i, (rate, value)) in [(FAST, own), (FAST, left), (SLOW, own), (SLOW, left)].into_iter().enumerate() {
            let memory = self.memories[i];
            let mean = memory.mean + rate * (value.clamp(-6.0, 6.0) - memory.mean);
            // A young memory is a plain mean of what there is.
            let l = rate.max(1.0 / (self.settled + 1.0));
            let r = self.alike[i % 2].clamp(0.0, 0.95) * (1.0 - l);
            means[i] = mean;
            squares[i] = mean * mean * (2.0 - l) * (1.0 - r) / (l * (1.0 + r) * memory.spread.max(0.25));
        }
        (means, squares)
    }

    /// During warm-up: follows the noise, and at its end chooses the unit. True if the scale changed, and the profile starts again.
    pub(super) fn warm_up(&mut self, scale: Scale, y: f32) -> bool {
        if self.learned >= WARM || matches!(scale, Scale::Signed(_)) {
            return false;
        }
        let step = (y - self.last_y).abs();
        let most = if self.learned < 4.0 { 40.0 } else { 3.0 * self.step };
        self.step += (step.min(most) - self.step) / self.learned;
        self.last_y = y;
        if self.learned + 1.0 < WARM {
            return false;
        }
        let unit = unit_of(self.step, scale.back(self.level, self.unit));
        if unit <= 1.5 * self.unit {
            return false;
        }
        self.level = scale.forward(scale.back(self.level, self.unit), unit);
        self.unit = unit;
        self.anchor = self.level;
        self.drift = 0.0;
        self.settled = self.settled.min(PEERS);
        self.learned += 1.0;
        true
    }

    /// The residuals are measured against something else from now on: what was learned about them is void.
    pub(super) fn settle_again(&mut self, peers: f32) {
        self.settled = 0.0;
        self.alike = [0.0; 2];
        self.variance = peers;
        self.left_variance = 1.0;
        self.tails = Default::default();
        self.memories = Default::default();
    }

    /// Learns one bucket.
    pub(super) fn learn(&mut self, x: f64, j: &Judgement, pace: &Pace) {
        if pace.teach {
            for (i, tail) in self.tails.iter_mut().enumerate().filter(|(i, _)| j.teaches(*i)) {
                tail.learn(j.squares[i], if i < Statistic::OwnFast as usize { 1.0 } else { 0.5 });
            }
        }
        if !pace.is_silent {
            self.memories.iter_mut().zip(j.means).for_each(|(memory, mean)| memory.mean = mean);
        }
        let repeats = fingerprint(x) == self.fingerprint;
        self.run = j.run;
        self.fingerprint = fingerprint(x);
        let rate = if pace.doubted <= 1 { 1.0 } else { FAST };
        self.shift += rate * (j.residual - self.shift);
        if pace.accept {
            self.level += self.shift;
            self.drift += self.shift;
            self.memories.iter_mut().for_each(|m| m.mean = 0.0);
            self.settled = self.settled.min(WARM);
        }
        if pace.keep {
            self.keep(j, pace, repeats);
        }
    }

    fn keep(&mut self, j: &Judgement, pace: &Pace, repeats: bool) {
        let longest = 1.0 / pace.horizon;
        let gain = |prior: f32| (1.0 / (self.settled + prior)).max(longest) * pace.trust;
        let (quick, steady) = (gain(1.0), gain(8.0));
        let (fast, slow) = (gain(4.0 / FAST), gain(4.0 / SLOW));
        let clipped = j.residual.clamp(-CLIP * j.spread, CLIP * j.spread);
        self.variance += (clipped * clipped - self.variance) * quick;
        if j.teaches(Statistic::Left as usize) {
            self.left_variance += ((j.left * j.left).min(CLIP * CLIP) * self.left_variance() - self.left_variance) * steady / pace.trust;
        }
        for (i, value) in [j.own, j.left].into_iter().enumerate().filter(|(i, _)| j.teaches(*i)) {
            let value = value.clamp(-CLIP, CLIP);
            self.alike[i] += (value * self.last[i] - self.alike[i]) * steady / pace.trust;
            self.last[i] = value;
        }
        for (i, memory) in self.memories.iter_mut().enumerate().filter(|(i, _)| j.teaches(*i)) {
            let square = j.squares[Statistic::OwnFast as usize + i].min(CLIP * CLIP) * memory.spread.max(0.25);
            memory.spread += (square - memory.spread) * if i < 2 { fast } else { slow };
        }
        if self.learned >= pace.horizon {
            self.repeats *= 1.0 - longest;
        }
        self.repeats += f32::from(u8::from(repeats));
        self.learned = (self.learned + 1.0).min(4.0 * pace.horizon);
        self.settled = (self.settled + 1.0).min(4.0 * pace.horizon);
        let step = (j.y - self.level).clamp(-4.0 * j.spread, 4.0 * j.spread);
        self.level += step * pace.trust * (1.0 / self.learned).max(1.0 / LEVEL_MEMORY);
        if j.is_seasonal {
            self.drift += clipped * pace.trust * longest;
        }
    }
}
