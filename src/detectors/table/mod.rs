//! Rows of many features: neighbours, reconstruction and an extended forest under one selector.
//!
//! Fifteen members look at a row (`members`), each is calibrated on training rows that were judged as
//! if they were not there, and `trust` decides without labels which side to believe. The blend is
//! calibrated once more, so the result is a surprise: -log10 of the share of training rows as strange.

mod members;
mod space;
mod strays;
mod trust;

use super::rows::{RowModel, Scale, build_plain};
use super::{DetectorPart, Options};
use crate::math::chance::Chance;
use crate::math::exceed::Exceedance;
use crate::math::rows::Rows;
use crate::math::scaler::Scaler;
use crate::model::{Job, Part};
use members::Members;
use trust::Trust;

/// Catalogue entry.
pub const PART: DetectorPart = DetectorPart {
    part: Part {
        name: "table",
        description: "Judges rows of many features by neighbours, density and reconstruction, and decides without labels which to trust.",
        example: "{ kind: table, history_rows: 1024, scale: linear }",
    },
    build: |job: &Job, options: &Options| build_plain::<TableModel>("table", job, options, Scale::Linear, HISTORY_ROWS),
};

/// Past rows kept unless configured: each row of a bucket is compared with all of them.
const HISTORY_ROWS: usize = 1024;
/// Most training rows kept when a whole table is judged at once.
pub const MOST_ROWS: usize = 10_000;
/// With fewer rows there is no neighbourhood to speak of.
const LEAST_ROWS: usize = 3;

/// A fitted model of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct TableModel {
    scaler: Scaler,
    /// Training rows kept, scaled: where "typical" comes from.
    kept: Rows,
    /// How many more were left out, because they stand apart from the others.
    strays: usize,
    /// None when there were too few rows.
    fitted: Option<Fitted>,
}

#[derive(Debug, Clone, PartialEq)]
struct Fitted {
    members: Members,
    trust: Trust,
    tail: Exceedance,
}

impl TableModel {
    /// Fits on raw rows (`NaN` = absent). Of more than `most` rows a random sample is kept, drawn from `seed`.
    pub fn fit(rows: &Rows, most: usize, seed: u64) -> Self {
        Self::fit_scored(rows, most, seed).0
    }

    /// As [`TableModel::fit`], with the surprise of each row kept, judged as if it were not there.
    fn fit_scored(rows: &Rows, most: usize, seed: u64) -> (Self, Vec<f64>) {
        let sampled;
        let rows = if rows.len() > most {
            let mut picked = Chance::new(seed, u64::MAX).sample(rows.len(), most);
            picked.sort_unstable();
            sampled = rows.select(&picked);
            &sampled
        } else {
            rows
        };
        let (model, own, strays) = Self::fit_all(rows, seed);
        if strays.is_empty() {
            return (model, own);
        }
        let rest: Vec<usize> = (0..rows.len()).filter(|i| strays.binary_search(i).is_err()).collect();
        let (mut model, of_rest, _) = Self::fit_all(&rows.select(&rest), seed);
        model.strays = strays.len();
        let mut own = vec![0.0; rows.len()];
        let of_strays = model.score(&rows.select(&strays));
        rest.iter().zip(of_rest).chain(strays.iter().zip(of_strays)).for_each(|(&i, surprise)| own[i] = surprise);
        (model, own)
    }

    /// Fits on all rows; the surprise of each, judged as if it were not there, and those that are no part of the others.
    fn fit_all(rows: &Rows, seed: u64) -> (Self, Vec<f64>, Vec<usize>) {
        let scaler = Scaler::fit(rows);
        let kept = scaler.apply(rows);
        let (mut own, mut strays) = (vec![0.0; kept.len()], Vec::new());
        let fitted = (kept.len() >= LEAST_ROWS && kept.width() > 0).then(|| {
            let (members, raw) = Members::fit(&kept, seed);
            let trust = Trust::fit(&raw, kept.len());
            let blend = trust.blend(&raw, kept.len());
            let tail = Exceedance::fit(&blend);
            own = blend.into_iter().map(|x| tail.surprise(x)).collect();
            strays = strays::strays(&kept, &raw);
            Fitted { members, trust, tail }
        });
        (Self { scaler, kept, strays: 0, fitted }, own, strays)
    }

    /// Surprise of each raw row; 0 for all when there was too little to learn from.
    pub fn score(&self, rows: &Rows) -> Vec<f64> {
        let rows = &self.scaler.apply(rows);
        match &self.fitted {
            None => vec![0.0; rows.len()],
            Some(fitted) => {
                let blend = fitted.trust.blend(&fitted.members.score(rows), rows.len());
                blend.into_iter().map(|x| fitted.tail.surprise(x)).collect()
            }
        }
    }

    /// Training rows behind the model.
    pub fn rows(&self) -> usize {
        self.kept.len()
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.scaler.width()
    }

    /// What the selector chose, and why, in one sentence.
    pub fn describe(&self) -> String {
        let Some(fitted) = &self.fitted else {
            return format!("{} training rows are too few to compare with; nothing is called strange", self.rows());
        };
        let (weight, evidence) = (fitted.trust.weight, fitted.trust.evidence);
        let (how, why) = if weight > 0.7 {
            ("mostly by its distance to the nearest training rows", "stand alone, so a row that is near to others counts as normal")
        } else if weight < 0.3 {
            (
                "mostly by how far it lies from where most training rows are",
                "stand in groups, which may be anomalies, so being near to a few training rows does not make a row normal",
            )
        } else {
            (
                "by its distance to the nearest training rows and to where most of them are, about alike",
                "stand partly alone and partly in groups, which may be anomalies",
            )
        };
        let left_out = match self.strays {
            0 => String::new(),
            n => format!("; {n} more training rows stand apart from all others and were left out, so that rows like them are still strange"),
        };
        format!(
            "learned {} rows of {} columns; a row is judged {how} ({:.0} % by the nearest), because the strangest training rows {why} (how alone they are: {evidence:.2}; 1 is entirely, 0.5 like any other row){left_out}",
            self.rows(),
            self.width(),
            100.0 * weight,
        )
    }
}

impl RowModel for TableModel {
    type Settings = ();

    fn fit(rows: &Rows, _settings: &(), seed: u64) -> (Self, Vec<f64>) {
        Self::fit_scored(rows, usize::MAX, seed)
    }

    fn score(&self, rows: &Rows) -> Vec<f64> {
        TableModel::score(self, rows)
    }

    /// Median of the nearest known rows.
    fn typical(&self, row: &[f64]) -> Vec<f64> {
        let mut scaled = Vec::with_capacity(self.width());
        self.scaler.scale_into(row, &mut scaled);
        let near = self.fitted.as_ref().map(|f| f.members.nearest(&scaled)).unwrap_or_default();
        let middle = |c: usize| {
            let mut column: Vec<f64> = near.iter().filter_map(|&i| self.kept.row(i as usize).get(c).copied()).collect();
            column.sort_by(f64::total_cmp);
            column.get(column.len() / 2).copied().unwrap_or_else(|| self.scaler.middle(c))
        };
        (0..self.width()).map(|c| self.scaler.unscale(c, middle(c))).collect()
    }

    fn is_typical_of_nearest() -> bool {
        true
    }

    fn is_calibrated() -> bool {
        true
    }

    fn describe(&self) -> Option<String> {
        Some(Self::describe(self))
    }
}

#[cfg(test)]
mod tests;
