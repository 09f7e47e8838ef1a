//! Arithmetic with references: no I/O, no clock; chance only from a seed that the caller gives.

pub mod chance;
pub mod excess;
pub mod forest;
pub mod normal;
pub mod rows;
pub mod scaler;
pub mod tail;
