//! Where the values of a log line go: from a field's name to the columns that were asked for.

use crate::model::{EventBatch, FieldKind, Fields};

use super::FormatOptions;
use super::words::is_ascii;

/// Columns of one field: as a number, as text, both or neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Target {
    number: Option<u32>,
    keyword: Option<u32>,
}

impl Target {
    /// Columns of a field by name.
    pub(super) fn of(name: &str, fields: &Fields) -> Self {
        let column = |kind| fields.column(name, kind).and_then(|c| u32::try_from(c).ok());
        Self { number: column(FieldKind::Number), keyword: column(FieldKind::Keyword) }
    }

    /// Columns of a field that the log calls one of `names`: under the name that the map gives it, or as it stands.
    pub(super) fn mapped(names: &[&str], fields: &Fields, options: &FormatOptions) -> Self {
        let mut out = Self::default();
        for name in names {
            let renamed = options.field_map.iter().filter(|(from, _)| from == name).map(|(_, to)| to.as_str());
            for to in renamed.chain(std::iter::once(*name)) {
                let t = Self::of(to, fields);
                out = Self { number: out.number.or(t.number), keyword: out.keyword.or(t.keyword) };
            }
        }
        out
    }

    /// True when somebody asked for the field.
    #[inline]
    pub(super) fn is_wanted(self) -> bool {
        self.number.is_some() || self.keyword.is_some()
    }

    /// Sets text; its number too where that is asked for and it is one.
    #[inline]
    pub(super) fn text(self, batch: &mut EventBatch, value: &[u8]) {
        if self.is_wanted() {
            self.put(batch, value);
        }
    }

    fn put(self, batch: &mut EventBatch, value: &[u8]) {
        if let Some(c) = self.keyword {
            if is_ascii(value) || std::str::from_utf8(value).is_ok() {
                batch.set_keyword(c as usize, value);
            } else {
                // An engine stores the same replacement characters.
                batch.set_keyword(c as usize, String::from_utf8_lossy(value).as_bytes());
            }
        }
        if let Some(c) = self.number {
            batch.set_number(c as usize, number_of(value));
        }
    }

    /// Sets a number whose spelling is `text`.
    #[inline]
    pub(super) fn number(self, batch: &mut EventBatch, value: f64, text: &[u8]) {
        if let Some(c) = self.number {
            batch.set_number(c as usize, value);
        }
        if let Some(c) = self.keyword {
            batch.set_keyword(c as usize, text);
        }
    }
}

/// A finite number spelt in `text`, else `NaN`.
pub(super) fn number_of(text: &[u8]) -> f64 {
    let digits = || text.iter().try_fold(0u64, |n, &b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')));
    if (1..=15).contains(&text.len())
        && let Some(n) = digits()
    {
        return n as f64;
    }
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.trim().parse::<f64>().ok());
    parsed.filter(|x| x.is_finite()).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_under_its_own_and_its_mapped_name() {
        let mut fields = Fields::default();
        fields.request("client.ip", FieldKind::Keyword);
        fields.request("source.ip", FieldKind::Number);
        let options = FormatOptions { field_map: vec![("source.ip".into(), "client.ip".into())], ..FormatOptions::default() };
        let t = Target::mapped(&["source.ip"], &fields, &options);
        assert_eq!(t, Target { number: Some(1), keyword: Some(0) });
        assert!(!Target::of("nothing", &fields).is_wanted());
    }

    #[test]
    fn numbers_are_read_and_anything_else_is_absent() {
        assert_eq!([&b"0"[..], b"1063", b" 1.5 ", b"-2e3"].map(number_of), [0.0, 1063.0, 1.5, -2000.0]);
        assert!([&b""[..], b"-", b"NaN", b"inf", b"1e999", b"0x10"].iter().all(|t| number_of(t).is_nan()));
    }
}
