//! The two faces of a condition: a query for the cluster, and a mask over events.

use serde_json::{Value, json};

use super::Hit;
use crate::model::{AggNode, AggRow, EventBatch, FieldKind, Fields, Filter};

/// The condition as a query.
pub fn query(filter: &Filter) -> Value {
    match filter {
        Filter::In { field, values } => json!({ "terms": { field: values } }),
        Filter::Range { field, gte, lt } => {
            let mut bounds = serde_json::Map::new();
            if let Some(x) = gte {
                bounds.insert("gte".into(), json!(x));
            }
            if let Some(x) = lt {
                bounds.insert("lt".into(), json!(x));
            }
            json!({ "range": { field: bounds } })
        }
        Filter::Prefix { field, prefix } => json!({ "prefix": { field: { "value": prefix } } }),
        Filter::Exists { field } => json!({ "exists": { "field": field } }),
        Filter::All(list) => json!({ "bool": { "filter": list.iter().map(query).collect::<Vec<_>>() } }),
        Filter::Any(list) => json!({ "bool": { "should": list.iter().map(query).collect::<Vec<_>>(), "minimum_should_match": 1 } }),
        Filter::Not(inner) => json!({ "bool": { "must_not": [query(inner)] } }),
    }
}

/// Asks for the fields that the condition reads.
pub fn request(filter: &Filter, fields: &mut Fields) {
    for (name, is_number) in filter.fields() {
        fields.request(name, if is_number { FieldKind::Number } else { FieldKind::Keyword });
    }
}

/// Asks for the fields of an optional condition.
pub fn request_any(filter: Option<&Filter>, fields: &mut Fields) {
    if let Some(f) = filter {
        request(f, fields);
    }
}

/// An aggregation under an optional condition: where there is one, the inner aggregation is named `v`.
pub fn wrap(filter: Option<&Filter>, inner: Value) -> Value {
    match filter {
        Some(f) => json!({ "filter": query(f), "aggs": { "v": inner } }),
        None => inner,
    }
}

/// The answer of an aggregation made by [`wrap`], by its name.
pub fn unwrap<'a>(row: &'a AggRow, name: &str) -> Option<&'a AggNode> {
    row.nodes.get(name).map(|n| n.v.as_deref().unwrap_or(n))
}

/// The field of a condition that looks at its value only.
pub fn of_one_value(filter: &Filter) -> Option<&str> {
    match filter {
        Filter::In { field, .. } | Filter::Range { field, .. } | Filter::Prefix { field, .. } => Some(field),
        _ => None,
    }
}

/// Whether such a condition holds for a document that has this value.
pub fn holds_for(filter: &Filter, text: &str) -> bool {
    match filter {
        Filter::In { values, .. } => values.iter().any(|v| v == text),
        Filter::Prefix { prefix, .. } => text.starts_with(prefix.as_str()),
        Filter::Range { gte, lt, .. } => {
            let x = text.trim().parse().ok().filter(|x: &f64| x.is_finite()).unwrap_or(f64::NAN);
            is_within(x, gte.unwrap_or(f64::NEG_INFINITY), lt.unwrap_or(f64::INFINITY))
        }
        _ => false,
    }
}

/// A condition bound to the columns of a batch.
#[derive(Debug, Clone)]
pub struct Mask(Bound);

#[derive(Debug, Clone)]
enum Bound {
    In { column: usize, values: Vec<Vec<u8>> },
    Range { column: usize, gte: f64, lt: f64 },
    Prefix { column: usize, prefix: Vec<u8> },
    Exists { column: usize },
    All(Vec<Bound>),
    Any(Vec<Bound>),
    Not(Box<Bound>),
}

impl Mask {
    /// Binds a condition; a field that was not requested is absent from every event.
    pub fn new(filter: &Filter, fields: &Fields) -> Self {
        Self(bind(filter, fields))
    }

    /// Whether the condition holds for an event.
    #[inline]
    pub fn holds(&self, batch: &EventBatch, event: usize) -> bool {
        holds(&self.0, batch, event)
    }

    /// Visits the rows of those events that meet the condition; the usual one, a range of numbers, is looked at once for all.
    #[inline]
    pub fn each(&self, batch: &EventBatch, hits: &[Hit], mut visit: impl FnMut(usize)) {
        if let Bound::Range { column, gte, lt } = &self.0 {
            let numbers = batch.numbers(*column);
            let meets = |h: &&Hit| numbers.get(h.event as usize).is_some_and(|&x| is_within(x, *gte, *lt));
            hits.iter().filter(meets).for_each(|h| visit(h.row as usize));
        } else {
            hits.iter().filter(|h| self.holds(batch, h.event as usize)).for_each(|h| visit(h.row as usize));
        }
    }
}

