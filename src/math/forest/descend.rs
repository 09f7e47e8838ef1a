//! Scoring: all trees over a block of rows, so that a tree stays in the nearest cache while the
//! block passes through it, and eight rows descend side by side, so that no step waits for another.

use super::tree::{Cut, Cuts, LANES, Leaf, Tree, stride_of};
use super::{Forest, average_path};
use crate::math::rows::Rows;

/// Rows scored together: with six columns they take 8 KiB, and leave the cache to the tree.
const BLOCK: usize = 256;
/// Rows that descend side by side.
const ABREAST: usize = 8;

/// Two scores for each row, both higher for stranger rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForestScores {
    /// `2^(-mean path / average path)`, 0..1; about 0.5 is ordinary.
    pub path: Vec<f64>,
    /// Mean over trees of `ln(share of range / share of points)`: minus the log density.
    pub sparsity: Vec<f64>,
}

impl ForestScores {
    fn push(&mut self, forest: &Forest, path: f64, sparsity: f64, trees: f64) {
        let norm = average_path(forest.sample).max(1.0);
        self.path.push((-path / trees / norm).exp2());
        self.sparsity.push(sparsity / trees);
    }
}

pub(super) fn score(forest: &Forest, rows: &Rows) -> ForestScores {
    let mut out = ForestScores::default();
    let mut block = Block::new(forest.width());
    let trees = forest.trees.len().max(1) as f64;
    for first in (0..rows.len()).step_by(BLOCK) {
        let count = block.load(forest, rows, first);
        let mut sums = [Leaf::default(); BLOCK];
        for tree in &forest.trees {
            block.descend(tree, count);
            for (sum, &slot) in sums.iter_mut().zip(&block.slots).take(count) {
                let leaf = tree.leaves.get(slot as usize).copied().unwrap_or_default();
                sum.path += leaf.path;
                sum.sparsity += leaf.sparsity;
            }
        }
        for sum in sums.iter().take(count) {
            out.push(forest, f64::from(sum.path), f64::from(sum.sparsity), trees);
        }
    }
    out
}

/// Scores of the training rows, each by the trees whose sample did not hold it.
pub(super) fn score_unseen(forest: &Forest, rows: &Rows, samples: &[Vec<usize>]) -> ForestScores {
    let mut sums = vec![(0.0f64, 0.0f64, 0u32); rows.len()];
    let mut seen = vec![false; rows.len()];
    let all = score(forest, rows);
    let mut block = Block::new(forest.width());
    for (tree, sample) in forest.trees.iter().zip(samples) {
        seen.fill(false);
        for &i in sample {
            if let Some(mark) = seen.get_mut(i) {
                *mark = true;
            }
        }
        for first in (0..rows.len()).step_by(BLOCK) {
            let count = block.load(forest, rows, first);
            block.descend(tree, count);
            let marked = sums.iter_mut().zip(&seen).skip(first);
            for ((sum, _), &slot) in marked.zip(&block.slots).take(count).filter(|((_, seen), _)| !**seen) {
                let leaf = tree.leaves.get(slot as usize).copied().unwrap_or_default();
                *sum = (sum.0 + f64::from(leaf.path), sum.1 + f64::from(leaf.sparsity), sum.2 + 1);
            }
        }
    }
    let mut out = ForestScores::default();
    for ((path, sparsity, trees), (all_path, all_sparsity)) in sums.into_iter().zip(all.path.iter().zip(&all.sparsity)) {
        if trees == 0 {
            out.path.push(*all_path);
            out.sparsity.push(*all_sparsity);
        } else {
            out.push(forest, path, sparsity, f64::from(trees));
        }
    }
    out
}

/// A block of scaled rows, and the leaf each of them reached.
struct Block {
    stride: usize,
    values: Vec<f32>,
    slots: [u32; BLOCK],
}

impl Block {
    fn new(width: usize) -> Self {
        let stride = stride_of(width);
        let mut values = vec![0.0; stride * BLOCK];
        // The place behind the last column, where trees keep their threshold.
        values.iter_mut().skip(width).step_by(stride).for_each(|one| *one = 1.0);
        Self { stride, values, slots: [0; BLOCK] }
    }

