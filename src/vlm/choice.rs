//! What was measured to be best on a device (`eyewitness models tune`), and where `precision = "auto"` finds it. A choice that was
//! made elsewhere, or for other graphs, is not followed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::optimised;
use super::precision::Part;
use super::provider;
use super::runtime;
use super::settings::{Precision, Provider};
use crate::files;

/// In the model set's folder, or under the cache folder with the set's name before it.
const FILE: &str = "tuned.json";

/// A choice has some hundred bytes.
const LARGEST: u64 = 1 << 20;
const SCHEMA: &str = "eyewitness.tuned.v1";

/// The best way to run one set on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub schema: String,
    pub device: Device,
    /// The set's graphs as they were (see [`graphs`]).
    pub graphs: String,
    pub vision: Precision,
    pub embed: Precision,
    pub decoder: Precision,
    /// Threads of one operator.
    pub threads: usize,
    /// Edges of the pictures that are enough, in pixels; the largest one is used for whole views.
    pub edges: Vec<u32>,
    /// Why, in words, for whoever opens the file.
    pub because: String,
}

/// What a choice depends on besides the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// A digest of the processor's name and abilities.
    pub processor: String,
    pub cores: usize,
    /// "cpu", "cuda", ...
    pub provider: String,
    /// What the ONNX Runtime library says of itself.
    pub runtime: String,
}

impl Device {
    /// This one. Loads the ONNX Runtime library.
    ///
    /// # Errors
    /// [`runtime::RuntimeError`]
    pub fn here(library: Option<&Path>, on: Provider) -> Result<Self, runtime::RuntimeError> {
        runtime::load(library)?;
        let on = provider::candidates(on).first().copied().unwrap_or_default();
        Ok(Self {
            processor: optimised::digest(&[&optimised::processor()]),
            cores: provider::cores(),
            provider: provider::name(on).to_owned(),
            runtime: ort::info().to_owned(),
        })
    }
}

impl Choice {
    /// A choice made now. `graphs` is [`graphs`] of the set.
    #[must_use]
    pub fn new(
        device: Device,
        graphs: String,
        parts: [Precision; 3],
        threads: usize,
        edges: Vec<u32>,
        because: String,
    ) -> Self {
        let [vision, embed, decoder] = parts;
        Self { schema: SCHEMA.into(), device, graphs, vision, embed, decoder, threads, edges, because }
    }

    /// Of vision, embed, decoder.
    #[must_use]
    pub fn parts(&self) -> [Precision; 3] {
        [self.vision, self.embed, self.decoder]
    }

    /// Writes it where [`find`] looks: into the set's folder, or, if that cannot be written, under the cache folder. Returns where.
    ///
    /// # Errors
    /// If neither can be written.
    pub fn write(&self, set: &Path, cache: Option<&Path>) -> io::Result<PathBuf> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let mut failed = None;
        for path in places(set, cache) {
            match optimised::replace(&path, &text) {
                Ok(()) => return Ok(path),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }
}

/// The choice for `set` on this device, if one was made. One that does not hold here is logged and passed over.
pub(super) fn find(set: &Path, cache: Option<&Path>, here: &Device) -> Option<Choice> {
    for path in places(set, cache) {
        let text = match files::read(&path, LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                tracing::warn!(file = %path.display(), %error, "what was tuned is not followed: run `eyewitness models tune` again");
                continue;
            }
            Err(_) => continue,
        };
        let ignored = |why: &str| {
            tracing::warn!(file = %path.display(), why, "what was tuned is not followed: run `eyewitness models tune` again");
        };
        let choice: Choice = match serde_json::from_slice(&text) {
            Ok(choice) => choice,
            Err(error) => {
                ignored(&format!("it cannot be read ({error})"));
                continue;
            }
        };
        if choice.schema != SCHEMA {
            ignored("it is of another version");
        } else if choice.device != *here {
            ignored("it was made on another device, or with another ONNX Runtime or provider");
        } else if graphs(set).ok().as_ref() != Some(&choice.graphs) {
            ignored("the set's graphs are others now");
        } else {
            tracing::info!(file = %path.display(), because = choice.because, "following what was tuned");
            return Some(choice);
        }
    }
    None
}

/// A word for the graphs that a set has: it changes when one comes, goes, or changes its size.
///
/// # Errors
/// If the folder `onnx` cannot be read.
pub fn graphs(set: &Path) -> io::Result<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(set.join("onnx"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Weights beside a graph (`.onnx_data`) count as it does.
        if Part::ALL.iter().any(|part| name.starts_with(part.stem())) {
            found.push(format!("{name} {}", entry.metadata()?.len()));
        }
    }
    found.sort();
    Ok(optimised::digest(&found.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn places(set: &Path, cache: Option<&Path>) -> Vec<PathBuf> {
    let real = set.canonicalize().unwrap_or_else(|_| set.to_owned());
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let cached = cache.map(|cache| cache.join("tuned").join(format!("{name}-{FILE}")));
    [Some(set.join(FILE)), cached].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device { processor: "abc".into(), cores: 4, provider: "cpu".into(), runtime: "1.32".into() }
    }

    fn set() -> tempfile::TempDir {
        let set = tempfile::tempdir().unwrap();
        fs::create_dir(set.path().join("onnx")).unwrap();
        fs::write(set.path().join("onnx/vision_encoder_int8.onnx"), "graph").unwrap();
        set
    }

    #[test]
    fn a_choice_is_found_where_it_was_made_and_nowhere_else() {
        let (set, cache) = (set(), tempfile::tempdir().unwrap());
        let find = |device: &Device| find(set.path(), Some(cache.path()), device);
        assert_eq!(find(&device()), None);
        let parts = [Precision::Int8, Precision::Int8, Precision::Q4];
        let choice = Choice::new(device(), graphs(set.path()).unwrap(), parts, 2, vec![384, 512], "fastest".into());
        let place = choice.write(set.path(), Some(cache.path())).unwrap();
        assert_eq!(place, set.path().join(FILE));
        assert_eq!(find(&device()), Some(choice));
        assert_eq!(find(&Device { cores: 2, ..device() }), None);
        fs::write(set.path().join("onnx/decoder_model_merged_q4.onnx"), "graph").unwrap();
        assert_eq!(find(&device()), None, "there is something new to choose from");
        fs::write(&place, "{").unwrap();
        assert_eq!(find(&device()), None);
    }

    #[test]
    fn a_set_that_is_read_only_is_tuned_beside_it() {
        let (set, cache) = (set(), tempfile::tempdir().unwrap());
        // A folder of that name cannot be replaced by a file, whoever runs this.
        fs::create_dir_all(set.path().join(FILE).join("x")).unwrap();
        let parts = [Precision::Int8; 3];
        let choice = Choice::new(device(), graphs(set.path()).unwrap(), parts, 2, vec![512], String::new());
        let place = choice.write(set.path(), Some(cache.path())).unwrap();
        assert!(place.starts_with(cache.path()), "{}", place.display());
        assert_eq!(find(set.path(), Some(cache.path()), &device()), Some(choice));
    }
}
