//! Short words, eight bytes at once. A loop over the bytes of a word ends after another byte than the loop before, which the
//! processor cannot foresee; words of a log are so short that this is most of their cost.
//!
//! After "Determine if a word has a zero byte" and its neighbours in S. Anderson, "Bit Twiddling Hacks", and D. Lemire,
//! "Quickly parsing eight digits" (2022).

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Whether a text is ASCII.
#[inline]
pub(super) fn is_ascii(text: &[u8]) -> bool {
    match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) if text.len() <= 16 => (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGHS == 0,
        (Some(_), _) => text.is_ascii(),
        _ => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => (u32::from_le_bytes(*first) | u32::from_le_bytes(*last)) & HIGHS as u32 == 0,
            _ => text.iter().fold(0, |all, b| all | b) < 0x80,
        },
    }
}

/// Bytes before the first space.
#[inline]
fn length(word: u64) -> Option<u32> {
    let differs = word ^ (ONES * u64::from(b' '));
    let spaces = differs.wrapping_sub(ONES) & !differs & HIGHS;
    (spaces != 0).then(|| spaces.trailing_zeros() / 8)
}

/// The number of one to seven digits in front of a space, and how many digits these are.
#[inline]
pub(super) fn digits(word: &[u8; 8]) -> Option<(u32, usize)> {
    let word = u64::from_le_bytes(*word);
    let length = length(word).filter(|n| *n > 0)?;
    // Zeros in front.
    let digits = (word << (64 - 8 * length)) | ((ONES * u64::from(b'0')) >> (8 * length));
    if (digits & (ONES * 0xf0)) | ((digits.wrapping_add(ONES * 6) & (ONES * 0xf0)) >> 4) != ONES * 0x33 {
        return None;
    }
    let pairs = (digits - ONES * u64::from(b'0')).wrapping_mul(1 + (10 << 8)) >> 8;
    let (even, odd) = (pairs & 0xff_0000_00ff, (pairs >> 16) & 0xff_0000_00ff);
    let number = (even.wrapping_mul(100 + (1_000_000 << 32)).wrapping_add(odd.wrapping_mul(1 + (10_000 << 32)))) >> 32;
    Some((number as u32, length as usize))
}

/// Length of the word of one to seven capitals in front of a space; `None` also when a byte behind it is no ASCII.
#[inline]
pub(super) fn capitals(word: &[u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(*word);
    let length = length(word).filter(|n| *n > 0 && word & HIGHS == 0)?;
    let above = |least: u8| word.wrapping_add(ONES * u64::from(0x80 - least));
    let (capital, mine) = (above(b'A') & !above(b'Z' + 1), HIGHS >> (64 - 8 * length));
    (capital & mine == mine).then_some(length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::chance::Chance;

    /// Every word of eight bytes out of these.
    fn each(bytes: &[u8], mut check: impl FnMut(&[u8; 8])) {
        let mut chance = Chance::new(7, 1);
        (0..200_000).for_each(|_| check(&std::array::from_fn(|_| bytes[chance.below(bytes.len())])));
    }

    #[test]
    fn digits_are_what_a_parser_reads() {
        let mut numbers = 0;
        each(b"0123456789    /:a\0\x80\xb0\xff", |word| {
            let end = word.iter().position(|b| *b == b' ');
            let text = end.filter(|n| *n > 0).map(|n| &word[..n]).filter(|t| t.iter().all(u8::is_ascii_digit));
            let expected = text.map(|t| (std::str::from_utf8(t).unwrap().parse().unwrap(), t.len()));
            numbers += usize::from(expected.is_some());
            assert_eq!(digits(word), expected, "{word:?}");
        });
        assert!(numbers > 1_000);
        for (word, number) in [(b"9999999 ", 9_999_999), (b"1234567 ", 1_234_567), (b"7654321 ", 7_654_321), (b"0000000 ", 0)] {
            assert_eq!(digits(word), Some((number, 7)));
        }
        assert_eq!((digits(b"12345678"), digits(b"12 45678")), (None, Some((12, 2))));
    }

    #[test]
    fn capitals_end_at_the_first_space() {
        let mut words = 0;
        each(b"AZMQRG   @[az-_\0\x80\xc1\xff", |word| {
            let end = word.iter().position(|b| *b == b' ').filter(|n| *n > 0);
            let expected = end.filter(|&n| word[..n].iter().all(u8::is_ascii_uppercase) && word.is_ascii());
            words += usize::from(expected.is_some());
            assert_eq!(capitals(word), expected, "{word:?}");
        });
        assert!(words > 1_000);
    }

    #[test]
    fn texts_of_every_length_are_ascii_or_not() {
        for n in 0..70 {
            let mut text = vec![b'a'; n];
            assert!(is_ascii(&text));
            for i in 0..n {
                text[i] = 0x80;
                assert!(!is_ascii(&text), "{i} of {n}");
                text[i] = 0x7f;
            }
        }
    }
}
