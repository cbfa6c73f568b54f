//! One model in one precision on so many threads: loaded, asked, dropped, summed up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::allocations::{Allocations, Count, CountingAllocator};
use super::memory::{Memory, Watch};
use super::stages::{Round, StageTimes};
use super::statistics::{Spread, round};
use crate::clock::Clock;
use crate::vlm::{self, AskError, Info, LoadError, Model, Question, Settings};

/// An answer of any model on any machine that this is for comes sooner.
const PATIENCE: Duration = Duration::from_secs(600);
/// Descriptions whose allocations are counted, at most: they differ little.
const COUNTED: usize = 5;

/// How often is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounds {
    /// Not timed.
    pub warm_up: usize,
    /// Timed; at least one.
    pub timed: usize,
}

/// What is measured with.
#[derive(Clone, Copy)]
pub struct Instruments {
    pub clock: Clock,
    /// The program's allocator, if it is one that counts.
    pub allocator: Option<&'static CountingAllocator>,
}

impl std::fmt::Debug for Instruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instruments").field("allocator", &self.allocator.is_some()).finish_non_exhaustive()
    }
}

/// How far a measurement has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Loading,
    /// Warming up: it is asked for the first time.
    WarmUp,
    /// So many of the timed rounds are done.
    Timed(usize),
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("a thread for loading the model could not be joined (a bug, please report it)")]
    Joined(#[source] tokio::task::JoinError),
    #[error("nothing was measured: there must be at least one round")]
    NoRounds,
}

/// What one combination costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Such as "tiny/int8@cpu".
    pub label: String,
    /// Where the graphs run.
    pub provider: String,
    /// Of vision, embed, decoder.
    pub precision: [String; 3],
    /// Threads of one operator.
    pub threads: usize,
    /// The ONNX Runtime library's file.
    pub library: String,
    pub rounds: Rounds,
    /// Tokens of the prompt "Describe the scene." with the picture.
    pub prompt_tokens: usize,
    /// Tokens of the description; the same in every round, since it is greedy.
    pub tokens: usize,
    /// The description.
    pub text: String,
    /// From the first file to a model that has been rehearsed, in milliseconds.
    pub load_ms: f64,
    pub stages: Vec<StageTimes>,
    /// Share of the work that is done outside ONNX Runtime, 0 to 1: median.
    pub host_share: f64,
    #[serde(default)]
    pub memory: Option<Memory>,
    /// `None`: the program's allocator does not count.
    #[serde(default)]
    pub allocations: Option<Allocations>,
    /// Nodes per part and provider; empty where it is not known.
    #[serde(default)]
    pub placement: Vec<Placement>,
}

/// How many nodes of one part run where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// "vision", "embed" or "decoder".
    pub part: String,
    /// "cpu", "cuda", ...
    pub provider: String,
    pub nodes: usize,
}

impl Summary {
    /// Precision and provider, such as "int8@cpu".
    #[must_use]
    pub fn variant(&self) -> &str {
        self.label.rsplit_once('/').map_or(&self.label, |(_, variant)| variant)
    }

    /// Times of the stage with this name of [`super::STAGES`], in milliseconds.
    #[must_use]
    pub fn ms(&self, stage: &str) -> Option<Spread> {
        self.stages.iter().find(|times| times.stage == stage).map(|times| times.ms)
    }
}

/// Loads the model of `settings`, asks `question` (its deadline does not count) and drops the model again. `told` hears how
/// far it is. Runs in a tokio runtime with time; the loading blocks a thread of its own.
///
/// # Errors
/// [`MeasureError`]
pub async fn combination(
    settings: &Settings,
    question: &Question,
    rounds: Rounds,
    with: Instruments,
    mut told: impl FnMut(Step),
) -> Result<Summary, MeasureError> {
    if rounds.timed == 0 {
        return Err(MeasureError::NoRounds);
    }
    told(Step::Loading);
    let memory = Watch::start();
    let began = with.clock.now();
    let model = load(settings.clone(), with.clock).await?;
    let load = with.clock.now().since(began);
    let timed = ask_rounds(&model, question, rounds, with.clock, &mut told).await?;
    let memory = memory.stop();
    let allocations = count(&model, question, rounds, with).await?;
    let summary = sum_up(&model, &timed, rounds, load);
    // Its thread is waited for, so not here.
    tokio::task::spawn_blocking(move || drop(model)).await.map_err(MeasureError::Joined)?;
    Ok(Summary { memory, allocations, ..summary })
}

/// Asks a loaded model `rounds.timed` times after warming up.
///
/// # Errors
/// [`AskError`] of the first question that was not answered.
pub async fn ask_rounds(
    model: &Model,
    question: &Question,
    rounds: Rounds,
    clock: Clock,
    mut told: impl FnMut(Step),
) -> Result<Vec<Round>, AskError> {
    told(Step::WarmUp);
    for _ in 0..rounds.warm_up {
        ask(model, question, clock).await?;
    }
    let mut timed = Vec::with_capacity(rounds.timed);
    for done in 1..=rounds.timed {
        timed.push(ask(model, question, clock).await?);
        told(Step::Timed(done));
    }
    Ok(timed)
}

