//! Text from logs, made fit to be looked at.

use crate::model::problem::printable;

/// Control, direction and invisible characters escaped, cut to `max_chars` with a mark. The result still has to be
/// escaped for HTML.
pub fn clean(text: &str, max_chars: usize) -> String {
    let shown = printable(text.as_bytes(), max_chars);
    if !shown.chars().any(is_deceptive) {
        return shown;
    }
    shown.chars().fold(String::with_capacity(shown.len() + 8), |mut out, c| {
        if is_deceptive(c) {
            out.extend(c.escape_unicode())
        } else {
            out.push(c)
        }
        out
    })
}

/// Characters that change how their neighbours look, or that cannot be seen at all.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Standard base64 with padding (RFC 4648, section 4), for the hash in the content security policy.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |w, &b| (w << 8) | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = ALPHABET[((word >> (18 - 6 * i)) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// A whole number with a comma at every third digit.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_become_visible() {
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{feff}", 20), "a\\u{202e}b\\u{200b}c\\u{feff}");
        assert_eq!(clean("", 5), "");
        assert_eq!(clean("plain é 漢", 20), "plain é 漢");
        assert_eq!(clean("abcdef", 3), "abc…");
    }

    #[test]
    fn base64_pads_as_the_standard_says() {
        // RFC 4648, section 10.
        for (text, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), code);
        }
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
