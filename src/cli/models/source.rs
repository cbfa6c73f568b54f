//! The set that weights are read from.

use std::fs;
use std::path::{Path, PathBuf};

use super::args::{From, Precision};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, chain};
use crate::onnx::{self, Architecture, Safetensors, Weights, extract};
use crate::vlm::{ModelSet, Part};

/// Small files that make a set, whatever its weights are; longer ones are no small files.
const ENDINGS: [&str; 3] = ["json", "jinja", "txt"];
const NAMES: [&str; 4] = ["LICENSE", "LICENCE", "NOTICE", "README"];
const SMALL: u64 = 64 << 20;

pub(super) struct Source {
    pub(super) folder: PathBuf,
    pub(super) architecture: Architecture,
    /// The precision of the set's own graphs to hold the new ones against, if it has any.
    pub(super) graphs: Option<Precision>,
    weights: Place,
}

/// Where weights are read.
enum Place {
    Graphs(Precision),
    Safetensors(Safetensors),
}

impl Source {
    /// # Errors
    /// If the folder is no set, or another model's.
    pub(super) fn open(folder: &Path, from: Option<From>) -> Result<Self, Failure> {
        let graphs = [Precision::Fp32, Precision::Fp16].into_iter().find(|precision| complete(folder, *precision));
        small_files(folder)?;
        let architecture = Architecture::read(folder).map_err(|error| Failure::config(&error))?;
        let safetensors = Safetensors::exists(folder);
        let weights = match (from, graphs) {
            (None | Some(From::Onnx), Some(precision)) => Place::Graphs(precision),
            (None | Some(From::Safetensors), _) if safetensors => {
                Place::Safetensors(Safetensors::open(folder).map_err(|error| Failure::config(&error))?)
            }
            (from, _) => return Err(nothing(folder, from)),
        };
        Ok(Self { folder: folder.to_owned(), architecture, graphs, weights })
    }

    /// The weights of one part.
    pub(super) fn weights(&self, part: Part) -> Result<Weights, Failure> {
        let precision = match &self.weights {
            Place::Safetensors(files) => {
                let weights = match part {
                    Part::Vision => files.vision(),
                    Part::Embed => files.embed(),
                    Part::Decoder => files.decoder(),
                };
                return weights.map_err(|error| Failure::config(&error));
            }
            Place::Graphs(precision) => *precision,
        };
        let path = graph(&self.folder, part, precision);
        let model = onnx::read(&path).map_err(|error| Failure::config(&error))?;
        let weights = match part {
            Part::Vision => extract::vision(&model, &self.architecture),
            Part::Embed => extract::embed(&model, &self.architecture),
            Part::Decoder => extract::decoder(&model, &self.architecture),
        };
        weights.map_err(|error| {
            let also = match Safetensors::exists(&self.folder) {
                true => "\n  help: `--from safetensors` reads the weights from model.safetensors instead",
                false => "\n  help: with model.safetensors of the same set in the folder, `--from safetensors` does not need the graphs",
            };
            Failure::report(Exit::Config, format!("eyewitness: `{}`: {}{also}", path.display(), chain(&error)))
        })
    }

    /// "fp32 graphs" or "model.safetensors".
    pub(super) fn words(&self) -> String {
        match &self.weights {
            Place::Graphs(precision) => format!("{} graphs", precision.name()),
            Place::Safetensors(_) => "model.safetensors".to_owned(),
        }
    }

    /// The files that the weights come from.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match &self.weights {
            Place::Graphs(precision) => Part::ALL.map(|part| graph(&self.folder, part, *precision)).to_vec(),
            Place::Safetensors(files) => files.paths().into_iter().map(Path::to_owned).collect(),
        }
    }

    /// Bytes of the file that one part comes from, if it has a file of its own.
    pub(super) fn size(&self, part: Part) -> Option<u64> {
        let Place::Graphs(precision) = &self.weights else { return None };
        fs::metadata(graph(&self.folder, part, *precision)).ok().map(|data| data.len())
    }

    /// Names of the files that belong to every set, to be copied.
    pub(super) fn side_files(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
            let ending = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            let wanted = ending || NAMES.iter().any(|known| name.starts_with(known));
            let other = name.ends_with(".index.json") || name == super::target::MARK || name.starts_with('.');
            if wanted && !other && fs::metadata(&path).is_ok_and(|data| data.is_file() && data.len() <= SMALL) {
                names.push(path);
            }
        }
        names.sort();
        Ok(names)
    }
}

pub(super) fn graph(folder: &Path, part: Part, precision: Precision) -> PathBuf {
    folder.join(file(part, precision))
}

/// The published name of a graph inside its set.
pub(super) fn file(part: Part, precision: Precision) -> String {
    format!("onnx/{}{}.onnx", part.stem(), precision.suffix())
}

fn complete(folder: &Path, precision: Precision) -> bool {
    Part::ALL.iter().all(|part| graph(folder, *part, precision).is_file())
}

/// Refuses a folder whose small files do not make a set; its graphs may be others than those that a daemon would take.
fn small_files(folder: &Path) -> Result<(), Failure> {
    let Err(mut error) = ModelSet::open(folder, crate::vlm::Precision::Auto) else { return Ok(()) };
    error.problems.retain(|problem| !problem.file.starts_with("onnx/"));
    if error.problems.is_empty() { Ok(()) } else { Err(Failure::config(&error)) }
}

fn nothing(folder: &Path, from: Option<From>) -> Failure {
    let wanted = match from {
        Some(From::Safetensors) => "no model.safetensors",
        Some(From::Onnx) => "no complete set of graphs in fp32 or fp16",
        None => "neither a complete set of graphs in fp32 or fp16 nor a model.safetensors",
    };
    let [vision, embed, decoder] = Part::ALL.map(|part| file(part, Precision::Fp32));
    let text = format!(
        "eyewitness: `{}` has {wanted}: weights of 8 or 4 bits are not a source, something would be lost twice\n  help: fetch \
         {vision}, {embed} and {decoder} of the published set, or its model.safetensors",
        folder.display()
    );
    Failure::report(Exit::Config, text)
}
