//! Why a row got its surprise: shares of the keyword values it shows, and of its numbers.

use std::collections::BTreeMap;

use super::Population;
use super::shown::{Shown, Used};
use crate::model::{BucketView, Contributor};

impl Population {
    /// See [`crate::detectors::Detector::explain`], of a detector that has learned what rows are held against.
    pub(super) fn explain_row(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let shown = self.shown(view, row..row + 1);
        let statistics = self.statistics(view, &shown, row..row + 1);
        let parts: Vec<f64> =
            statistics.iter().zip(&self.state.tails).map(|(column, tail)| column.first().map_or(0.0, |&x| tail.surprise(x))).collect();
        let raw: f64 = parts.iter().sum();
        let gain = self.state.fade.gain(view.bucket.start_ms);
        let news = (raw - self.habit(view, row, gain)).max(0.0);
        let scale = if raw > 0.0 { self.state.combined.surprise(news) / raw } else { 0.0 };
        let mut out = Vec::new();
        for (f, (used, shown)) in self.values.iter().zip(&shown).enumerate() {
            let share = parts.iter().skip(2 * f).take(2).sum::<f64>() * scale;
            out.extend(self.explain_values(view, row, (f, used, shown), share));
        }
        for (i, (index, name)) in self.numbers.iter().enumerate() {
            let (sum, weight) = self.state.usual.get(i).copied().unwrap_or_default();
            let typical = if weight > 0.0 { (sum / weight).exp_m1() } else { f64::NAN };
            let surprise = parts.get(2 * self.values.len() + i).copied().unwrap_or(0.0) * scale;
            out.push(Contributor::new(name, view.bucket.value(*index, row), typical, surprise, "peers"));
        }
        out.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then_with(|| a.feature.cmp(&b.feature)));
        out
    }

    /// Splits the share of a keyword feature over the values of a row, by count times what their rarity is beyond the usual: a
    /// value that everybody shows explains nothing, however often it came.
    fn explain_values(&self, view: &BucketView<'_>, row: usize, (f, used, shown): (usize, &Used, &Shown), share: f64) -> Vec<Contributor> {
        let Some(values) = view.bucket.values.get(used.index) else { return Vec::new() };
        let gain = self.state.fade.gain(view.bucket.start_ms);
        let names: BTreeMap<u64, String> = values.row(row).map(|(hash, _)| (used.compared(values, hash), used.name_of(values, hash))).collect();
        let usual = self.usual_rarity(f);
        let beyond = |v: u64| (self.rarity(f, v, gain) - usual).max(0.0);
        let weighed = |&(place, count): &(u32, u64)| {
            let value = shown.values[place as usize];
            (value, count, count as f64 * beyond(value))
        };
        let list: Vec<(u64, u64, f64)> = shown.row(0).iter().map(weighed).collect();
        if list.is_empty() && share > 0.0 {
            // A feature of which the row shows no value at all.
            return vec![Contributor::new(&used.name, 0.0, f64::NAN, share, "peers")];
        }
        let total: f64 = list.iter().map(|x| x.2).sum();
        let rows = self.state.rows / gain;
        let n = list.len() as f64;
        let one = |(value, count, weight): (u64, u64, f64)| {
            let name = names.get(&value).map(String::as_str).unwrap_or_default();
            let seen = self.state.shares.get(f).and_then(|s| s.rows.get(&value)).copied().unwrap_or(0.0) / gain;
            let typical = if rows > 0.0 { seen / rows } else { f64::NAN };
            // A row without any rarity has nothing to tell its values apart by.
            let surprise = if total > 0.0 { share * weight / total } else { share / n };
            let reference = if seen > 0.0 { "peers" } else { "first seen anywhere" };
            Contributor::of_value(&used.name, name, count as f64, typical, surprise, reference)
        };
        list.into_iter().map(one).collect()
    }
}
