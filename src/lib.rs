//! Elkhound: anomaly detection beside Elasticsearch and OpenSearch, and on files.
//!
//! Read `pipeline` first; `src/README.md` is the map.

pub mod app;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod dashboards;
pub mod demo;
pub mod detectors;
pub mod features;
pub mod formats;
pub mod math;
pub mod model;
pub mod pipeline;
pub mod presets;
pub mod report;
pub mod schedule;
pub mod score;
pub mod setup;
pub mod sinks;
pub mod source;
pub mod state;
pub mod telemetry;
