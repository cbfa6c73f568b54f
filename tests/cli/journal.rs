//! The decision journal that the daemon keeps, and `explain`, which reads it.

use std::fs;

use crate::files::{self, Folder};
use crate::support::program::{Running, SOON, command, run};
use crate::{refused, says};

/// A daemon that watches the film once and ends with it.
fn watch(folder: &Folder, config: &str) -> crate::support::program::Ended {
    let film = files::film().display();
    let camera = format!("[[camera]]\nid = \"door\"\nurl = \"file://{film}\"\npace = \"fast\"\n");
    folder.write("run.toml", format!("{config}{camera}"));
    let ended = Running::start(command(folder.path(), &["run", "-c", "run.toml"])).ends_within(SOON);
    assert_eq!(ended.status, 0, "{ended:?}");
    ended
}

#[test]
fn the_daemon_can_say_later_why_it_was_silent() {
    let folder = Folder::new();
    watch(&folder, "[explain]\npath = \"state/decisions\"\n");
    // A line that was torn by a power cut, and one of a version to come.
    let file = folder.path().join("state/decisions/00000001.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.lines().count() < 40, "few lines for many frames:\n{text}");
    fs::write(&file, format!("{text}{{\"record\":\"dream\"}}\n{}", &text[..30])).unwrap();

    let explain = |more: &[&str]| run(folder.path(), &[&["explain", "-c", "run.toml"], more].concat());
    let ended = explain(&["--at", "-2m", "--for", "5m"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    says(&ended.out, &[" frames: nothing moved (", " of the view moved, 0.0025 is needed)\n"]);
    says(&ended.out, &["the model described it; told as the start of event ", " ended\n"]);

    let before = explain(&["--camera", "door", "--at", "2020-01-01T00:00:00Z"]);
    refused(
        &before,
        1,
        &["nothing of `door` at 2020-01-01 ", ": it knows this camera from 20", "at most a minute late"],
    );
    refused(&explain(&["--at", "noon"]), 64, &["`--at noon`: write a time of day, such as 09:14"]);
    refused(&explain(&["--at", "1m", "--for", "ever"]), 64, &["`--for`: `ever` is not a duration"]);
    refused(&explain(&["--at", "1m", "--camera", "attic"]), 64, &["no camera `attic` in `run.toml`"]);
}

#[test]
fn systemd_gives_the_journal_its_place_and_without_a_place_there_is_none() {
    let folder = Folder::new();
    watch(&folder, "");
    assert!(!folder.path().join("decisions").exists());
    folder.write("there.toml", fs::read(folder.path().join("run.toml")).unwrap());
    let mut there = command(folder.path(), &["run", "-c", "there.toml"]);
    there.env("STATE_DIRECTORY", folder.path());
    assert_eq!(Running::start(there).ends_within(SOON).status, 0);
    assert!(folder.path().join("decisions/00000001.jsonl").exists());
}

#[test]
fn a_place_that_cannot_be_written_is_said_once_and_nothing_else_suffers() {
    let folder = Folder::new();
    folder.write("file", "in the way");
    let ended = watch(&folder, "[explain]\npath = \"file/decisions\"\n");
    says(&ended.err, &["type=\"start\"", "type=\"end\"", "the decision journal cannot be written"]);
    assert_eq!(ended.err.matches("cannot be written").count(), 1, "{}", ended.err);
    let nothing = run(folder.path(), &["explain", "-c", "run.toml", "--at", "1m"]);
    assert_eq!(nothing.status, 1);
    says(&nothing.err, &["`file/decisions`"]);
}
