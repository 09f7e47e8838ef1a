//! Against real engines: see `tests/engines/README.md`.

mod faces;
mod keeping;
mod rim;
mod security;
mod setup;
