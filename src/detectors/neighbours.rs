//! Distance to the nearest past rows (Ramaswamy, Rastogi, Shim 2000): the best single detector while the
//! history is clean. The `table` detector adds other views and decides which to trust.

use super::rows::{RowModel, Scale, build_plain};
use super::{DetectorPart, Options};
use crate::math::exceed::Exceedance;
use crate::math::neighbours::Reference;
use crate::math::rows::Rows;
use crate::math::scaler::Scaler;
use crate::model::{Job, Part};

/// Catalogue entry.
pub const PART: DetectorPart = DetectorPart {
    part: Part {
        name: "neighbours",
        description: "Measures how far a row is from the most similar rows of the past.",
        example: "{ kind: neighbours, history_rows: 1024 }",
    },
    build: |job: &Job, options: &Options| build_plain::<NeighbourModel>("neighbours", job, options, Scale::Log, HISTORY_ROWS),
};

/// Past rows kept unless configured: each row of a bucket is compared with all of them.
const HISTORY_ROWS: usize = 1024;
/// Neighbours looked at: one may be a twin by chance, five are company.
const NEAREST: usize = 5;

struct NeighbourModel {
    scaler: Scaler,
    known: Rows,
    reference: Reference,
    tail: Exceedance,
}

impl RowModel for NeighbourModel {
    type Settings = ();

    fn fit(rows: &Rows, _settings: &(), _seed: u64) -> (Self, Vec<f64>) {
        let scaler = Scaler::fit(rows);
        let known = scaler.apply(rows);
        let reference = Reference::new(&known);
        let mut scratch = Vec::new();
        let own = |(i, row)| reference.around(row, NEAREST, NEAREST, Some(i), &mut scratch).mean(NEAREST);
        let distances: Vec<f64> = known.iter().enumerate().map(own).collect();
        let tail = Exceedance::fit(&distances);
        let surprises = distances.iter().map(|d| tail.surprise(*d)).collect();
        (Self { scaler, known, reference, tail }, surprises)
    }

    fn score(&self, rows: &Rows) -> Vec<f64> {
        if self.reference.len() <= 1 {
            return vec![0.0; rows.len()];
        }
        let mut scratch = Vec::with_capacity(self.reference.len());
        let one = |row: &[f64]| self.tail.surprise(self.reference.around(row, NEAREST, NEAREST, None, &mut scratch).mean(NEAREST));
        self.scaler.apply(rows).iter().map(one).collect()
    }

    /// Median of the nearest rows.
    fn typical(&self, row: &[f64]) -> Vec<f64> {
        let mut scaled = Vec::with_capacity(row.len());
        self.scaler.scale_into(row, &mut scaled);
        let near = self.reference.around(&scaled, NEAREST, NEAREST, None, &mut Vec::new()).near;
        let middle = |c: usize| {
            let mut column: Vec<f64> = near.iter().filter_map(|n| self.known.row(n.1 as usize).get(c).copied()).collect();
            column.sort_by(f64::total_cmp);
            column.get(column.len() / 2).copied().unwrap_or_else(|| self.scaler.middle(c))
        };
        (0..row.len()).map(|c| self.scaler.unscale(c, middle(c))).collect()
    }

    fn is_typical_of_nearest() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surprise_grows_with_the_distance_from_known_rows() {
        let rows = Rows::from_values(2, (0..400).map(|i| f64::from(i % 20)).collect());
        let (model, own) = NeighbourModel::fit(&rows, &(), 1);
        assert_eq!(own.len(), 200);
        let scores = model.score(&Rows::from_values(2, vec![4.0, 5.0, 5.0, 12.0, 0.0, 19.0]));
        assert!(scores[0] < scores[1] && scores[1] < scores[2], "{scores:?}");
        assert_eq!(model.typical(&[4.0, 500.0]).len(), 2);
    }

    #[test]
    fn nothing_one_row_and_bad_numbers_are_defined() {
        for rows in [Rows::new(2), Rows::from_values(2, vec![1.0, 2.0]), Rows::from_values(2, vec![f64::NAN; 8])] {
            let (model, own) = NeighbourModel::fit(&rows, &(), 1);
            assert_eq!(own.len(), rows.len());
            assert!(model.score(&Rows::from_values(2, vec![f64::INFINITY, 0.0])).iter().all(|s| s.is_finite()));
        }
    }
}
