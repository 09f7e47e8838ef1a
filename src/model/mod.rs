//! Values that flow through the pipeline: no I/O, no clock, no opinion.

pub mod aggregate;
pub mod anomaly;
pub mod bucket;
pub mod document;
pub mod entity;
pub mod event;
pub mod figure;
pub mod filter;
pub mod ids;
pub mod job;
pub mod keys;
pub mod part;
pub mod problem;
pub mod run;
pub mod severity;
pub mod time;

pub use aggregate::{AggNode, AggRow};
pub use anomaly::{Anomaly, Contributor};
pub use bucket::{Bucket, BucketView, ValueCounts};
pub use entity::{EntityTable, NO_SLOT, Slot};
pub use event::{EventBatch, EventColumn, FieldKind, Fields, KeywordColumn};
pub use filter::Filter;
pub use job::{AlertBudget, DetectorSpec, Direction, FeatureSpec, Job};
pub use keys::Keys;
pub use part::Part;
pub use problem::{Problem, Problems};
pub use run::RunDocument;
pub use severity::Severity;
pub use time::Window;
