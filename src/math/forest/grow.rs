//! Growing one tree from its sample.

use super::average_path;
use super::tree::{Cut, Cuts, Leaf, Tree, stride_of};
use super::{MAX_DIRECTIONS, Rows, Scaler};
use crate::math::chance::Chance;

/// A cut passes nobody to the right when no number reaches it.
const NEVER: f32 = f32::INFINITY;
/// Up to this padded width a dense dot product is faster than looking columns up one by one.
const NARROW: usize = 16;

/// The scaled sample of one tree, row-major.
pub(super) fn points(rows: &Rows, picked: &[usize], scaler: &Scaler) -> Vec<f32> {
    let mut out = Vec::with_capacity(picked.len() * rows.width());
    for &i in picked {
        out.extend(rows.row(i).iter().enumerate().map(|(c, &x)| scaler.scale(c, x) as f32));
    }
    out
}

/// Grows a tree on `points` (row-major, `width` columns); depth is at most `log2` of their number.
pub(super) fn tree(points: Vec<f32>, width: usize, directions: usize, chance: &mut Chance) -> Tree {
    let count = points.len() / width.max(1);
    let depth = count.max(1).next_power_of_two().trailing_zeros();
    let slots = 1usize << depth;
    let terms = directions.clamp(1, MAX_DIRECTIONS).min(width.max(1));
    let stride = stride_of(width);
    let cuts = if terms == 1 {
        Cuts::Axis(vec![Cut { threshold: NEVER, column: 0 }; slots])
    } else if terms * 2 > width || stride <= NARROW {
        let mut weights = vec![0.0; slots * stride];
        weights.iter_mut().skip(width).step_by(stride).for_each(|threshold| *threshold = -NEVER);
        Cuts::Dense { stride, weights }
    } else {
        Cuts::Sparse { terms, thresholds: vec![NEVER; slots], parts: vec![Cut { threshold: 0.0, column: 0 }; slots * terms] }
    };
    let mut grower = Grower { points, width, terms, depth, chance, tree: Tree { depth, cuts, leaves: vec![Leaf::default(); slots] } };
    let mut members: Vec<u32> = (0..count as u32).collect();
    grower.node(1, 0, 0.0, &mut members);
    grower.tree
}

struct Grower<'a> {
    points: Vec<f32>,
    width: usize,
    terms: usize,
    depth: u32,
    chance: &'a mut Chance,
    tree: Tree,
}

