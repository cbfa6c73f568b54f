//! What can be set about the journal. Defaults stand here and nowhere else.

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Folder of the journal's files; `None`: no journal is kept.
    pub path: Option<PathBuf>,
    /// Bytes of all files together, at most.
    pub max_size: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: None, max_size: 16 << 20 }
    }
}
