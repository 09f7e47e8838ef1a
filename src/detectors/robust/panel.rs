//! Up to eight features that are judged together, for all entities: arrays indexed by entity slot.

use super::judge::{MAX, Row};
use super::relation;
use super::scale::Scale;
use super::season::{Moment, Season, Seen};
use super::track::{Pace, Track, WARM};
use crate::model::Direction;
use serde::{Deserialize, Serialize};

/// No profile yet.
const NO_BLOCK: u32 = u32::MAX;
/// Share of the day's cells that have to be visited before the daily profile is used.
const COVERED: f32 = 0.95;
/// Bad buckets in a row that still teach the tails, and that still teach the daily profile (an hour of five minutes: a batch job).
const TEACH: u16 = 6;
const PROFILE: u16 = 12;
/// Least share of its weight with which a surprising bucket enters the daily profile: a nightly batch is surprising at first.
const PROFILE_TRUST: f32 = 0.25;
/// Buckets in a row for which even a young entity has to have changed.
const LEAST_PATIENCE: f32 = 24.0;
/// Variance on the scale before any entity is known.
const FIRST_VARIANCE: f32 = 1.5;

/// One feature, over all entities: its scale, and the variance that is typical of entities (a geometric mean).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct FeatureState {
    pub(super) scale: Option<Scale>,
    pub(super) direction: Direction,
    pub(super) peers: f32,
    peers_seen: f64,
    sum: f64,
    rows: f64,
}

impl FeatureState {
    const fn new(direction: Direction) -> Self {
        Self { scale: None, direction, peers: FIRST_VARIANCE, peers_seen: 0.0, sum: 0.0, rows: 0.0 }
    }
}

/// What is remembered about one entity as a whole.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Entity {
    pub(super) seen: f32,
    pub(super) block: u32,
    visited: u16,
    doubted: u16,
    has_profile: bool,
    pub(super) is_seasonal: bool,
}

/// Models of up to eight features of every entity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Panel {
    pub(super) features: Vec<FeatureState>,
    pub(super) entities: Vec<Entity>,
    tracks: Vec<Track>,
    covariance: Vec<f32>,
    pub(super) season: Season,
    pub(super) horizon: f32,
    day: f32,
    /// Buckets in a row after which a change counts as the new normal, at most.
    adapt: f32,
}

/// What `learn` is told about a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lesson {
    pub(super) moment: Moment,
    pub(super) trust: f32,
    pub(super) keep: bool,
    pub(super) is_silent: bool,
    pub(super) seed: u64,
}

impl Entity {
    const fn unknown(block: u32) -> Self {
        Self { seen: 0.0, block, visited: 0, doubted: 0, has_profile: false, is_seasonal: false }
    }
}

impl Panel {
    pub(super) fn new(directions: &[Direction], span_ms: i64, adapt: Option<u16>) -> Self {
        let day = (86_400_000.0 / span_ms.max(1) as f32).max(1.0);
        Self {
            features: directions.iter().map(|d| FeatureState::new(*d)).collect(),
            entities: Vec::new(),
            tracks: Vec::new(),
            covariance: Vec::new(),
            season: Season::new(span_ms, directions.len()),
            horizon: (2.0 * day).clamp(64.0, 1000.0),
            day,
            adapt: adapt.map_or(day.clamp(LEAST_PATIENCE, 288.0), f32::from),
        }
    }

    pub(super) fn days(&self, entity: &Entity) -> f32 {
        entity.seen / self.day
    }

    pub(super) fn tracks_of(&self, slot: usize) -> Option<&[Track]> {
        let n = self.features.len();
        self.tracks.get(slot * n..(slot + 1) * n)
    }

    pub(super) fn covariance_of(&self, slot: usize) -> &[f32] {
        let n = relation::triangle(self.features.len());
        self.covariance.get(slot * n..(slot + 1) * n).unwrap_or_default()
    }

    /// Forgets an entity; its slot (and its block of the season) will be used again.
    pub(super) fn forget(&mut self, slot: usize) {
        let n = self.features.len();
        let Some(entity) = self.entities.get_mut(slot) else { return };
        *entity = Entity::unknown(entity.block);
        if entity.block != NO_BLOCK {
            (0..n).for_each(|f| self.season.clear(entity.block, f));
        }
        self.tracks.iter_mut().skip(slot * n).take(n).for_each(|t| *t = Track::default());
        let size = relation::triangle(n);
        self.covariance.iter_mut().skip(slot * size).take(size).for_each(|c| *c = 0.0);
    }

    /// How mature the models of an entity are, 0-1: half of it after two hours of five-minute buckets.
    pub(super) fn confidence(&self, slot: usize) -> f64 {
        self.entities.get(slot).map_or(0.0, |e| f64::from(e.seen / (e.seen + WARM)))
    }

    /// Makes room for the entities up to `slots`, and looks at the columns to see what numbers the features hold.
    pub(super) fn prepare(&mut self, slots: usize, columns: &[&[f64]]) {
        if self.entities.len() < slots {
            self.entities.resize(slots, Entity::unknown(NO_BLOCK));
            self.tracks.resize(slots * self.features.len(), Track::default());
            self.covariance.resize(slots * relation::triangle(self.features.len()), 0.0);
        }
        let n = self.features.len();
        for (f, (feature, column)) in self.features.iter_mut().zip(columns).enumerate() {
            let now = match feature.scale {
                None => Scale::of(column),
                Some(Scale::Count) if column.iter().any(|x| x.is_finite() && x.fract() != 0.0) => Some(Scale::Positive(1e-3)),
                other => other,
            };
            let below = !matches!(now, Some(Scale::Signed(_)) | None) && column.iter().any(|x| x.is_finite() && *x < 0.0);
            if below {
                // The first negative number: the scale was wrong, and what was learned on it.
                feature.scale = Scale::of(column);
                self.tracks.iter_mut().skip(f).step_by(n).for_each(|t| *t = Track::default());
                self.entities.iter().filter(|e| e.has_profile).for_each(|e| self.season.clear(e.block, f));
            } else {
                feature.scale = now;
            }
        }
    }

