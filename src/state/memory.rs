//! State in memory: for the demo, tests, and ranges of the past that must not move the live checkpoint.

use std::collections::BTreeMap;

use super::{Checkpoint, StateError, StateStore};

/// Keeps everything until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    checkpoints: BTreeMap<String, Checkpoint>,
    snapshots: BTreeMap<(String, i64), Vec<u8>>,
}

#[async_trait::async_trait]
impl StateStore for MemoryStore {
    async fn load_checkpoint(&mut self, job: &str) -> Result<Option<Checkpoint>, StateError> {
        Ok(self.checkpoints.get(job).cloned())
    }

    async fn load_snapshot(&mut self, job: &str, at_ms: i64) -> Result<Vec<u8>, StateError> {
        let found = self.snapshots.get(&(job.to_owned(), at_ms)).cloned();
        found.ok_or_else(|| StateError::Unreadable(format!("job `{job}` has no snapshot at {at_ms}")))
    }

    async fn save_snapshot(&mut self, job: &str, at_ms: i64, bytes: &[u8]) -> Result<(), StateError> {
        self.snapshots.retain(|(j, _), _| j != job);
        self.snapshots.insert((job.to_owned(), at_ms), bytes.to_vec());
        Ok(())
    }

    async fn commit(&mut self, from: Option<&Checkpoint>, to: &Checkpoint) -> Result<(), StateError> {
        if self.checkpoints.get(&to.job) != from {
            return Err(StateError::Conflict { job: to.job.clone() });
        }
        self.checkpoints.insert(to.job.clone(), to.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_checkpoint_moves_only_from_where_it_stands() {
        let mut store = MemoryStore::default();
        let a = Checkpoint { job: "web".into(), next_ms: 1, ..Checkpoint::default() };
        let b = Checkpoint { next_ms: 2, epoch: 1, ..a.clone() };
        store.commit(None, &a).await.unwrap();
        assert!(matches!(store.commit(None, &b).await, Err(StateError::Conflict { .. })));
        store.commit(Some(&a), &b).await.unwrap();
        assert_eq!(store.load_checkpoint("web").await.unwrap(), Some(b));
        assert!(store.load_snapshot("web", 5).await.is_err());
    }
}
