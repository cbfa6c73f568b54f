//! A run as one JSON document, written by `--json` and read again by `--compare`.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::compare::Compared;
use super::frame_to_broker::FrameToBroker;
use crate::cli::failure::Failure;
use crate::files;
use crate::measure::{Machine, Summary};

/// Goes up when a field changes its meaning.
pub(super) const SCHEMA: &str = "eyewitness.bench.v1";

/// Everything that there is to know about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Document {
    /// [`SCHEMA`]
    pub(super) schema: String,
    /// Of Eyewitness.
    pub(super) version: String,
    /// It was built for finding mistakes, and is slow.
    #[serde(default)]
    pub(super) debug_build: bool,
    /// When it began.
    pub(super) at: Timestamp,
    pub(super) machine: Machine,
    pub(super) runtime: Runtime,
    pub(super) model: Model,
    pub(super) picture: Picture,
    pub(super) prompt: String,
    pub(super) max_tokens: usize,
    pub(super) combinations: Vec<Summary>,
    /// From a frame to the broker's acknowledgement.
    #[serde(default)]
    pub(super) frame_to_broker: Option<FrameToBroker>,
    /// Why that was not measured.
    #[serde(default)]
    pub(super) frame_to_broker_skipped: Option<String>,
    /// Only with `--compare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) compared: Option<Compared>,
}

/// ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Runtime {
    /// The library's file.
    pub(super) library: String,
    /// As the file's name has it.
    pub(super) version: Option<String>,
}

impl Runtime {
    pub(super) fn of(library: &Path) -> Self {
        // `libonnxruntime.so` is a link to the file with the version.
        let real = library.canonicalize().unwrap_or_else(|_| library.to_owned());
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        let version = name.split_once(".so.").map(|(_, version)| version.to_owned());
        Self { library: real.display().to_string(), version }
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        self.version.as_ref().map_or_else(|| format!("ONNX Runtime {}", self.library), |v| format!("ONNX Runtime {v}"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Model {
    /// The set's.
    pub(super) name: String,
    /// Of its settings and graphs together, per precision.
    pub(super) sha256: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Picture {
    /// For people.
    pub(super) words: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// "nv12" (as from a camera) or "rgb" (as from a picture file).
    pub(super) format: String,
}

/// A run has some kilobytes.
const LARGEST: u64 = 16 << 20;

impl Document {
    /// Reads what `--json` wrote.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let refused = |why: String| {
            Failure::usage(format!(
                "`{shown}` {why}\n  help: `--compare` takes what `eyewitness bench --json > {shown}` wrote"
            ))
        };
        let text = files::read_text(path, LARGEST).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => refused("cannot be compared with: there is no such file".into()),
            _ => refused(format!("cannot be read: {error}")),
        })?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| refused(format!("is not JSON: {error}")))?;
        match value.get("schema").and_then(serde_json::Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) => return Err(refused(format!("is a `{other}` and not a `{SCHEMA}`"))),
            None => return Err(refused(format!("is JSON, but no run of `bench` (its `schema` is not `{SCHEMA}`)"))),
        }
        serde_json::from_value(value).map_err(|error| refused(format!("is damaged: {error}")))
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("it holds only strings, finite numbers and maps with string keys")
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_shape_is_stable() {
        insta::assert_snapshot!(samples::document().json());
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let document = samples::document();
        std::fs::write(&path, document.json()).unwrap();
        assert_eq!(Document::read(&path).unwrap(), document);
    }

    #[test]
    fn what_is_no_run_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let said = |text: &str| {
            let path = folder.path().join("x.json");
            std::fs::write(&path, text).unwrap();
            Document::read(&path).unwrap_err().to_string()
        };
        assert!(said("Dear diary").contains("x.json` is not JSON: expected value at line 1"), "{}", said("Dear diary"));
        assert!(said("[1]").contains("is JSON, but no run of `bench`"));
        assert!(said(r#"{"schema":"eyewitness.bench.v9"}"#).contains("is a `eyewitness.bench.v9` and not a `"));
        assert!(said(r#"{"schema":"eyewitness.bench.v1"}"#).contains("is damaged: missing field `version`"));
        assert!(Document::read(&folder.path().join("no")).unwrap_err().to_string().contains("there is no such file"));
    }

    #[test]
    fn a_library_says_its_version_in_its_name() {
        let of = |name: &str| Runtime::of(Path::new(name));
        assert_eq!(of("/nowhere/libonnxruntime.so.1.32.0").version.as_deref(), Some("1.32.0"));
        assert_eq!(of("/nowhere/libonnxruntime.so").words(), "ONNX Runtime /nowhere/libonnxruntime.so");
    }
}
