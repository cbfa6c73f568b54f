//! `models tune` with the real model: what it says, where it writes, and who follows it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::files::{CAT, Folder, MODEL};
use crate::support::program::{Running, SOON, command, ended, run};
use crate::{refused, says};

/// One picture and one thread: it need not be good, only quick.
const QUICK: [&str; 6] = ["--limit", "20s", "--threads", "1", "--picture", CAT];

/// The default set in a folder of its own, whose graphs are there under the names of fp32, too.
fn twice(folder: &Folder) {
    folder.model("set", "", None);
    for part in ["vision_encoder", "embed_tokens", "decoder_model_merged"] {
        let graph = format!("{MODEL}/onnx/{part}_quantized.onnx");
        symlink(graph, folder.path().join(format!("set/onnx/{part}.onnx"))).unwrap();
    }
}

#[test]
fn the_default_set_is_tuned_and_nothing_is_written_if_so_wished() {
    let folder = Folder::new();
    let tuned = run(folder.path(), &["models", "tune", MODEL, "--limit", "20s", "--dry-run"]);
    assert_eq!(tuned.status, 0, "{tuned:?}");
    says(
        &tuned.out,
        &[
            "Set tiny, asked about ",
            " of 7 pictures (of the set and drawn), 6 yes/no questions about each.",
            "The set has one precision, int8: nothing to hold it against",
            "> reference  int8 ",
            "\n> threads    int8 ",
            "\nChosen: int8 on ",
            ": the only precision that there is.",
            " sentences ",
            "checked description takes ",
            ": checking stays on, as the set has it.",
        ],
    );
    says(&tuned.err, &["left: int8, ", ", 288 pixels\n", "nothing was written: `--dry-run` said so"]);
    assert!(!std::path::Path::new(MODEL).join("tuned.json").exists());
}

#[test]
fn what_was_tuned_is_followed_here_and_nowhere_else() {
    let folder = Folder::new();
    twice(&folder);
    let tuned = run(folder.path(), &[&["models", "tune", "set", "--json"][..], &QUICK].concat());
    assert_eq!(tuned.status, 0, "{tuned:?}");
    says(&tuned.err, &["written to `set/tuned.json`"]);
    let document: Value = serde_json::from_str(&tuned.out).unwrap();
    assert_eq!((&document["schema"], &document["written"]), (&"eyewitness.tune.v1".into(), &"set/tuned.json".into()));
    assert_eq!(document["reference"]["parts"], serde_json::json!(["fp32", "fp32", "fp32"]));
    // The same graphs under both names: every word and answer is the same.
    let rows = document["rows"].as_array().unwrap();
    let agreements: Vec<_> =
        rows.iter().map(|row| &row["agreement"]).filter(|agreement| !agreement.is_null()).collect();
    for agreement in agreements {
        let words = &agreement["words"];
        assert_eq!((&words["same"], &agreement["turned"]), (&words["of"], &0.into()), "{agreement}");
        assert!(words["of"].as_u64() > Some(2) && agreement["answers"]["of"].as_u64() > Some(1), "{agreement}");
    }
    assert!(rows.iter().all(|row| row["ms"].is_null() || row["ms"]["encode"].as_f64() > Some(0.0)), "{document:#}");

    let described = |as_what: &str, err: &str| {
        let described = run(folder.path(), &["describe", CAT, "--model", "set"]);
        says(&described.out, &["A cat", as_what]);
        says(&described.err, &[err]);
        assert_eq!(described.err.contains("is not followed"), !err.is_empty(), "{described:?}");
    };
    let choice = |change: &dyn Fn(&mut Value)| {
        let mut choice: Value =
            serde_json::from_slice(&fs::read(folder.path().join("set/tuned.json")).unwrap()).unwrap();
        change(&mut choice);
        folder.write("set/tuned.json", choice.to_string());
    };
    choice(&|choice| {
        choice["vision"] = "fp32".into();
        choice["embed"] = "int8".into();
        choice["decoder"] = "int8".into();
    });
    described("set/fp32+int8@cpu", "");
    choice(&|choice| choice["device"]["cores"] = 1000.into());
    described("set/int8@cpu", "it was made on another device");
    choice(&|choice| choice["device"]["cores"] = document["machine"]["cores"].clone());
    described("set/fp32+int8@cpu", "");
    fs::remove_file(folder.path().join("set/onnx/embed_tokens.onnx")).unwrap();
    described("set/int8@cpu", "the set's graphs are others now");
}

