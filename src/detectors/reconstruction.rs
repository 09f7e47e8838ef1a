//! What the principal components of past rows cannot reconstruct (Shyu et al. 2003; Jackson & Mudholkar
//! 1979): a row that breaks the way in which features move together, though each alone is ordinary.

use super::rows::{RowModel, Scale, build_plain};
use super::{DetectorPart, Options};
use crate::math::covariance::{Plane, core};
use crate::math::exceed::Exceedance;
use crate::math::rows::Rows;
use crate::math::scaler::Scaler;
use crate::model::{Job, Part};

/// Catalogue entry.
pub const PART: DetectorPart = DetectorPart {
    part: Part {
        name: "reconstruction",
        description: "Finds rows that break the way in which features usually move together.",
        example: "{ kind: reconstruction, scale: linear }",
    },
    build: |job: &Job, options: &Options| {
        if !(2..=MOST_FEATURES).contains(&job.features.len()) {
            return Err(format!("it needs 2 to {MOST_FEATURES} numeric features, the job has {}", job.features.len()));
        }
        build_plain::<PlaneModel>("reconstruction", job, options, Scale::Log, HISTORY_ROWS)
    },
};

/// Past rows kept unless configured; a covariance needs many more rows than features.
const HISTORY_ROWS: usize = 4096;
/// The time of a fit grows with the cube of the features.
const MOST_FEATURES: usize = 128;
/// Share of the variance that the components kept carry.
const CARRIED: f64 = 0.9;

/// The plane is that of the three quarters of rows nearest to their own centre, found in six steps: one
/// gross outlier would bend it towards itself otherwise, and so hide.
const CORE: (f64, usize) = (0.75, 6);
/// Keeps directions without spread from deciding what is near; far below any step of a scaled column.
const RIDGE: f64 = 1e-6;

struct PlaneModel {
    scaler: Scaler,
    plane: Plane,
    tail: Exceedance,
}

impl RowModel for PlaneModel {
    type Settings = ();

    fn fit(rows: &Rows, _settings: &(), _seed: u64) -> (Self, Vec<f64>) {
        let scaler = Scaler::fit(rows);
        let scaled = scaler.apply(rows);
        let plane = Plane::fit(&scaled, &core(&scaled, CORE.0, CORE.1, RIDGE), CARRIED);
        let residuals: Vec<f64> = scaled.iter().map(|row| plane.residual(row)).collect();
        let tail = Exceedance::fit(&residuals);
        let surprises = residuals.iter().map(|r| tail.surprise(*r)).collect();
        (Self { scaler, plane, tail }, surprises)
    }

    fn score(&self, rows: &Rows) -> Vec<f64> {
        self.scaler.apply(rows).iter().map(|row| self.tail.surprise(self.plane.residual(row))).collect()
    }

    /// The nearest point of the plane: what the other features lead one to expect.
    fn typical(&self, row: &[f64]) -> Vec<f64> {
        let mut scaled = Vec::with_capacity(row.len());
        self.scaler.scale_into(row, &mut scaled);
        self.plane.project(&scaled).into_iter().enumerate().map(|(c, x)| self.scaler.unscale(c, x)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaking_the_pattern_is_worse_than_following_it_far_out() {
        let rows = Rows::from_values(2, (0..300).flat_map(|i| [f64::from(i), 2.0 * f64::from(i) + f64::from(i % 7)]).collect());
        let (model, own) = PlaneModel::fit(&rows, &(), 1);
        assert_eq!(own.len(), 300);
        let scores = model.score(&Rows::from_values(2, vec![150.0, 303.0, 330.0, 663.0, 150.0, 450.0]));
        assert!(scores[2] > scores[1] + 1.0 && scores[2] > scores[0] + 1.0, "{scores:?}");
        let typical = model.typical(&[150.0, 450.0]);
        assert!((typical[1] - 2.0 * typical[0]).abs() < 10.0, "{typical:?}");
    }

    #[test]
    fn nothing_constant_and_bad_numbers_are_defined() {
        for rows in [Rows::new(2), Rows::from_values(2, vec![3.0; 20]), Rows::from_values(2, vec![f64::NAN, 1e308, -1e308, 0.0])] {
            let (model, _) = PlaneModel::fit(&rows, &(), 1);
            assert!(model.score(&Rows::from_values(2, vec![f64::INFINITY, f64::NAN])).iter().all(|s| s.is_finite()));
        }
    }
}
