//! State in memory: for the demo, tests, and ranges of the past that must not move the live checkpoint.

use std::collections::BTreeMap;

use super::{Checkpoint, StateError, StateStore};

/// Keeps everything until it is dropped.
#[derive(Default)]
pub struct MemoryStore {
    checkpoints: BTreeMap<String, Checkpoint>,
    snapshots: BTreeMap<(String, i64), Vec<u8>>,
    /// Asked for what is not here; nothing is written into it.
    under: Option<Box<dyn StateStore>>,
}

impl MemoryStore {
    /// A store that goes on from what another one holds, and leaves that as it is.
    pub fn over(under: Box<dyn StateStore>) -> Self {
        Self { under: Some(under), ..Self::default() }
    }
}

#[async_trait::async_trait]
impl StateStore for MemoryStore {
    async fn load_checkpoint(&mut self, job: &str) -> Result<Option<Checkpoint>, StateError> {
        match (self.checkpoints.get(job), &mut self.under) {
            (None, Some(under)) => under.load_checkpoint(job).await,
            (own, _) => Ok(own.cloned()),
        }
    }

    async fn load_snapshot(&mut self, job: &str, at_ms: i64) -> Result<Vec<u8>, StateError> {
        let found = self.snapshots.get(&(job.to_owned(), at_ms)).cloned();
        if let (None, Some(under)) = (&found, &mut self.under) {
            return under.load_snapshot(job, at_ms).await;
        }
        found.ok_or_else(|| StateError::Unreadable(format!("job `{job}` has no snapshot at {at_ms}")))
    }

    async fn save_snapshot(&mut self, job: &str, at_ms: i64, bytes: &[u8]) -> Result<(), StateError> {
        self.snapshots.retain(|(j, _), _| j != job);
        self.snapshots.insert((job.to_owned(), at_ms), bytes.to_vec());
        Ok(())
    }

    async fn commit(&mut self, from: Option<&Checkpoint>, to: &Checkpoint) -> Result<(), StateError> {
        if self.load_checkpoint(&to.job).await?.as_ref() != from {
            return Err(StateError::Conflict { job: to.job.clone() });
        }
        self.checkpoints.insert(to.job.clone(), to.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::folder::FolderStore;

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

    #[tokio::test]
    async fn what_goes_on_from_another_store_leaves_that_alone() {
        let folder = tempfile::tempdir().unwrap();
        let open = || FolderStore::new(folder.path());
        let a = Checkpoint { job: "web".into(), next_ms: 7, snapshot_ms: Some(7), ..Checkpoint::default() };
        open().save_snapshot("web", 7, b"learned").await.unwrap();
        open().commit(None, &a).await.unwrap();
        let mut store = MemoryStore::over(Box::new(open()));
        let b = Checkpoint { next_ms: 8, snapshot_ms: Some(8), epoch: 1, ..a.clone() };
        assert_eq!(
            (store.load_checkpoint("web").await.unwrap(), store.load_snapshot("web", 7).await.unwrap()),
            (Some(a.clone()), b"learned".to_vec())
        );
        assert!(store.commit(None, &b).await.is_err());
        store.save_snapshot("web", 8, b"more").await.unwrap();
        store.commit(Some(&a), &b).await.unwrap();
        assert_eq!((store.load_checkpoint("web").await.unwrap(), store.load_snapshot("web", 8).await.unwrap()), (Some(b), b"more".to_vec()));
        assert_eq!(open().load_checkpoint("web").await.unwrap(), Some(a));
    }
}
