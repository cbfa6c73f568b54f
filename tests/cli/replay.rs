//! `replay` with the real model, and `explain` of a recording.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::files::{self, Folder};
use crate::support::program::{Running, SOON, command, run};
use crate::support::scene;
use crate::{refused, says};

/// The visit of the film, in seconds.
const FROM: f64 = scene::BEFORE as f64;
const TO: f64 = FROM + scene::VISIT as f64;

fn film() -> &'static str {
    files::film().to_str().unwrap()
}

fn labels(events: &[(f64, f64)]) -> String {
    let events: Vec<_> =
        events.iter().map(|(from, to)| serde_json::json!({"from": from, "to": to, "who": "a cat"})).collect();
    serde_json::json!({"clips": {"film.mp4": {"fps": 10, "events": events}}}).to_string()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn second(event: &Value, key: &str) -> f64 {
    let at: jiff::Timestamp = event[key].as_str().unwrap().parse().unwrap();
    at.duration_since(jiff::Timestamp::UNIX_EPOCH).as_secs_f64()
}

#[test]
fn the_same_clip_gives_the_same_events_byte_for_byte() {
    let folder = Folder::new();
    let first = run(folder.path(), &["replay", film(), "--events", "a.jsonl"]);
    assert_eq!(first.status, 0, "{first:?}");
    says(&first.out, &["film.mp4\n00:0", "  film         start   ", "  film         end     "]);
    says(
        &first.out,
        &["  1 event, ", " frames at the gate, ", " described (", "  described       the model", " times real time"],
    );
    assert_eq!(first.err, "Playing clip 1 of 1, film.mp4\n");

    let second_run = run(folder.path(), &["replay", "--json", film(), film(), "--events", "b.jsonl"]);
    assert_eq!(second_run.status, 0, "{second_run:?}");
    let (a, b) = (fs::read(folder.path().join("a.jsonl")).unwrap(), fs::read(folder.path().join("b.jsonl")).unwrap());
    assert_eq!([a.as_slice(), &a].concat(), b, "played twice in one go: the same events twice");
    let events = lines(std::str::from_utf8(&a).unwrap());
    let (start, end) = (&events[0], events.last().unwrap());
    assert!(
        (second(start, "started_at") - FROM).abs() < 1.0 && (second(end, "ended_at") - TO).abs() < 1.5,
        "{events:?}"
    );
    assert!(start["description"].is_string() && start["timing_ms"].is_null(), "{start}");

    let documents = lines(&second_run.out);
    assert_eq!(documents.len(), 2);
    let outcomes: u64 = documents[0]["outcomes"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    let never_at_the_gate = documents[0]["outcomes"]["decode_skipped"].as_u64().unwrap_or_default();
    assert_eq!(documents[0]["frames"].as_u64().unwrap(), outcomes - never_at_the_gate, "{}", documents[0]);
    assert_eq!(documents[0]["events"][0]["id"], start["id"]);
}

#[test]
fn a_folder_is_played_and_what_is_broken_does_not_hold_it_up() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("clips")).unwrap();
    let bytes = fs::read(film()).unwrap();
    folder.write("clips/c.mp4", &bytes);
    folder.write("clips/b.mp4", "Dear diary, today I was not a film.\n".repeat(20));
    folder.write("clips/notes.txt", "not a clip");
    let ended = run(folder.path(), &["replay", "clips", film(), "--start", "2026-11-23T09:00:00Z", "--events", "-"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    says(&ended.err, &["Playing clip 1 of 3, b.mp4\n", "`clips/b.mp4` gave no frame: this is a text or a web page"]);
    says(&ended.err, &["In all, 3 clips\n  2 events, "]);
    let events = lines(&ended.out);
    let starts: Vec<_> = events.iter().filter(|event| event["type"] == "start").collect();
    let who: Vec<_> = starts.iter().map(|event| event["camera"].as_str().unwrap()).collect();
    assert_eq!(who, ["c", "film"]);
    assert!(starts[0]["started_at"].as_str().unwrap().starts_with("2026-11-23T09:00:0"), "{}", starts[0]);
}

#[test]
fn what_was_found_and_what_was_not() {
    let folder = Folder::new();
    folder.write("labels.json", labels(&[(FROM, TO), (12.5, 13.0)]));
    let args = ["replay", film(), "--truth", "labels.json"];
    let ended = run(folder.path(), &args);
    assert_eq!(ended.status, 0, "{ended:?}");
    says(&ended.out, &["\n  found         4.0      9.0", "\n  missed       12.5     13.0", "  a cat\n"]);
    says(&ended.out, &["1 of 2 visits found, 0 invented, start ", " s on average, ", "announced after "]);
    assert_eq!(run(folder.path(), &[&args[..], &["--strict"]].concat()).status, 1);

    folder.write("labels.json", labels(&[(FROM, TO)]));
    let strict = run(folder.path(), &[&args[..], &["--strict", "--json"]].concat());
    assert_eq!(strict.status, 0, "{strict:?}");
    let truth = &lines(&strict.out)[0]["truth"];
    assert_eq!(
        (&truth["recall"], &truth["found"], &truth["invented"]),
        (&1.0.into(), &1.into(), &serde_json::json!([]))
    );
    assert!(truth["each"][0]["start_delay"].as_f64().unwrap().abs() < 1.0, "{truth}");
}

#[test]
fn two_configs_side_by_side_and_nothing_leaves_the_machine() {
    let folder = Folder::new();
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    broker.set_nonblocking(true).unwrap();
    let config = |more: &str| {
        format!(
            "[mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n[explain]\npath = \"decisions\"\n[[camera]]\nid = \"yard\"\n\
             url = \"test://\"\n[[camera]]\nid = \"door\"\nurl = \"rtsp://me:xyzzy@127.0.0.1:1/x\"\nenabled = false\n{more}",
            broker.local_addr().unwrap().port()
        )
    };
    folder.write("now.toml", config("[[camera.rule]]\nid = \"cat\"\nask = \"Is there a cat?\"\n"));
    folder.write("blind.toml", config("fps = 2\nmasks = [[[0, 0], [1, 0], [1, 1], [0, 1]]]\n"));
    folder.write("labels.json", labels(&[(FROM, TO)]));
    let args =
        ["replay", film(), "-c", "now.toml", "--camera", "door", "--compare", "blind.toml", "--truth", "labels.json"];
    let ended = run(folder.path(), &[&args[..], &["--report", "report.html"]].concat());
    assert_eq!(ended.status, 0, "{ended:?}");
    says(&ended.out, &["film.mp4 with now.toml\n", "  door         start   ", "cat: ", "film.mp4 with blind.toml\n"]);
    let side = ended.out.split("Side by side\n").nth(1).unwrap();
    let rows: Vec<Vec<_>> = side.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [&["now.toml", "blind.toml"][..], &["camera.fps", "5", "2"], &["events", "1", "0"]] {
        assert!(rows.iter().any(|found| found == row), "{row:?} is not in:\n{side}");
    }
    says(side, &["now.toml: 1 of 1 visit found", "blind.toml: 0 of 1 visit found"]);
    assert!(folder.path().join("report.html").exists());
    assert!(!folder.path().join("decisions").exists());
    assert!(broker.accept().is_err(), "the broker was called");
    assert!(!format!("{ended:?}").contains("xyzzy"));

    let json = run(folder.path(), &[&args[..], &["--json"]].concat());
    let document = &lines(&json.out)[0];
    assert_eq!((&document["camera"], &document["other"]["config"]), (&"door".into(), &"blind.toml".into()));
    let differing: Vec<_> =
        document["settings_that_differ"].as_array().unwrap().iter().map(|d| d["key"].as_str().unwrap()).collect();
    assert_eq!(differing, ["camera.fps", "camera.masks", "camera.rule.cat.ask", "camera.rule.cat.id"]);
}

#[test]
fn a_wrong_call_is_refused_before_anything_is_played() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("empty")).unwrap();
    folder.write("other.json", "{\"clips\": {\"door.mp4\": {\"events\": []}}}");
    folder.write("broken.json", "{\"clips\": 7}");
    folder.write("two.toml", "[[camera]]\nid = \"a\"\nurl = \"test://\"\n[[camera]]\nid = \"b\"\nurl = \"test://\"\n");
    for (args, words) in [
        (&["nowhere"][..], "there is no clip or folder `nowhere`: check the name"),
        (&["empty"], "there is no clip in the folder `empty`"),
        (&[film(), "--truth", "nowhere.json"], "the labels `nowhere.json` cannot be read: there is no such file"),
        (&[film(), "--truth", "broken.json"], "the labels `broken.json` cannot be read: it is not labels as JSON"),
        (
            &[film(), "--truth", "other.json"],
            "name none of the clips\n  help: they are known by file name; the labels name `door.mp4`",
        ),
        (&[film(), "--strict"], "--truth <FILE>"),
        (&[film(), "--json", "--events", "-"], "both want stdout"),
        (&[film(), "--camera", "a"], "name that with `-c FILE`"),
        (&[film(), "-c", "two.toml"], "several cameras\n  help: say which one with `--camera ID`: `a`, `b`"),
        (
            &[film(), "-c", "two.toml", "--camera", "c"],
            "there is no camera `c` in `two.toml`\n  help: its cameras are `a`, `b`",
        ),
        (&[film(), "--start", "yesterday"], "invalid value 'yesterday' for '--start <TIME>'"),
    ] {
        refused(&run(folder.path(), &[&["replay"], args].concat()), 64, &[words]);
    }
    refused(&run(folder.path(), &["replay", film(), "-c", "nowhere.toml"]), 78, &["no config file at `nowhere.toml`"]);
}

