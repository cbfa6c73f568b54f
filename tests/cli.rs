//! Bad input, as a user gives it: the program itself says what is wrong and what to do, and ends as the contract says.
//!
//! A library of ONNX Runtime that is too old is not tried here: it would have to be fetched for that alone.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/cache.rs"]
mod cache;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/journal.rs"]
mod journal;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/reload.rs"]
mod reload;
#[path = "cli/replay.rs"]
mod replay;
#[path = "cli/reports.rs"]
mod reports;
#[path = "cli/rules.rs"]
mod rules;
#[path = "cli/secrets.rs"]
mod secrets;
mod support;
#[path = "cli/tune.rs"]
mod tune;

use std::fs;

use files::{CAMERA, Folder, MODEL};
use insta::assert_snapshot;
use support::program::{Ended, command, ended, run};

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

/// It ended so, without data, and said this.
#[track_caller]
fn refused(ended: &Ended, status: i32, parts: &[&str]) {
    assert_eq!((ended.status, ended.out.as_str()), (status, ""), "{ended:?}");
    says(&ended.err, parts);
}

#[test]
fn a_wrong_command_line() {
    let folder = Folder::new();
    for (args, words) in [
        (&[][..], "Usage: eyewitness <COMMAND>"),
        (&["nonsense"], "unrecognized subcommand 'nonsense'"),
        (&["check", "--onlin"], "a similar argument exists: '--online'"),
        (&["check", "-c"], "a value is required for '--config <FILE>'"),
        (&["describe"], "<FILE>..."),
        (&["describe", "a.png", "--threads", "many"], "invalid value 'many' for '--threads <N>'"),
        (&["watch", "--url", "nonsense"], "help: write `url = \"mqtt://nonsense\"`"),
        (&["watch", "--username", "me", "--password-file", "nowhere"], "gives no password: there is no such file"),
        (&["demo", "--clip", "nowhere.mp4"], "there is no clip `nowhere.mp4`: check the name after `--clip`"),
    ] {
        refused(&run(folder.path(), args), 64, &[words]);
    }
    let clip = files::film().to_str().unwrap();
    let ended = run(folder.path(), &["demo", "--once", "--clip", clip, "--broker", "http://broker.lan"]);
    refused(&ended, 64, &["the command line", "help: write `url = \"mqtt://broker.lan\"`"]);
}

