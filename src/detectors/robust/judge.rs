//! Judging one row: for every feature, how far from its own habit and from the other features, now and over recent buckets.

use super::panel::{Entity, Panel};
use super::relation;
use super::season::Moment;
use super::track::{LEAST_SPREAD, Track};
use crate::model::Direction;

/// Features that are judged together: the relation costs their number squared in memory, cubed in time.
pub(super) const MAX: usize = 8;
/// Statistics with a learned tail.
pub(super) const STATISTICS: usize = 6;
/// Residuals beyond this many units of the scale (a factor of 20) look alike.
const FARTHEST: f32 = 60.0;
/// Standard deviations that what is left may be wrong by and still teach.
const DOUBT: f32 = 0.5;

/// The seven ways in which a feature can be surprising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statistic {
    /// This bucket against the feature's own habit.
    Own = 0,
    /// This bucket against the other features.
    Left = 1,
    /// The same two over the last hour or so, and over some hours.
    OwnFast = 2,
    LeftFast = 3,
    OwnSlow = 4,
    LeftSlow = 5,
    /// A run of exactly equal values.
    Flat = 6,
}

/// What was found about one feature.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Judgement {
    /// The value on the scale; what is usual there; the difference, within bounds; the standard deviation of such differences.
    pub(super) y: f32,
    pub(super) usual: f32,
    pub(super) residual: f32,
    pub(super) spread: f32,
    /// Residual in standard deviations; the same against the hourly mean only; what is left when the other features are known.
    pub(super) own: f32,
    pub(super) joint: f32,
    pub(super) left: f32,
    /// What the other features expect of this one, in standard deviations.
    pub(super) implied: f32,
    /// By how much features that are not known in this row might change what is left.
    pub(super) doubt: f32,
    pub(super) means: [f32; 4],
    pub(super) squares: [f32; STATISTICS],
    pub(super) run: f32,
    /// The largest surprise, and where it comes from.
    pub(super) surprise: f32,
    pub(super) which: usize,
    pub(super) is_known: bool,
    pub(super) is_seasonal: bool,
}

/// What was found about one row of one panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) features: [Judgement; MAX],
}

impl Judgement {
    /// True when a statistic, a memory or a residual may be learned from this row. Of all of them own and left take turns, and what is left
    /// beside the other features is learned where these are known.
    pub(super) fn teaches(&self, which: usize) -> bool {
        which.is_multiple_of(2) || self.doubt <= DOUBT
    }
}

impl Panel {
    /// Judges the values of one entity. Changes nothing.
    pub(super) fn judge(&self, slot: usize, values: &[f64; MAX], moment: Moment) -> Row {
        let mut row = Row { features: [Judgement::default(); MAX] };
        let (Some(entity), Some(tracks)) = (self.entities.get(slot), self.tracks_of(slot)) else { return row };
        let mut any = false;
        for (f, (j, (&x, track))) in row.features.iter_mut().zip(values.iter().zip(tracks)).enumerate() {
            if x.is_finite() && track.learned > 0.0 {
                *j = self.compare(entity, f, track, x, moment);
                any = true;
            }
        }
        if any {
            self.relate(slot, &mut row, tracks);
            for ((j, track), feature) in row.features.iter_mut().zip(tracks).zip(&self.features) {
                if j.is_known {
                    weigh(j, track, feature.direction);
                }
            }
        }
        row
    }

