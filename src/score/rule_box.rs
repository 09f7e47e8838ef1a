//! The rule box of a finding: a few conditions that hold for its row and for as few others of its bucket as possible, so that
//! a person can write them down as a rule. Found greedily: the condition that leaves the fewest other rows comes first.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use crate::model::keys::stable_hash;
use crate::model::{Bucket, Contributor, Job, ValueCounts};

/// Conditions at most: more are no rule that a person reads.
const MAX_CONDITIONS: usize = 3;
/// Keyword values (the strongest contributors) that are tried beside the numeric features.
const MAX_VALUES: usize = 8;

/// One quantity of every row.
#[derive(Clone, Copy)]
enum Quantity<'a> {
    /// A numeric feature.
    Every(&'a [f64]),
    /// How often a keyword value came, for the rows that show it, ascending; 0 for all others.
    Shown(&'a [(u32, u32)]),
}

impl Quantity<'_> {
    fn of(&self, row: usize) -> f64 {
        match self {
            Quantity::Every(values) => values.get(row).copied().unwrap_or(f64::NAN),
            Quantity::Shown(rows) => rows.binary_search_by_key(&row, |r| r.0 as usize).map_or(0.0, |i| f64::from(rows[i].1)),
        }
    }

    /// How many of `rows` rows have at least, and at most, the own value.
    fn sides(&self, rows: usize, own: f64) -> (usize, usize) {
        match self {
            Quantity::Every(values) => sides(values.iter().copied(), own),
            Quantity::Shown(shown) => {
                let (above, below) = sides(shown.iter().map(|r| f64::from(r.1)), own);
                let zeros = rows.saturating_sub(shown.len());
                (above + if own > 0.0 { 0 } else { zeros }, below + zeros)
            }
        }
    }
}

/// A quantity by its name.
struct Column<'a> {
    name: &'a str,
    values: Quantity<'a>,
}

/// A side of a threshold on one column.
#[derive(Clone, Copy)]
struct Cut {
    column: usize,
    is_above: bool,
    /// Rows that it leaves beside the finding's own.
    left: usize,
}

/// Finds the rule boxes of the findings of one bucket.
pub struct RuleBoxes<'a> {
    job: &'a Job,
    bucket: &'a Bucket,
    /// Keyword values that contribute to the findings, by the contributor's name.
    shown: BTreeMap<&'a str, Vec<(u32, u32)>>,
}

impl<'a> RuleBoxes<'a> {
    /// Looks up what the contributors of all findings stand for, in one pass over the bucket's keyword values.
    pub fn new(job: &'a Job, bucket: &'a Bucket, findings: impl Iterator<Item = &'a [Contributor]>) -> Self {
        let mut wanted: Vec<Vec<(&str, &str)>> = vec![Vec::new(); job.value_features.len()];
        for c in findings.flat_map(|contributors| keyword_values(job, contributors)) {
            if let Some(list) = wanted.get_mut(c.feature).filter(|list| !list.iter().any(|(name, _)| *name == c.name)) {
                list.push((c.name, c.value));
            }
        }
        let lists = wanted.iter().zip(&bucket.values).flat_map(|(wanted, counts)| rows_showing(counts, wanted));
        Self { job, bucket, shown: lists.collect() }
    }

    /// Conditions for a row as text, with the number of rows for which they hold, such as
    /// `requests > 310 and status=404 > 50 (1 of 1204 rows)`; `None` where no column tells the row from any other.
    /// Costs rows times columns, times the conditions.
    pub fn of(&self, row: usize, contributors: &[Contributor]) -> Option<String> {
        let rows = self.bucket.rows();
        let columns = self.columns(row, contributors);
        // Rows that are not cut off yet; at first all but the finding's own.
        let mut others: Option<Vec<usize>> = None;
        let mut left = rows.saturating_sub(1);
        let mut conditions = Vec::new();
        while conditions.len() < MAX_CONDITIONS && left > 0 {
            let Some(cut) = best_cut(&columns, others.as_deref(), (left, rows), row) else { break };
            let Column { name, values } = &columns[cut.column];
            let own = values.of(row);
            let mut inside = Vec::new();
            let mut nearest = None;
            let mut look = |r: usize| {
                let x = values.of(r);
                if holds(x, own, cut.is_above) {
                    inside.push(r);
                } else if x.is_finite() && nearest.is_none_or(|n| holds(x, n, cut.is_above)) {
                    nearest = Some(x);
                }
            };
            match others {
                Some(others) => others.into_iter().for_each(&mut look),
                None => (0..rows).filter(|&r| r != row).for_each(&mut look),
            }
            conditions.push(condition(name, own, cut.is_above, nearest));
            left = inside.len();
            others = Some(inside);
        }
        (!conditions.is_empty()).then(|| format!("{} ({} of {rows} rows)", conditions.join(" and "), left + 1))
    }

