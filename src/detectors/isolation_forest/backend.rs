//! Our own forest and the crate `extended-isolation-forest`, behind one door.

use crate::math::forest::{Forest, ForestOptions, ForestScores};
use crate::math::rows::Rows;
use crate::math::scaler::Scaler;
use extended_isolation_forest::{Forest as CrateForest, ForestOptions as CrateOptions};
use serde::Deserialize;

/// Dimensions the crate is built for: they are part of its types, so each one is compiled.
pub(super) const MOST_FEATURES: usize = 16;

/// Which code grows the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Backend {
    /// `math::forest`.
    #[serde(rename = "own")]
    Own,
    /// The crate.
    #[serde(rename = "extended-isolation-forest")]
    Crate,
}

/// Score of one scaled row.
type Scorer = Box<dyn Fn(&[f64]) -> f64 + Send>;

/// Grown trees.
pub(super) enum Trees {
    /// Of `math::forest`.
    Own(Forest),
    /// Of the crate, with the scaling it has not got itself.
    Crate(Scaler, Scorer),
    /// The crate refuses to grow trees from fewer than two rows.
    None,
}

impl Trees {
    /// Grows trees and returns the scores of the training rows: by trees that did not see them (own),
    /// or by all trees (crate, which does not tell which rows a tree saw).
    pub(super) fn fit(rows: &Rows, backend: Backend, options: &ForestOptions) -> (Self, ForestScores) {
        match backend {
            Backend::Own => {
                let (forest, scores) = Forest::fit_scored(rows, options);
                (Self::Own(forest), scores)
            }
            Backend::Crate => {
                let scaler = Scaler::fit(rows);
                let trees = grow(&scaler.apply(rows), options).map_or(Self::None, |scorer| Self::Crate(scaler, scorer));
                let scores = trees.score(rows);
                (trees, scores)
            }
        }
    }

    /// Raw scores, higher for stranger rows. The crate knows no density: its path score stands in for it.
    pub(super) fn score(&self, rows: &Rows) -> ForestScores {
        match self {
            Self::Own(forest) => forest.score(rows),
            Self::Crate(scaler, scorer) => {
                let path: Vec<f64> = scaler.apply(rows).iter().map(scorer).collect();
                ForestScores { sparsity: path.clone(), path }
            }
            Self::None => ForestScores { path: vec![0.0; rows.len()], sparsity: vec![0.0; rows.len()] },
        }
    }
}

/// Grows a forest of the crate, whose dimension is part of its type.
fn grow(scaled: &Rows, options: &ForestOptions) -> Option<Scorer> {
    macro_rules! of_dimension {
        ($($n:literal)*) => {
            match scaled.width() {
                $($n => grow_of::<$n>(scaled, options),)*
                _ => None,
            }
        };
    }
    of_dimension!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

fn grow_of<const N: usize>(scaled: &Rows, options: &ForestOptions) -> Option<Scorer> {
    let points: Vec<[f64; N]> = scaled.iter().map(array).collect();
    let options = CrateOptions {
        n_trees: options.trees,
        sample_size: options.sample.min(points.len()),
        max_tree_depth: None,
        extension_level: options.directions.min(N).saturating_sub(1),
    };
    let forest = (points.len() > 1).then(|| CrateForest::<f64, N>::from_slice(&points, &options).ok()).flatten()?;
    Some(Box::new(move |row| forest.score(&array(row))))
}

/// The row as an array; what is missing is 0.
fn array<const N: usize>(row: &[f64]) -> [f64; N] {
    std::array::from_fn(|i| row.get(i).copied().unwrap_or(0.0))
}
