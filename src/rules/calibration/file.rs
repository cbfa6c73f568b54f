//! Calibrations as a file: JSON, bounded, read in words or not at all.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Calibration, Calibrations, Curve, Entry, Point, Target};
use crate::files;
use crate::ids::{CameraId, RuleId};

/// Its name, in a model set and in the state folder.
pub const FILE: &str = "calibration.json";
/// Name and version of the JSON form; goes up when a field changes its meaning.
pub const SCHEMA: &str = "eyewitness.calibration.v1";
/// Largest file, in bytes. Real ones have some hundred.
pub const MAX_BYTES: usize = 1 << 20;
/// Most entries of a file.
pub const MAX_ENTRIES: usize = 4096;
/// Most points of a curve.
pub const MAX_POINTS: usize = 256;
/// Longest question, in bytes.
const MAX_ASK: usize = 4096;
/// More problems than these are only counted.
const MOST_PROBLEMS: usize = 10;

/// Why a file gives no calibrations.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    #[error("the calibration `{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the calibration `{}` cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("a calibration file has at most {MAX_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    #[error("this is no calibration file: {0}")]
    Json(#[from] serde_json::Error),
    #[error("its `schema` is `{0}`, not `{SCHEMA}`: it was written by another version")]
    Schema(String),
    #[error("it has {0} entries: at most {MAX_ENTRIES} are read")]
    TooMany(usize),
    /// All that is wrong with its entries, one line each.
    #[error("{0}")]
    Entries(String),
    #[error("the calibration `{}` is not used: {problem}", path.display())]
    Content { path: PathBuf, problem: Box<CalibrationError> },
}

#[derive(Deserialize, Serialize)]
struct File {
    schema: String,
    entries: Vec<Line>,
}

/// An entry as it is written. Fields that a later version adds are passed over.
#[derive(Deserialize, Serialize)]
struct Line {
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    camera: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ask: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    default: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platt: Option<Platt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    isotonic: Option<Vec<[f64; 2]>>,
    #[serde(default)]
    labels: Labels,
}

#[derive(Deserialize, Serialize)]
struct Platt {
    a: f64,
    b: f64,
}

#[derive(Deserialize, Serialize, Default)]
struct Labels {
    yes: u32,
    no: u32,
}

impl Calibrations {
    /// What a file holds.
    ///
    /// # Errors
    /// [`CalibrationError`]: it cannot be read, or is not what [`Calibrations::write`] writes.
    pub fn read(path: &Path) -> Result<Self, CalibrationError> {
        let bytes = files::read(path, MAX_BYTES as u64)
            .map_err(|source| CalibrationError::Read { path: path.to_owned(), source })?;
        Self::from_json(&bytes)
            .map_err(|problem| CalibrationError::Content { path: path.to_owned(), problem: Box::new(problem) })
    }

