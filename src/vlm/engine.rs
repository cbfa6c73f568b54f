//! One model, loaded, on one thread: picture and questions in, words and probabilities out. All buffers and sessions are made
//! when it opens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ort::value::DynValue;

use super::call::{Call, Stop};
use super::decoder::{Decoder, Sequence};
use super::encoder::{Embed, Vision};
use super::graph::GraphError;
use super::likeness::{Likeness, Nearest};
use super::logits::{self, Pick};
use super::precision::{self, Part};
use super::prepared::Kept;
use super::prompt::{PromptError, Prompts};
use super::provider;
use super::question::{Answer, AskError, Question, Recall, Timing};
use super::runtime::{self, Runtime, RuntimeError};
use super::set::{ModelSet, SetError};
use super::settings::{Provider, Settings};
use super::tensors;
use crate::clock::{Clock, Moment};
use crate::image::{Geometry, Preprocessor};

/// What a rehearsal asks.
const REHEARSAL: &str = "Describe the scene.";

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("the model set `{}` loads but does not run", .folder.display())]
    Rehearsal { folder: PathBuf, source: AskError },
    #[error("the model's thread could not be started")]
    Thread(#[from] std::io::Error),
    #[error("the model's thread ended while loading (a bug, please report it)")]
    Ended,
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// Such as "tiny/int8@cpu".
    pub label: String,
    /// "cpu", "cuda", ...: where the graphs run.
    pub provider: &'static str,
    /// Of vision, embed, decoder.
    pub precision: [&'static str; 3],
    /// Tokens of the prompt "Describe the scene." with the picture.
    pub prompt_tokens: usize,
    /// What the vision graph sees.
    pub picture: Geometry,
    /// Threads of one operator.
    pub threads: usize,
    /// The ONNX Runtime library.
    pub library: PathBuf,
}

/// What lies between a tensor and an answer, for tests and measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub prompt_ids: Vec<i64>,
    /// image tokens x hidden.
    pub features: Vec<f32>,
    /// Of the first answer position.
    pub first_logits: Vec<f32>,
    /// Greedy, without a stop token.
    pub token_ids: Vec<u32>,
}

/// A loaded model. Not for sharing: one thread owns it (see [`super::Model`]).
pub struct Engine {
    info: Info,
    clock: Clock,
    prompts: Prompts,
    preprocessor: Preprocessor,
    vision: Vision,
    embed: Embed,
    decoder: Decoder,
    kept: Kept,
    stop: Vec<u32>,
    /// First tokens of yes and no.
    yes_no: Option<(u32, u32)>,
    features: usize,
    hidden: usize,
    vocabulary: usize,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("info", &self.info).finish_non_exhaustive()
    }
}

/// A picture that the model has looked at.
struct Seen {
    features: DynValue,
    /// What all prompts begin with, this picture in it, if several share it.
    shared: Option<Sequence>,
}

/// A description on its way.
#[derive(Default)]
struct Spoken {
    ids: Vec<u32>,
    probability: f64,
}

