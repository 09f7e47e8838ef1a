//! Against real engines: see `tests/engines/README.md`.

mod dashboards;
mod faces;
mod keeping;
mod rim;
mod security;
mod setup;
mod worker;
