//! A seeded day of web traffic with planted attacks, for `elkhound demo`. Nothing here is known to any detector.

pub mod chance;
pub mod plants;
pub mod traffic;
