//! The load budget: how much we may ask of a cluster, and how we step back when it struggles.
//!
//! Requests and bytes a second are token buckets (`governor`); concurrency is a semaphore. On top of them a common
//! pause: after 429, 503 or `Retry-After` nobody asks for a while, and slow answers stretch the time between requests.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::timer::Timer;

/// How much may be asked of one cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests a second.
    pub requests_per_second: NonZeroU32,
    /// Bytes a second, both ways together.
    pub bytes_per_second: NonZeroU32,
    /// Requests at the same time.
    pub max_concurrent: usize,
    /// An answer slower than this is a sign that the cluster struggles.
    pub slow_after: Duration,
    /// How often one request is sent before its failure is passed on.
    pub attempts: u32,
    /// First pause before sending again; it doubles each time.
    pub first_pause: Duration,
    /// Longest pause.
    pub max_pause: Duration,
}

impl Default for Limits {
    /// Enough for a million entities a minute in aggregation pages (about 130 MB), far below what a node can answer.
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::new(50).unwrap_or(NonZeroU32::MIN),
            bytes_per_second: NonZeroU32::new(64 << 20).unwrap_or(NonZeroU32::MIN),
            max_concurrent: 4,
            slow_after: Duration::from_secs(20),
            attempts: 5,
            first_pause: Duration::from_millis(250),
            max_pause: Duration::from_secs(30),
        }
    }
}

/// The timer as `governor` wants it.
#[derive(Debug, Clone)]
struct Ticking(Arc<dyn Timer>);

impl Clock for Ticking {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.now()
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Ticking, NoOpMiddleware<Duration>>;

/// The load budget of one cluster, shared by all jobs.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    timer: Arc<dyn Timer>,
    requests: Bucket,
    bytes: Bucket,
    concurrent: Semaphore,
    strain: Mutex<Strain>,
}

/// How the cluster has been doing.
#[derive(Debug)]
struct Strain {
    /// Nobody asks before this.
    paused_until: Duration,
    /// Extra time between requests after slow answers.
    spacing: Duration,
    /// Bytes that were received and not yet paid for.
    owed_bytes: u64,
    jitter: ChaCha8Rng,
}

/// Shortest spacing that slow answers cause.
const FIRST_SPACING: Duration = Duration::from_millis(100);

impl Budget {
    /// A budget; `seed` makes the jitter repeatable.
    pub fn new(limits: Limits, timer: Arc<dyn Timer>, seed: u64) -> Self {
        let clock = Ticking(timer.clone());
        let strain = Strain { paused_until: Duration::ZERO, spacing: Duration::ZERO, owed_bytes: 0, jitter: ChaCha8Rng::seed_from_u64(seed) };
        Self {
            limits,
            requests: RateLimiter::direct_with_clock(Quota::per_second(limits.requests_per_second), clock.clone()),
            bytes: RateLimiter::direct_with_clock(Quota::per_second(limits.bytes_per_second), clock),
            concurrent: Semaphore::new(limits.max_concurrent.max(1)),
            strain: Mutex::new(strain),
            timer,
        }
    }

