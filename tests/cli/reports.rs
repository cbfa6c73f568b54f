//! The ONNX Runtime library reports nothing to its maker, however the program was started.

use std::fs;

use crate::files::{CAMERA, Folder};
use crate::support::program::{command, ended};

/// Where the library keeps its identifier of the machine and the reports that wait.
const REPORTS: &str = "Microsoft";

#[test]
fn no_identifier_and_no_reports() {
    let folder = Folder::new();
    folder.write("eyewitness.toml", CAMERA);
    let mut check = command(folder.path(), &["check", "-c", "eyewitness.toml"]);
    // As in a user's shell; the tests themselves run with it.
    check.env_remove("ORT_DISABLE_TELEMETRY").env_remove("XDG_CACHE_HOME").env("HOME", folder.path());
    let ended = ended(check);
    assert_eq!(ended.status, 0, "{ended:?}");
    let kept: Vec<_> =
        fs::read_dir(folder.path().join(".cache")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(kept.iter().any(|name| name == "eyewitness"), "the model was loaded: {kept:?}");
    assert!(!kept.iter().any(|name| name == REPORTS), "{kept:?}");
}
