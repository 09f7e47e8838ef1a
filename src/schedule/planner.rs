//! Checkpoint + now -> windows that are due. Pure.

use crate::model::time::align_down;
use crate::model::{Job, Window};
use crate::state::Checkpoint;

/// Buckets that one window of history takes at most: fewer, larger searches while catching up on what is only learned.
const HISTORY_BUCKETS: i64 = 48;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Windows from here on have to be read.
    pub next_ms: i64,
    /// Buckets that end at or before this are learned and not reported.
    pub learn_until_ms: i64,
}

impl Progress {
    /// Where to begin: at the snapshot when there is one (windows up to the checkpoint are replayed under the same ids);
    /// else learn from the look-back before the checkpoint or, on a first run, before now.
    pub fn start(job: &Job, snapshot_ms: Option<i64>, checkpoint: Option<&Checkpoint>, now_ms: i64) -> Self {
        if let (Some(next_ms), Some(c)) = (snapshot_ms, checkpoint) {
            return Self { next_ms, learn_until_ms: c.report_from_ms };
        }
        let from = checkpoint.map_or(now_ms - job.window_delay_ms, |c| c.next_ms.max(c.report_from_ms));
        let from = align_down(from, job.frequency_ms);
        Self { next_ms: align_down(from.saturating_sub(job.lookback_ms), job.bucket_span_ms), learn_until_ms: from }
    }

    /// A bounded range of the past: learn from the look-back before it, report what lies inside.
    pub fn range(job: &Job, from_ms: i64) -> Self {
        let from = align_down(from_ms, job.bucket_span_ms);
        Self { next_ms: align_down(from.saturating_sub(job.lookback_ms), job.bucket_span_ms), learn_until_ms: from }
    }

    /// The next window, if it is due at `now_ms` (and ends at or before `until_ms`).
    pub fn due(&self, job: &Job, now_ms: i64, until_ms: i64) -> Option<Window> {
        let window = self.next_window(job);
        (window.end_ms.saturating_add(job.window_delay_ms) <= now_ms && window.end_ms <= until_ms).then_some(window)
    }

    /// Milliseconds until the next window is due; 0 when it is.
    pub fn wait_ms(&self, job: &Job, now_ms: i64) -> i64 {
        (self.next_window(job).end_ms.saturating_add(job.window_delay_ms) - now_ms).max(0)
    }

    /// Notes that a window is done.
    pub fn done(&mut self, window: Window) {
        self.next_ms = self.next_ms.max(window.end_ms);
    }

    fn next_window(&self, job: &Job) -> Window {
        if self.next_ms < self.learn_until_ms {
            let end = self.next_ms.saturating_add(HISTORY_BUCKETS * job.bucket_span_ms);
            return Window::new(self.next_ms, end.min(self.learn_until_ms));
        }
        // Windows end at multiples of the frequency, so that they are the same whenever the worker was started.
        let end = align_down(self.next_ms, job.frequency_ms).saturating_add(job.frequency_ms);
        Window::new(self.next_ms, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: i64 = 60_000;

    fn job() -> Job {
        Job { bucket_span_ms: 5 * MIN, frequency_ms: 10 * MIN, window_delay_ms: MIN, lookback_ms: 60 * MIN, ..Job::default() }
    }

    fn checkpoint(next: i64, report_from: i64) -> Checkpoint {
        Checkpoint { next_ms: next * MIN, report_from_ms: report_from * MIN, ..Checkpoint::default() }
    }

    #[test]
    fn a_first_run_learns_its_look_back_and_then_reports() {
        let job = job();
        let now = 1_000 * MIN;
        let mut p = Progress::start(&job, None, None, now);
        assert_eq!(p, Progress { next_ms: 930 * MIN, learn_until_ms: 990 * MIN });
        let w = p.due(&job, now, i64::MAX);
        assert_eq!(w, Some(Window::new(930 * MIN, 990 * MIN)));
        p.done(w.unwrap());
        assert_eq!((p.due(&job, now, i64::MAX), p.wait_ms(&job, now)), (None, MIN));
        assert_eq!(p.due(&job, now + MIN, i64::MAX), Some(Window::new(990 * MIN, 1_000 * MIN)));
    }

    #[test]
    fn a_restart_replays_from_the_snapshot_and_catches_up_oldest_first() {
        let job = job();
        let mut p = Progress::start(&job, Some(100 * MIN), Some(&checkpoint(130, 90)), 1_000 * MIN);
        let mut seen = Vec::new();
        while let Some(w) = p.due(&job, 141 * MIN, i64::MAX) {
            seen.push((w.start_ms / MIN, w.end_ms / MIN));
            p.done(w);
        }
        assert_eq!(seen, [(100, 110), (110, 120), (120, 130), (130, 140)]);
    }

    #[test]
    fn a_changed_configuration_learns_again_and_reports_from_the_checkpoint() {
        let p = Progress::start(&job(), None, Some(&checkpoint(500, 90)), 1_000 * MIN);
        assert_eq!(p, Progress { next_ms: 440 * MIN, learn_until_ms: 500 * MIN });
        let still_learning = Progress::start(&job(), None, Some(&checkpoint(80, 90)), 1_000 * MIN);
        assert_eq!(still_learning, Progress { next_ms: 30 * MIN, learn_until_ms: 90 * MIN });
    }

    #[test]
    fn a_range_ends_where_it_was_told() {
        let job = job();
        let mut p = Progress::range(&job, 101 * MIN);
        assert_eq!(p.learn_until_ms, 100 * MIN);
        p.next_ms = 100 * MIN;
        assert_eq!(p.due(&job, i64::MAX, 105 * MIN), None);
        assert_eq!(p.due(&job, i64::MAX, 110 * MIN), Some(Window::new(100 * MIN, 110 * MIN)));
    }
}
