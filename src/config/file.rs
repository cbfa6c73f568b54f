//! Reading files: the config itself, and those that hold secrets. Bounded, and with an error for each way to fail.

use std::fs::File;
use std::io;
use std::path::Path;

use super::problem::ConfigError;
use crate::files;

/// More than a config of as many cameras as there may be needs, each with rules and masks.
const LARGEST_CONFIG: u64 = 1 << 20;

/// More than any password or token, with the line ends that editors leave.
const LARGEST_SECRET: u64 = 16 << 10;

/// The text of the config file.
///
/// # Errors
/// All [`ConfigError`]s but `Invalid`.
pub(super) fn config(path: &Path) -> Result<String, ConfigError> {
    let owned = || path.to_owned();
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing { path: owned() },
        io::ErrorKind::IsADirectory => ConfigError::Folder { path: owned() },
        io::ErrorKind::FileTooLarge => ConfigError::TooLarge { path: owned(), limit: LARGEST_CONFIG },
        _ => ConfigError::Unreadable { path: owned(), source },
    };
    let bytes = files::read(path, LARGEST_CONFIG).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count();
        ConfigError::NotUtf8 { path: owned(), line, offset }
    })
}

/// A secret's file without the line end that editors leave; the error is words about the file.
pub(super) fn secret(path: &Path) -> Result<String, String> {
    // A pipe or a device could keep the start waiting for ever.
    let is_file = path.metadata().map_err(|error| reason(&error))?.is_file();
    if !is_file {
        return Err("it is not a file".to_owned());
    }
    let text = files::read_text(path, LARGEST_SECRET).map_err(|error| reason(&error))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() { Err("it is empty".to_owned()) } else { Ok(secret.to_owned()) }
}

/// Whether the file is there and may be read; the error is words about the file.
pub(super) fn readable(path: &Path) -> Result<(), String> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => File::open(path).map(drop).map_err(|error| reason(&error)),
        Ok(_) => Err("it is not a file".to_owned()),
        Err(error) => Err(reason(&error)),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        _ => error.to_string(),
    }
}