#[test]
fn a_set_that_cannot_be_written_is_tuned_in_the_cache() {
    let folder = Folder::new();
    folder.model("set", "", None);
    // Nobody can replace a folder by a file.
    fs::create_dir_all(folder.path().join("set/tuned.json/x")).unwrap();
    let tune = |cache: &str| {
        let mut command = command(folder.path(), &[&["models", "tune", "set"][..], &QUICK].concat());
        command.env("XDG_CACHE_HOME", folder.path().join(cache));
        ended(command)
    };
    let tuned = tune("cache");
    assert_eq!(tuned.status, 0, "{tuned:?}");
    says(
        &tuned.err,
        &["`set` cannot be written, so the choice was written to `", "cache/eyewitness/tuned/set-tuned.json`"],
    );
    assert!(folder.path().join("cache/eyewitness/tuned/set-tuned.json").is_file());
    folder.write("file", "");
    let lost = tune("file");
    assert_eq!(lost.status, 1, "{lost:?}");
    says(&lost.err, &["the choice could not be written, neither into `set` nor into a cache folder"]);
    says(&lost.out, &["\nChosen: int8 on 1 thread"]);
}

#[test]
fn graphs_that_do_not_run_are_passed_over_and_none_at_all_is_an_error() {
    let folder = Folder::new();
    twice(&folder);
    fs::remove_file(folder.path().join("set/onnx/vision_encoder.onnx")).unwrap();
    folder.write("set/onnx/vision_encoder.onnx", "no graph");
    let tuned = run(folder.path(), &[&["models", "tune", "set", "--dry-run"][..], &QUICK].concat());
    assert_eq!(tuned.status, 0, "{tuned:?}");
    says(
        &tuned.out,
        &["no: see below", "held against the highest precision that it has", "cannot be loaded as an ONNX"],
    );

    folder.model("broken", "onnx/vision_encoder_quantized.onnx", Some(1000));
    let broken = run(folder.path(), &[&["models", "tune", "broken"][..], &QUICK].concat());
    refused(&broken, 78, &["no graphs of `broken` run here:\n  int8: ", "cannot be loaded as an ONNX graph"]);
    assert!(!folder.path().join("broken/tuned.json").exists());
}

#[test]
fn ctrl_c_leaves_nothing() {
    let folder = Folder::new();
    folder.model("set", "", None);
    let mut running = Running::start(command(folder.path(), &["models", "tune", "set"]));
    running.says("left: int8");
    running.signal("INT");
    let stopped = running.ends_within(SOON);
    assert_eq!((stopped.status, stopped.out.as_str()), (1, ""), "{stopped:?}");
    says(&stopped.err, &["stopped by SIGINT; nothing was written"]);
    assert!(!folder.path().join("set/tuned.json").exists());
}

#[test]
fn a_wrong_call() {
    let folder = Folder::new();
    let tune = |args: &[&str]| run(folder.path(), &[&["models", "tune"], args].concat());
    refused(&tune(&[]), 64, &["<DIR>"]);
    refused(&tune(&[MODEL, "--limit", "soon"]), 64, &["`soon` is not a duration", "such as \"500ms\""]);
    refused(&tune(&[MODEL, "--limit", "5ms"]), 64, &["less than a second measures nothing"]);
    refused(&tune(&[MODEL, "--threads", "0"]), 64, &["invalid value '0' for '--threads <N>'"]);
    refused(&tune(&[MODEL, "--picture", "nowhere.png"]), 64, &["nowhere.png"]);
    refused(&tune(&["nowhere"]), 78, &["the model set `nowhere` cannot be used", "no such folder"]);
    refused(&tune(&["."]), 78, &["config.json: is missing"]);
}
