//! The seam to the disk: where the database lies, and what can go wrong with it.

use std::fmt;
use std::io;

use jiff::Timestamp;
use redb::Database;

/// What is wrong with the disk or the file on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another process has it.
    InUse,
    /// The file is damaged, or none of ours: it is set aside.
    Damaged(String),
    /// A later version of the program wrote it: it is set aside, unharmed.
    Newer(u64),
    /// The disk does not take or give data at the moment.
    Failing(String),
}

/// Where the database lies. A test has one whose disk fails and whose power goes.
pub(super) trait Medium: Send + fmt::Debug {
    /// Opens the database, or makes an empty one where there is none. Called again after every trouble.
    ///
    /// # Errors
    /// [`Trouble`]
    fn open(&mut self) -> Result<Database, Trouble>;

    /// Gives the file another name, out of the way, and keeps only some of such files. Returns where it is now.
    ///
    /// # Errors
    /// The disk's.
    fn set_aside(&mut self, why: &Trouble, at: Timestamp) -> io::Result<String>;

    /// Reads the file that was set aside last, from its begin.
    ///
    /// # Errors
    /// The disk's.
    fn aside(&self) -> io::Result<Box<dyn io::Read>>;

    /// Length of the file in bytes; 0 if that is not known.
    fn length(&self) -> u64;

    /// What people call it: its path.
    fn name(&self) -> String;
}
