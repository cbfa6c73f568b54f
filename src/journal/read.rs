//! Reading the journal back: the records of a camera in a stretch of time, and the time that the journal covers.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::files;
use super::record::Record;

/// A line has some hundred bytes; one that is longer was not written here and is passed over.
const LONGEST_LINE: u64 = 16 << 10;

/// What a journal holds of a camera.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    /// Those that touch the stretch of time, in its order.
    pub records: Vec<Record>,
    /// From the first to the last moment of this camera in the journal.
    pub covers: Option<(Timestamp, Timestamp)>,
    /// All cameras that are in it.
    pub cameras: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("there is no decision journal at `{}`", .path.display())]
    Missing { path: PathBuf },
    #[error("the decision journal at `{}` cannot be read", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// Reads what touches the time from `from` to `to`. Lines that cannot be read (a torn one, or one of a later version) are
/// passed over.
///
/// # Errors
/// [`ReadError`]
pub fn read(path: &Path, camera: &str, from: Timestamp, to: Timestamp) -> Result<Read, ReadError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing { path: path.to_owned() },
        _ => ReadError::Unreadable { path: path.to_owned(), source },
    };
    let mut read = Read::default();
    for (_, file) in files::list(path).map_err(error)? {
        let file = match File::open(file) {
            Ok(file) => file,
            // The daemon may just have dropped its oldest.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
            Err(other) => return Err(error(other)),
        };
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while next_line(&mut lines, &mut line).map_err(error)? {
            if let Ok(record) = serde_json::from_slice(&line) {
                read.take(record, camera, from, to);
            }
        }
    }
    read.records.sort_by_key(Record::from);
    read.cameras.sort_unstable();
    Ok(read)
}

/// The next line into `line`, which is empty if it was too long; whether there was one.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = file.take(LONGEST_LINE).read_until(b'\n', line)?;
    if read as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
        line.clear();
        file.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

impl Read {
    fn take(&mut self, record: Record, camera: &str, from: Timestamp, to: Timestamp) {
        if !self.cameras.iter().any(|known| known == record.camera()) {
            self.cameras.push(record.camera().to_owned());
        }
        if record.camera() != camera {
            return;
        }
        let (first, last) = self.covers.unwrap_or((record.from(), record.to()));
        self.covers = Some((first.min(record.from()), last.max(record.to())));
        if record.to() >= from && record.from() <= to {
            self.records.push(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn line(camera: &str, from: i64, to: i64) -> String {
        let (from, to) = (at(from), at(to));
        format!(
            "{{\"record\":\"frames\",\"camera\":\"{camera}\",\"from\":\"{from}\",\"to\":\"{to}\",\"count\":2,\
             \"frames\":[1,2],\"outcome\":\"no_motion\"}}\n"
        )
    }

    #[test]
    fn what_touches_the_time_is_read_over_all_files_and_torn_lines_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("00000002.jsonl", line("door", 30, 40) + &line("yard", 30, 40) + &line("door", 41, 50)[..40]);
        write("00000001.jsonl", line("door", 10, 20) + "{\"torn\n" + &line("door", 20, 29));
        write("other.jsonl", line("door", 1, 2));
        let read = super::read(folder.path(), "door", at(25), at(35)).unwrap();
        let times: Vec<_> = read.records.iter().map(|record| record.from()).collect();
        assert_eq!((times, read.covers), (vec![at(20), at(30)], Some((at(10), at(40)))));
        assert_eq!(read.cameras, ["door", "yard"]);
        let nobody = super::read(folder.path(), "attic", at(25), at(35)).unwrap();
        assert_eq!((nobody.records.len(), nobody.covers), (0, None));
    }

    #[test]
    fn a_line_without_an_end_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("{{\"x\":\"{}\"}}\n", "y".repeat(1 << 20));
        fs::write(folder.path().join("00000001.jsonl"), line("door", 10, 20) + &long + &line("door", 20, 29)).unwrap();
        assert_eq!(super::read(folder.path(), "door", at(0), at(99)).unwrap().records.len(), 2);
    }

    #[test]
    fn no_journal_is_an_error() {
        let error = super::read(Path::new("/nowhere"), "door", at(0), at(1)).unwrap_err();
        assert_eq!(error.to_string(), "there is no decision journal at `/nowhere`");
    }
}
