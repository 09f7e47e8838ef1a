//! Opening what the command line names: a file (plain, gzip, zstd by its first bytes), a folder, or standard input.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 16;
/// Standard input, as the command line spells it.
pub const STDIN: &str = "-";

/// Why an input cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InputError {
    /// What is wrong, with which file, and what to do.
    pub message: String,
    /// True when it could not be opened, false when what is in it is of no use.
    pub is_missing: bool,
}

impl InputError {
    /// It could not be opened.
    pub fn missing(path: &Path, error: &std::io::Error) -> Self {
        Self { message: format!("{}: cannot be opened: {}", path.display(), words(error)), is_missing: true }
    }

    /// What is in it is of no use.
    pub fn useless(path: &Path, what: impl std::fmt::Display) -> Self {
        Self { message: format!("{}: {what}", path.display()), is_missing: false }
    }
}

/// An input-output error without the number of the operating system.
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are: a line can be found again by its place.
    Plain,
    /// gzip, also of several members.
    Gzip,
    /// zstd, also of several frames.
    Zstd,
}

/// An opened input.
pub struct Opened {
    /// Unpacked bytes.
    pub bytes: Box<dyn Read + Send>,
    /// How they are packed.
    pub packing: Packing,
}

/// Counts bytes as they are read from disk, for the progress bar.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Opens a file or standard input and unpacks it by its first bytes; `bytes` counts what is read from disk.
pub fn open(path: &Path, bytes: &Arc<AtomicU64>) -> Result<Opened, InputError> {
    let raw: Box<dyn Read + Send> =
        if path.as_os_str() == STDIN { Box::new(std::io::stdin()) } else { Box::new(File::open(path).map_err(|e| InputError::missing(path, &e))?) };
    let mut raw = Counted { inner: raw, bytes: bytes.clone() };
    let mut magic = Vec::new();
    (&mut raw).take(6).read_to_end(&mut magic).map_err(|e| InputError::missing(path, &e))?;
    let packed = |what: &str| Err(InputError::useless(path, format!("is packed with {what}, which is not supported; unpack it first")));
    let packing = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => return packed("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => return packed("xz"),
        [b'P', b'K', 3, 4, ..] => return packed("zip"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(InputError::useless(path, "is UTF-16 text; convert it to UTF-8 first")),
        _ => Packing::Plain,
    };
    let whole = Cursor::new(magic).chain(raw);
    let bytes: Box<dyn Read + Send> = match packing {
        Packing::Plain => Box::new(whole),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(whole).map_err(|e| InputError::missing(path, &e))?),
    };
    Ok(Opened { bytes, packing })
}

/// Everything that the command line names as single files, folders replaced by what is in them (hidden files left out),
/// in order of name.
pub fn list(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, InputError> {
    let mut out = Vec::new();
    for input in inputs {
        if input.as_os_str() != STDIN && input.is_dir() {
            let before = out.len();
            walk(input, 0, &mut out)?;
            if out.len() == before {
                return Err(InputError::useless(input, "holds no files"));
            }
        } else {
            out.push(input.clone());
        }
    }
    Ok(out)
}

fn walk(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), InputError> {
    let entries = std::fs::read_dir(folder).map_err(|e| InputError::missing(folder, &e))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.sort();
    for path in paths {
        if path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if path.is_dir() {
            // A link to a folder above would never end.
            if depth < MAX_DEPTH && !path.is_symlink() {
                walk(&path, depth + 1, out)?;
            }
        } else {
            out.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(bytes: &[u8]) -> Result<(String, Packing), String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let counter = Arc::new(AtomicU64::new(0));
        let mut opened = open(file.path(), &counter).map_err(|e| e.message)?;
        let mut text = String::new();
        opened.bytes.read_to_string(&mut text).map_err(|e| e.to_string())?;
        assert_eq!(counter.load(Ordering::Relaxed), bytes.len() as u64);
        Ok((text, opened.packing))
    }

    #[test]
    fn packed_files_are_known_by_their_first_bytes() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"hello").unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(read(b"hello"), Ok(("hello".into(), Packing::Plain)));
        assert_eq!(read(b""), Ok((String::new(), Packing::Plain)));
        assert_eq!(read(&[gzip.clone(), gzip].concat()), Ok(("hellohello".into(), Packing::Gzip)));
        assert_eq!(read(&zstd::encode_all(&b"hello"[..], 1).unwrap()), Ok(("hello".into(), Packing::Zstd)));
        assert!(read(b"PK\x03\x04rest").unwrap_err().contains("zip"));
        assert!(read(b"\xff\xfeh\0").unwrap_err().contains("UTF-16"));
    }

    #[test]
    fn a_folder_is_all_its_files_but_the_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        for name in ["b.log", "a.log", ".hidden", "sub/c.log"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let names: Vec<_> = list(&[dir.path().to_owned()]).unwrap().into_iter().map(|p| p.strip_prefix(dir.path()).unwrap().to_owned()).collect();
        assert_eq!(names, [Path::new("a.log"), Path::new("b.log"), Path::new("sub/c.log")]);
        let empty = dir.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        assert!(list(&[empty]).unwrap_err().message.contains("holds no files"));
    }
}
