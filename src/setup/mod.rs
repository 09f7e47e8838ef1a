//! Setup: installs templates, policies and indices, so that a worker finds what it writes to; and checks beforehand
//! whether a configuration, a cluster and the fields of each job fit together.
//!
//! What is installed is a pure function of configuration and flavour (`artefacts`), shown by `elkhound export` and by
//! `--dry-run`; `install` compares it with what is there and sends the difference.

pub mod artefacts;
pub mod check;
pub mod fields;
pub mod install;
pub mod kind;
pub mod mapping;
pub mod privileges;
pub mod retention;

pub use check::{Finding, Level};
pub use kind::Kind;