#[inline]
fn is_within(x: f64, gte: f64, lt: f64) -> bool {
    x >= gte && (x < lt || lt == f64::INFINITY)
}

fn bind(filter: &Filter, fields: &Fields) -> Bound {
    let column = |name: &str, kind| fields.column(name, kind).unwrap_or(usize::MAX);
    match filter {
        Filter::In { field, values } => {
            Bound::In { column: column(field, FieldKind::Keyword), values: values.iter().map(|v| v.clone().into_bytes()).collect() }
        }
        Filter::Range { field, gte, lt } => {
            Bound::Range { column: column(field, FieldKind::Number), gte: gte.unwrap_or(f64::NEG_INFINITY), lt: lt.unwrap_or(f64::INFINITY) }
        }
        Filter::Prefix { field, prefix } => Bound::Prefix { column: column(field, FieldKind::Keyword), prefix: prefix.clone().into_bytes() },
        Filter::Exists { field } => Bound::Exists { column: column(field, FieldKind::Keyword) },
        Filter::All(list) => Bound::All(list.iter().map(|f| bind(f, fields)).collect()),
        Filter::Any(list) => Bound::Any(list.iter().map(|f| bind(f, fields)).collect()),
        Filter::Not(inner) => Bound::Not(Box::new(bind(inner, fields))),
    }
}

fn holds(bound: &Bound, batch: &EventBatch, event: usize) -> bool {
    let text = |column: usize| batch.keywords(column).and_then(|k| k.get(event));
    match bound {
        Bound::In { column, values } => text(*column).is_some_and(|t| values.iter().any(|v| v == t)),
        Bound::Range { column, gte, lt } => batch.numbers(*column).get(event).is_some_and(|&x| is_within(x, *gte, *lt)),
        Bound::Prefix { column, prefix } => text(*column).is_some_and(|t| t.starts_with(prefix)),
        Bound::Exists { column } => text(*column).is_some(),
        Bound::All(list) => list.iter().all(|b| holds(b, batch, event)),
        Bound::Any(list) => list.iter().any(|b| holds(b, batch, event)),
        Bound::Not(inner) => !holds(inner, batch, event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_reads_numbers_and_text_and_absent_is_false() {
        let errors = Filter::Range { field: "status".into(), gte: Some(400.0), lt: Some(500.0) };
        let logins = Filter::All(vec![errors.clone(), Filter::Prefix { field: "path".into(), prefix: "/login".into() }]);
        let mut fields = Fields::default();
        request(&logins, &mut fields);
        let mut batch = EventBatch::new(&fields);
        let (s, p) = (fields.column("status", FieldKind::Number).unwrap(), fields.column("path", FieldKind::Keyword).unwrap());
        for (status, path) in [(Some(404.0), Some("/login")), (Some(404.0), None), (None, Some("/login")), (Some(500.0), Some("/login"))] {
            if let Some(x) = status {
                batch.set_number(s, x);
            }
            if let Some(x) = path {
                batch.set_keyword(p, x.as_bytes());
            }
            batch.push(0);
        }
        let both = Mask::new(&logins, &fields);
        let not = Mask::new(&Filter::Not(Box::new(errors.clone())), &fields);
        let open_end = Filter::Range { field: "status".into(), gte: Some(404.0), lt: None };
        assert_eq!((0..4).map(|i| both.holds(&batch, i)).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!((0..4).map(|i| not.holds(&batch, i)).collect::<Vec<_>>(), [false, false, true, true]);
        let hits: Vec<Hit> = (0..4).map(|i| Hit { event: i, row: 9 - i }).collect();
        for mask in [both, not, Mask::new(&errors, &fields), Mask::new(&open_end, &fields)] {
            let mut visited = Vec::new();
            mask.each(&batch, &hits, |row| visited.push(9 - row));
            assert_eq!(visited, (0..4).filter(|&i| mask.holds(&batch, i)).collect::<Vec<_>>(), "{mask:?}");
        }
    }

    #[test]
    fn a_query_says_the_same() {
        let f = Filter::Any(vec![
            Filter::In { field: "m".into(), values: vec!["POST".into()] },
            Filter::Range { field: "s".into(), gte: None, lt: Some(5.0) },
        ]);
        assert_eq!(query(&f), json!({"bool":{"should":[{"terms":{"m":["POST"]}},{"range":{"s":{"lt":5.0}}}],"minimum_should_match":1}}));
    }
}
