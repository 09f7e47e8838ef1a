//! Numbers for people.

/// From here on digits are not counted any more.
const HUGE: f64 = 1e15;

/// A number for people: up to three significant decimals, thousands in groups of three digits; "absent" for none.
pub fn number(x: f64) -> String {
    if !x.is_finite() {
        return "absent".into();
    }
    let decimals = match x.abs() {
        a if a >= HUGE => return with_decimals(x, 0),
        a if a >= 100.0 || x.fract() == 0.0 => 0,
        a if a >= 10.0 => 1,
        a if a >= 0.1 => 2,
        a if a >= 0.001 => 4,
        // Two digits that say something; what is smaller still counts as nothing.
        a => (1.0 - a.log10().floor()).min(12.0) as usize,
    };
    let text = with_decimals(x, decimals);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// A number with so many decimals, thousands in groups of three digits: sizes in bytes cannot be compared without.
pub fn with_decimals(x: f64, decimals: usize) -> String {
    if x.abs() >= HUGE {
        return format!("{x:.2e}");
    }
    let text = format!("{x:.decimals$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    if whole.len() < 4 || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return text;
    }
    let mut out = sign.to_owned();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_small_ones_are_not_lost() {
        assert_eq!([f64::NAN, 0.0, -0.0, 0.00012, 12.34, 1e6].map(number), ["absent", "0", "0", "0.00012", "12.3", "1,000,000"]);
        assert_eq!([0.0333, 0.005, 1e-20, -1e-20, -2_277.4, 187.5].map(number), ["0.0333", "0.005", "0", "0", "-2,277", "188"]);
        assert_eq!([1e308, -2.5e15, 9e14].map(number), ["1.00e308", "-2.50e15", "900,000,000,000,000"]);
        assert_eq!([999.0, -1_000.0, 123_456.7, 2_024_196.0].map(number), ["999", "-1,000", "123,457", "2,024,196"]);
        assert_eq!([with_decimals(-12_345.67, 1), with_decimals(0.5, 2), with_decimals(f64::NAN, 1)], ["-12,345.7", "0.50", "NaN"]);
    }
}
