//! Fields of nested documents by their dotted names, as a tree that is walked while a document is read.

use super::FormatOptions;
use super::targets::Target;
use crate::model::Fields;

/// Fields that may hold the time, the first that is there counts.
pub(super) const TIME_FIELDS: [&str; 12] = [
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "eventTime",
    "date",
    "datetime",
    "event.created",
    "_time",
    "timestamp_iso8601",
    "EventTime",
    "created_at",
];

/// A node: children by name, and what is asked for at this place.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    children: Vec<(Box<[u8]>, usize)>,
    /// Columns that take the value.
    pub(super) target: Target,
    /// Rank among the fields that may hold the time, 0 first.
    pub(super) time_rank: Option<usize>,
}

/// The tree of wanted fields.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    nodes: Vec<Node>,
}

/// The names that may hold the time under these options.
pub(super) fn time_fields(options: &FormatOptions) -> Vec<&str> {
    options.time_field.as_deref().map_or_else(|| TIME_FIELDS.to_vec(), |name| vec![name])
}

impl Paths {
    /// The tree of the fields that a reader has to fill, under the names that the document uses.
    pub(super) fn new(fields: &Fields, options: &FormatOptions) -> Self {
        let mut out = Self { nodes: vec![Node::default()] };
        for (name, _) in fields.iter() {
            let in_log: Vec<&str> = options.field_map.iter().filter(|(_, to)| to == name).map(|(from, _)| from.as_str()).collect();
            for from in if in_log.is_empty() { vec![name] } else { in_log } {
                let node = out.make(from);
                out.nodes[node].target = Target::of(name, fields);
            }
        }
        for (rank, name) in time_fields(options).into_iter().enumerate() {
            let node = out.make(name);
            out.nodes[node].time_rank = Some(rank);
        }
        out
    }

    fn make(&mut self, path: &str) -> usize {
        let mut at = 0;
        for part in path.split('.') {
            at = match self.child(at, part.as_bytes()) {
                Some(next) => next,
                None => {
                    self.nodes.push(Node::default());
                    let next = self.nodes.len() - 1;
                    self.nodes[at].children.push((part.as_bytes().into(), next));
                    next
                }
            };
        }
        at
    }

    fn child(&self, at: usize, part: &[u8]) -> Option<usize> {
        self.nodes[at].children.iter().find(|(name, _)| &**name == part).map(|(_, next)| *next)
    }

    /// Where a key below `at` leads, dots in the key taken as steps; `None` when nothing is wanted there.
    pub(super) fn walk(&self, at: usize, key: &str) -> Option<usize> {
        let key = key.as_bytes();
        if memchr::memchr(b'.', key).is_none() {
            return self.child(at, key);
        }
        key.split(|&b| b == b'.').try_fold(at, |at, part| self.child(at, part))
    }

    /// The node itself.
    pub(super) fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    /// True when something below is wanted.
    pub(super) fn has_children(&self, at: usize) -> bool {
        !self.nodes[at].children.is_empty()
    }
}
