//! The cluster: the only folder that knows the `elasticsearch` crate. Everything above it sees plain calls, rows and
//! documents, and one error type that says retry, hold or stop.

pub mod aggregate;
pub mod bulk;
pub mod client;
pub mod connect;
pub mod document;
pub mod error;
pub mod fields;
pub mod flavor;
pub mod limit;
mod page;
mod pin;
pub mod search;
pub mod timer;

pub use client::{Call, Cluster, Reply, Usage, path};
pub use connect::{ClusterOptions, Credentials, Tls};
pub use error::{Answer, ClusterError, ErrorKind};
pub use flavor::{Flavor, Product};
pub use limit::{Budget, Limits};
pub use timer::{RealTimer, SimulatedTimer, Timer};
