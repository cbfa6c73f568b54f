//! Where a calibration is written, and how that is undone.

use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::rules::calibration::{Calibrations, Entry, FILE};

/// Where the service of the packages keeps its state.
const SERVICE: &str = "/var/lib/eyewitness";

/// The file that is meant by `state`, `model`, or a path.
pub(super) fn target(wanted: &str, set: &Path, state: Option<&Path>) -> Result<PathBuf, Failure> {
    match wanted {
        "state" => state.map(|folder| folder.join(FILE)).ok_or_else(|| {
            Failure::usage(format!(
                "this user has no state folder\n  help: name a place, such as `--save {SERVICE}` for the service, or `--save model`"
            ))
        }),
        "model" => Ok(set.join(FILE)),
        path => {
            let path = PathBuf::from(path);
            Ok(if path.is_dir() { path.join(FILE) } else { path })
        }
    }
}

/// Puts the entry into the file. What else it holds stays. Returns what was done and how to undo it.
pub(super) fn save(path: &Path, entry: Entry) -> Result<String, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::running("nothing was saved", error);
    let before = if path.exists() { Some(Calibrations::read(path).map_err(|error| failed(&error))?) } else { None };
    let shown = path.display();
    let backup = PathBuf::from(format!("{shown}.before"));
    let mut all = before.clone().unwrap_or_default();
    let replaced = all.insert(entry).is_some();
    if let Some(before) = &before {
        before.write(&backup).map_err(|error| failed(&error))?;
    }
    all.write(path).map_err(|error| failed(&error))?;
    let what = if replaced { "in place of what it said about the same" } else { "beside what else it holds" };
    let mut words = match before {
        Some(_) => format!("Written to `{shown}`, {what}. To undo it: mv '{}' '{shown}'", backup.display()),
        None => format!("Written to `{shown}`, which is new. To undo it: rm '{shown}'"),
    };
    words.push_str("\nThe daemon uses it from its next start on.");
    let service = Path::new(SERVICE);
    if service.is_dir() && !path.starts_with(service) && path.file_name().is_some_and(|name| name == FILE) {
        words.push_str(&format!(
            " The service on this machine keeps its state in {SERVICE}: `--save {SERVICE}` writes there."
        ));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::calibration::{Calibration, Target};

    fn entry(ask: &str, a: f64) -> Entry {
        let calibration = Calibration::platt(a, 0.0).unwrap();
        Entry { model: "tiny/int8".into(), target: Target::ask(ask), calibration, labels: [1, 1] }
    }

    #[test]
    fn what_was_there_stays_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = target("model", folder.path(), None).unwrap();
        assert_eq!(path, target(folder.path().to_str().unwrap(), Path::new("x"), None).unwrap());
        let said = save(&path, entry("A dog?", 2.0)).unwrap();
        assert!(said.contains("which is new. To undo it: rm '"), "{said}");
        let first = Calibrations::read(&path).unwrap();
        let said = save(&path, entry("A cat?", 3.0)).unwrap();
        assert!(said.contains("beside what else it holds. To undo it: mv '"), "{said}");
        assert_eq!(Calibrations::read(&path).unwrap().entries().len(), 2);
        assert_eq!(Calibrations::read(&folder.path().join("calibration.json.before")).unwrap(), first);
        assert!(save(&path, entry("a  dog?", 4.0)).unwrap().contains("in place of"));
        // A file that is something else is not written over.
        std::fs::write(&path, "precious").unwrap();
        let said = save(&path, entry("A dog?", 2.0)).unwrap_err().to_string();
        assert!(said.contains("nothing was saved") && std::fs::read_to_string(&path).unwrap() == "precious", "{said}");
        assert!(target("state", folder.path(), None).unwrap_err().to_string().contains("no state folder"));
    }
}
