//! Conditions as configuration spells them: `{ field: x, gte: 400, lt: 500 }`, `{ field: x, in: [a, b] }`, `all`, `any`,
//! `not`; a list means that all hold.

use serde_json::Value;

use super::section::{Mistakes, Section};
use super::words;
use crate::model::Filter;

/// Deepest nesting that is read; more is a mistake, not a stack overflow.
const MAX_DEPTH: usize = 16;

/// Reads a condition; mistakes are noted and give `None`.
pub fn read(path: &str, value: &Value, mistakes: &Mistakes) -> Option<Filter> {
    read_at(path, value, mistakes, 0)
}

fn read_at(path: &str, value: &Value, mistakes: &Mistakes, depth: usize) -> Option<Filter> {
    if depth > MAX_DEPTH {
        mistakes.add(path, "conditions are nested too deeply", format!("use at most {MAX_DEPTH} levels"));
        return None;
    }
    if let Value::Array(items) = value {
        return all(read_list(path, items, mistakes, depth)?);
    }
    let section = Section::new(path, value, mistakes);
    let before = mistakes.count();
    let mut tests = Vec::new();
    if let Some(field) = section.text("field") {
        tests = field_tests(&section, &field);
        if tests.is_empty() && mistakes.count() == before {
            section.wrong("field", "nothing is asked about the field", "add `is`, `in`, `gte`, `lt`, `prefix` or `exists`");
        }
    } else {
        section.know(&["is", "in", "gte", "lt", "prefix", "exists"]);
    }
    for key in ["all", "any"] {
        let Some(inner) = section.raw(key) else { continue };
        let Value::Array(items) = inner else {
            section.wrong(key, "it is not a list", "write the conditions as a list");
            continue;
        };
        let Some(list) = read_list(&section.path_of(key), items, mistakes, depth) else { continue };
        tests.extend(if key == "all" { all(list) } else { Some(Filter::Any(list)) });
    }
    if let Some(inner) = section.raw("not") {
        tests.extend(read_at(&section.path_of("not"), inner, mistakes, depth + 1).map(|f| Filter::Not(Box::new(f))));
    }
    section.done();
    if tests.is_empty() && mistakes.count() == before {
        mistakes.add(path, "the condition is empty", "name a `field` and what to ask about it, or use `all`, `any`, `not`");
    }
    all(tests)
}

fn read_list(path: &str, items: &[Value], mistakes: &Mistakes, depth: usize) -> Option<Vec<Filter>> {
    if items.is_empty() {
        mistakes.add(path, "the list of conditions is empty", "add a condition or leave it out");
    }
    let list: Vec<Filter> = items.iter().enumerate().filter_map(|(i, v)| read_at(&format!("{path}[{i}]"), v, mistakes, depth + 1)).collect();
    (!list.is_empty() && list.len() == items.len()).then_some(list)
}

/// Several tests hold together; a single one needs no list around it.
fn all(mut tests: Vec<Filter>) -> Option<Filter> {
    if tests.len() > 1 { Some(Filter::All(tests)) } else { tests.pop() }
}

/// What a mapping asks about its field.
fn field_tests(s: &Section<'_>, field: &str) -> Vec<Filter> {
    let field = field.to_owned();
    let mut tests = Vec::new();
    let (gte, lt) = (s.number("gte", f64::MIN, f64::MAX), s.number("lt", f64::MIN, f64::MAX));
    if gte.is_some() || lt.is_some() {
        if gte.zip(lt).is_some_and(|(a, b)| a >= b) {
            s.wrong("gte", "no number can be at least this and below `lt`", "`gte` must be smaller than `lt`");
        }
        tests.push(Filter::Range { field: field.clone(), gte, lt });
    }
    if let Some(value) = s.text("is") {
        tests.push(Filter::In { field: field.clone(), values: vec![value] });
    }
    if let Some(values) = s.raw("in") {
        // Not split at commas: a value may hold one.
        match values.as_array().and_then(|l| l.iter().map(words::text).collect::<Option<Vec<_>>>()) {
            Some(values) if !values.is_empty() => tests.push(Filter::In { field: field.clone(), values }),
            _ => s.wrong("in", format!("{} does not fit", words::shown(values)), "expected a list of values"),
        }
    }
    if let Some(prefix) = s.text("prefix") {
        tests.push(Filter::Prefix { field: field.clone(), prefix });
    }
    if let Some(exists) = s.flag("exists") {
        let filter = Filter::Exists { field };
        tests.push(if exists { filter } else { Filter::Not(Box::new(filter)) });
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good(value: Value) -> Filter {
        let mistakes = Mistakes::default();
        let out = read("f", &value, &mistakes);
        assert_eq!(mistakes.into_list(), [], "{value}");
        out.unwrap()
    }

    #[test]
    fn every_spelling_is_read() {
        let x = || "x".to_owned();
        assert_eq!(good(json!({ "field": "x", "gte": 400, "lt": 500 })), Filter::Range { field: x(), gte: Some(400.0), lt: Some(500.0) });
        assert_eq!(good(json!({ "field": "x", "is": 404 })), Filter::In { field: x(), values: vec!["404".into()] });
        assert_eq!(good(json!({ "field": "x", "exists": false })), Filter::Not(Box::new(Filter::Exists { field: x() })));
        let nested = good(json!({ "any": [{ "field": "x", "in": ["a", "b"] }, { "not": { "field": "x", "prefix": "c" } }] }));
        assert!(matches!(nested, Filter::Any(ref l) if l.len() == 2), "{nested:?}");
        assert!(matches!(good(json!([{ "field": "x", "is": "a" }, { "field": "y", "is": "b" }])), Filter::All(_)));
    }

    #[test]
    fn mistakes_have_a_path_and_nothing_overflows() {
        let bad = [
            (json!({}), "f"),
            (json!({ "field": "x" }), "f.field"),
            (json!({ "field": "x", "eq": 1 }), "f.eq"),
            (json!({ "field": "x", "gte": 5, "lt": 5 }), "f.gte"),
            (json!({ "any": [] }), "f.any"),
            (json!({ "any": [{ "field": "x", "in": "a" }] }), "f.any[0].in"),
            (json!("x"), "f"),
        ];
        for (value, path) in bad {
            let mistakes = Mistakes::default();
            read("f", &value, &mistakes);
            let list = mistakes.into_list();
            assert!(list.iter().any(|m| m.path == path), "{value}: {list:?}");
        }
        let mut deep = json!({ "field": "x", "is": 1 });
        for _ in 0..100 {
            deep = json!({ "not": deep });
        }
        let mistakes = Mistakes::default();
        assert_eq!(read("f", &deep, &mistakes), None);
        assert!(mistakes.count() > 0);
    }
}