    /// The limits it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Waits for its turn; the permit is held while the request runs.
    pub async fn enter(&self) -> SemaphorePermit<'_> {
        loop {
            // The semaphore is never closed, so this waits until a permit is there.
            let permit = match self.concurrent.acquire().await {
                Ok(permit) => permit,
                Err(_) => continue,
            };
            match self.wait_time() {
                None => return permit,
                Some(wait) => {
                    drop(permit);
                    self.timer.sleep(wait).await;
                }
            }
        }
    }

    /// How long to wait before the next request may go, or `None` when it may go now.
    fn wait_time(&self) -> Option<Duration> {
        let now = self.timer.now();
        let mut strain = self.strain();
        if strain.paused_until > now {
            return Some(strain.paused_until - now);
        }
        // Bytes are known only after they came: the next request pays the debt, a bucketful at a time.
        while let Some(part) = NonZeroU32::new(u32::try_from(strain.owed_bytes).unwrap_or(u32::MAX).min(self.limits.bytes_per_second.get())) {
            match self.bytes.check_n(part) {
                Ok(Err(not_yet)) => return Some(not_yet.wait_time_from(now)),
                Ok(Ok(())) | Err(_) => strain.owed_bytes -= u64::from(part.get()),
            }
        }
        match self.requests.check() {
            Err(not_yet) => Some(not_yet.wait_time_from(now)),
            Ok(()) => {
                strain.paused_until = now + strain.spacing;
                None
            }
        }
    }

    /// Tells how a request went that was answered: bytes both ways, and how long it took.
    pub fn answered(&self, bytes: u64, took: Duration) {
        let mut strain = self.strain();
        strain.owed_bytes = strain.owed_bytes.saturating_add(bytes);
        strain.spacing = if took > self.limits.slow_after {
            (strain.spacing * 2).clamp(FIRST_SPACING, self.limits.max_pause)
        } else if strain.spacing > FIRST_SPACING {
            strain.spacing / 2
        } else {
            Duration::ZERO
        };
    }

    /// Tells that the cluster asked us to slow down; returns the pause that everybody keeps.
    pub fn pushed_back(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        let pause = self.pause(attempt, retry_after);
        let until = self.timer.now() + pause;
        let mut strain = self.strain();
        strain.paused_until = strain.paused_until.max(until);
        pause
    }

    /// The pause before attempt `attempt + 1` (counted from 1): `first_pause * 2^(attempt - 1)`, at most `max_pause`,
    /// times a random factor from 0.5 to 1; never less than what the cluster asked for.
    pub fn pause(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = self.limits.first_pause.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(self.limits.max_pause);
        let unit = self.strain().jitter.next_u32();
        let pause = doubled.mul_f64(0.5 + 0.5 * f64::from(unit) / f64::from(u32::MAX));
        // A server may ask for an hour; we would rather come back and see.
        retry_after.map_or(pause, |asked| pause.max(asked.min(10 * self.limits.max_pause)))
    }

    /// Waits on the same clock.
    pub async fn sleep(&self, pause: Duration) {
        self.timer.sleep(pause).await;
    }

    /// The clock.
    pub fn timer(&self) -> &dyn Timer {
        &*self.timer
    }

    fn strain(&self) -> std::sync::MutexGuard<'_, Strain> {
        self.strain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::timer::SimulatedTimer;
    use super::*;

    fn budget(limits: Limits) -> Budget {
        Budget::new(limits, Arc::new(SimulatedTimer::default()), 1)
    }

    #[tokio::test]
    async fn requests_keep_to_their_rate() {
        let b = budget(Limits { requests_per_second: NonZeroU32::new(10).unwrap(), ..Limits::default() });
        for _ in 0..31 {
            drop(b.enter().await);
        }
        // Ten at once, then ten a second.
        let t = b.timer().now().as_secs_f64();
        assert!((2.0..2.3).contains(&t), "{t}");
    }

    #[tokio::test]
    async fn bytes_are_paid_for_by_the_next_request() {
        let b = budget(Limits { bytes_per_second: NonZeroU32::new(1000).unwrap(), ..Limits::default() });
        drop(b.enter().await);
        b.answered(5000, Duration::ZERO);
        drop(b.enter().await);
        let t = b.timer().now().as_secs_f64();
        assert!((3.9..4.2).contains(&t), "{t}");
    }

    #[tokio::test]
    async fn everybody_pauses_when_the_cluster_pushes_back() {
        let b = budget(Limits::default());
        b.pushed_back(1, Some(Duration::from_secs(7)));
        drop(b.enter().await);
        assert!(b.timer().now() >= Duration::from_secs(7));
        let growing: Vec<_> = (1..=10).map(|n| b.pause(n, None)).collect();
        assert!(growing[0] <= Duration::from_millis(250) && growing[9] <= Duration::from_secs(30) && growing[9] >= Duration::from_secs(15));
    }

    #[tokio::test]
    async fn slow_answers_stretch_the_time_between_requests_and_quick_ones_shrink_it() {
        let b = budget(Limits { slow_after: Duration::from_secs(1), ..Limits::default() });
        for _ in 0..4 {
            b.answered(0, Duration::from_secs(2));
        }
        drop(b.enter().await);
        let before = b.timer().now();
        drop(b.enter().await);
        assert_eq!(b.timer().now() - before, Duration::from_millis(800));
        for _ in 0..5 {
            b.answered(0, Duration::from_millis(5));
        }
        drop(b.enter().await);
        let before = b.timer().now();
        drop(b.enter().await);
        assert_eq!(b.timer().now(), before);
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let pauses = || {
            let b = budget(Limits::default());
            (1..6).map(|n| b.pause(n, None)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(), pauses());
    }
}