    fn columns<'b>(&'b self, row: usize, contributors: &'b [Contributor]) -> Vec<Column<'b>> {
        let numeric = self.job.features.iter().zip(&self.bucket.columns);
        let numeric = numeric.map(|(f, values)| Column { name: &f.name, values: Quantity::Every(values) });
        let keyword = keyword_values(self.job, contributors).filter_map(|c| {
            let shown = self.shown.get(c.name)?;
            Some(Column { name: c.name, values: Quantity::Shown(shown) })
        });
        // What was said to add most comes first, so that it wins where two cut as well.
        let mut all: Vec<Column<'_>> = keyword.chain(numeric).filter(|c| c.values.of(row).is_finite()).collect();
        all.sort_by_key(|c| contributors.iter().position(|k| k.feature == c.name).unwrap_or(usize::MAX));
        all
    }
}

/// A contributor that stands for a value of a keyword-valued feature.
struct KeywordValue<'a> {
    name: &'a str,
    /// The feature's place in the job.
    feature: usize,
    value: &'a str,
}

fn keyword_values<'a>(job: &'a Job, contributors: &'a [Contributor]) -> impl Iterator<Item = KeywordValue<'a>> {
    let found = contributors.iter().filter_map(|c| {
        let (feature, value) = c.feature.split_once('=')?;
        let feature = job.value_features.iter().position(|f| f.name == feature)?;
        Some(KeywordValue { name: &c.feature, feature, value })
    });
    found.take(MAX_VALUES)
}

/// Which rows show what each contributor stands for, and how often: that value, and for the first segment of a path (`/admin/`)
/// everything below it.
fn rows_showing<'a>(counts: &ValueCounts, wanted: &[(&'a str, &'a str)]) -> Vec<(&'a str, Vec<(u32, u32)>)> {
    let mut lists: Vec<(&str, Vec<(u32, u32)>)> = wanted.iter().map(|(name, _)| (*name, Vec::new())).collect();
    let mut index: HashTable<(u64, u32)> = HashTable::new();
    // Most values are not wanted: some bits of their hash tell.
    let mut may_be = [false; 4_096];
    let bits = |hash: u64| (hash >> 20) as usize % 4_096;
    for (list, (_, value)) in (0u32..).zip(wanted) {
        let mut stand_for = |hash| {
            may_be[bits(hash)] = true;
            index.insert_unique(hash, (hash, list), |e| e.0);
        };
        if value.len() > 1 && value.starts_with('/') && value.ends_with(['/', '?', '#']) {
            counts.names.iter().filter(|(_, name)| name.starts_with(value)).for_each(|(hash, _)| stand_for(*hash));
        } else {
            stand_for(stable_hash(value.as_bytes()));
        }
    }
    if index.is_empty() {
        return lists;
    }
    for (row, ends) in (0u32..).zip(counts.offsets.windows(2)) {
        for i in ends[0] as usize..ends[1] as usize {
            let hash = counts.hashes[i];
            if !may_be[bits(hash)] {
                continue;
            }
            let count = u32::try_from(counts.counts[i]).unwrap_or(u32::MAX);
            for &(_, list) in index.iter_hash(hash).filter(|e| e.0 == hash) {
                match lists[list as usize].1.last_mut() {
                    Some((last, n)) if *last == row => *n = n.saturating_add(count),
                    _ => lists[list as usize].1.push((row, count)),
                }
            }
        }
    }
    lists
}

/// A value that is absent satisfies no condition.
fn holds(value: f64, own: f64, is_above: bool) -> bool {
    if is_above { value >= own } else { value <= own }
}

