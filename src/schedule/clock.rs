//! The only place that reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Wall time and waiting.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Now, milliseconds of the epoch.
    fn now_ms(&self) -> i64;

    /// Waits for so many milliseconds.
    async fn sleep_ms(&self, ms: i64);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let now = chrono::Utc::now();
        now.timestamp_millis()
    }

    async fn sleep_ms(&self, ms: i64) {
        tokio::time::sleep(Duration::from_millis(u64::try_from(ms).unwrap_or(0))).await;
    }
}

/// A clock that stands still until somebody waits, and then jumps: days pass in seconds.
#[derive(Debug, Clone)]
pub struct SimulatedClock {
    now_ms: Arc<AtomicI64>,
}

impl SimulatedClock {
    /// A clock that shows `now_ms`.
    pub fn new(now_ms: i64) -> Self {
        Self { now_ms: Arc::new(AtomicI64::new(now_ms)) }
    }
}

#[async_trait::async_trait]
impl Clock for SimulatedClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    async fn sleep_ms(&self, ms: i64) {
        self.now_ms.fetch_add(ms.max(0), Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

/// CPU time that this process has used, milliseconds; 0 where the system does not tell.
pub fn cpu_ms() -> u64 {
    // Fields 14 and 15 of /proc/self/stat (user and system time in ticks of 10 ms), counted behind the program's name.
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0 };
    let behind = stat.rsplit(')').next().unwrap_or("");
    let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    ticks * 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_simulated_clock_moves_only_by_waiting() {
        let clock = SimulatedClock::new(1_000);
        clock.sleep_ms(500).await;
        clock.sleep_ms(-5).await;
        assert_eq!(clock.now_ms(), 1_500);
    }
}