    /// Learns one row that was judged before.
    pub(super) fn learn(&mut self, slot: usize, values: &[f64; MAX], row: &Row, lesson: &Lesson) {
        let (n, Some(&(mut entity))) = (self.features.len(), self.entities.get(slot)) else { return };
        entity.seen += 1.0;
        entity.doubted = if !lesson.keep { entity.doubted.saturating_add(1) } else { 0 };
        let accept = f32::from(entity.doubted) >= self.patience(&entity);
        let pace = Pace {
            horizon: self.horizon,
            trust: lesson.trust,
            keep: lesson.keep,
            teach: entity.doubted <= TEACH,
            doubted: entity.doubted,
            accept,
            is_silent: lesson.is_silent,
        };
        self.begin_profile(slot, &mut entity, lesson.moment);
        let becomes_seasonal = !entity.is_seasonal && entity.has_profile && f32::from(entity.visited) > COVERED * self.season.cells() as f32;
        let days = self.days(&entity);
        for (f, (&x, j)) in values.iter().zip(&row.features).enumerate().take(n) {
            let (Some(feature), Some(track)) = (self.features.get_mut(f), self.tracks.get_mut(slot * n + f)) else { continue };
            let Some(scale) = feature.scale else { continue };
            if !x.is_finite() {
                continue;
            }
            if track.learned == 0.0 {
                *track = Track::first(scale, x, feature.peers);
                continue;
            }
            if track.warm_up(scale, j.y) {
                if entity.has_profile {
                    self.season.clear(entity.block, f);
                }
                continue;
            }
            track.learn(x, j, &pace);
            if entity.has_profile && entity.doubted <= PROFILE {
                let deviation = j.y - track.anchor - track.drift;
                let (trust, seed) = (lesson.trust.max(PROFILE_TRUST), lesson.seed ^ (slot * n + f) as u64);
                self.season.learn(entity.block, f, lesson.moment, &Seen { deviation, spread: j.spread, days, trust, seed });
            }
            if track.settled >= WARM {
                feature.sum += f64::from(track.own_variance().max(0.01).ln());
                feature.rows += 1.0;
            }
            if becomes_seasonal {
                track.settle_again(feature.peers);
            }
        }
        if lesson.keep {
            self.relate_learn(slot, row, lesson.trust);
        }
        entity.is_seasonal |= becomes_seasonal;
        if accept {
            entity.doubted = 0;
        }
        if let Some(e) = self.entities.get_mut(slot) {
            *e = entity;
        }
    }

    /// Bad buckets in a row after which a change is the new normal: half of the known past, at least 24 buckets, at most `adapt`.
    fn patience(&self, entity: &Entity) -> f32 {
        (0.5 * entity.seen).max(LEAST_PATIENCE).min(self.adapt)
    }

    fn begin_profile(&mut self, slot: usize, entity: &mut Entity, moment: Moment) {
        let n = self.features.len();
        if self.season.cells() < 2 {
            return;
        }
        if !entity.has_profile && entity.seen > WARM {
            if entity.block == NO_BLOCK {
                entity.block = self.season.allocate();
            }
            entity.has_profile = true;
            for track in self.tracks.iter_mut().skip(slot * n).take(n) {
                track.anchor = track.level;
                track.drift = 0.0;
            }
        }
        if entity.has_profile && !entity.is_seasonal && !self.season.is_visited(entity.block, moment) {
            entity.visited += 1;
        }
    }

    fn relate_learn(&mut self, slot: usize, row: &Row, trust: f32) {
        let n = self.features.len();
        let settled = self.tracks_of(slot).unwrap_or_default().iter().map(|t| t.settled).fold(f32::MAX, f32::min);
        let mut z = [0.0f32; MAX];
        z.iter_mut().zip(&row.features).for_each(|(z, j)| *z = j.joint);
        let size = relation::triangle(n);
        if let Some(cells) = self.covariance.get_mut(slot * size..(slot + 1) * size) {
            relation::learn(cells, &z[..n], trust * (1.0 / (settled + 1.0)).max(1.0 / self.horizon));
        }
    }

    /// After the last row of a bucket: moves the spread that is typical of entities.
    pub(super) fn finish(&mut self) {
        for feature in &mut self.features {
            if feature.rows > 0.0 {
                feature.peers_seen = (feature.peers_seen + feature.rows).min(1e4_f64.max(10.0 * feature.rows));
                let gain = feature.rows / feature.peers_seen;
                let now = f64::from(feature.peers).ln();
                feature.peers = (now + gain * (feature.sum / feature.rows - now)).exp() as f32;
                (feature.sum, feature.rows) = (0.0, 0.0);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn size_bytes(&self) -> usize {
        self.tracks.len() * size_of::<Track>() + self.entities.len() * size_of::<Entity>() + 4 * self.covariance.len() + self.season.size_bytes()
    }
}
