//! The folder of a new set. It is made under another name beside its place, and gets its own when all of it is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::failure::Failure;
use crate::files;

/// What a set of ours has in it: what it was made from. A folder without it is never replaced.
pub(super) const MARK: &str = "eyewitness.json";

/// What the mark says of its writer.
pub(super) const WRITER: &str = "eyewitness models optimize";

pub(super) struct Target {
    /// Where the set is to be.
    place: PathBuf,
    /// Where it is made.
    making: TempDir,
}

impl Target {
    /// Refuses a place that holds something else; otherwise there is a folder to make the set in.
    ///
    /// # Errors
    /// If `out`, or what follows from `source`, cannot be written.
    pub(super) fn new(source: &Path, out: Option<&Path>) -> Result<Self, Failure> {
        let place = match out {
            Some(out) => std::path::absolute(out).map_err(|error| Failure::running("--out", &error))?,
            None => beside(source)?,
        };
        free(source, &place)?;
        let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
            return Err(Failure::usage(format!("`{}` is no place for a model set: name a folder", place.display())));
        };
        let prefix = format!(".{}.making-", name.to_string_lossy());
        let making =
            fs::create_dir_all(parent).and_then(|()| tempfile::Builder::new().prefix(&prefix).tempdir_in(parent));
        let making =
            making.map_err(|error| Failure::running(&format!("`{}` cannot be written", parent.display()), &error))?;
        Ok(Self { place, making })
    }

    /// The folder as it is made.
    pub(super) fn path(&self) -> &Path {
        self.making.path()
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// The set gets its name. An earlier one of ours goes only when the new one can take its place.
    ///
    /// # Errors
    /// If the folders cannot be renamed.
    pub(super) fn finish(self) -> io::Result<PathBuf> {
        let path = self.making.path();
        readable(path)?;
        fs::File::open(path)?.sync_all()?;
        let earlier = if self.place.exists() {
            let parent = self.place.parent().unwrap_or(Path::new("."));
            let aside = tempfile::Builder::new().prefix(".replaced-").tempdir_in(parent)?;
            fs::rename(&self.place, aside.path().join("set"))?;
            Some(aside)
        } else {
            None
        };
        if let Err(error) = fs::rename(path, &self.place) {
            if let Some(aside) = earlier {
                fs::rename(aside.path().join("set"), &self.place)?;
            }
            return Err(error);
        }
        // It has moved: there is nothing left to remove.
        let _ = self.making.keep();
        Ok(self.place)
    }
}

/// Temporary files and folders are for their owner only; a model set is for everybody who may read the folder around it.
fn readable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            readable(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}

/// `DIR-fast`, also for `.` and names with a slash at the end.
fn beside(source: &Path) -> Result<PathBuf, Failure> {
    let real = source.canonicalize().map_err(|error| Failure::running(&format!("`{}`", source.display()), &error))?;
    match real.file_name() {
        Some(name) => Ok(real.with_file_name(format!("{}-fast", name.to_string_lossy()))),
        None => Err(Failure::usage(format!("`{}` has no name to add to: say where with `--out`", source.display()))),
    }
}

/// A mark has some kilobytes: names, sizes and hashes.
const LARGEST_MARK: u64 = 1 << 20;

fn free(source: &Path, place: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(place).is_err() {
        return Ok(());
    }
    let same = source.canonicalize().ok().zip(place.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    if same {
        return Err(Failure::usage(
            "the new set cannot take the place of the one that it is made from: name another `--out`",
        ));
    }
    let mark = files::read(&place.join(MARK), LARGEST_MARK)
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    if mark.is_some_and(|mark| mark["made_by"] == WRITER) && !place.is_symlink() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`{}` is there already and was not written by this command: move it away, or name another folder with `--out`",
        place.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(MARK), format!(r#"{{"made_by": "{WRITER}"}}"#)).unwrap();
    }

    #[test]
    fn a_set_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("set");
        fs::create_dir(&source).unwrap();
        let target = Target::new(&source, None).unwrap();
        fs::write(target.path().join("a"), "1").unwrap();
        assert!(!folder.path().join("set-fast").exists());
        drop(target);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half written stays");

        let target = Target::new(&source, None).unwrap();
        mark(target.path());
        fs::write(target.path().join("a"), "1").unwrap();
        assert_eq!(target.finish().unwrap(), source.canonicalize().unwrap().with_file_name("set-fast"));
        let target = Target::new(&source, None).unwrap();
        fs::write(target.path().join("a"), "2").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("set-fast/a")).unwrap(), "1");
        target.finish().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("set-fast/a")).unwrap(), "2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("set");
        mark(&source);
        let refused = |out: &Path| Target::new(&source, Some(out)).err().unwrap().to_string();
        assert!(refused(&source).contains("cannot take the place of the one"));
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        assert!(refused(&other).contains("was not written by this command"));
        fs::write(other.join(MARK), "{}").unwrap();
        assert!(refused(&other).contains("was not written by this command"));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(refused(&file).contains("was not written by this command"));
    }
}
