//! The journal's files: a few of them, one after the other, together never larger than allowed. Only files with our kind
//! of name are touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The bytes are spread over so many files, so that with the oldest only a part of what is known goes.
const FILES: u64 = 4;

/// The newest file, open for appending.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    max_size: u64,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    number: u64,
    size: u64,
}

impl Files {
    /// Nothing is opened before something is written.
    pub(super) fn new(folder: PathBuf, max_size: u64) -> Self {
        Self { folder, max_size, current: None }
    }

    /// Appends whole lines. After an error everything is opened anew the next time.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.try_append(lines);
        if written.is_err() {
            self.current = None;
        }
        written
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        let share = self.max_size / FILES;
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.open()?,
        };
        if current.size > 0 && current.size + lines.len() as u64 > share {
            current = self.create(current.number + 1)?;
            self.drop_oldest()?;
        }
        current.file.write_all(lines)?;
        current.size += lines.len() as u64;
        self.current = Some(current);
        Ok(())
    }

    /// Goes on with the newest file.
    fn open(&self) -> io::Result<Current> {
        fs::create_dir_all(&self.folder)?;
        let Some((number, path)) = list(&self.folder)?.pop() else { return self.create(1) };
        let mut file = OpenOptions::new().read(true).append(true).open(path)?;
        let mut size = file.metadata()?.len();
        // The process or the machine may have ended in the middle of a line.
        if size > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                size += 1;
            }
        }
        Ok(Current { file, number, size })
    }

    fn create(&self, number: u64) -> io::Result<Current> {
        let path = self.folder.join(format!("{number:08}.jsonl"));
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Current { file, number, size: 0 })
    }

    /// Makes room for one more file of full size.
    fn drop_oldest(&self) -> io::Result<()> {
        let mut sizes = Vec::new();
        for (_, path) in list(&self.folder)? {
            sizes.push((path.metadata()?.len(), path));
        }
        let mut total: u64 = sizes.iter().map(|(size, _)| size).sum();
        // The last one is the one that was just made.
        for (size, path) in sizes.iter().rev().skip(1).rev() {
            if total + self.max_size / FILES <= self.max_size {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}

/// Our files in a folder by number, oldest first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jsonl"));
        let digits = name.filter(|name| name.len() >= 8 && name.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(number) = digits.and_then(|digits| digits.parse().ok()) {
            files.push((number, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"0123456789abcde\n";

    fn bytes(folder: &Path) -> u64 {
        list(folder).unwrap().iter().map(|(_, path)| path.metadata().unwrap().len()).sum()
    }

    #[test]
    fn it_never_grows_beyond_its_bound_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let mut files = Files::new(folder.path().to_owned(), 400);
        for n in 0..1000 {
            files.append(LINE).unwrap();
            assert!(bytes(folder.path()) <= 400, "after {n}");
        }
        let numbers: Vec<_> = list(folder.path()).unwrap().into_iter().map(|(number, _)| number).collect();
        assert!(numbers.len() >= 3 && numbers[0] > 100, "{numbers:?}");
        assert!(bytes(folder.path()) >= 300);
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn a_torn_line_is_closed_and_the_rest_follows() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("00000007.jsonl"), "{\"torn").unwrap();
        let mut files = Files::new(folder.path().to_owned(), 4000);
        files.append(LINE).unwrap();
        files.append(LINE).unwrap();
        let text = fs::read_to_string(folder.path().join("00000007.jsonl")).unwrap();
        assert_eq!(text, "{\"torn\n0123456789abcde\n0123456789abcde\n");
    }

    #[test]
    fn a_folder_that_is_none_is_an_error_and_it_goes_on_when_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decisions");
        fs::write(&path, "in the way").unwrap();
        let mut files = Files::new(path.clone(), 4000);
        assert!(files.append(LINE).is_err());
        fs::remove_file(&path).unwrap();
        files.append(LINE).unwrap();
        assert_eq!(bytes(&path), 16);
    }
}
