//! Against real engines: see `tests/engines/README.md`.

mod rim;