    /// What is known of a model: by the file of the state folder, and by that of its set where the former says nothing. A file
    /// that is not there is no problem; one that is wrong, or only about other models, is left out, with a warning in words.
    #[must_use]
    pub fn of(set: &Path, state: Option<&Path>, label: &str) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let mut known = Self::empty();
        for path in [Some(set), state].into_iter().flatten().map(|folder| folder.join(FILE)) {
            let all = match Self::read(&path) {
                Ok(all) => all,
                Err(CalibrationError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    warnings.push(chain(&error));
                    continue;
                }
            };
            let others = all.models().join(", ");
            let these = all.of_model(label);
            if these.is_empty() && !others.is_empty() {
                warnings.push(format!(
                    "the calibration `{}` was measured with {others} and is not used for {label}: probabilities mean \
                     something else there; `eyewitness rules fit` measures them anew",
                    path.display()
                ));
            }
            known = these.over(known);
        }
        (known, warnings)
    }

    /// Reads what [`Calibrations::to_json`] wrote.
    ///
    /// # Errors
    /// [`CalibrationError`]
    pub fn from_json(json: &[u8]) -> Result<Self, CalibrationError> {
        if json.len() > MAX_BYTES {
            return Err(CalibrationError::TooLong(json.len()));
        }
        let file: File = serde_json::from_slice(json)?;
        if file.schema != SCHEMA {
            return Err(CalibrationError::Schema(file.schema.chars().take(80).collect()));
        }
        if file.entries.len() > MAX_ENTRIES {
            return Err(CalibrationError::TooMany(file.entries.len()));
        }
        let mut all = Self::empty();
        let mut problems = Vec::new();
        for (place, line) in file.entries.into_iter().enumerate() {
            let number = place + 1;
            match line.entry() {
                Ok(entry) => {
                    if all.insert(entry).is_some() {
                        problems.push(format!("entry {number} is about the same as an earlier one"));
                    }
                }
                Err(what) => problems.push(format!("entry {number}: {what}")),
            }
        }
        if problems.is_empty() { Ok(all) } else { Err(CalibrationError::Entries(listed(problems))) }
    }

    /// The file's content.
    #[must_use]
    pub fn to_json(&self) -> String {
        let entries = self.entries().iter().map(Line::of).collect();
        let file = File { schema: SCHEMA.to_owned(), entries };
        let json = serde_json::to_string_pretty(&file);
        json.expect("strings, finite numbers and lists are JSON") + "\n"
    }

    /// Writes the file in one step: a reader sees the old one or the new one. Missing folders are made.
    ///
    /// # Errors
    /// [`CalibrationError::Write`]; [`CalibrationError::TooMany`] and [`CalibrationError::TooLong`] if it could not be read again.
    pub fn write(&self, path: &Path) -> Result<(), CalibrationError> {
        if self.entries().len() > MAX_ENTRIES {
            return Err(CalibrationError::TooMany(self.entries().len()));
        }
        let json = self.to_json();
        if json.len() > MAX_BYTES {
            return Err(CalibrationError::TooLong(json.len()));
        }
        replace(path, json.as_bytes()).map_err(|source| CalibrationError::Write { path: path.to_owned(), source })
    }
}

impl Line {
    fn of(entry: &Entry) -> Self {
        let (camera, rule, ask, default) = match &entry.target {
            Target::Rule { camera, rule, ask } => {
                (Some(camera.to_string()), Some(rule.to_string()), Some(ask.clone()), false)
            }
            Target::Ask(ask) => (None, None, Some(ask.clone()), false),
            Target::Default => (None, None, None, true),
        };
        let (platt, isotonic) = match &entry.calibration.0 {
            Curve::Platt { a, b } => (Some(Platt { a: *a, b: *b }), None),
            Curve::Isotonic(points) => (None, Some(points.iter().map(|point| [point.said, point.worth]).collect())),
        };
        let [yes, no] = entry.labels;
        Self { model: entry.model.clone(), camera, rule, ask, default, platt, isotonic, labels: Labels { yes, no } }
    }

    fn entry(self) -> Result<Entry, String> {
        if self.model.trim().is_empty() {
            return Err("`model` is empty: write set and precision, such as \"tiny/int8\"".into());
        }
        if let Some(ask) = &self.ask
            && (ask.trim().is_empty() || ask.len() > MAX_ASK)
        {
            return Err(format!("`ask` is no question: it has {} bytes, not 1 to {MAX_ASK}", ask.len()));
        }
        let target = match (self.camera, self.rule, self.ask, self.default) {
            (Some(camera), Some(rule), Some(ask), false) => {
                let camera = CameraId::new(&camera).map_err(|error| format!("`camera`: {error}"))?;
                let rule = RuleId::new(&rule).map_err(|error| format!("`rule`: {error}"))?;
                Target::Rule { camera, rule, ask }
            }
            (None, None, Some(ask), false) => Target::Ask(ask),
            (None, None, None, true) => Target::Default,
            _ => {
                return Err(
                    "it is about nothing: write `camera`, `rule` and `ask`, or `ask` alone, or `default`".into()
                );
            }
        };
        let calibration = match (self.platt, self.isotonic) {
            (Some(Platt { a, b }), None) => Calibration::platt(a, b).map_err(|what| format!("`platt`: {what}"))?,
            (None, Some(points)) => {
                let points = points.into_iter().map(|[said, worth]| Point { said, worth }).collect();
                Calibration::isotonic(points).map_err(|what| format!("`isotonic`: {what}"))?
            }
            _ => return Err("it needs `platt` or `isotonic`, not both".into()),
        };
        Ok(Entry { model: self.model, target, calibration, labels: [self.labels.yes, self.labels.no] })
    }
}

fn listed(mut problems: Vec<String>) -> String {
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    problems.join("\n  ")
}

/// The error and its causes in one line.
fn chain(error: &CalibrationError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    // Nothing in it is secret, and the daemon that reads it may be another user.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
