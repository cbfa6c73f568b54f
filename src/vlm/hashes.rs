//! SHA-256 of files, remembered by size and time of change: the graphs of a large set take longer to hash than to map.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::optimised;
use crate::files;

/// Room for some thousand graphs; what has more was not written here.
const LARGEST: u64 = 1 << 20;

/// A file that was changed this shortly before it was hashed could change again without its time showing it.
const SETTLED: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    /// Nanoseconds since 1970.
    changed: u128,
    sha256: String,
}

/// What is remembered, and where.
#[derive(Debug)]
pub(super) struct Hashes {
    file: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    news: bool,
}

impl Hashes {
    pub(super) fn open(cache: &Path) -> Self {
        let file = cache.join("known").join("hashes.json");
        let read = files::read(&file, LARGEST).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { file, entries: read.unwrap_or_default(), news: false }
    }

    /// The hash of `path` now. `now` is the wall clock's time.
    pub(super) fn of(&mut self, path: &Path, now: SystemTime) -> io::Result<String> {
        let path = path.canonicalize()?;
        let (bytes, changed) = stamp(&path.metadata()?)?;
        if let Some(entry) = self.entries.get(&path)
            && (entry.bytes, entry.changed) == (bytes, changed.as_nanos())
        {
            return Ok(entry.sha256.clone());
        }
        let sha256 = optimised::hash(&path)?;
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if since_1970.saturating_sub(changed) > SETTLED {
            self.entries.insert(path, Entry { bytes, changed: changed.as_nanos(), sha256: sha256.clone() });
            self.news = true;
        }
        Ok(sha256)
    }

    /// Writes what is new. Files that are gone are forgotten.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.news) {
            return Ok(());
        }
        self.entries.retain(|path, _| path.exists());
        optimised::replace(&self.file, &serde_json::to_vec(&self.entries)?)
    }
}

fn stamp(metadata: &Metadata) -> io::Result<(u64, Duration)> {
    let changed = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), changed))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_changed_file_is_hashed_anew() {
        let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = folder.path().join("graph.onnx");
        fs::write(&file, "one").unwrap();
        let later = fs::metadata(&file).unwrap().modified().unwrap() + Duration::from_secs(60);
        let of = |now: SystemTime| {
            let mut hashes = Hashes::open(cache.path());
            let hash = hashes.of(&file, now).unwrap();
            hashes.keep().unwrap();
            (hash, hashes.entries.len())
        };
        let (one, kept) = of(later - Duration::from_secs(59));
        assert_eq!(kept, 0, "it could still change unnoticed");
        assert_eq!(of(later), (one.clone(), 1));
        assert_eq!(of(later), (one.clone(), 1));
        // What is remembered is really what is used.
        let forged = fs::read_to_string(cache.path().join("known/hashes.json")).unwrap().replace(&one, "remembered");
        fs::write(cache.path().join("known/hashes.json"), forged).unwrap();
        assert_eq!(of(later).0, "remembered");
        fs::write(&file, "three").unwrap();
        let other = of(later).0;
        assert!(other != one && other != "remembered");
        fs::write(cache.path().join("known/hashes.json"), "{half").unwrap();
        assert_eq!(of(later).0, other);
    }
}
