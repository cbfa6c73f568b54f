//! `[model]`, and where the model set lies that comes with Eyewitness.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::ModelConfig;
use crate::config::problem::{Code, Problem};
use crate::config::raw::Section;
use crate::units::Rate;
use crate::vlm::{self, Checking, Precision, Provider};

const PROMPT: &str = "Describe the scene.";
const MAX_TOKENS: usize = 48;
const DEADLINE: Duration = Duration::from_secs(10);
const BUDGET: Rate = Rate { count: 30.0, per: Duration::from_secs(60) };

/// The model set that comes with Eyewitness: beside the program, where packages put it, or in the source.
#[must_use]
pub fn default_model_path() -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    first_set(&places(program.as_deref().and_then(Path::parent)))
}

pub(super) fn read(section: &Section<'_>) -> ModelConfig {
    ModelConfig {
        settings: settings(section),
        prompt: prompt(section).unwrap_or_else(|| PROMPT.into()),
        max_tokens: section
            .whole("max_tokens", 1..=512)
            .and_then(|found| usize::try_from(found.value).ok())
            .unwrap_or(MAX_TOKENS),
        deadline: section
            .duration("deadline", Duration::from_millis(100)..=Duration::from_secs(600))
            .map_or(DEADLINE, |found| found.value),
        budget: budget(section).unwrap_or(BUDGET),
        share: share(section).unwrap_or(1.0),
    }
}

/// What the model is asked, here or for one camera.
pub(super) fn prompt(section: &Section<'_>) -> Option<std::sync::Arc<str>> {
    question(section, "prompt")
}

/// A text for the model.
pub(super) fn question(section: &Section<'_>, name: &str) -> Option<std::sync::Arc<str>> {
    /// A tiny model cannot follow a longer text, and each picture would wait for it.
    const LONGEST: usize = 1000;
    let text = section.filled_text(name)?;
    if text.value.chars().count() > LONGEST {
        section.out_of_range(name, &text.span, &format!("at most {LONGEST} letters long"));
        return None;
    }
    Some(text.value.trim().into())
}

/// A rate that is not zero.
pub(super) fn budget(section: &Section<'_>) -> Option<Rate> {
    let rate = section.rate("budget")?;
    if rate.value.count > 0.0 {
        return Some(rate.value);
    }
    let help = "write, for example, `budget = \"12/min\"`; `enabled = false` in `[[camera]]` turns a camera off";
    let problem = Problem::new(Code::WrongValue, "a `budget` of zero would never describe anything", help);
    section.reader.report(problem.at(rate.span, ""));
    None
}

/// A share of time that is not zero.
pub(super) fn share(section: &Section<'_>) -> Option<f32> {
    let found = section.number("share", |share| share > 0.0 && share <= 1.0, "more than 0 and at most 1");
    found.map(|found| found.value)
}

fn settings(section: &Section<'_>) -> vlm::Settings {
    let providers = [
        ("auto", Provider::Auto),
        ("cpu", Provider::Cpu),
        ("cuda", Provider::Cuda),
        ("tensorrt", Provider::TensorRt),
        ("openvino", Provider::OpenVino),
    ];
    let precisions = [
        ("auto", Precision::Auto),
        ("fp32", Precision::Fp32),
        ("fp16", Precision::Fp16),
        ("int8", Precision::Int8),
        ("q4", Precision::Q4),
        ("q4f16", Precision::Q4f16),
    ];
    let checks = [("auto", Checking::Auto), ("on", Checking::On), ("off", Checking::Off)];
    vlm::Settings {
        path: path(section),
        edges: Vec::new(),
        parts: None,
        // Counted when the cameras are read.
        streams: 0,
        cache: cache(section),
        // Known when the top of the file is.
        state: None,
        check: section.choice("check", &checks).map_or_else(Checking::default, |found| found.value),
        // They have tables of their own.
        things: Vec::new(),
        runtime: section.path("runtime").map(|found| found.value),
        provider: section.choice("provider", &providers).map_or_else(Provider::default, |found| found.value),
        precision: section.choice("precision", &precisions).map_or_else(Precision::default, |found| found.value),
        threads: section
            .whole("threads", 0..=256)
            .and_then(|found| usize::try_from(found.value).ok())
            .unwrap_or_default(),
    }
}

