//! `bench` with the real model, and with a broker.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::files::{self, Folder};
use crate::support::program::{Running, SOON, command, run};
use crate::{refused, says};

#[test]
fn a_description_is_measured_and_held_against_an_earlier_run() {
    let folder = Folder::new();
    let args =
        ["bench", "--rounds", "3", "--warm-up", "1", "--threads", "1", "--precision", "int8", "--precision", "auto"];
    let first = run(folder.path(), &[&args[..], &["--json"]].concat());
    assert_eq!(first.status, 0, "{first:?}");
    assert_eq!(first.err, "Measuring int8 with 1 thread\nMeasuring the way from a frame to the broker\n");
    let document: Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!((&document["schema"], &document["picture"]["format"]), (&"eyewitness.bench.v1".into(), &"nv12".into()));
    assert_eq!(document["model"]["sha256"]["int8"].as_str().map(str::len), Some(64));
    let [summary] = document["combinations"].as_array().unwrap().as_slice() else { panic!("{document}") };
    assert_eq!((&summary["label"], &summary["rounds"]["timed"]), (&"tiny/int8@cpu".into(), &3.into()));
    for times in summary["stages"].as_array().unwrap() {
        let of = |key: &str| times["ms"][key].as_f64().unwrap();
        assert!(of("least") <= of("median") && of("median") <= of("p95") && of("p95") <= of("most"), "{times}");
    }
    // The program's allocator counts.
    assert!(summary["allocations"]["count"]["least"].as_f64().unwrap() > 0.0, "{summary}");
    let way = &document["frame_to_broker"];
    assert_eq!((way["events"].as_u64(), way["stages"].as_array().unwrap().len()), (Some(3), 4), "{document}");
    let medians: Vec<_> =
        way["stages"].as_array().unwrap().iter().map(|times| times["ms"]["least"].as_f64().unwrap()).collect();
    assert!(medians.iter().all(|ms| *ms > 0.0) && medians[3] > medians[1], "{way}");

    folder.write("before.json", &first.out);
    let other = ["bench", "--rounds", "2", "--threads", "1", "--tokens", "3", "--no-mqtt", "--compare", "before.json"];
    let second = run(folder.path(), &[&other[..], &["--image", files::CAT]].concat());
    assert_eq!(second.status, 0, "{second:?}");
    says(
        &second.out,
        &["chelsea.png, 451x300, RGB as from a picture file; at most 3 tokens\n", "int8@cpu, 1 thread\n"],
    );
    says(&second.out, &["\nIt said: 3 tokens, \"A cat", "was not measured: `--no-mqtt` said so\n"]);
    says(
        &second.out,
        &[
            "\nAgainst before.json of ",
            "  - another picture: a drawn 1920x1080 frame",
            "before       now     ratio     least\n",
        ],
    );
    let long: Vec<_> = second.out.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn a_wrong_call_is_refused_before_anything_is_measured() {
    let folder = Folder::new();
    folder.write("diary.txt", "Dear diary");
    folder.write("other.json", "{\"clips\": {}}");
    folder.write("empty.png", "");
    for (args, words) in [
        (&["--rounds", "0"][..], "invalid value '0' for '--rounds <N>'"),
        (&["--tokens", "0"], "invalid value '0' for '--tokens <N>'"),
        (&["--threads", "300"], "invalid value '300' for '--threads <N>'"),
        (&["--precision", "int4"], "[possible values: auto, fp32, fp16, int8, q4, q4f16]"),
        (&["--provider", "gpu"], "[possible values: auto, cpu, cuda, tensorrt, openvino]"),
        (&["--image", "nowhere.png"], "there is no file `nowhere.png`: check the name"),
        (&["--image", "empty.png"], "`empty.png` is empty (0 bytes)"),
        (&["--compare", "nowhere.json"], "`nowhere.json` cannot be compared with: there is no such file"),
        (
            &["--compare", "diary.txt"],
            "`diary.txt` is not JSON: expected value at line 1 column 1\n  help: `--compare`",
        ),
        (&["--compare", "other.json"], "`other.json` is JSON, but no run of `bench`"),
        (&["--compare", "."], "`.` cannot be read"),
    ] {
        refused(&run(folder.path(), &[&["bench"], args].concat()), 64, &[words]);
    }
    refused(&run(folder.path(), &["bench", "--model", "nowhere"]), 78, &["the model set `nowhere`", "no such folder"]);
    let q4 = run(folder.path(), &["bench", "--precision", "int8", "--precision", "q4"]);
    refused(&q4, 78, &["onnx/vision_encoder_q4.onnx: is missing"]);
    assert!(!q4.err.contains("Measuring"), "{}", q4.err);
}

/// Whether a mosquitto runs with a config in this folder.
fn broker_runs(folder: &Path) -> bool {
    let own = folder.to_str().unwrap();
    let command_line = |process: fs::DirEntry| fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
    let mut lines = fs::read_dir("/proc").unwrap().flatten().map(command_line);
    lines.any(|line| line.contains("mosquitto\0-c") && line.contains(own))
}

#[test]
fn ctrl_c_leaves_no_broker_behind() {
    let folder = Folder::new();
    let mut bench = command(folder.path(), &["bench", "--warm-up", "0", "--tokens", "2"]);
    bench.env("TMPDIR", folder.path());
    let mut running = Running::start(bench);
    running.says("Measuring the way from a frame to the broker");
    let within = |wanted: bool| {
        (0..SOON.as_millis() / 20).any(|_| {
            thread::sleep(Duration::from_millis(20));
            broker_runs(folder.path()) == wanted
        })
    };
    assert!(within(true), "there was no broker");
    running.signal("INT");
    let ended = running.ends_within(SOON);
    assert_eq!((ended.status, ended.out.as_str()), (1, ""), "{ended:?}");
    says(&ended.err, &["SIGINT: stopped before there were figures"]);
    assert!(within(false), "the broker still runs");
}
