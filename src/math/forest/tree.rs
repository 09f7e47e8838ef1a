//! One isolation tree as flat arrays, laid out as a complete binary tree: the children of node `i`
//! are `2i` and `2i + 1`, the root is 1. A branch that ends early passes its points down to the
//! left, so every descent takes the same number of steps and needs no test for a leaf.

use serde::{Deserialize, Serialize};

/// An axis-parallel cut: rows whose number in `column` is at least `threshold` go right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Cut {
    pub threshold: f32,
    pub column: u32,
}

/// What a tree says about the rows that end in one leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Leaf {
    /// Path length, with the expected rest below a leaf of several points.
    pub path: f32,
    /// Sum over the path of `ln(share of range / share of points)`: higher is sparser.
    pub sparsity: f32,
}

/// Cuts of a tree, indexed by node; index 0 is unused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Cuts {
    /// One column each.
    Axis(Vec<Cut>),
    /// `terms` weighted columns each: term `t` of node `i` is at `i * terms + t`.
    Sparse { terms: usize, thresholds: Vec<f32>, parts: Vec<Cut> },
    /// Every column has a weight: column `c` of node `i` is at `i * stride + c`, and minus the threshold
    /// stands behind the last column, where rows hold a 1: one sum decides, out of one cache line.
    Dense { stride: usize, weights: Vec<f32> },
}

/// A grown tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    /// Steps from the root to the leaves; there are `2^depth` leaves.
    pub depth: u32,
    pub cuts: Cuts,
    pub leaves: Vec<Leaf>,
}

/// Columns are padded to this many, so that dot products run in whole registers.
pub(super) const LANES: usize = 4;

/// Width of a padded row, with room for the 1 behind the last column.
pub(super) fn stride_of(width: usize) -> usize {
    (width + 1).div_ceil(LANES) * LANES
}