#[test]
fn help_and_version_are_data() {
    let folder = Folder::new();
    let version = run(folder.path(), &["--version"]);
    assert_eq!(version.out, concat!("eyewitness ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = run(folder.path(), &["--help"]);
    says(&help.out, &["Usage: eyewitness <COMMAND>", "Examples:", "Exit status:", "78  the config or the model set"]);
    for ended in [version, help, run(folder.path(), &["check", "--help"])] {
        assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    }
}

#[test]
fn a_config_that_is_not_there() {
    let folder = Folder::new();
    let missing = run(folder.path(), &["check", "-c", "nowhere.toml"]);
    refused(&missing, 78, &[]);
    assert_snapshot!(missing.err, @r"
    config::file

      × there is no config file at `nowhere.toml`
      help: name a file with `-c FILE`, or begin with a copy of the documented example,
            `config/eyewitness.toml` of the source or `/usr/share/doc/eyewitness/eyewitness.toml`;
            `eyewitness check -c FILE` tests it without starting anything

    Nothing was started.
    ");
    refused(&run(folder.path(), &["run", "-c", "nowhere.toml"]), 78, &["there is no config file at `nowhere.toml`"]);
    refused(&run(folder.path(), &["check", "-c", "."]), 78, &["`.` is a folder", "`-c FOLDER/eyewitness.toml`"]);
}

#[test]
fn a_config_with_several_problems() {
    let folder = Folder::new();
    folder.write(
        "wrong.toml",
        "nod = \"x\"\n[mqtt]\nurl = \"http://a\"\n[[camera]]\nid = \"Front Door\"\nurl = \"test://\"\nfps = 500\n",
    );
    let checked = run(folder.path(), &["check", "-c", "wrong.toml"]);
    refused(&checked, 78, &[]);
    assert_snapshot!(checked.err, @r#"
    config::unknown_key

      × there is no `nod` at the top of the file
       ╭─[wrong.toml:1:1]
     1 │ nod = "x"
       · ─┬─
       ·  ╰── did you mean `node`?
       ╰────
      help: known here: `node`, `stop_timeout`, `[log]`, `[mqtt]`, `[outbox]`, `[model]`, `[http]`,
            `[explain]`, `[[probe]]`, `[[camera]]`

    config::wrong_value

      × `url` of the broker must begin with `mqtt://` or `mqtts://`
       ╭─[wrong.toml:3:7]
     3 │ url = "http://a"
       ·       ──────────
       ╰────
      help: write `url = "mqtt://a"`, or `mqtts://` for TLS

    config::wrong_value

      × `id`: `F` is not allowed in an id: use lower-case letters, digits, `-` and `_`
       ╭─[wrong.toml:5:6]
     5 │ id = "Front Door"
       ·      ────────────
       ╰────
      help: write `id = "front-door"`

    config::wrong_value

      × `fps` must be more than 0 and at most 60
       ╭─[wrong.toml:7:7]
     7 │ fps = 500
       ·       ─┬─
       ·        ╰── out of range
       ╰────
      help: write, for example, `fps = 5`

    4 problems in wrong.toml; nothing was started.
    "#);
    assert_eq!(run(folder.path(), &["run", "-c", "wrong.toml"]).err, checked.err);
    folder.write("no.toml", "[[camera\n");
    refused(&run(folder.path(), &["run", "-c", "no.toml"]), 78, &["this is not TOML", "[no.toml:1:"]);
}

#[test]
fn a_good_config() {
    let folder = Folder::new();
    folder.write("good.toml", format!("[model]\npath = \"{MODEL}\"\n[http]\nlisten = \"0.0.0.0:8090\"\n{CAMERA}"));
    let ended = run(folder.path(), &["check", "-c", "good.toml"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    let folder = folder.path().to_str().unwrap();
    assert_snapshot!(ended.out.replace(MODEL, "MODEL").replace(folder, "FOLDER"), @r"
    ok      config: `good.toml`: 1 camera
    ok      model: tiny/int8@cpu, from `MODEL`
    ok      outbox: `FOLDER/state/eyewitness/outbox`, new
    ");
    assert_snapshot!(ended.err, @r"
      note: there is no `[mqtt]` table: events are logged, but reach nobody else.
      note: line 4: `listen` in `[http]` is not for this machine only: whoever reaches it can read, without a password, the cameras' names, whether they deliver, and all counters (no pictures, no words, no secrets).
    Cameras, broker and model were not tried; `--online` does.
    ");
}

#[test]
fn a_model_set_that_is_not_whole() {
    let folder = Folder::new();
    let describe = |set: &str| run(folder.path(), &["describe", "--model", set, files::CAT]);
    refused(&describe("nowhere"), 78, &["the model set `nowhere`", "no such folder", "(or `--model`)", "onnx/..."]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let every = ["config.json: is missing; it should hold the model's geometry", "tokenizer.json: is missing"];
    refused(&describe("empty"), 78, &every);
    refused(&describe("empty"), 78, &["onnx/vision_encoder_int8.onnx", "onnx/decoder_model_merged_int8.onnx"]);

    folder.model("no-geometry", "config.json", None);
    refused(&describe("no-geometry"), 78, &["`no-geometry`", "config.json: is missing", "`text_config`"]);
    folder.model("no-decoder", "onnx/decoder_model_merged_quantized.onnx", None);
    refused(
        &describe("no-decoder"),
        78,
        &["onnx/decoder_model_merged_int8.onnx: is missing", "the ONNX graph of this"],
    );
    folder.model("no-words", "tokenizer.json", Some(1000));
    refused(
        &describe("no-words"),
        78,
        &["tokenizer.json: EOF while parsing a value at line ", "the tokenizer of the set"],
    );
    folder.model("cut", "onnx/vision_encoder_quantized.onnx", Some(1_000_000));
    refused(
        &describe("cut"),
        78,
        &["`cut/onnx/vision_encoder_quantized.onnx` cannot be loaded", "compare its SHA-256"],
    );

    folder.write("check.toml", format!("[model]\npath = \"no-words\"\n{CAMERA}"));
    let checked = run(folder.path(), &["check", "-c", "check.toml"]);
    assert_eq!(checked.status, 78);
    says(&checked.err, &["tokenizer.json: EOF while parsing a value at line "]);
    refused(
        &run(folder.path(), &["run", "-c", "check.toml"]),
        78,
        &["tokenizer.json: EOF while parsing a value at line "],
    );
}

#[test]
fn no_onnx_runtime() {
    let folder = Folder::new();
    folder.write("text.so", "this is no library");
    let describe = |library: &str| {
        let mut command = command(folder.path(), &["describe", files::CAT]);
        command.env("ORT_DYLIB_PATH", library);
        ended(command)
    };
    let absent = describe("/nowhere/libonnxruntime.so");
    refused(&absent, 78, &["/nowhere/libonnxruntime.so (ORT_DYLIB_PATH): there is no such file", "`make setup`"]);
    refused(&absent, 78, &["version 1.17 or newer", "`runtime` under `[model]`"]);
    refused(
        &describe("text.so"),
        78,
        &["/text.so (ORT_DYLIB_PATH): cannot be loaded as a library (", "file too short"],
    );
}

#[test]
fn a_picture_in_words() {
    let folder = Folder::new();
    let text = run(folder.path(), &["describe", files::CAT, "--ask", "Is there a cat?"]);
    assert_eq!((text.status, text.err.as_str()), (0, ""));
    says(
        &text.out,
        &[
            "chelsea.png: A cat",
            "\n  checked: cat ",
            "\n  Is there a cat? yes  (",
            "\n  451x300, tiny/int8@cpu: preprocess ",
        ],
    );

    let json = run(folder.path(), &["describe", "--json", files::CAT, "--ask", "Is there a cat?"]);
    assert_eq!((json.status, json.err.as_str()), (0, ""));
    let said: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&said["file"], &said["width"], &said["height"]), (&files::CAT.into(), &451.into(), &300.into()));
    assert!(said["description"].as_str().unwrap().contains("cat"), "{said}");
    assert!((0.0..=1.0).contains(&said["confidence"].as_f64().unwrap()), "{said}");
    assert_eq!((&said["asks"][0]["answer"], &said["model"]), (&"yes".into(), &"tiny/int8@cpu".into()));
    assert!(said["checked"]["cat"].as_f64().unwrap() > 0.5 && said["agrees"] == true, "{said}");
    assert_eq!((&said["corrections"], &said["before"]), (&0.into(), &().into()), "{said}");
    let unchecked = run(folder.path(), &["describe", "--json", "--no-check", files::CAT, "--ask", "Is there a cat?"]);
    let unchecked: serde_json::Value = serde_json::from_str(&unchecked.out).unwrap();
    assert_eq!((&unchecked["description"], &unchecked["checked"]), (&said["description"], &serde_json::json!({})));
    for stage in ["preprocess", "encode", "prefill", "first_token", "decode", "check", "total"] {
        assert!(said["timing_ms"][stage].as_f64().unwrap() > 0.0, "{stage}: {said}");
    }
}

#[test]
fn pictures_that_are_none() {
    let folder = Folder::new();
    folder.pictures();
    let ended = run(
        folder.path(),
        &[
            "describe",
            "nowhere.png",
            "empty.png",
            "cut.png",
            "cut.jpg",
            "huge.png",
            "text.jpg",
            "text.mp4",
            ".",
            "one.png",
        ],
    );
    assert_eq!(ended.status, 1, "{ended:?}");
    says(&ended.out, &["one.png: ", "1x1, tiny/int8@cpu"]);
    assert_snapshot!(ended.err, @r"
    eyewitness: there is no file `nowhere.png`: check the name
    eyewitness: `empty.png` is empty (0 bytes): write the picture again
    eyewitness: `cut.png` begins like a picture but is truncated or damaged: copy or write it again
      because: unexpected end of file
    eyewitness: `cut.jpg` begins like a picture but is truncated or damaged: copy or write it again
      because: unexpected end of file
    eyewitness: `huge.png` is too large: 20000x20000 pixels; the limit is 16384 on a side, 64 million pixels and 256 MiB decoded: scale it down
    eyewitness: `text.jpg` is not a picture that can be read: give a PNG, JPEG, WebP, BMP or GIF file
    eyewitness: `text.mp4` gave no frame: this is a text or a web page, no video
    eyewitness: `.` cannot be read: it must be a file that this user may open
      because: is a directory
    ");
}
