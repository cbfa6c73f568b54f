//! systemd reads the unit as it is meant, and finds it closed enough. Skipped where there is no systemd.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use eyewitness::outbox;

const UNIT: &str = include_str!("../systemd/eyewitness.service");

/// Tenths of systemd's points: 2.0 of 10.
const EXPOSURE: u32 = 20;

/// What systemd before 253 says of `Type=notify-reload`.
const OLD_TYPE: &str = "Failed to parse service type, ignoring: notify-reload";

/// The unit with the program that was just built, since systemd looks whether it is there, and with these drop-ins.
fn unit(folder: &Path, drop_ins: &[&str]) -> PathBuf {
    let path = folder.join("eyewitness.service");
    fs::write(&path, UNIT.replace("/usr/bin/eyewitness", env!("CARGO_BIN_EXE_eyewitness"))).unwrap();
    for name in drop_ins {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name);
        fs::create_dir_all(folder.join("eyewitness.service.d")).unwrap();
        fs::copy(source, folder.join("eyewitness.service.d").join(name)).unwrap();
    }
    path
}

/// `None`: this machine has no systemd-analyze, or one without the argument.
fn analyze(args: &[&str], unit: &Path) -> Option<Output> {
    let ended = Command::new("systemd-analyze").args(args).arg(unit).env("SYSTEMD_COLORS", "0").output();
    let output = ended.map_err(|error| error.to_string()).and_then(|output| {
        let old = String::from_utf8_lossy(&output.stderr).contains("unrecognized option");
        if old { Err("systemd-analyze is too old (before 250)".to_owned()) } else { Ok(output) }
    });
    #[expect(clippy::print_stderr, reason = "whoever reads the test's output should know that nothing was tested")]
    output.map_err(|why| eprintln!("skipped: systemd-analyze {}: {why}", args[0])).ok()
}

/// What systemd-analyze says of our files; it may speak of others that they name.
fn of_ours(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines().filter(|line| line.contains("eyewitness")).map(str::to_owned).collect()
}

#[test]
fn systemd_understands_every_line() {
    for drop_ins in [&[][..], &["credentials.conf"], &["credentials.conf", "jetson.conf"]] {
        let folder = tempfile::tempdir().unwrap();
        let Some(output) = analyze(&["verify", "--man=no"], &unit(folder.path(), drop_ins)) else { return };
        let other: Vec<_> = of_ours(&output).into_iter().filter(|line| !line.contains(OLD_TYPE)).collect();
        assert!(other.is_empty(), "with {drop_ins:?}: {other:#?}");
        assert!(output.status.success(), "{output:?}");
    }
}

/// systemd says nothing of a drop-in that it did not read: this shows that the test above would see a mistake in one.
#[test]
fn a_mistake_in_a_drop_in_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let unit = unit(folder.path(), &["jetson.conf"]);
    fs::write(folder.path().join("eyewitness.service.d/wrong.conf"), "[Service]\nPrivateTmpp=no\n").unwrap();
    let Some(output) = analyze(&["verify", "--man=no"], &unit) else { return };
    assert!(of_ours(&output).iter().any(|line| line.contains("PrivateTmpp")), "{output:?}");
}

#[test]
fn it_is_closed_enough() {
    let folder = tempfile::tempdir().unwrap();
    let threshold = format!("--threshold={EXPOSURE}");
    let args = ["security", "--offline=true", "--no-pager", &threshold];
    let Some(output) = analyze(&args, &unit(folder.path(), &["credentials.conf"])) else { return };
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let open: Vec<_> = report.lines().filter(|line| line.starts_with('✗') || line.contains("Overall")).collect();
    assert!(report.contains("Overall exposure level"), "{output:?}");
    assert!(output.status.success(), "more than {}: {open:#?}", f64::from(EXPOSURE) / 10.0);
}

/// The older type comes first, so that a systemd that does not know the newer one keeps it.
#[test]
fn the_type_is_one_that_every_systemd_knows() {
    let types: Vec<_> = UNIT.lines().filter(|line| line.starts_with("Type=")).collect();
    assert_eq!(types, ["Type=notify", "Type=notify-reload"]);
}

/// In the sandbox nothing else can be written.
#[test]
fn what_the_daemon_writes_lies_in_the_folders_of_the_service() {
    assert!(outbox::Settings::default().path.starts_with("/var/lib/eyewitness"));
    for line in ["StateDirectory=eyewitness", "CacheDirectory=eyewitness", "ProtectSystem=strict"] {
        assert!(UNIT.lines().any(|known| known == line), "{line}");
    }
}
