//! Which clips are meant: files as they are, folders by what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::describe::is_clip;
use crate::cli::failure::Failure;

/// The clips in the order in which they were given; those of a folder in the order of their names.
pub(super) fn find(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut clips = Vec::new();
    for path in given {
        if path.is_dir() {
            clips.extend(in_folder(path)?);
        } else if path.exists() {
            clips.push(path.clone());
        } else {
            return Err(Failure::usage(format!("there is no clip or folder `{}`: check the name", path.display())));
        }
    }
    Ok(clips)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let shown = folder.display();
    let unreadable = |error: std::io::Error| Failure::usage(format!("the folder `{shown}` cannot be read: {error}"));
    let mut clips = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && is_clip(&path) {
            clips.push(path);
        }
    }
    if clips.is_empty() {
        return Err(Failure::usage(format!(
            "there is no clip in the folder `{shown}`\n  help: clips are known by their ending, such as `.mp4` or `.mkv`; \
             folders in it are not searched"
        )));
    }
    clips.sort_unstable();
    Ok(clips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_clips_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.MP4", "a.mkv", "labels.json", "deeper"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let odd = folder.path().join("labels.json");
        let found = find(&[folder.path().to_owned(), odd.clone()]).unwrap();
        // A file that was named is taken at its word.
        assert_eq!(found, [folder.path().join("a.mkv"), folder.path().join("b.MP4"), odd]);
    }

    #[test]
    fn what_holds_no_clip_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: &Path| find(&[path.to_owned()]).unwrap_err().to_string();
        assert!(said(folder.path()).contains("there is no clip in the folder"));
        assert!(said(Path::new("/nowhere")).contains("there is no clip or folder `/nowhere`"));
    }
}
