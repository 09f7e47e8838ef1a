//! How long to wait before a held window is tried again.

/// First wait, milliseconds.
const FIRST_MS: i64 = 1_000;
/// Longest wait, milliseconds.
const LONGEST_MS: i64 = 300_000;

/// Wait before try number `tries` (from 1): doubling, between half and the whole of it by `seed`, so that replicas do not
/// come back all at once; a permanent fault waits as long as is allowed.
pub fn wait_ms(tries: u32, is_permanent: bool, seed: u64) -> i64 {
    let full = if is_permanent { LONGEST_MS } else { FIRST_MS.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(LONGEST_MS) };
    full / 2 + (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(tries) % (full as u64 / 2 + 1)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_spread() {
        let waits: Vec<i64> = (1..=12).map(|t| wait_ms(t, false, 7)).collect();
        for (i, w) in waits.iter().enumerate() {
            let full = (FIRST_MS << i).min(LONGEST_MS);
            assert!((full / 2..=full).contains(w), "{i}: {w}");
        }
        assert!(wait_ms(1, true, 7) >= LONGEST_MS / 2);
        assert_ne!(wait_ms(5, false, 1), wait_ms(5, false, 2));
    }
}
