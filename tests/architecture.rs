//! The walk reads one way: which module may use which, and where a library may live. ARCHITECTURE.md has the picture.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Words that everybody shares, lowest first; each may use only the ones before it.
const VOCABULARY: [&str; 12] =
    ["shapes", "files", "units", "ids", "clock", "backoff", "frame", "health", "image", "event", "rules", "ask"];

/// Module, and what it may use besides the vocabulary.
const STAGES: [(&str, &[&str]); 15] = [
    ("main", &["cli", "measure"]),
    (
        "cli",
        &[
            "config",
            "analyst",
            "service",
            "pipeline",
            "mqtt",
            "vlm",
            "gate",
            "source",
            "telemetry",
            "journal",
            "onnx",
            "measure",
            "outbox",
        ],
    ),
    ("config", &["source", "gate", "vlm", "analyst", "outbox", "mqtt", "telemetry", "journal"]),
    ("service", &["pipeline", "config", "mqtt", "outbox", "vlm", "telemetry"]),
    ("pipeline", &["config", "source", "gate", "analyst", "vlm", "outbox", "mqtt", "telemetry", "journal"]),
    ("source", &[]),
    ("gate", &[]),
    ("vlm", &["onnx"]),
    ("onnx", &[]),
    ("analyst", &["gate", "vlm"]),
    ("outbox", &[]),
    ("mqtt", &["outbox"]),
    ("telemetry", &[]),
    ("journal", &["gate"]),
    ("measure", &["vlm"]),
];

/// Libraries that live in one module.
const HOMES: [(&str, &str); 17] = [
    ("gstreamer", "source"),
    ("gio", "source"),
    ("ort", "vlm"),
    ("prost", "onnx"),
    ("safetensors", "onnx"),
    ("tokenizers", "vlm"),
    ("minijinja", "vlm"),
    ("redb", "outbox"),
    ("jpeg_encoder", "image"),
    ("rumqttc", "mqtt"),
    ("clap", "cli"),
    ("sd_notify", "service"),
    ("prometheus_client", "telemetry"),
    ("axum", "service"),
    ("hyper", "service"),
    ("hyper_util", "service"),
    ("taktora_bounded_alloc", "measure"),
];

#[test]
fn every_edge_is_in_the_table() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (module, file, text) in sources() {
        seen.insert(module.clone());
        let allowed = allowed(&module);
        for used in used_modules(&text) {
            if used != module && !allowed.contains(used.as_str()) {
                wrong.push(format!("{}: `{module}` must not use `{used}`", file.display()));
            }
        }
    }
    assert!(seen.len() > 15, "only {seen:?} were read");
    assert!(wrong.is_empty(), "edges that are not in the table:\n{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_at_home() {
    let mut wrong = Vec::new();
    let mut found = BTreeMap::new();
    for (module, file, text) in sources() {
        for (library, home) in HOMES {
            if names(&text, library) {
                *found.entry(library).or_insert(0) += 1;
                if module != home {
                    wrong.push(format!("{}: `{library}` belongs into `{home}`", file.display()));
                }
            }
        }
    }
    assert_eq!(found.len(), HOMES.len(), "a library of the table is not used at all: {found:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_small_enough_to_read() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(_, file, text)| (text.lines().count(), file))
        .filter(|(lines, _)| *lines > 500)
        .collect();
    assert!(long.is_empty(), "a hard look, and a cut: {long:?}");
}

fn allowed(module: &str) -> BTreeSet<&'static str> {
    if let Some(rank) = VOCABULARY.iter().position(|word| *word == module) {
        return VOCABULARY[..rank].iter().copied().collect();
    }
    let Some((_, stages)) = STAGES.iter().find(|(name, _)| *name == module) else {
        panic!("`{module}` is in no table here: decide where it belongs");
    };
    VOCABULARY.iter().copied().chain(stages.iter().copied()).collect()
}

/// Module, path and text (without its unit tests) of every source file.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut sources = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        // `lib` only declares the modules; `main` calls the library by its name.
        if module == "lib" {
            continue;
        }
        let mut text = fs::read_to_string(&file).unwrap();
        if module == "main" {
            text = text.replace("eyewitness::", "crate::");
        }
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
        sources.push((module, file, code));
    }
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The modules behind every `crate::` in the code, groups included.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code: String = code_lines(text).collect::<Vec<_>>().join("\n");
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => used.extend(top_level(group).into_iter().map(identifier)),
            None => _ = used.insert(identifier(rest)),
        }
    }
    used.remove("");
    used
}

/// The parts of `a, b::{c, d}, e};` at its own level.
fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[from..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts
}

fn identifier(text: &str) -> String {
    text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether a path of the code begins with this library (or one of its family, such as `gstreamer_app`).
fn names(text: &str, library: &str) -> bool {
    code_lines(text).any(|line| {
        line.match_indices(library).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let own = !before.is_some_and(|c| c.is_alphanumeric() || "_\"`/:".contains(c));
            let family: String = line[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let same = family == library || family.strip_prefix(library).is_some_and(|rest| rest.starts_with('_'));
            own && same && line[at + family.len()..].starts_with("::")
        })
    })
}

#[test]
fn the_reader_of_this_test_reads_right() {
    let code = "use crate::{source::{self, Pace}, gate};\n// crate::mqtt\nlet a = crate::vlm::x();";
    assert_eq!(used_modules(code).into_iter().collect::<Vec<_>>(), ["gate", "source", "vlm"]);
    assert!(names("use gstreamer_app::AppSink;", "gstreamer"));
    assert!(!names("let export = report::x();", "ort"));
}
