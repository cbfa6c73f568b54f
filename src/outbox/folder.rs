//! The outbox's folder: one file of waiting events, and at most a few damaged ones that were set aside.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use redb::{Builder, Database, backends::FileBackend};

use super::disk::{guarded, words};
use super::store::{Medium, Trouble};

pub(super) const FILE: &str = "events.redb";
/// So many files that were set aside are kept.
const KEEP_ASIDE: usize = 2;
/// Pages that the database keeps in memory, in bytes. An edge box has better uses for it.
const CACHE: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    aside: Option<PathBuf>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), aside: None }
    }

    fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }

    fn open_file(&self) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let known = self.file().exists();
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(self.file())?;
        if !known {
            self.sync()?;
        }
        Ok(file)
    }

    /// A new name in the folder survives a loss of power.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Keeps the youngest of the files that were set aside; their names end in times.
    fn tidy(&self) -> io::Result<()> {
        let mut aside: Vec<_> = fs::read_dir(&self.path)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events.redb.")))
            .collect();
        aside.sort_by_key(|path| {
            path.extension().map(|time| time.to_string_lossy().rsplit('-').next().map(str::to_owned))
        });
        let old = aside.len().saturating_sub(KEEP_ASIDE);
        aside[..old].iter().try_for_each(fs::remove_file)
    }
}

impl Medium for Folder {
    fn open(&mut self) -> Result<Database, Trouble> {
        let file = self.open_file().map_err(|error| Trouble::Failing(words(&error)))?;
        database(|| Ok(FileBackend::new(file)?))
    }

    fn set_aside(&mut self, why: &Trouble, at: Timestamp) -> io::Result<String> {
        let kind = if matches!(why, Trouble::Newer(_)) { "newer" } else { "corrupt" };
        let aside = self.path.join(format!("{FILE}.{kind}-{}", at.strftime("%Y%m%dT%H%M%SZ")));
        fs::rename(self.file(), &aside)?;
        self.sync()?;
        self.tidy()?;
        let name = aside.display().to_string();
        self.aside = Some(aside);
        Ok(name)
    }

    fn aside(&self) -> io::Result<Box<dyn io::Read>> {
        let path = self.aside.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(File::open(path)?))
    }

    fn length(&self) -> u64 {
        fs::metadata(self.file()).map_or(0, |file| file.len())
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// Opens the database on this backend.
///
/// # Errors
/// [`Trouble`]
pub(super) fn database<B: redb::StorageBackend>(
    backend: impl FnOnce() -> Result<B, redb::Error>,
) -> Result<Database, Trouble> {
    guarded(|| Ok(Builder::new().set_cache_size(CACHE).create_with_backend(backend()?)?))
}

/// Whether the outbox could write into its folder: what `check` says. Makes nothing that was not there, and leaves
/// nothing behind.
///
/// # Errors
/// What is wrong, and what to do, in words.
pub(super) fn probe(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let there = path.ancestors().find(|folder| !folder.as_os_str().is_empty() && folder.exists());
    let folder = there.unwrap_or(Path::new("."));
    let wrong = |error: io::Error| format!("`{shown}` cannot be written to: {}", words(&error));
    tempfile::Builder::new().prefix(".probe-").tempfile_in(folder).map_err(wrong)?;
    match fs::metadata(path.join(FILE)) {
        Ok(file) => Ok(format!("`{shown}`, {} KiB", file.len() >> 10)),
        Err(_) => Ok(format!("`{shown}`, new")),
    }
}
