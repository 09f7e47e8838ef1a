//! The integration tests: one binary, one file per topic.

mod house;
mod pipeline;
mod support;
