//! Time as the cluster rim needs it: a monotonic reading and a sleep, so that tests wait for nothing.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A monotonic clock that can also wait.
#[async_trait::async_trait]
pub trait Timer: Send + Sync + Debug {
    /// Time since some fixed point in the past.
    fn now(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own clock.
#[derive(Debug)]
pub struct RealTimer {
    start: tokio::time::Instant,
}

impl Default for RealTimer {
    fn default() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

#[async_trait::async_trait]
impl Timer for RealTimer {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that moves only by being slept on: every wait is over at once, and how long it would have been is known.
#[derive(Debug, Default)]
pub struct SimulatedTimer {
    nanos: AtomicU64,
}

#[async_trait::async_trait]
impl Timer for SimulatedTimer {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}
