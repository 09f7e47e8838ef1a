//! How the numeric columns of a bucket come about. What several features need is gathered once: a mean and a sum of one field,
//! a count and a ratio of one condition; and what the counts of a keyword-valued feature tell already is taken from there.

use super::filter::{self, Mask};
use super::values::{Values, ValuesAccumulator};
use super::{Accumulator, Feature, Hit, RowTotals};
use crate::model::{EventBatch, FieldKind, Fields, Filter};

/// What a feature needs to know of the documents of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Needs<'a> {
    /// How many meet the condition; without one, all of them.
    Documents(Option<&'a Filter>),
    /// Sum of a numeric field over those that have it and meet the condition, and how many these are.
    Sum(&'a str, Option<&'a Filter>),
    /// How many different values of a field those that meet the condition have.
    Distinct(&'a str, Option<&'a Filter>),
    /// Something that no other feature can share.
    Own,
}

/// What was gathered for a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gathered {
    /// The sum, where one was asked for.
    pub sum: f64,
    /// How many: documents, or values.
    pub count: u64,
    /// Documents of the row, all of them.
    pub documents: u64,
    /// Width of the bucket, milliseconds.
    pub span_ms: i64,
}

/// Where a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The row's document count.
    Documents,
    /// A keyword-valued feature's counts.
    Values(usize),
    /// A state of its own, or one that an earlier feature has made.
    State(usize),
}

enum State {
    Own(Box<dyn Accumulator>),
    Matching { mask: Mask, counts: Vec<u64> },
    Sum { column: usize, mask: Option<Mask>, sums: Vec<(f64, u64)> },
}

/// Gathers the numeric features of a job over the events of one bucket.
pub struct Gather {
    /// One per feature.
    sources: Vec<Source>,
    states: Vec<State>,
}

impl Gather {
    /// For these features, beside these keyword-valued ones, over events with these fields.
    pub fn new(features: &[Box<dyn Feature>], values: &[Values], fields: &Fields) -> Self {
        let mut out = Self { sources: Vec::with_capacity(features.len()), states: Vec::new() };
        for (i, feature) in features.iter().enumerate() {
            let needs = feature.needs();
            let shared = || features[..i].iter().position(|f| needs != Needs::Own && f.needs() == needs);
            let source = match (needs, values.iter().position(|v| tells(v, needs))) {
                (Needs::Documents(None), _) => Source::Documents,
                (_, Some(values)) => Source::Values(values),
                _ => match shared() {
                    Some(earlier) => out.sources[earlier],
                    None => {
                        out.states.push(State::new(feature.as_ref(), fields));
                        Source::State(out.states.len() - 1)
                    }
                },
            };
            out.sources.push(source);
        }
        out
    }

    /// Adds events; `rows` is how many rows there are by now.
    pub fn add(&mut self, batch: &EventBatch, hits: &[Hit], rows: usize) {
        self.states.iter_mut().for_each(|s| s.add(batch, hits, rows));
    }

    /// One column per feature, `NaN` = absent.
    pub fn finish(mut self, features: &[Box<dyn Feature>], values: &mut [ValuesAccumulator], totals: RowTotals<'_>) -> Vec<Vec<f64>> {
        let rows = totals.doc_counts.len();
        let mut columns = Vec::with_capacity(features.len());
        for (feature, &source) in features.iter().zip(&self.sources) {
            let column = |of: &dyn Fn(usize) -> (f64, u64)| {
                let gathered = |r: usize| {
                    let (sum, count) = of(r);
                    Gathered { sum, count, documents: totals.doc_counts[r], span_ms: totals.span_ms }
                };
                (0..rows).map(|r| feature.value(gathered(r))).collect::<Vec<f64>>()
            };
            columns.push(match source {
                Source::Documents => column(&|r| (0.0, totals.doc_counts[r])),
                Source::Values(v) => {
                    let counts = match feature.needs() {
                        Needs::Documents(Some(filter)) => values[v].matching(rows, |text| filter::holds_for(filter, text)),
                        _ => values[v].distinct(rows),
                    };
                    column(&|r| (0.0, counts[r]))
                }
                Source::State(s) => match &mut self.states[s] {
                    State::Own(accumulator) => accumulator.finish(totals),
                    State::Matching { counts, .. } => column(&|r| (0.0, counts.get(r).copied().unwrap_or(0))),
                    State::Sum { sums, .. } => column(&|r| sums.get(r).copied().unwrap_or((0.0, 0))),
                },
            });
        }
        columns
    }
}

/// Whether the counts of a keyword-valued feature tell what is needed.
fn tells(values: &Values, needs: Needs<'_>) -> bool {
    match needs {
        Needs::Documents(Some(filter)) => filter::of_one_value(filter).is_some_and(|field| values.counts(field, None)),
        Needs::Distinct(field, filter) => values.counts(field, filter),
        _ => false,
    }
}

impl State {
    fn new(feature: &dyn Feature, fields: &Fields) -> Self {
        match feature.needs() {
            Needs::Documents(Some(filter)) => Self::Matching { mask: Mask::new(filter, fields), counts: Vec::new() },
            Needs::Sum(field, filter) => Self::Sum {
                column: fields.column(field, FieldKind::Number).unwrap_or(usize::MAX),
                mask: filter.map(|f| Mask::new(f, fields)),
                sums: Vec::new(),
            },
            _ => Self::Own(feature.accumulator(fields)),
        }
    }