/// The cut that leaves the fewest of `left` rows: of `others`, or of all `rows` but the own one.
fn best_cut(columns: &[Column<'_>], others: Option<&[usize]>, (left, rows): (usize, usize), row: usize) -> Option<Cut> {
    let mut best: Option<Cut> = None;
    for (column, Column { values, .. }) in columns.iter().enumerate() {
        let own = values.of(row);
        let (above, below) = match others {
            Some(others) => sides(others.iter().map(|&r| values.of(r)), own),
            None => {
                let (above, below) = values.sides(rows, own);
                (above - 1, below - 1)
            }
        };
        for (is_above, left_by) in [(true, above), (false, below)] {
            if left_by < left && best.is_none_or(|b| left_by < b.left) {
                best = Some(Cut { column, is_above, left: left_by });
            }
        }
        if best.is_some_and(|b| b.left == 0) {
            break;
        }
    }
    best
}

/// How many values are at least, and at most, the own one. One pass without a branch: this is what a rule box costs.
fn sides(values: impl Iterator<Item = f64>, own: f64) -> (usize, usize) {
    values.fold((0, 0), |(above, below), x| (above + usize::from(x >= own), below + usize::from(x <= own)))
}

/// The threshold lies half-way between the row and the nearest one that is cut off.
fn condition(name: &str, own: f64, is_above: bool, nearest: Option<f64>) -> String {
    let sign = if is_above { ">" } else { "<" };
    match nearest {
        Some(x) => format!("{name} {sign} {}", between(x, own)),
        // Only rows without the value were cut off.
        None => format!("{name} {sign}= {own}"),
    }
}

/// About half-way from `x` to `own`, in as few digits as still tell the two apart: what is written has to hold for the row and
/// for no row that was cut off.
fn between(x: f64, own: f64) -> f64 {
    let middle = x / 2.0 + own / 2.0;
    let parts = (own > x && middle < own) || (own < x && middle > own);
    // Neighbours have nothing between them: the other's own value is the threshold.
    let exact = if parts { middle } else { x };
    let holds = |t: f64| if own > x { x <= t && t < own } else { own < t && t <= x };
    (2..17).filter_map(|digits| format!("{exact:.digits$e}").parse().ok()).find(|&t| holds(t)).unwrap_or(exact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FeatureSpec;

    fn rule_box(job: &Job, bucket: &Bucket, row: usize, contributors: &[Contributor]) -> Option<String> {
        RuleBoxes::new(job, bucket, std::iter::once(contributors)).of(row, contributors)
    }

    fn bucket(columns: &[&[f64]]) -> (Job, Bucket) {
        let feature = |i: usize| FeatureSpec { name: format!("f{i}"), ..FeatureSpec::default() };
        let job = Job { features: (0..columns.len()).map(feature).collect(), ..Job::default() };
        let mut b = Bucket::empty(0, 1, columns.len(), 0);
        for r in 0..columns[0].len() {
            b.keys.push(format!("e{r}").as_bytes());
        }
        b.columns = columns.iter().map(|c| c.to_vec()).collect();
        (job, b)
    }

    #[test]
    fn one_condition_is_enough_where_one_quantity_stands_out() {
        let (job, b) = bucket(&[&[1.0, 2.0, 3.0, 300.0], &[5.0, 5.0, 5.0, 5.0]]);
        assert_eq!(rule_box(&job, &b, 3, &[]).as_deref(), Some("f0 > 152 (1 of 4 rows)"));
        assert_eq!(rule_box(&job, &b, 0, &[]).as_deref(), Some("f0 < 1.5 (1 of 4 rows)"));
    }

    #[test]
    fn thresholds_have_few_digits_and_still_hold_for_the_row_alone() {
        assert_eq!([between(3.0, 300.0), between(0.0, 1e-7), between(1234.2, 1234.4), between(1.004, 1.0)], [152.0, 5e-8, 1234.3, 1.002]);
        for (x, own) in [(1.0, 1.0 + f64::EPSILON), (-1e300, 1e300), (1e308, f64::MAX), (5.0, 5.000001), (0.1 + 0.2, 0.3)] {
            let t: f64 = between(x, own).to_string().parse().unwrap();
            assert!(if own > x { own > t && x <= t } else { own < t && x >= t }, "{x} {t} {own}");
        }
    }

    #[test]
    fn two_conditions_cut_out_what_none_of_them_does_alone() {
        let (job, b) = bucket(&[&[9.0, 9.0, 1.0, 1.0, 9.0], &[1.0, 1.0, 9.0, 9.0, 9.0]]);
        assert_eq!(rule_box(&job, &b, 4, &[]).as_deref(), Some("f0 > 5 and f1 > 5 (1 of 5 rows)"));
    }

    #[test]
    fn keyword_values_count_and_what_cannot_be_told_apart_is_said_so() {
        let (mut job, mut b) = bucket(&[&[3.0, 3.0, 3.0]]);
        job.value_features = vec![FeatureSpec { name: "status".into(), ..FeatureSpec::default() }];
        let hash = stable_hash(b"404");
        b.values = vec![ValueCounts::from_rows(vec![vec![], vec![(hash, 2)], vec![(hash, 40)]], [(hash, "404".into())].into(), vec![0; 3])];
        let c = Contributor {
            feature: "status=404".into(),
            title: String::new(),
            actual: 40.0,
            typical: 0.0,
            lower: f64::NAN,
            upper: f64::NAN,
            surprise: 3.0,
            reference: "peers".into(),
        };
        assert_eq!(rule_box(&job, &b, 2, std::slice::from_ref(&c)).as_deref(), Some("status=404 > 21 (1 of 3 rows)"));
        // A first segment stands for all paths below it.
        let names: BTreeMap<u64, Box<str>> = [(1, "/a/x".into()), (2, "/a/y".into()), (3, "/ab".into())].into();
        b.values = vec![ValueCounts::from_rows(vec![vec![(3, 9)], vec![(1, 1)], vec![(1, 2), (2, 3)]], names, vec![0; 3])];
        let c = Contributor { feature: "status=/a/".into(), ..c };
        assert_eq!(rule_box(&job, &b, 2, &[c]).as_deref(), Some("status=/a/ > 3 (1 of 3 rows)"));
        assert_eq!(rule_box(&job, &b, 0, &[]), None);
    }

    #[test]
    fn absent_and_endless_values_do_no_harm() {
        let (job, b) = bucket(&[&[f64::NAN, 2.0, f64::NAN], &[f64::INFINITY, 1e308, -1e308]]);
        assert_eq!(rule_box(&job, &b, 1, &[]).as_deref(), Some("f0 >= 2 (1 of 3 rows)"));
        assert_eq!(rule_box(&job, &b, 0, &[]), None);
    }
}