    /// Loads and scales the rows from `first` on; returns how many there are.
    fn load(&mut self, forest: &Forest, rows: &Rows, first: usize) -> usize {
        let count = BLOCK.min(rows.len().saturating_sub(first));
        for (i, out) in self.values.chunks_exact_mut(self.stride).enumerate().take(count) {
            let row = rows.row(first + i);
            for (c, slot) in out.iter_mut().enumerate().take(forest.width()) {
                *slot = forest.scaler.scale(c, row.get(c).copied().unwrap_or(f64::NAN)) as f32;
            }
        }
        count
    }

    /// Sends `count` rows down `tree`.
    fn descend(&mut self, tree: &Tree, count: usize) {
        let Self { stride, values, slots } = self;
        let leaves = 1u32 << tree.depth;
        let rows = values.chunks_exact(*stride * ABREAST);
        for (rows, slots) in rows.zip(slots.chunks_exact_mut(ABREAST)).take(count.div_ceil(ABREAST)) {
            let mut at = [1u32; ABREAST];
            match &tree.cuts {
                Cuts::Axis(cuts) => axis(cuts, tree.depth, rows, *stride, &mut at),
                Cuts::Sparse { terms, thresholds, parts } => {
                    for (at, row) in at.iter_mut().zip(rows.chunks_exact(*stride)) {
                        for _ in 0..tree.depth {
                            let i = *at as usize;
                            let parts = parts.get(i * terms..(i + 1) * terms).unwrap_or(&[]);
                            let sum: f32 = parts.iter().map(|p| p.threshold * row.get(p.column as usize).copied().unwrap_or(0.0)).sum();
                            *at = step(*at, sum, thresholds.get(i).copied());
                        }
                    }
                }
                Cuts::Dense { stride, weights } => match *stride {
                    4 => dense::<4>(weights, tree.depth, rows, &mut at),
                    8 => dense::<8>(weights, tree.depth, rows, &mut at),
                    12 => dense::<12>(weights, tree.depth, rows, &mut at),
                    16 => dense::<16>(weights, tree.depth, rows, &mut at),
                    _ => wide(*stride, weights, tree.depth, rows, &mut at),
                },
            }
            for (slot, at) in slots.iter_mut().zip(at) {
                *slot = at - leaves;
            }
        }
    }
}

/// One step down: right where the number reaches the threshold.
fn step(at: u32, number: f32, threshold: Option<f32>) -> u32 {
    2 * at + u32::from(threshold.is_some_and(|t| number >= t))
}

/// Axis-parallel trees: one number is looked at in each step.
fn axis(cuts: &[Cut], depth: u32, rows: &[f32], stride: usize, at: &mut [u32; ABREAST]) {
    for _ in 0..depth {
        for (r, at) in at.iter_mut().enumerate() {
            let Some(cut) = cuts.get(*at as usize) else { continue };
            let number = rows.get(r * stride + cut.column as usize).copied().unwrap_or(0.0);
            *at = 2 * *at + u32::from(number >= cut.threshold);
        }
    }
}

/// Cuts over all columns, which take `N` places with the threshold and padding.
fn dense<const N: usize>(weights: &[f32], depth: u32, rows: &[f32], at: &mut [u32; ABREAST]) {
    let (weights, _) = weights.as_chunks::<N>();
    let (rows, _) = rows.as_chunks::<N>();
    for _ in 0..depth {
        for (at, row) in at.iter_mut().zip(rows) {
            let Some(weights) = weights.get(*at as usize) else { continue };
            *at = 2 * *at + u32::from(dot(weights, row) >= 0.0);
        }
    }
}

/// As `dense`, for any number of columns.
fn wide(stride: usize, weights: &[f32], depth: u32, rows: &[f32], at: &mut [u32; ABREAST]) {
    for _ in 0..depth {
        for (at, row) in at.iter_mut().zip(rows.chunks_exact(stride)) {
            let i = *at as usize;
            let weights = weights.get(i * stride..(i + 1) * stride).unwrap_or(&[]);
            *at = 2 * *at + u32::from(dot(weights, row) >= 0.0);
        }
    }
}

/// Sum of products in four lanes, which compilers turn into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a, _) = a.as_chunks::<LANES>();
    let (b, _) = b.as_chunks::<LANES>();
    for (x, y) in a.iter().zip(b) {
        for l in 0..LANES {
            lanes[l] += x[l] * y[l];
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}
