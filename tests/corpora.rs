//! Every file of the fuzz targets' corpora through the same functions, on any compiler: what a fuzzer found once stays found.
//! `make fuzz-targets` looks for more.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[expect(unreachable_pub, reason = "the fuzz targets use it as a library")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn files(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_was_found_stays_found() {
    let mut wrong = Vec::new();
    for (target, _) in targets::TARGETS {
        let files = files(target);
        assert!(files.len() > 2, "the corpus of `{target}` is gone");
        for file in files {
            let bytes = fs::read(&file).unwrap();
            if catch_unwind(|| targets::run(target, &bytes)).is_err() {
                wrong.push(file);
            }
        }
    }
    assert!(wrong.is_empty(), "run each with `cargo +nightly fuzz run TARGET FILE`: {wrong:#?}");
}

/// Each target has a binary of its name, and a folder with its name belongs to a target.
#[test]
fn targets_and_folders_belong_together() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let targets: Vec<_> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(targets.iter().all(|name| manifest.contains(&format!("name = \"{name}\"\n"))));
}
