//! The ONNX Runtime library absent, not a library, another library, too old: words instead of a panic, and after all that the
//! right one still loads. One process, so one test.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

use eyewitness::clock::Clock;
use eyewitness::vlm::{LoadError, Model, RuntimeError, Settings};

fn start(runtime: Option<PathBuf>) -> Result<Model, LoadError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let settings = Settings { runtime, threads: 1, ..Settings::new(path) };
    Model::start(settings, Clock::system())
}

#[track_caller]
fn says(runtime: &Path, words: &str) {
    let error = start(Some(runtime.to_owned())).unwrap_err();
    assert!(matches!(error, LoadError::Runtime(RuntimeError::NotFound { .. })), "{error:?}");
    let error = error.to_string();
    for part in [words, "(config)", &runtime.display().to_string(), "`make setup`", "onnxruntime", "ORT_DYLIB_PATH"] {
        assert!(error.contains(part), "`{part}` is not in:\n{error}");
    }
}

#[test]
fn each_wrong_library_is_told_apart_and_none_spoils_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    says(&folder.path().join("libonnxruntime.so"), "there is no such file");

    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library").unwrap();
    says(&text, "cannot be loaded as a library");

    for (name, source, words) in [
        ("other", "int nothing;", "is a library, but not ONNX Runtime"),
        (
            "old",
            "static const void *api(unsigned v) { return 0; }
             static const char *version(void) { return \"1.14.1\"; }
             static struct { const void *(*a)(unsigned); const char *(*v)(void); } base = { api, version };
             const void *OrtGetApiBase(void) { return &base; }",
            "is ONNX Runtime 1.14.1, too old: 1.17 or newer is needed",
        ),
    ] {
        let (code, library) =
            (folder.path().join(name).with_extension("c"), folder.path().join(name).with_extension("so"));
        std::fs::write(&code, source).unwrap();
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).status();
        assert!(built.unwrap().success(), "`cc` is part of build-essential");
        says(&library, words);
    }

    let model = start(None).unwrap();
    assert_eq!(model.label(), "tiny/int8@cpu");
    assert_eq!(model.info().prompt_tokens, 95);
}