    fn add(&mut self, batch: &EventBatch, hits: &[Hit], rows: usize) {
        match self {
            Self::Own(accumulator) => accumulator.add(batch, hits, rows),
            Self::Matching { mask, counts } => {
                counts.resize(rows, 0);
                mask.each(batch, hits, |row| counts[row] += 1);
            }
            Self::Sum { column, mask, sums } => {
                sums.resize(rows, (0.0, 0));
                let numbers = batch.numbers(*column);
                for hit in hits {
                    let Some(&x) = numbers.get(hit.event as usize) else { continue };
                    if x.is_finite() && mask.as_ref().is_none_or(|m| m.holds(batch, hit.event as usize)) {
                        let (sum, n) = &mut sums[hit.row as usize];
                        (*sum, *n) = (*sum + x, *n + 1);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::extract::{Extractor, FeatureSet};
    use crate::model::{FeatureSpec, Job};

    fn feature(name: &str, kind: &str, field: Option<&str>, filter: Option<Filter>) -> FeatureSpec {
        FeatureSpec { name: name.into(), kind: kind.into(), field: field.map(Into::into), filter, ..FeatureSpec::default() }
    }

    fn job(values: bool) -> Job {
        let range = |gte, lt| Some(Filter::Range { field: "status".into(), gte, lt });
        let one_of = |v: &[&str]| Some(Filter::In { field: "status".into(), values: v.iter().map(|v| (*v).into()).collect() });
        Job {
            entity_fields: vec!["ip".into()],
            bucket_span_ms: 60_000,
            features: vec![
                feature("n", "count", None, None),
                feature("errors", "count", None, range(Some(400.0), None)),
                feature("4xx", "rate", None, range(Some(400.0), Some(500.0))),
                feature("share", "ratio", None, range(Some(400.0), None)),
                feature("denied", "count", None, one_of(&["401", "403"])),
                feature("statuses", "distinct", Some("status"), None),
                feature("sum", "sum", Some("bytes"), None),
                feature("mean", "mean", Some("bytes"), None),
                feature("least", "min", Some("bytes"), None),
            ],
            value_features: if values {
                vec![FeatureSpec { limit: Some(1), ..feature("codes", "values", Some("status"), None) }]
            } else {
                Vec::new()
            },
            ..Job::default()
        }
    }

    fn columns(job: &Job) -> Vec<Vec<f64>> {
        let set = FeatureSet::new(job).unwrap();
        let mut batch = EventBatch::new(&set.fields);
        let events = [("a", "200", 1.0), ("a", "404", 3.0), ("b", "503", f64::NAN), ("a", "401", 5.0), ("c", "none", 7.0), ("a", "404", f64::NAN)];
        for (ip, status, bytes) in events {
            for (name, kind) in set.fields.iter() {
                let column = set.fields.column(name, kind).unwrap();
                match (name, kind) {
                    ("ip", _) => batch.set_keyword(column, ip.as_bytes()),
                    ("status", FieldKind::Keyword) => batch.set_keyword(column, status.as_bytes()),
                    ("status", FieldKind::Number) => batch.set_number(column, status.parse().unwrap_or(f64::NAN)),
                    _ => batch.set_number(column, bytes),
                }
            }
            batch.push(0);
        }
        let mut x = Extractor::new(job, &set, &set.fields);
        x.add(&batch, &set.fields);
        let b = x.close_all().remove(0);
        let row = |key: &[u8]| (0..b.rows()).find(|&r| b.keys.get(r) == key).unwrap();
        let order = [row(b"a"), row(b"b"), row(b"c")];
        (0..b.columns.len()).map(|f| order.map(|r| b.value(f, r)).to_vec()).collect()
    }

    #[test]
    fn what_keyword_counts_tell_is_what_documents_tell() {
        let (with, without) = (columns(&job(true)), columns(&job(false)));
        let expected = [[4.0, 1.0, 1.0], [3.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.75, 1.0, 0.0], [1.0, 0.0, 0.0], [3.0, 1.0, 1.0], [9.0, 0.0, 7.0]];
        assert_eq!(with[..7], expected.map(|c| c.to_vec()), "counts are of all values, not of those within the limit");
        assert_eq!(with[..7], without[..7]);
        for columns in [with, without] {
            assert_eq!((columns[7][0], columns[7][1].is_nan(), columns[7][2], columns[8][0]), (3.0, true, 7.0, 1.0));
        }
    }

    #[test]
    fn states_are_shared() {
        let sources = |values| {
            let set = FeatureSet::new(&job(values)).unwrap();
            let gather = Gather::new(&set.numeric, &set.values, &set.fields);
            (gather.states.len(), gather.sources)
        };
        use Source::{Documents, State, Values};
        let (v, s) = (Values(0), State);
        assert_eq!(sources(true), (2, vec![Documents, v, v, v, v, v, s(0), s(0), s(1)]));
        assert_eq!(sources(false), (6, vec![Documents, s(0), s(1), s(0), s(2), s(3), s(4), s(4), s(5)]));
    }
}
