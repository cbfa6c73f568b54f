//! What is to be measured: every precision with every number of threads, each once, and what is asked.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use super::document::Model as ModelFacts;
use super::picture::Sight;
use crate::cli::args::BenchArgs;
use crate::cli::describe::model_settings;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::measure::{Rounds, fingerprint};
use crate::units::Region;
use crate::vlm::{ModelSet, Precision, Question, Settings};

pub(super) const PROMPT: &str = "Describe the scene.";

/// One model to load.
#[derive(Debug, Clone)]
pub(super) struct Combination {
    pub(super) settings: Settings,
    /// As it is called while it is measured, such as "int8 with 2 threads".
    pub(super) name: String,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) model: ModelFacts,
    pub(super) combinations: Vec<Combination>,
    pub(super) question: Question,
    pub(super) rounds: Rounds,
}

impl Plan {
    /// Reads the set once per precision, so that what is missing is said before anything is measured.
    pub(super) fn new(args: &BenchArgs, sight: &Sight, clock: Clock) -> Result<Self, Failure> {
        let base = model_settings(args.model.as_deref(), 0)?;
        let mut model = ModelFacts { name: String::new(), sha256: BTreeMap::new() };
        let mut combinations = Vec::new();
        let mut seen: Vec<Vec<PathBuf>> = Vec::new();
        for precision in args.precision.iter().map(|typed| Precision::from(*typed)) {
            let set = ModelSet::open(&base.path, precision).map_err(|error| Failure::config(&error))?;
            let files: Vec<_> = set.graphs.iter().map(|graph| graph.path.clone()).collect();
            // `auto` may be what was asked for by name, too.
            if seen.contains(&files) {
                continue;
            }
            seen.push(files);
            let label = label(&set);
            let hash = fingerprint(&set).map_err(|error| Failure::config(&error))?;
            model.sha256.insert(label.clone(), hash);
            model.name = set.name;
            for threads in distinct(&args.threads) {
                let settings = Settings { provider: args.provider.into(), precision, threads, ..base.clone() };
                let name = format!("{label} with {}", counted(threads));
                combinations.push(Combination { settings, name });
            }
        }
        let question = Question {
            picture: sight.picture.clone(),
            view: Region::WHOLE,
            masks: Arc::new([]),
            prompt: PROMPT.into(),
            asks: Vec::new(),
            max_tokens: args.tokens.into(),
            deadline: clock.now(),
            describe: true,
            recall: None,
            check: false,
        };
        let rounds = Rounds { warm_up: args.warm_up as usize, timed: args.rounds as usize };
        Ok(Self { model, combinations, question, rounds })
    }
}

pub(super) fn counted(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

/// 0 is all cores, which may have been named, too.
fn distinct(threads: &[u16]) -> Vec<usize> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut distinct = Vec::new();
    for threads in threads.iter().map(|&typed| if typed == 0 { cores } else { usize::from(typed) }) {
        if !distinct.contains(&threads) {
            distinct.push(threads);
        }
    }
    distinct
}

/// As the model's own label says it.
fn label(set: &ModelSet) -> String {
    let mut words: Vec<&str> = Vec::new();
    for graph in &set.graphs {
        if !words.contains(&graph.precision) {
            words.push(graph.precision);
        }
    }
    words.join("+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_measured_twice() {
        let cores = thread::available_parallelism().unwrap().get();
        assert_eq!(distinct(&[0, cores as u16, 0]), [cores]);
        assert_eq!(distinct(&[3, 1, 3]), [3, 1]);
        assert_eq!([counted(1), counted(2)], ["1 thread", "2 threads"]);
    }
}
