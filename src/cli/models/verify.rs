//! The same questions to two sets.

use std::path::{Path, PathBuf};

use super::args::Precision;
use super::pictures;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::frame::Picture;
use crate::image::{self, Preprocessor};
use crate::units::Region;
use crate::vlm::{self, Engine, LoadError, Probe, Provider};

/// Each is asked about every picture.
const PROMPTS: [&str; 3] =
    ["Describe the scene.", "Is there a person in this picture? Answer yes or no.", "What is the weather like?"];

/// Greedy tokens per answer.
const TOKENS: usize = 12;

pub(super) struct Questions {
    pictures: Vec<Picture>,
    threads: usize,
    clock: Clock,
}

impl Questions {
    /// Drawn pictures, and those in `files`.
    ///
    /// # Errors
    /// If a file is no picture.
    pub(super) fn new(files: &[PathBuf], threads: usize, clock: Clock) -> Result<Self, Failure> {
        let mut pictures = pictures::drawn().to_vec();
        for file in files {
            let picture =
                image::read_file(file).map_err(|error| Failure::running(&format!("`{}`", file.display()), &error))?;
            pictures.push(picture);
        }
        Ok(Self { pictures, threads, clock })
    }

    /// "3 pictures, 3 prompts each".
    pub(super) fn words(&self) -> String {
        format!("{} pictures with {} prompts each", self.pictures.len(), PROMPTS.len())
    }

    /// The answers of the graphs of `precision` in `folder`, on the CPU.
    ///
    /// # Errors
    /// If the set does not load or does not run.
    pub(super) fn ask(&self, folder: &Path, precision: Precision) -> Result<Vec<Probe>, Failure> {
        let mut engine = self.open(folder, precision)?;
        let mut preprocessor = Preprocessor::new(engine.info().picture);
        let mut pixels = vec![0.0; engine.info().picture.values()];
        let mut answers = Vec::new();
        for picture in &self.pictures {
            preprocessor.run(picture, Region::WHOLE, &[], &mut pixels);
            for prompt in PROMPTS {
                let answer = engine.probe(&pixels, prompt, TOKENS);
                let failed = |error| {
                    Failure::running(&format!("the {} graphs in `{}`", precision.name(), folder.display()), &error)
                };
                answers.push(answer.map_err(failed)?);
            }
        }
        Ok(answers)
    }

    fn open(&self, folder: &Path, precision: Precision) -> Result<Engine, Failure> {
        let settings = vlm::Settings {
            provider: Provider::Cpu,
            precision: precision.run(),
            threads: self.threads,
            ..vlm::Settings::new(folder)
        };
        Engine::open(&settings, self.clock).map_err(|error| match error {
            error @ (LoadError::Runtime(_) | LoadError::Set(_)) => Failure::config(&error),
            error => Failure::running(&format!("the {} graphs in `{}`", precision.name(), folder.display()), &error),
        })
    }
}