#[test]
fn ctrl_c_stops_it_and_it_says_how_far_it_came() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("clips")).unwrap();
    for number in 10..60 {
        symlink(film(), folder.path().join(format!("clips/{number}.mp4"))).unwrap();
    }
    let mut running = Running::start(command(folder.path(), &["replay", "clips"]));
    running.says("Playing clip 2 of 50, 11.mp4");
    running.signal("INT");
    let ended = running.ends_within(SOON);
    assert_eq!(ended.status, 1, "{ended:?}");
    says(&ended.err, &["Stopped in clip ", " of 50, `", ".mp4`, at 00:"]);
    assert!(!ended.err.contains("Playing clip 50"), "{}", ended.err);
}

#[test]
fn a_recording_is_explained() {
    let folder = Folder::new();
    let ended = run(folder.path(), &["explain", film(), "--at", "3", "--for", "8s"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    says(&ended.out, &["00:00.0 to 00:0", " frames: nothing moved (", " of the view moved, 0.0025 is needed)\n"]);
    says(&ended.out, &["1 frame: the model described it; told as the start of event ", ": the event 0", " ended\n"]);
    let late = run(folder.path(), &["explain", film(), "--at", "1:30"]);
    refused(&late, 1, &["has no frame at 01:30.0: it lasts from 00:00.0 to 00:1"]);
    refused(&run(folder.path(), &["explain", film(), "--at", "noon"]), 64, &["write seconds, such as 12.3, or 1:05"]);
    refused(&run(folder.path(), &["explain", "nowhere.mp4", "--at", "1"]), 64, &["there is no clip `nowhere.mp4`"]);
}