impl Engine {
    /// Loads the library and the set, and runs every graph once.
    ///
    /// # Errors
    /// [`LoadError`]
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, LoadError> {
        let set = ModelSet::open(&settings.path, settings.precision)?;
        let runtime = runtime::load(settings.runtime.as_deref())?;
        let mut candidates = provider::candidates(settings.provider).into_iter().peekable();
        loop {
            // `candidates` has at least one: the CPU.
            let provider = candidates.next().unwrap_or(Provider::Cpu);
            match Self::with(&set, &runtime, provider, settings.threads, clock) {
                Ok(engine) => {
                    tracing::info!(model = engine.info.label, threads = engine.info.threads, "model loaded");
                    return Ok(engine);
                }
                Err(error) if candidates.peek().is_some() => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(
                        provider = provider::name(provider),
                        error,
                        "provider does not work: trying the next"
                    );
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn with(set: &ModelSet, runtime: &Runtime, on: Provider, threads: usize, clock: Clock) -> Result<Self, LoadError> {
        let threads = provider::threads(threads);
        let session = |part: Part| provider::session(runtime, on, threads, &set.graphs[part as usize].path);
        let vision = Vision::new(session(Part::Vision)?, &set.graphs[0], set)?;
        let embed = Embed::new(session(Part::Embed)?, &set.graphs[1], set)?;
        let decoder = Decoder::new(session(Part::Decoder)?, &set.graphs[2], set, on)?;
        let (template, tokenizer) = (set.template.clone(), set.tokenizer.clone());
        let prompts = Prompts::new(template, tokenizer, set.tokens, set.image_tokens, set.text.positions);
        let yes_no = prompts.first_token(" Yes").zip(prompts.first_token(" No")).filter(|(yes, no)| yes != no);
        let info = Info {
            label: format!("{}/{}@{}", set.name, precision::label(&set.graphs), provider::name(on)),
            provider: provider::name(on),
            precision: [0, 1, 2].map(|part| set.graphs[part].precision),
            prompt_tokens: 0,
            picture: set.picture,
            threads,
            library: runtime.path.clone(),
        };
        let kept = Kept::new(set.text.hidden, decoder.embeds());
        let mut engine = Self {
            info,
            clock,
            prompts,
            preprocessor: Preprocessor::new(set.picture),
            vision,
            embed,
            decoder,
            kept,
            stop: set.stop.clone(),
            yes_no,
            features: set.image_tokens * set.text.hidden,
            hidden: set.text.hidden,
            vocabulary: set.text.vocabulary,
        };
        // A set whose parts do not belong together shows it here, not at the first event; and the first event is not slower.
        let grey = vec![0.0; set.picture.values()];
        let probe = engine.probe(&grey, REHEARSAL, 2);
        let probe = probe.map_err(|source| LoadError::Rehearsal { folder: set.folder.clone(), source })?;
        engine.info.prompt_tokens = probe.prompt_ids.len();
        Ok(engine)
    }

    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Looks at the picture once and answers everything that is asked about it. `stop` ends it early from another thread.
    ///
    /// # Errors
    /// [`AskError`]; the engine can be asked again after any of them.
    pub fn answer(&mut self, question: &Question, stop: &Stop) -> Result<Answer, AskError> {
        let mut call = Call { stop, clock: self.clock, deadline: question.deadline, in_runtime: Duration::ZERO };
        let result = self.answer_in(question, &mut call);
        self.decoder.clear();
        result
    }

    fn answer_in(&mut self, question: &Question, call: &mut Call<'_>) -> Result<Answer, AskError> {
        let began = self.clock.now();
        if call.expired() {
            return Err(AskError::Expired);
        }
        let mut timing = Timing::default();
        let input = self.vision.input()?;
        self.preprocessor.run(&question.picture, question.view, &question.masks, input);
        let ready = self.clock.now();
        timing.preprocess = ready.since(began);
        let features = self.vision.encode(call)?;
        timing.encode = self.clock.now().since(ready);
        let (likeness, nearest) = self.recall(question.recall.as_ref(), &features)?;
        if nearest.zip(question.recall.as_ref()).is_some_and(|(nearest, recall)| nearest.cosine >= recall.least) {
            timing.total = self.clock.now().since(began);
            timing.host = timing.total.saturating_sub(call.in_runtime);
            return Ok(Answer { likeness, nearest, recalled: true, timing, ..Answer::default() });
        }
        let seen = self.look(question, features, call)?;
        timing.prefill = self.clock.now().since(ready).saturating_sub(timing.encode);

        let spoken = if question.describe {
            self.describe(question, &seen, call, &mut timing, began)?
        } else {
            Spoken::default()
        };
        let mut p_yes = Vec::with_capacity(question.asks.len());
        for ask in &question.asks {
            p_yes.push(self.ask(ask, &seen, call, &mut timing)?);
        }
        timing.total = self.clock.now().since(began);
        timing.host = timing.total.saturating_sub(call.in_runtime);
        let tokens = spoken.ids.len();
        let confidence = if tokens == 0 { 0.0 } else { (spoken.probability / tokens as f64) as f32 };
        let text = self.prompts.words(&spoken.ids)?;
        let token_ids = spoken.ids;
        Ok(Answer { text, token_ids, confidence, tokens, p_yes, likeness, nearest, recalled: false, timing })
    }

    /// What the picture looks like, and which of the known ones it looks like.
    fn recall(
        &self,
        recall: Option<&Recall>,
        features: &DynValue,
    ) -> Result<(Option<Likeness>, Option<Nearest>), AskError> {
        let Some(recall) = recall else { return Ok((None, None)) };
        let likeness = Likeness::new(&tensors::floats(features).map_err(failed)?, self.hidden);
        let nearest = likeness.nearest(&recall.known);
        Ok((Some(likeness), nearest))
    }

    fn describe(
        &mut self,
        question: &Question,
        seen: &Seen,
        call: &mut Call<'_>,
        timing: &mut Timing,
        began: Moment,
    ) -> Result<Spoken, AskError> {
        let before = self.clock.now();
        let mut sequence = Sequence::default();
        let logits = self.prefill(&question.prompt, question.max_tokens, seen, &mut sequence, call)?;
        let mut spoken = Spoken::default();
        let first = self.pick(&logits, 0)?;
        let after = self.clock.now();
        timing.prefill += after.since(before);
        timing.first_token = after.since(began);
        self.speak(first, question.max_tokens, &mut sequence, &mut spoken, call)?;
        timing.decode = self.clock.now().since(after);
        Ok(spoken)
    }

    fn ask(&mut self, ask: &Arc<str>, seen: &Seen, call: &mut Call<'_>, timing: &mut Timing) -> Result<f32, AskError> {
        let (yes, no) = self.yes_no.ok_or(AskError::NoYesNo)?;
        let before = self.clock.now();
        let logits = self.prefill(ask, 1, seen, &mut Sequence::default(), call)?;
        let row = last_row(&logits, self.vocabulary)?;
        let p = logits::p_yes(&row, yes, no).ok_or(AskError::NotFinite { tokens: 0 })?;
        timing.prefill += self.clock.now().since(before);
        Ok(p)
    }

    /// Checks the features, and if there is more than one question takes them through the decoder once for all.
    fn look(&mut self, question: &Question, features: DynValue, call: &mut Call<'_>) -> Result<Seen, AskError> {
        let have = tensors::floats(&features).map_err(failed)?.len();
        if have != self.features {
            return Err(AskError::Shape { part: "vision encoder", have, want: self.features });
        }
        let mut texts = question.asks.iter().chain(question.describe.then_some(&question.prompt));
        let mut seen = Seen { features, shared: None };
        if let (Some(text), Some(_)) = (texts.next(), texts.next()) {
            let mut sequence = Sequence::default();
            let build = (&self.prompts, &mut self.embed);
            let head = self.kept.head_with_picture(text, 1, &seen.features, build, call)?;
            self.decoder.run(&head.embeds, head.ids.len(), &mut sequence, call)?;
            seen.shared = Some(sequence);
        }
        Ok(seen)
    }

    /// The prompt `text` about the picture through the decoder; returns its logits.
    fn prefill(
        &mut self,
        text: &Arc<str>,
        max_tokens: usize,
        seen: &Seen,
        sequence: &mut Sequence,
        call: &mut Call<'_>,
    ) -> Result<DynValue, AskError> {
        let build = (&self.prompts, &mut self.embed);
        if let Some(shared) = &seen.shared {
            self.kept.prepare(text, max_tokens, build, call)?;
            if let Some(tail) = self.kept.tail(text) {
                *sequence = shared.clone();
                return self.decoder.run(&tail.embeds, tail.ids.len(), sequence, call);
            }
        }
        let build = (&self.prompts, &mut self.embed);
        let prepared = self.kept.with_picture(text, max_tokens, &seen.features, build, call)?;
        self.decoder.run(&prepared.whole.embeds, prepared.whole.ids.len(), sequence, call)
    }

    /// Greedy decoding from the first pick on, until a stop token or `max_tokens`.
    fn speak(
        &mut self,
        first: Pick,
        max_tokens: usize,
        sequence: &mut Sequence,
        spoken: &mut Spoken,
        call: &mut Call<'_>,
    ) -> Result<(), AskError> {
        let mut next = first;
        while spoken.ids.len() < max_tokens && !self.stop.contains(&next.id) {
            spoken.ids.push(next.id);
            spoken.probability += f64::from(next.probability);
            if spoken.ids.len() < max_tokens {
                let logits = self.step(next.id, sequence, call)?;
                next = self.pick(&logits, spoken.ids.len())?;
            }
        }
        Ok(())
    }

    fn step(&mut self, id: u32, sequence: &mut Sequence, call: &mut Call<'_>) -> Result<DynValue, AskError> {
        let embedded = self.embed.one(id, call)?;
        let wanted = self.decoder.embeds();
        if tensors::float_of(&embedded) == Some(wanted) {
            return self.decoder.run(&embedded, 1, sequence, call);
        }
        // Parts of different float types: rare, and one row is small.
        let row = tensors::floats(&embedded).map_err(failed)?;
        let mut converted = wanted.zeros(&[1, 1, row.len() as i64]).map_err(failed)?;
        tensors::write(&mut converted, 0, &row).map_err(failed)?;
        self.decoder.run(&converted, 1, sequence, call)
    }

    fn pick(&self, logits: &DynValue, tokens: usize) -> Result<Pick, AskError> {
        logits::pick(&last_row(logits, self.vocabulary)?).ok_or(AskError::NotFinite { tokens })
    }

    /// For tests and measurements: runs a raw input tensor (3 x height x width of [`Info::picture`]) and shows what lies between
    /// it and the answer. No deadline.
    ///
    /// # Errors
    /// [`AskError`]
    ///
    /// # Panics
    /// If `pixels` has another size.
    pub fn probe(&mut self, pixels: &[f32], prompt: &str, max_tokens: usize) -> Result<Probe, AskError> {
        let stop = Stop::new()?;
        let deadline = self.clock.now().plus(Duration::MAX);
        let mut call = Call { stop: &stop, clock: self.clock, deadline, in_runtime: Duration::ZERO };
        self.vision.input()?.copy_from_slice(pixels);
        let features = self.vision.encode(&mut call)?;
        let mut sequence = Sequence::default();
        let seen = Seen { features, shared: None };
        let prompt: Arc<str> = prompt.into();
        let logits = self.prefill(&prompt, max_tokens, &seen, &mut sequence, &mut call)?;
        let first = self.pick(&logits, 0)?;
        let first_logits = last_row(&logits, self.vocabulary)?.into_owned();
        let mut spoken = Spoken::default();
        self.speak(first, max_tokens, &mut sequence, &mut spoken, &mut call)?;
        self.decoder.clear();
        let features = tensors::floats(&seen.features).map_err(failed)?.into_owned();
        let prompt_ids = self.prompts.build(&prompt, max_tokens)?.ids;
        Ok(Probe { prompt_ids, features, first_logits, token_ids: spoken.ids })
    }

    /// Tokens of a prompt with the picture, if it can be asked with that much room for the answer.
    ///
    /// # Errors
    /// [`PromptError`]
    pub fn check_prompt(&self, text: &str, max_tokens: usize) -> Result<usize, PromptError> {
        self.prompts.build(text, max_tokens).map(|prompt| prompt.ids.len())
    }
}

fn last_row(logits: &DynValue, vocabulary: usize) -> Result<std::borrow::Cow<'_, [f32]>, AskError> {
    let row = tensors::last_floats(logits, vocabulary).map_err(|source| AskError::Run { part: "logits", source })?;
    row.ok_or(AskError::Shape { part: "decoder", have: 0, want: vocabulary })
}

fn failed(source: ort::Error) -> AskError {
    AskError::Run { part: "host tensors", source }
}