impl Grower<'_> {
    /// Grows node `node` at `level` over `members`; `sparsity` is what the path above has gathered.
    fn node(&mut self, node: usize, level: u32, sparsity: f64, members: &mut [u32]) {
        let split = if level < self.depth && members.len() > 1 { self.split(node, members) } else { None };
        let Some(Split { middle, left_range }) = split else {
            let path = f64::from(level) + average_path(members.len());
            self.fill_leaves(node, level, Leaf { path: path as f32, sparsity: sparsity as f32 });
            return;
        };
        let share = middle as f64 / members.len() as f64;
        let (left, right) = members.split_at_mut(middle);
        self.node(2 * node, level + 1, sparsity + (left_range / share).ln(), left);
        self.node(2 * node + 1, level + 1, sparsity + ((1.0 - left_range) / (1.0 - share)).ln(), right);
    }

    /// All leaves below `node` say the same.
    fn fill_leaves(&mut self, node: usize, level: u32, leaf: Leaf) {
        let below = 1usize << (self.depth - level);
        let first = node * below - (1usize << self.depth);
        for slot in self.tree.leaves.iter_mut().skip(first).take(below) {
            *slot = leaf;
        }
    }

    /// Draws a cut, stores it and orders `members` by its side. `None` when all members are equal.
    fn split(&mut self, node: usize, members: &mut [u32]) -> Option<Split> {
        let direction = self.direction(members)?;
        let mut projected: Vec<(f32, u32)> = members.iter().map(|&m| (self.project(&direction, m), m)).collect();
        let (low, high) = projected.iter().fold((f32::MAX, f32::MIN), |(l, h), p| (l.min(p.0), h.max(p.0)));
        if low >= high || !(high - low).is_finite() {
            return None;
        }
        let mut threshold = low + (high - low) * self.chance.unit() as f32;
        // Rounding may land on an end; both sides must get a member.
        if threshold <= low || threshold > high {
            threshold = high;
        }
        projected.sort_by_key(|p| p.0 >= threshold);
        let middle = projected.partition_point(|p| p.0 < threshold);
        for (slot, p) in members.iter_mut().zip(&projected) {
            *slot = p.1;
        }
        self.store(node, threshold, &direction);
        let left_range = f64::from(threshold - low) / f64::from(high - low);
        Some(Split { middle, left_range: left_range.clamp(1e-6, 1.0 - 1e-6) })
    }

    /// Columns and weights of a cut. Weights are normal over the members' spread in that column, so
    /// that every column has the same say; columns without spread are never drawn.
    fn direction(&mut self, members: &[u32]) -> Option<Vec<Cut>> {
        if self.terms == 1 {
            return self.column_with_spread(members).map(|(column, _)| vec![Cut { threshold: 1.0, column: column as u32 }]);
        }
        let picked: Vec<usize> = if self.terms >= self.width { (0..self.width).collect() } else { self.chance.sample(self.width, self.terms) };
        let mut direction = Vec::with_capacity(picked.len());
        for column in picked {
            let weight = self.chance.normal();
            let spread = self.deviation(members, column);
            if spread > 0.0 {
                direction.push(Cut { threshold: (weight / spread) as f32, column: column as u32 });
            }
        }
        if direction.is_empty() {
            // All drawn columns are flat here: fall back on one that is not.
            let (column, spread) = self.column_with_spread(members)?;
            direction.push(Cut { threshold: 1.0 / spread, column: column as u32 });
        }
        Some(direction)
    }

    /// A random column in which the members differ, and their range in it.
    fn column_with_spread(&mut self, members: &[u32]) -> Option<(usize, f32)> {
        for _ in 0..4 {
            let column = self.chance.below(self.width);
            let range = self.range(members, column);
            if range > 0.0 {
                return Some((column, range));
            }
        }
        let open: Vec<(usize, f32)> = (0..self.width).map(|c| (c, self.range(members, c))).filter(|&(_, range)| range > 0.0).collect();
        open.get(self.chance.below(open.len())).copied()
    }

    fn value(&self, member: u32, column: usize) -> f32 {
        self.points.get(member as usize * self.width + column).copied().unwrap_or(0.0)
    }

    fn range(&self, members: &[u32], column: usize) -> f32 {
        let (low, high) = members.iter().map(|&m| self.value(m, column)).fold((f32::MAX, f32::MIN), |(l, h), x| (l.min(x), h.max(x)));
        high - low
    }

    fn deviation(&self, members: &[u32], column: usize) -> f64 {
        let n = members.len().max(1) as f64;
        let mean = members.iter().map(|&m| f64::from(self.value(m, column))).sum::<f64>() / n;
        let square = members.iter().map(|&m| (f64::from(self.value(m, column)) - mean).powi(2)).sum::<f64>() / n;
        square.sqrt()
    }

    /// Position of a member along a direction; the same sum in the same order as scoring.
    fn project(&self, direction: &[Cut], member: u32) -> f32 {
        if self.terms == 1 {
            return direction.first().map_or(0.0, |part| self.value(member, part.column as usize));
        }
        direction.iter().map(|part| part.threshold * self.value(member, part.column as usize)).sum()
    }

    fn store(&mut self, node: usize, threshold: f32, direction: &[Cut]) {
        match &mut self.tree.cuts {
            Cuts::Axis(cuts) => {
                if let (Some(slot), Some(part)) = (cuts.get_mut(node), direction.first()) {
                    *slot = Cut { threshold, column: part.column };
                }
            }
            Cuts::Sparse { terms, thresholds, parts } => {
                for (slot, part) in parts.iter_mut().skip(node * *terms).zip(direction) {
                    *slot = *part;
                }
                thresholds[node] = threshold;
            }
            Cuts::Dense { stride, weights } => {
                if let Some(slot) = weights.get_mut(node * *stride + self.width) {
                    *slot = -threshold;
                }
                for part in direction {
                    if let Some(slot) = weights.get_mut(node * *stride + part.column as usize) {
                        *slot = part.threshold;
                    }
                }
            }
        }
    }
}

/// A stored cut: members left of it, and the share of the range left of it.
struct Split {
    middle: usize,
    left_range: f64,
}
