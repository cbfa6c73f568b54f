//! Cameras that were turned off or on while the daemon ran, kept over restarts in a small file of the state folder. What was set
//! there wins over `enabled` of the config until it is set again; a camera that leaves the config loses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::ids::CameraId;

const NAME: &str = "switches.json";
const SCHEMA: &str = "eyewitness.switches.v1";

/// A thousand cameras with the longest ids are below it.
const MOST_BYTES: u64 = 128 << 10;

/// What was set, by camera.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switches {
    /// `None`: there is no folder to keep them in.
    folder: Option<PathBuf>,
    set: BTreeMap<CameraId, bool>,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    schema: String,
    cameras: BTreeMap<String, Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Position {
    On,
    Off,
}

/// Why a file is of no use, in words that name it.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    #[error("`{}` cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not what was written there: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
}

impl Switches {
    /// What lies in the state folder; nothing is changed there.
    ///
    /// # Errors
    /// [`SwitchError`]; that there is no file is none.
    pub fn read(folder: Option<&Path>) -> Result<Self, SwitchError> {
        let mut switches = Self { folder: folder.map(Path::to_owned), set: BTreeMap::new() };
        let Some(path) = folder.map(|folder| folder.join(NAME)) else { return Ok(switches) };
        let text = match regular(&path).and_then(|()| files::read(&path, MOST_BYTES)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(switches),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                return Err(SwitchError::Damaged { path, what: error.to_string() });
            }
            Err(source) => return Err(SwitchError::Read { path, source }),
        };
        match parse(&text) {
            Ok(set) => switches.set = set,
            Err(what) => return Err(SwitchError::Damaged { path, what }),
        }
        Ok(switches)
    }

    /// The same for a start. What is of no use is set aside, and said: cameras are as the config has them then.
    pub(super) fn open(folder: Option<&Path>) -> (Self, Option<String>) {
        let error = match Self::read(folder) {
            Ok(switches) => return (switches, None),
            Err(error) => error,
        };
        let what_now = match &error {
            SwitchError::Damaged { path, .. } => {
                let aside = path.with_extension("json.damaged");
                match fs::rename(path, &aside) {
                    Ok(()) => format!("it was set aside as `{}`", aside.display()),
                    Err(error) => format!("and it cannot be set aside: {error}"),
                }
            }
            SwitchError::Read { .. } => "see its owner and mode".to_owned(),
        };
        let words = format!("{error}; {what_now}. Cameras are on or off as the config has them");
        (Self { folder: folder.map(Path::to_owned), set: BTreeMap::new() }, Some(words))
    }

    /// How a camera was set; `None`: it was not.
    #[must_use]
    pub fn of(&self, camera: &CameraId) -> Option<bool> {
        self.set.get(camera).copied()
    }

    pub(super) fn set(&mut self, camera: CameraId, on: bool) {
        self.set.insert(camera, on);
    }

    /// Forgets every other camera.
    pub(super) fn keep(&mut self, cameras: &BTreeSet<&CameraId>) {
        self.set.retain(|camera, _| cameras.contains(camera));
    }

    /// Writes them such that a crash leaves the old file or the new one. It may block.
    ///
    /// # Errors
    /// In words, for the log: without a folder, or what the system says.
    pub(super) fn write(&self) -> Result<(), String> {
        let Some(folder) = &self.folder else {
            return Err("there is no state folder: start it as a service, or set XDG_STATE_HOME".to_owned());
        };
        self.write_in(folder).map_err(|error| format!("`{}`: {error}", folder.join(NAME).display()))
    }

    fn write_in(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let (path, fresh) = (folder.join(NAME), folder.join("switches.json.new"));
        // What a crash left behind may have another mode.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(folder)?.sync_all()
    }

    fn text(&self) -> String {
        let position = |on: bool| if on { Position::On } else { Position::Off };
        let cameras = self.set.iter().map(|(camera, on)| (camera.to_string(), position(*on))).collect();
        let kept = Kept { schema: SCHEMA.to_owned(), cameras };
        let mut text = serde_json::to_string_pretty(&kept).expect("words and names are JSON");
        text.push('\n');
        text
    }
}

/// A pipe of that name would be waited for.
fn regular(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_file() { Ok(()) } else { Err(io::Error::other("it is no file")) }
}

fn parse(text: &[u8]) -> Result<BTreeMap<CameraId, bool>, String> {
    let kept: Kept = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if kept.schema != SCHEMA {
        return Err(format!("its schema is `{}`, and this program knows `{SCHEMA}`", kept.schema.escape_debug()));
    }
    let one = |(camera, position): (String, Position)| {
        let camera = CameraId::new(&camera).map_err(|error| error.to_string())?;
        Ok((camera, position == Position::On))
    };
    kept.cameras.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn id(name: &str) -> CameraId {
        CameraId::new(name).unwrap()
    }

    #[test]
    fn what_was_set_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        // The folder is made with the first switch.
        let state = folder.path().join("state/eyewitness");
        let (mut switches, warning) = Switches::open(Some(&state));
        assert_eq!((switches.of(&id("door")), warning), (None, None));
        switches.set(id("door"), false);
        switches.set(id("yard"), true);
        switches.write().unwrap();
        let (mut again, warning) = Switches::open(Some(&state));
        assert_eq!((&again, warning), (&switches, None));
        assert_eq!((again.of(&id("door")), again.of(&id("yard"))), (Some(false), Some(true)));
        let mode = fs::metadata(state.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A rest of a crash is in nobody's way, and only what is watched stays.
        fs::write(state.join("switches.json.new"), "{").unwrap();
        again.keep(&BTreeSet::from([&id("yard")]));
        again.write().unwrap();
        let text = fs::read_to_string(state.join(NAME)).unwrap();
        assert!(text.contains("\"yard\": \"on\"") && !text.contains("door"), "{text}");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    }

    #[test]
    fn without_a_folder_they_are_not_kept_and_it_is_said() {
        let (mut switches, warning) = Switches::open(None);
        switches.set(id("door"), false);
        assert_eq!((switches.of(&id("door")), warning), (Some(false), None));
        assert!(switches.write().unwrap_err().contains("no state folder"));
    }

    #[test]
    fn what_is_of_no_use_is_set_aside_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let huge = vec![b' '; MOST_BYTES as usize + 1];
        for (content, words) in [
            (&b""[..], "EOF"),
            (b"\xff\xfe", "expected value"),
            (b"{\"schema\":\"eyewitness.switches.v1\",\"cameras\":{\"door\":\"perhaps\"}}", "perhaps"),
            (b"{\"schema\":\"eyewitness.switches.v1\",\"cameras\":{\"no id!\":\"on\"}}", "is not allowed"),
            (b"{\"schema\":\"other\",\"cameras\":{}}", "its schema is `other`"),
            (&huge, "larger than 128 KiB"),
        ] {
            fs::write(&path, content).unwrap();
            let (switches, warning) = Switches::open(Some(folder.path()));
            let warning = warning.unwrap();
            assert!(warning.contains(words) && warning.contains("set aside"), "{words}: {warning}");
            assert_eq!(switches.set.len(), 0);
            assert!(!path.exists() && folder.path().join("switches.json.damaged").exists());
        }
        fs::create_dir(&path).unwrap();
        let (switches, warning) = Switches::open(Some(folder.path()));
        assert!(warning.unwrap().contains("it is no file"));
        assert!(switches.write().is_err());
    }
}
