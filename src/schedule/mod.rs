//! When windows are read: clock, planner (pure), runner, back-off.

pub mod backoff;
pub mod clock;
pub mod planner;
pub mod runner;
