//! Time stamps of log lines, read by hand: the common spellings cost a few nanoseconds, all others go the long way.

use crate::model::time::{DAY_MS, epoch_ms, parse_time};

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
/// algorithms", `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// A checked calendar time without a zone, milliseconds of the epoch.
fn civil_ms(year: i64, month: i64, day: i64, clock: (i64, i64, i64)) -> Option<i64> {
    let (h, m, s) = clock;
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // Second 60 is a leap second and belongs to the next minute.
    if day < 1 || day > days || h > 23 || m > 59 || s > 60 {
        return None;
    }
    Some(days_from_civil(year, month, day) * DAY_MS + (h * 3_600 + m * 60 + s) * 1_000)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0i64, |n, &b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

fn month_of(name: &[u8]) -> Option<i64> {
    let months: [&[u8; 3]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    months.iter().position(|m| name.eq_ignore_ascii_case(*m)).map(|i| i as i64 + 1)
}

/// `+hhmm` or `+hh:mm` in milliseconds east of UTC.
fn zone_ms(text: &[u8]) -> Option<i64> {
    let (h, m) = match text {
        [_, h1, h2, m1, m2] | [_, h1, h2, b':', m1, m2] => (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?),
        _ => return None,
    };
    let sign = match text[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    (h <= 23 && m <= 59).then_some(sign * (h * 60 + m) * 60_000)
}

/// `09/Nov/2025:10:00:00 +0000` (26 bytes).
fn parse_common(t: &[u8]) -> Option<i64> {
    if t.len() != 26 || t[2] != b'/' || t[6] != b'/' || t[11] != b':' || t[14] != b':' || t[17] != b':' || t[20] != b' ' {
        return None;
    }
    let clock = (digits(&t[12..14])?, digits(&t[15..17])?, digits(&t[18..20])?);
    Some(civil_ms(digits(&t[7..11])?, month_of(&t[3..6])?, digits(&t[..2])?, clock)? - zone_ms(&t[21..])?)
}

/// `2026-01-31T12:00:00[.fff...][Z|+hh:mm]`, also with a space instead of the `T`.
fn parse_iso(t: &[u8]) -> Option<i64> {
    if t.len() < 19 || t[4] != b'-' || t[7] != b'-' || !matches!(t[10], b'T' | b't' | b' ') || t[13] != b':' || t[16] != b':' {
        return None;
    }
    let clock = (digits(&t[11..13])?, digits(&t[14..16])?, digits(&t[17..19])?);
    let mut ms = civil_ms(digits(&t[..4])?, digits(&t[5..7])?, digits(&t[8..10])?, clock)?;
    let mut rest = &t[19..];
    if let [b'.' | b',', after @ ..] = rest {
        let n = after.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut scale = 100;
        for &b in &after[..n.min(3)] {
            ms += i64::from(b - b'0') * scale;
            scale /= 10;
        }
        rest = &after[n..];
    }
    match rest {
        b"" | b"Z" | b"z" => Some(ms),
        [b' ', zone @ ..] | zone => Some(ms - zone_ms(zone)?),
    }
}

/// Any time stamp that a log line may hold, milliseconds of the epoch; without a zone it is UTC.
pub(super) fn parse_any(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    parse_iso(text).or_else(|| parse_common(text)).or_else(|| parse_common_fraction(text)).or_else(|| parse_time(std::str::from_utf8(text).ok()?))
}

/// The common log's time with a fraction of a second, as `09/Nov/2025:10:00:00.123 +0000`.
fn parse_common_fraction(t: &[u8]) -> Option<i64> {
    let dot = t.get(20).filter(|b| **b == b'.').map(|_| 21)?;
    let n = t[dot..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut plain = [0u8; 26];
    plain[..20].copy_from_slice(&t[..20]);
    let zone = t.get(dot + n..).filter(|z| z.len() == 6)?;
    plain[20..].copy_from_slice(zone);
    let ms = t[dot..dot + n].iter().chain(b"000").take(3).fold(0, |a, &b| a * 10 + i64::from(b - b'0'));
    Some(parse_common(&plain)? + ms)
}

/// A number as a time, by its size: nanoseconds, microseconds, milliseconds or seconds of the epoch.
pub(super) fn epoch_any(number: f64) -> Option<i64> {
    match number.abs() {
        x if x >= 1e17 => epoch_ms(number / 1e6),
        x if x >= 1e14 => epoch_ms(number / 1e3),
        _ => epoch_ms(number),
    }
}

/// Length of the common log's time.
pub(super) const COMMON_LENGTH: usize = 26;

/// Remembers the last time stamp, because neighbouring lines mostly have the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    last: Option<([u8; COMMON_LENGTH], i64)>,
}

impl Clock {
    /// Like [`parse_any`].
    #[inline]
    pub(super) fn parse(&mut self, text: &[u8]) -> Option<i64> {
        if let Some((last, ms)) = self.last
            && text == last
        {
            return Some(ms);
        }
        let ms = parse_common(text).or_else(|| parse_any(text))?;
        if let Ok(key) = <[u8; COMMON_LENGTH]>::try_from(text) {
            self.last = Some((key, ms));
        }
        Some(ms)
    }

    /// The last time stamp once more, if it is that.
    #[inline]
    pub(super) fn again(&self, text: &[u8; COMMON_LENGTH]) -> Option<i64> {
        let (last, ms) = self.last.as_ref()?;
        (text == last).then_some(*ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_agree_with_the_long_way() {
        let t = 1_762_682_400_000; // 2025-11-09T10:00:00Z
        for text in ["09/Nov/2025:10:00:00 +0000", "09/Nov/2025:12:30:00 +0230", "2025-11-09T10:00:00Z", "2025-11-09 10:00:00", "1762682400"] {
            assert_eq!(parse_any(text.as_bytes()), Some(t), "{text}");
            assert_eq!(Clock::default().parse(text.as_bytes()), Some(t), "{text}");
        }
        for text in ["2025-11-09T10:00:00.123456Z", "2025-11-09T11:00:00,123+01:00", "09/Nov/2025:10:00:00.123 +0000"] {
            assert_eq!(parse_any(text.as_bytes()), Some(t + 123), "{text}");
        }
        assert_eq!(parse_any(b"2025-11-09T10:00:00.5Z"), Some(t + 500));
    }

    #[test]
    fn every_day_of_a_leap_century_is_what_the_calendar_says() {
        for day in (-200_000..60_000).step_by(37) {
            let date = chrono::DateTime::from_timestamp_millis(day * DAY_MS).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            if date.len() == 20 {
                assert_eq!(parse_iso(date.as_bytes()), Some(day * DAY_MS), "{date}");
            }
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let wrong =
            ["", "-", "31/Feb/2025:10:00:00 +0000", "09/Nov/2025:25:00:00 +0000", "09/Nox/2025:10:00:00 +0000", "2025-13-01T00:00:00Z", "yesterday"];
        for text in wrong {
            assert_eq!(parse_any(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Clock::default().parse(&[0; 26]), None);
        assert_eq!(epoch_any(f64::NAN), None);
        assert_eq!([1.7626824e9, 1.7626824e12, 1.7626824e15, 1.7626824e18].map(epoch_any), [Some(1_762_682_400_000); 4]);
    }
}
