//! The integration tests: one binary, one file per topic.

mod absent;
mod backfill;
mod backtest;
mod bad_input;
mod check;
mod cluster;
mod config;
mod dashboards;
mod dashboards_import;
mod docker;
mod errors;
mod explanations;
mod house;
mod links;
mod live;
mod mappings;
mod pages;
mod pipeline;
mod ready;
mod scan;
mod support;
mod tls;
mod trust;
