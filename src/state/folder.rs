//! State in a local folder: two small files per job, each written beside the old one and moved over it.
//!
//! A file is one line of JSON (magic, version, SHA-256 of the rest) and then the bytes. What a power loss left torn is told
//! apart by its checksum, and the generation before it is read instead.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Checkpoint, StateError, StateStore};

/// Layout of the files.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    elkhound: String,
    version: u32,
    sha256: String,
}

/// A folder of state files. One worker at a time: replicas need the cluster's store.
#[derive(Debug, Clone)]
pub struct FolderStore {
    folder: PathBuf,
}

impl FolderStore {
    /// Keeps state below `folder`, which is made when it is missing.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, job: &str, what: &str) -> PathBuf {
        // Job ids are letters, digits, `-` and `_` by configuration; anything else must not become a path all the same.
        let safe: String = job.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '.' }).collect();
        self.folder.join(format!("{safe}.{what}"))
    }
}

fn failed(path: &Path, what: &str, e: &std::io::Error) -> StateError {
    StateError::Store { message: format!("{} cannot be {what}: {e}; check `state.folder`", path.display()), is_permanent: false }
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    PathBuf::from(name)
}

/// Writes a new generation: to a file beside, flushed to disk, then moved over; the one before stays as `.old`.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let header = Header { elkhound: "state".into(), version: VERSION, sha256: checksum(bytes) };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let attempt = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::File::create(&beside)?;
        serde_json::to_writer(&mut file, &header)?;
        file.write_all(b"\n")?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if path.exists() {
            std::fs::rename(path, previous(path))?;
        }
        std::fs::rename(&beside, path)
    };
    attempt().map_err(|e| failed(path, "written", &e))
}

enum Found {
    Nothing,
    Torn(String),
    Bytes(Vec<u8>),
}

fn read_one(path: &Path) -> Result<Found, StateError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(e) => return Err(failed(path, "read", &e)),
    };
    let torn = |why: &str| Ok(Found::Torn(format!("{}: {why}", path.display())));
    let Some(end) = memchr::memchr(b'\n', &bytes) else { return torn("it has no header") };
    let Ok(header) = serde_json::from_slice::<Header>(&bytes[..end]) else { return torn("its header cannot be read") };
    if header.version > VERSION {
        let message = format!("{} was written by a newer Elkhound (layout {}); it is left alone", path.display(), header.version);
        return Err(StateError::Unreadable(message));
    }
    let body = &bytes[end + 1..];
    if checksum(body) != header.sha256 {
        return torn("its checksum does not fit");
    }
    Ok(Found::Bytes(body.to_vec()))
}

/// The newest whole generation; `None` when there never was one.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    let newest = match read_one(path)? {
        Found::Bytes(bytes) => return Ok(Some(bytes)),
        other => other,
    };
    match (newest, read_one(&previous(path))?) {
        (_, Found::Bytes(bytes)) => Ok(Some(bytes)),
        (Found::Nothing, Found::Nothing) => Ok(None),
        (Found::Torn(why), _) | (_, Found::Torn(why)) => Err(StateError::Unreadable(format!("{why}; remove it to begin anew"))),
        (Found::Bytes(_), Found::Nothing) => Ok(None),
    }
}

#[async_trait::async_trait]
impl StateStore for FolderStore {
    async fn load_checkpoint(&mut self, job: &str) -> Result<Option<Checkpoint>, StateError> {
        let path = self.path(job, "checkpoint");
        let Some(bytes) = read(&path)? else { return Ok(None) };
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Some).map_err(|e| StateError::Unreadable(format!("{} cannot be read: {e}; remove it to begin anew", path.display())))
    }

    async fn load_snapshot(&mut self, job: &str, at_ms: i64) -> Result<Vec<u8>, StateError> {
        let path = self.path(job, &format!("snapshot-{at_ms}"));
        read(&path)?.ok_or_else(|| StateError::Unreadable(format!("{} is missing; remove the checkpoint beside it to begin anew", path.display())))
    }

    async fn save_snapshot(&mut self, job: &str, at_ms: i64, bytes: &[u8]) -> Result<(), StateError> {
        write(&self.path(job, &format!("snapshot-{at_ms}")), bytes)
    }

    async fn commit(&mut self, from: Option<&Checkpoint>, to: &Checkpoint) -> Result<(), StateError> {
        if self.load_checkpoint(&to.job).await?.as_ref() != from {
            return Err(StateError::Conflict { job: to.job.clone() });
        }
        let bytes = serde_json::to_vec(to).map_err(|e| StateError::Unreadable(e.to_string()))?;
        write(&self.path(&to.job, "checkpoint"), &bytes)?;
        // The checkpoint before may come back after a power loss, so its snapshot stays; older ones go.
        let keep = [to.snapshot_ms, from.and_then(|c| c.snapshot_ms)];
        let prefix = self.path(&to.job, "snapshot-");
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_kept = keep.iter().flatten().any(|at| path == self.path(&to.job, &format!("snapshot-{at}")));
            if !is_kept && path.to_string_lossy().starts_with(&*prefix.to_string_lossy()) {
                // What cannot be removed now is removed by the next commit.
                let _ = std::fs::remove_file(path);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(epoch: u64, snapshot: i64) -> Checkpoint {
        Checkpoint { job: "web".into(), epoch, next_ms: snapshot, snapshot_ms: Some(snapshot), ..Checkpoint::default() }
    }

    #[tokio::test]
    async fn state_comes_back_and_old_snapshots_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = FolderStore::new(dir.path().join("state"));
        assert_eq!(store.load_checkpoint("web").await.unwrap(), None);
        let mut last = None;
        for i in 1..5 {
            store.save_snapshot("web", i, &[i as u8; 100]).await.unwrap();
            let next = checkpoint(i as u64, i);
            store.commit(last.as_ref(), &next).await.unwrap();
            last = Some(next);
        }
        assert_eq!(store.load_checkpoint("web").await.unwrap(), last);
        assert_eq!(store.load_snapshot("web", 4).await.unwrap(), [4; 100]);
        assert!(store.load_snapshot("web", 1).await.is_err());
        assert!(matches!(store.commit(None, &checkpoint(9, 9)).await, Err(StateError::Conflict { .. })));
    }

    #[tokio::test]
    async fn a_file_cut_at_any_byte_gives_the_generation_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = FolderStore::new(dir.path());
        let (a, b) = (checkpoint(1, 1), checkpoint(2, 2));
        store.commit(None, &a).await.unwrap();
        store.commit(Some(&a), &b).await.unwrap();
        let path = store.path("web", "checkpoint");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(store.load_checkpoint("web").await.unwrap(), Some(a.clone()), "cut at {cut}");
        }
        std::fs::write(&path, whole).unwrap();
        assert_eq!(store.load_checkpoint("web").await.unwrap(), Some(b));
    }

    #[tokio::test]
    async fn a_newer_layout_is_refused_and_a_job_id_is_no_path() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = FolderStore::new(dir.path());
        std::fs::write(store.path("web", "checkpoint"), "{\"elkhound\":\"state\",\"version\":99,\"sha256\":\"\"}\n").unwrap();
        assert!(matches!(store.load_checkpoint("web").await, Err(StateError::Unreadable(m)) if m.contains("newer")));
        assert!(store.path("../../etc/passwd", "checkpoint").starts_with(dir.path()));
    }
}
