//! Arithmetic with references: no I/O, no clock; chance only from a seed that the caller gives.

pub mod chance;
pub mod covariance;
pub mod digest;
pub mod distance;
pub mod distinct;
pub mod eigen;
pub mod exceed;
pub mod excess;
pub mod forest;
pub mod neighbours;
pub mod normal;
pub mod rows;
pub mod scaler;
pub mod tail;