    fn compare(&self, entity: &Entity, f: usize, track: &Track, x: f64, moment: Moment) -> Judgement {
        let feature = &self.features[f];
        let Some(scale) = feature.scale else { return Judgement::default() };
        let y = scale.forward(x, track.unit);
        let spread = track.spread(feature.peers);
        let far = |expected: f32| scale.residual(x, y, expected, track.unit).clamp(-FARTHEST, FARTHEST);
        let usual = if entity.is_seasonal { self.season.usual(entity.block, f, moment, self.days(entity), spread) } else { None };
        let (usual, residual, smooth) = match usual {
            None => {
                let expected = if entity.is_seasonal { track.anchor + track.drift } else { track.level };
                let r = far(expected);
                (expected, r, r)
            }
            Some(u) => {
                let base = track.anchor + track.drift;
                let smooth = far(base + u.smooth);
                let nearest = (y - base).clamp(u.smooth.min(u.other), u.smooth.max(u.other));
                (base + nearest, if u.smooth == u.other { smooth } else { far(base + nearest) }, smooth)
            }
        };
        let run = track.run(x, scale.chance_of_repeat(y - residual, track.unit), self.horizon);
        Judgement {
            y,
            usual,
            residual,
            spread,
            own: residual / spread,
            joint: smooth / spread,
            run,
            is_known: true,
            is_seasonal: entity.is_seasonal,
            ..Judgement::default()
        }
    }

    /// How the features move together: the precision of their residuals.
    pub(super) fn relations(&self, slot: usize, tracks: &[Track]) -> relation::Matrix {
        let settled = tracks.iter().filter(|t| t.learned > 0.0).map(|t| t.settled).fold(f32::MAX, f32::min);
        relation::precision(self.covariance_of(slot), self.features.len(), settled.min(1e6))
    }

    /// Fills in what is left of every residual when the others are known. Only residuals against the hourly mean keep the relation.
    ///
    /// What is not known may have any value: of all that could be left the least counts. So no feature looks stranger because
    /// another one is missing, and the feature that speaks is the one without which the row is less surprising.
    fn relate(&self, slot: usize, row: &mut Row, tracks: &[Track]) {
        let n = self.features.len();
        let p = self.relations(slot, tracks);
        let (mut z, mut unknown) = ([0.0f32; MAX], [0.0f32; MAX]);
        for ((z, unknown), j) in z.iter_mut().zip(&mut unknown).zip(&row.features[..n]) {
            (*z, *unknown) = (j.joint, if j.is_known { 0.0 } else { FARTHEST / LEAST_SPREAD });
        }
        for (i, (j, track)) in row.features.iter_mut().zip(tracks).enumerate() {
            let pz: f32 = p[i][..n].iter().zip(&z).map(|(p, z)| p * z).sum();
            let doubt: f32 = p[i][..n].iter().zip(&unknown).map(|(p, u)| p.abs() * u).sum();
            let unit = (p[i][i] * track.left_variance()).sqrt();
            j.doubt = doubt / unit;
            j.left = pz.signum() * (pz.abs() - doubt).max(0.0) / unit;
            j.implied = z[i] - pz / p[i][i];
        }
    }
}

/// Turns residuals into squares and those into surprises; keeps the largest.
fn weigh(j: &mut Judgement, track: &Track, direction: Direction) {
    let (means, squares) = track.remembered(j.own, j.left);
    j.means = means;
    j.squares[0] = j.own * j.own;
    j.squares[1] = j.left * j.left;
    j.squares[2..].copy_from_slice(&squares);
    if !j.teaches(Statistic::Left as usize) {
        (j.squares[Statistic::LeftFast as usize], j.squares[Statistic::LeftSlow as usize]) = (0.0, 0.0);
    }
    let signs = [j.own, j.left, means[0], means[1], means[2], means[3]];
    for (i, (w, sign)) in j.squares.iter_mut().zip(signs).enumerate() {
        let counts = match direction {
            Direction::Both => true,
            Direction::Up => sign > 0.0,
            Direction::Down => sign < 0.0,
        };
        if !counts {
            *w = 0.0;
        }
        let s = track.tail(i).surprise(*w);
        if s > j.surprise {
            (j.surprise, j.which) = (s, i);
        }
    }
    if j.run > j.surprise {
        (j.surprise, j.which) = (j.run, Statistic::Flat as usize);
    }
}
