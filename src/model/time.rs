//! Time as the pipeline sees it: whole milliseconds of the Unix epoch in UTC, and half-open slices of it.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// One day in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// A half-open slice of time `[start_ms, end_ms)` that one cycle reads: a whole number of buckets, aligned in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// First millisecond inside.
    pub start_ms: i64,
    /// First millisecond outside.
    pub end_ms: i64,
}

impl Window {
    /// The window from `start_ms` (inside) to `end_ms` (outside).
    pub fn new(start_ms: i64, end_ms: i64) -> Self {
        Self { start_ms, end_ms }
    }

    /// Length in milliseconds; 0 for an empty or inverted window.
    pub fn len_ms(&self) -> i64 {
        self.end_ms.saturating_sub(self.start_ms).max(0)
    }

    /// True when no instant lies inside.
    pub fn is_empty(&self) -> bool {
        self.len_ms() == 0
    }

    /// True when `t_ms` lies inside.
    pub fn contains(&self, t_ms: i64) -> bool {
        t_ms >= self.start_ms && t_ms < self.end_ms
    }

    /// Starts of the buckets of `span_ms` inside, in order.
    pub fn bucket_starts(&self, span_ms: i64) -> impl Iterator<Item = i64> + use<> {
        let (start, end) = (align_down(self.start_ms, span_ms), self.end_ms);
        (0..).map(move |i| start.saturating_add(span_ms.saturating_mul(i))).take_while(move |&s| s < end)
    }
}

/// The latest multiple of `span_ms` since the epoch that is not after `t_ms` (also for times before 1970).
pub fn align_down(t_ms: i64, span_ms: i64) -> i64 {
    t_ms.saturating_sub(t_ms.rem_euclid(span_ms.max(1)))
}

/// The wall clock of a time zone, written as milliseconds of the epoch: hour and day of it are those that people there see. A day
/// of 23 or 25 hours has a gap, or an hour that comes twice.
pub fn local_ms(timezone: chrono_tz::Tz, t_ms: i64) -> i64 {
    use chrono::{Offset, TimeZone};
    let local = timezone.timestamp_millis_opt(t_ms).single();
    local.map_or(t_ms, |t| t_ms.saturating_add(i64::from(t.offset().fix().local_minus_utc()) * 1_000))
}

/// True for a row of a table: it has no time, and stands where no log was written, on one of the first two days of the epoch.
pub fn is_timeless(preset: Option<&str>, start_ms: i64) -> bool {
    preset == Some("table") && (0..2 * DAY_MS).contains(&start_ms)
}

/// `t_ms` as ISO 8601 in UTC with milliseconds, for example `2026-01-31T12:00:00.000Z`; a time that chrono cannot
/// express comes out as its number.
pub fn iso(t_ms: i64) -> String {
    DateTime::from_timestamp_millis(t_ms).map_or_else(|| t_ms.to_string(), |t| t.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Parses ISO 8601 (with zone, or naive taken as UTC, or a date alone), or epoch seconds, milliseconds.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(t) = DateTime::parse_from_rfc3339(text) {
        return Some(t.timestamp_millis());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"] {
        if let Ok(t) = DateTime::parse_from_str(text, format) {
            return Some(t.timestamp_millis());
        }
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(t) = chrono::NaiveDateTime::parse_from_str(text, format) {
            return Some(t.and_utc().timestamp_millis());
        }
    }
    if let Ok(d) = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return d.and_hms_opt(0, 0, 0).map(|t| t.and_utc().timestamp_millis());
    }
    let number: f64 = text.parse().ok()?;
    epoch_ms(number)
}

/// A bare number as a time: below 1e11 it is seconds of the epoch, from there on milliseconds.
pub fn epoch_ms(number: f64) -> Option<i64> {
    if !number.is_finite() || number.abs() > 9.0e15 {
        return None;
    }
    Some(if number.abs() < 1e11 { (number * 1000.0).round() as i64 } else { number.round() as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_has_days_of_23_and_25_hours() {
        let zone = chrono_tz::Europe::Berlin;
        let local = |text: &str| local_ms(zone, parse_time(text).unwrap_or_default()).rem_euclid(DAY_MS) / 3_600_000;
        assert_eq!(["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"].map(local), [1, 3], "the hour from 2 to 3 is not there");
        assert_eq!(["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"].map(local), [2, 2, 3], "it comes twice");
        assert_eq!(local_ms(chrono_tz::UTC, -5), -5);
        assert_eq!([i64::MIN, i64::MAX].map(|t| local_ms(zone, t)), [i64::MIN, i64::MAX]);
    }

    #[test]
    fn buckets_are_aligned_and_cover_the_window() {
        let w = Window::new(300_000, 900_000);
        assert_eq!(w.bucket_starts(300_000).collect::<Vec<_>>(), [300_000, 600_000]);
        assert_eq!(align_down(-1, 300_000), -300_000);
        assert!(Window::new(5, 5).is_empty() && w.contains(300_000) && !w.contains(900_000));
    }

    #[test]
    fn times_are_read_in_the_usual_spellings() {
        let t = 1_767_225_600_000; // 2026-01-01T00:00:00Z
        for text in ["2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01 00:00:00", "2026-01-01T01:00:00+01:00", "1767225600", "1767225600000"] {
            assert_eq!(parse_time(text), Some(t), "{text}");
        }
        assert_eq!(parse_time("yesterday"), None);
        assert_eq!(parse_time("NaN"), None);
        assert_eq!(iso(t), "2026-01-01T00:00:00.000Z");
    }
}