/// What a path says that is none.
const OFF: &str = "off";

fn cache(section: &Section<'_>) -> Option<PathBuf> {
    match section.filled_text("cache") {
        Some(found) if found.value == OFF => None,
        Some(found) => Some(section.reader.path(&found.value)),
        None => cache_folder_of(&|name| section.reader.variable(name)),
    }
}

/// Where this user's programs keep what they can make again; `None` if the environment names no such place.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    cache_folder_of(&|name| std::env::var(name).ok())
}

/// systemd's place for a service comes first.
fn cache_folder_of(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let service = variable("CACHE_DIRECTORY").and_then(|folders| folders.split(':').next().map(PathBuf::from));
    service
        .filter(|folder| folder.is_absolute())
        .or_else(|| absolute("XDG_CACHE_HOME").map(|folder| folder.join("eyewitness")))
        .or_else(|| absolute("HOME").map(|folder| folder.join(".cache/eyewitness")))
}

/// Whether the folder holds a model set is the model's business, which names each file; only its absence is ours.
fn path(section: &Section<'_>) -> PathBuf {
    if section.has("path") {
        return section.path("path").map(|found| found.value).unwrap_or_default();
    }
    default_model_path().unwrap_or_else(|| {
        let help = "write `path = \"...\"` in `[model]`: the folder of a model set, which holds `config.json`, \
                    `tokenizer.json` and `onnx/`";
        let message = "the model set that comes with Eyewitness, `models/tiny`, was not found";
        section.reader.report(Problem::new(Code::Missing, message, help));
        PathBuf::new()
    })
}

fn places(program_folder: Option<&Path>) -> Vec<PathBuf> {
    let beside = program_folder
        .into_iter()
        .flat_map(|folder| ["models/tiny", "../share/eyewitness/models/tiny"].map(|place| folder.join(place)));
    let fixed = [
        "/usr/share/eyewitness/models/tiny",
        "models/tiny",
        // A program that was built here and is run from elsewhere.
        concat!(env!("CARGO_MANIFEST_DIR"), "/models/tiny"),
    ];
    beside.chain(fixed.map(PathBuf::from)).collect()
}

fn first_set(places: &[PathBuf]) -> Option<PathBuf> {
    places.iter().find(|place| place.join("config.json").is_file()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_that_comes_along_is_found_without_any_config() {
        assert!(default_model_path().unwrap().join("tokenizer.json").is_file());
    }

    #[test]
    fn the_service_has_a_cache_of_its_own() {
        let of = |pairs: &[(&str, &str)]| {
            cache_folder_of(&|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
        };
        let all = [("CACHE_DIRECTORY", "/var/cache/eyewitness:/b"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/home/ann")];
        assert_eq!(of(&all), Some("/var/cache/eyewitness".into()));
        assert_eq!(of(&all[1..]), Some("/x/eyewitness".into()));
        assert_eq!(of(&all[2..]), Some("/home/ann/.cache/eyewitness".into()));
        assert_eq!(of(&[("HOME", "")]), None);
    }

    #[test]
    fn beside_the_program_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bin");
        let (near, far) = (program.join("models/tiny"), folder.path().join("share/eyewitness/models/tiny"));
        for set in [&far, &near] {
            std::fs::create_dir_all(&program).unwrap();
            std::fs::create_dir_all(set).unwrap();
            std::fs::write(set.join("config.json"), "{}").unwrap();
            let found = first_set(&places(Some(&program))).unwrap();
            assert_eq!(found.canonicalize().unwrap(), set.canonicalize().unwrap());
        }
        assert_eq!(first_set(&[folder.path().join("nowhere")]), None);
    }
}