async fn load(settings: Settings, clock: Clock) -> Result<Model, MeasureError> {
    let loading = tokio::task::spawn_blocking(move || Model::start(settings, clock));
    Ok(loading.await.map_err(MeasureError::Joined)??)
}

async fn ask(model: &Model, question: &Question, clock: Clock) -> Result<Round, AskError> {
    let deadline = clock.now().plus(PATIENCE);
    let answer = model.ask(Question { deadline, ..question.clone() }).await?;
    Ok(Round { answer, max_tokens: question.max_tokens })
}

async fn count(
    model: &Model,
    question: &Question,
    rounds: Rounds,
    with: Instruments,
) -> Result<Option<Allocations>, AskError> {
    let Some(allocator) = with.allocator else { return Ok(None) };
    let rounds = rounds.timed.min(COUNTED);
    let mut counts = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let deadline = with.clock.now().plus(PATIENCE);
        let question = Question { deadline, ..question.clone() };
        let count = Count::start(allocator);
        let answer = model.ask(question).await;
        counts.push(count.so_far() as f64);
        drop(count);
        answer?;
    }
    Ok(Spread::of(counts).map(|count| Allocations { count, rounds }))
}

fn sum_up(model: &Model, timed: &[Round], rounds: Rounds, load: Duration) -> Summary {
    let info = model.info();
    let last = timed.last().map(|round| &round.answer);
    let host = Spread::of(timed.iter().map(Round::host_share)).unwrap_or_default();
    Summary {
        label: info.label.clone(),
        provider: info.provider.to_owned(),
        precision: info.precision.map(str::to_owned),
        threads: info.threads,
        library: info.library.display().to_string(),
        rounds,
        prompt_tokens: info.prompt_tokens,
        tokens: last.map_or(0, |answer| answer.tokens),
        text: last.map(|answer| answer.text.clone()).unwrap_or_default(),
        load_ms: round(load.as_secs_f64() * 1000.0),
        stages: StageTimes::of(timed),
        host_share: round(host.median),
        memory: None,
        allocations: None,
        placement: placement(info),
    }
}

fn placement(info: &Info) -> Vec<Placement> {
    let parts = ["vision", "embed", "decoder"].into_iter().zip(&info.placement);
    let nodes = |(part, placement): (&str, &vlm::Placement)| {
        let on = placement.0.iter();
        on.map(|(provider, nodes)| Placement { part: part.to_owned(), provider: provider.clone(), nodes: *nodes })
            .collect()
    };
    parts.flat_map(|part| -> Vec<Placement> { nodes(part) }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::stages::STAGES;
    use super::*;
    use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};
    use crate::units::Region;
    use crate::vlm::Provider;

    fn settings(set: &str) -> Settings {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(set);
        Settings { provider: Provider::Cpu, threads: 1, ..Settings::new(path) }
    }

    async fn measured(set: &str, timed: usize) -> Result<(Summary, Vec<Step>), MeasureError> {
        let clock = Clock::system();
        let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
        let question = Question {
            picture: Picture::packed(64, 48, PixelFormat::Nv12, colour, vec![128; 64 * 48 * 3 / 2]).unwrap(),
            view: Region::WHOLE,
            masks: Arc::new([]),
            prompt: "Describe the scene.".into(),
            asks: Vec::new(),
            max_tokens: 4,
            deadline: clock.now(),
            describe: true,
            recall: None,
            check: false,
        };
        let mut steps = Vec::new();
        let rounds = Rounds { warm_up: 1, timed };
        let with = Instruments { clock, allocator: None };
        let summary = combination(&settings(set), &question, rounds, with, |step| steps.push(step)).await?;
        Ok((summary, steps))
    }

    #[tokio::test]
    async fn the_default_model_is_measured() {
        let (summary, steps) = measured("tiny", 2).await.unwrap();
        assert_eq!(steps, [Step::Loading, Step::WarmUp, Step::Timed(1), Step::Timed(2)]);
        assert_eq!((summary.label.as_str(), summary.variant(), summary.threads), ("tiny/int8@cpu", "int8@cpu", 1));
        assert_eq!((summary.tokens, summary.stages.len(), summary.allocations), (4, STAGES.len(), None));
        let whole = summary.ms("whole description").unwrap();
        let parts = ["encode", "prefill", "all further tokens"].map(|stage| summary.ms(stage).unwrap().least);
        assert!(parts.iter().all(|part| *part > 0.0) && parts.iter().sum::<f64>() < whole.most, "{summary:?}");
        assert!(summary.host_share > 0.0 && summary.host_share < 1.0, "{summary:?}");
        assert!(summary.memory.is_some_and(|memory| memory.peak_mib > memory.before_mib), "{summary:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_measured_says_why() {
        assert!(matches!(measured("tiny", 0).await, Err(MeasureError::NoRounds)));
        assert!(matches!(measured("nowhere", 1).await, Err(MeasureError::Load(_))));
    }
}
