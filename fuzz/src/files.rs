//! A folder in memory for what is read from files, gone when it is dropped.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// # Panics
/// If there is no place for it.
pub(crate) fn folder() -> TempDir {
    // Kept in memory where the system has such a place: thousands of files a second are no work for a disk.
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder for the input's files")
}

/// # Panics
/// If it cannot be written.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).expect("a file in the folder that was just made");
}
