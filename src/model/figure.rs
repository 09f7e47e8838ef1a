//! Numbers for people.

/// A number for people: up to three significant decimals, thousands as they are; "absent" for none.
pub fn number(x: f64) -> String {
    if !x.is_finite() {
        return "absent".into();
    }
    let decimals = match x.abs() {
        a if a >= 100.0 || x.fract() == 0.0 => 0,
        a if a >= 10.0 => 1,
        a if a >= 0.1 => 2,
        a if a >= 0.001 => 4,
        // Two digits that say something; what is smaller still counts as nothing.
        a => (1.0 - a.log10().floor()).min(12.0) as usize,
    };
    let text = format!("{x:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_small_ones_are_not_lost() {
        assert_eq!([f64::NAN, 0.0, -0.0, 0.00012, 12.34, 1e6].map(number), ["absent", "0", "0", "0.00012", "12.3", "1000000"]);
        assert_eq!([0.0333, 0.005, 1e-20, -1e-20, -2_277.4, 187.5].map(number), ["0.0333", "0.005", "0", "0", "-2277", "188"]);
    }
}
