//! How values are spelt in a configuration: lengths of time, sizes, budgets, lists; and what to suggest for a wrong word.

use serde_json::Value;

use crate::model::AlertBudget;
use crate::model::problem::printable;
pub use crate::model::problem::suggestion;

/// Characters of a wrong value that a message shows.
const SHOWN_CHARS: usize = 60;

/// A value as messages show it: cut, on one line.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "a mapping".into(),
        Value::Array(_) => "a list".into(),
        Value::String(s) => format!("`{}`", printable(s.as_bytes(), SHOWN_CHARS)),
        other => format!("`{other}`"),
    }
}

/// A key as messages show it.
pub fn printable_key(key: &str) -> String {
    printable(key.as_bytes(), SHOWN_CHARS)
}

/// Text; a number or a truth value counts as its text.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(number_text(n)),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// A number as documents spell it: whole numbers without a point.
fn number_text(n: &serde_json::Number) -> String {
    match n.as_f64() {
        Some(x) if n.is_f64() && x.fract() == 0.0 && x.abs() < 9e15 => format!("{x:.0}"),
        _ => n.to_string(),
    }
}

/// Yes or no, also as the environment spells it.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::String(s) => match s.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A finite number, also as text.
pub fn number(value: &Value) -> Option<f64> {
    let x = match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    x.filter(|x| x.is_finite())
}

/// A whole number of at least 0, also as text; `1_000` is read too.
pub fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(n) => n.as_u64().or_else(|| n.as_f64().filter(|x| x.fract() == 0.0 && *x >= 0.0 && *x < 9e15).map(|x| x as u64)),
        Value::String(s) => s.trim().replace('_', "").parse().ok(),
        _ => None,
    }
}

/// A length of time with its unit (`90s`, `1h 30m`, `7d`), in milliseconds; a bare `0` needs none.
pub fn duration_ms(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) if n.as_u64() == Some(0) => Some(0),
        Value::String(s) => i64::try_from(humantime::parse_duration(s.trim()).ok()?.as_millis()).ok(),
        _ => None,
    }
}

/// A length of time for people.
pub fn span(ms: i64) -> String {
    humantime::format_duration(std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0))).to_string()
}

/// A number of bytes: plain, or with KiB, MiB, GiB (powers of 1024; the `i` and the `B` may be left out).
pub fn bytes(value: &Value) -> Option<u64> {
    let Value::String(s) = value else { return count(value) };
    let lower = s.trim().to_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_alphabetic());
    let shift = match lower.get(digits.len()..)? {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    let x: f64 = digits.trim().parse().ok()?;
    let out = x * f64::from(1_u32 << shift);
    (out.is_finite() && (0.0..9e15).contains(&out)).then_some(out as u64)
}

/// A list of texts; a single text is split at commas.
pub fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::String(s) => Some(s.split(',').map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()),
        _ => None,
    }
}

/// How many alarms: `20 per day`, `1 per hour`, `50 per week`, or a bare number a day.
pub fn budget(value: &Value) -> Option<AlertBudget> {
    let per_day = match value {
        Value::String(s) => {
            let mut words = s.split_whitespace();
            let n: f64 = words.next()?.parse().ok()?;
            match (words.next(), words.next(), words.next()) {
                (None, None, None) | (Some("per"), Some("day"), None) => n,
                (Some("per"), Some("hour"), None) => n * 24.0,
                (Some("per"), Some("week"), None) => n / 7.0,
                _ => return None,
            }
        }
        other => number(other)?,
    };
    (per_day.is_finite() && per_day > 0.0).then_some(AlertBudget { per_day })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spellings_are_read_and_nonsense_is_not() {
        assert_eq!(["5m", "1h 30m", "7d", "90s", "250ms"].map(|s| duration_ms(&json!(s))), [300_000, 5_400_000, 604_800_000, 90_000, 250].map(Some));
        assert_eq!(["5", "", "-5m", "soon"].map(|s| duration_ms(&json!(s))), [None; 4]);
        assert_eq!(duration_ms(&json!(5)), None);
        assert_eq!(["64MiB", "1g", "10", "1.5k"].map(|s| bytes(&json!(s))), [67_108_864, 1 << 30, 10, 1536].map(Some));
        assert_eq!(["x", "1TB", "-1k"].map(|s| bytes(&json!(s))), [None; 3]);
        assert_eq!(budget(&json!("20 per day")).map(|b| b.per_day), Some(20.0));
        assert_eq!(budget(&json!("1 per hour")).map(|b| b.per_day), Some(24.0));
        assert_eq!(["0 per day", "20 a day", "many", "NaN per day"].map(|s| budget(&json!(s))), [None; 4]);
        assert_eq!(list(&json!("a, b,")), Some(vec!["a".into(), "b".into()]));
        assert_eq!((text(&json!(404)), text(&json!(404.0)), text(&json!([1]))), (Some("404".into()), Some("404".into()), None));
    }
}
