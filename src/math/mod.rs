//! Arithmetic with references: no I/O, no clock, no randomness of its own.

pub mod tail;
