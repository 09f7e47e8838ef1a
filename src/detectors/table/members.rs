//! The members of the table model: each looks at a row in one way and gives a raw score, higher for
//! stranger rows.
//!
//! *Close* members ask how far the nearest known rows are (Ramaswamy et al. 2000) and how far for
//! this neighbourhood (Breunig et al. 2000, in its simplified form by Schubert et al. 2014). They see
//! the smallest oddity, and are blind to oddities that the training rows contain themselves.
//! *Wide* members ask how sparse the region is: distance to a twentieth of all rows, distance from a
//! robust centre, density in an extended forest, distance from the principal plane.

use super::space::Space;
use crate::math::covariance::{Plane, Whitening};
use crate::math::forest::{Forest, ForestOptions};
use crate::math::neighbours::{Neighbourhood, Reference};
use crate::math::rows::Rows;

/// Neighbours behind the close distance, as in the published baseline.
const CLOSE: usize = 5;
/// Neighbours that make up a neighbourhood in the local comparison of a row being scored.
const LOCAL: usize = 5;
/// Neighbours that make up a neighbourhood when training rows are searched for clumps: a clump of a
/// handful of rows is not a reason to distrust the history.
const CLUMP: usize = 10;
/// Share of the reference rows behind the broad distance, and its least number of rows.
const BROAD: (f64, usize) = (0.05, 20);
/// Keeps ratios of two tiny distances (duplicates) from exploding; far below any step of a scaled column.
const TINY: f64 = 1e-6;
/// Share of rows that carry the robust centre, and steps of concentration.
const CORE: (f64, usize) = (0.75, 6);
/// Share of variance that the principal plane carries.
const CARRIED: f64 = 0.9;
/// Columns beyond this make covariances too dear (cubic time) and too poor (more numbers than rows).
const MOST_COLUMNS: usize = 128;

/// Scores of one member for many rows.
pub(super) type Column = Vec<f64>;

/// Raw scores of all members: `close[member][row]`, `wide[member][row]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Raw {
    pub close: Vec<Column>,
    pub wide: Vec<Column>,
    /// The local comparison over more neighbours, per space: the yardstick for clumps.
    pub loose: Vec<Column>,
}

/// A space with its reference rows and how far apart each of them and its neighbours are.
#[derive(Debug, Clone, PartialEq)]
struct Outlook {
    space: Space,
    reference: Reference,
    apart: Vec<f64>,
    apart_loose: Vec<f64>,
}

/// All fitted members. Rows come scaled to 0..1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Members {
    outlooks: Vec<Outlook>,
    core: Option<Whitening>,
    plane: Option<Plane>,
    forest: Forest,
    broad: usize,
}

impl Members {
    /// Fits on scaled rows and returns their own scores, each row judged as if it were not there.
    pub(super) fn fit(rows: &Rows, seed: u64) -> (Self, Raw) {
        let dense = rows.width() <= MOST_COLUMNS;
        let mut spaces = vec![Space::Plain, Space::robust(rows)];
        if dense {
            spaces.push(Space::whitened(rows));
        }
        let broad = ((rows.len() as f64 * BROAD.0) as usize).max(BROAD.1);
        let options = ForestOptions { directions: usize::MAX, seed, ..ForestOptions::default() };
        let (forest, unseen) = Forest::fit_scored(rows, &options);
        let mut members = Self {
            outlooks: Vec::new(),
            core: dense.then(|| Whitening::fit_concentrated(rows, CORE.0, CORE.1, TINY)),
            plane: dense.then(|| Plane::fit(rows, &(0..rows.len()).collect::<Vec<_>>(), CARRIED)),
            forest,
            broad,
        };
        let mut raw = Raw::default();
        for space in spaces {
            let placed = space.place_all(rows);
            let mut outlook = Outlook { reference: Reference::new(&placed), space, apart: Vec::new(), apart_loose: Vec::new() };
            let found = outlook.look(&placed, broad, true);
            outlook.apart = found.iter().map(|f| f.mean(LOCAL)).collect();
            outlook.apart_loose = found.iter().map(|f| f.mean(CLUMP)).collect();
            outlook.push_scores(&found, &mut raw);
            members.outlooks.push(outlook);
        }
        members.push_wide(rows, unseen.sparsity, &mut raw);
        (members, raw)
    }

    /// Scores of scaled rows that are not among the training rows.
    pub(super) fn score(&self, rows: &Rows) -> Raw {
        let mut raw = Raw::default();
        for outlook in &self.outlooks {
            let placed = outlook.space.place_all(rows);
            outlook.push_scores(&outlook.look(&placed, self.broad, false), &mut raw);
        }
        self.push_wide(rows, self.forest.score(rows).sparsity, &mut raw);
        raw
    }

    fn push_wide(&self, rows: &Rows, sparsity: Column, raw: &mut Raw) {
        raw.wide.push(sparsity);
        if let Some(core) = &self.core {
            raw.wide.push(rows.iter().map(|row| core.distance(row)).collect());
        }
        if let Some(plane) = &self.plane {
            raw.wide.push(rows.iter().map(|row| plane.residual(row)).collect());
        }
    }

    /// Training rows (indices) nearest to a scaled row, nearest first.
    pub(super) fn nearest(&self, row: &[f64]) -> Vec<u32> {
        let mut scratch = Vec::new();
        let found = self.outlooks.first().map(|o| o.reference.around(&o.space.place(row), CLUMP, CLUMP, None, &mut scratch));
        found.map(|f| f.near.iter().map(|n| n.1).collect()).unwrap_or_default()
    }
}

impl Outlook {
    fn look(&self, placed: &Rows, broad: usize, own: bool) -> Vec<Neighbourhood> {
        let mut scratch = Vec::with_capacity(self.reference.len());
        let around = |(i, row): (usize, &[f64])| self.reference.around(row, CLUMP, broad, own.then_some(i), &mut scratch);
        placed.iter().enumerate().map(around).collect()
    }

    fn push_scores(&self, found: &[Neighbourhood], raw: &mut Raw) {
        raw.close.push(found.iter().map(|f| f.distance(1)).collect());
        raw.close.push(found.iter().map(|f| f.distance(CLOSE)).collect());
        raw.close.push(found.iter().map(|f| local(f, LOCAL, &self.apart)).collect());
        raw.loose.push(found.iter().map(|f| local(f, CLUMP, &self.apart_loose)).collect());
        raw.wide.push(found.iter().map(|f| f.broad).collect());
    }
}

/// Mean distance of the `k` nearest over their own mean distances.
fn local(found: &Neighbourhood, k: usize, apart: &[f64]) -> f64 {
    let theirs: f64 = found.near.iter().take(k).map(|n| apart.get(n.1 as usize).copied().unwrap_or(0.0)).sum();
    (found.mean(k) + TINY) / (theirs / found.near.len().clamp(1, k) as f64 + TINY)
}
