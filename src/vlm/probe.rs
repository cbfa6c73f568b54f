//! Runs of the engine that answer nobody: the rehearsal when it opens, and what lies between a tensor and an answer, for tests
//! and measurements.

use std::sync::Arc;

use half::f16;

use super::call::{Call, Stop};
use super::check::RuledOut;
use super::decoder::Keep;
use super::encoder::Input;
use super::engine::{Engine, Spoken, open_end};
use super::load::REHEARSAL;
use super::question::AskError;
use super::sequence::Sequence;
use super::tensors;

/// What lies between a tensor and an answer.
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

impl Engine {
    /// Runs a raw input tensor (3 x height x width of [`super::Info::picture`]) and shows what lies between it and the answer.
    /// No deadline.
    ///
    /// # Errors
    /// [`AskError`]
    ///
    /// # Panics
    /// If `pixels` has another size.
    pub fn probe(&mut self, pixels: &[f32], prompt: &str, max_tokens: usize) -> Result<Probe, AskError> {
        let size = self.info.edges.len() - 1;
        self.vision.input(size)?.copy_from(pixels);
        self.probe_size(size, prompt, max_tokens, &*Stop::new()?)
    }

    fn probe_size(&mut self, size: usize, prompt: &str, max_tokens: usize, stop: &Stop) -> Result<Probe, AskError> {
        let mut call = Call::new(stop, self.clock, open_end(self.clock));
        self.vision.encode(size, &mut call)?;
        let prompt: Arc<str> = prompt.into();
        self.prepare([(&prompt, max_tokens)].into_iter(), size, &mut call)?;
        let mut sequence = self.prefill(&prompt, size, None, &mut call)?;
        let first = self.pick(0)?;
        let first_logits = self.decoder.row()?.to_vec();
        let mut spoken = Spoken::default();
        self.speak(first, max_tokens, &mut sequence, &mut spoken, &RuledOut::default(), &mut call)?;
        self.decoder.clear();
        let features = tensors::floats(self.vision.features(size)).map_err(failed)?.into_owned();
        let prompt_ids = self.prompts.ids(&self.prompts.build(&prompt)?, self.kept.image_tokens(size));
        Ok(Probe { prompt_ids, features, first_logits, token_ids: spoken.ids })
    }

    /// Every size of picture once, grey, with two words of answer. Returns the tokens of the prompt at the largest.
    pub(super) fn rehearse(&mut self, stop: &Stop) -> Result<usize, AskError> {
        let mut tokens = 0;
        for size in 0..self.info.edges.len() {
            match self.vision.input(size)? {
                Input::F32(values) => values.fill(0.0),
                Input::F16(values) => values.fill(f16::ZERO),
            }
            tokens = self.probe_size(size, REHEARSAL, 2, stop)?.prompt_ids.len();
        }
        Ok(tokens)
    }

    /// Whether the decoder comes to the same in both ways of keeping its keys and values, within `same` of its largest logit. It
    /// is left as it was.
    pub(super) fn keeps_alike(&mut self, same: f32) -> Result<bool, AskError> {
        let keep = self.decoder.keep();
        self.decoder.switch(Keep::Grown)?;
        let grown = self.two_steps()?;
        self.decoder.switch(keep)?;
        // A graph that knows the operator but not the shared buffer fails here: not in the question of an event.
        let shared = match self.two_steps() {
            Ok(shared) => shared,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "keys and values in place");
                return Ok(false);
            }
        };
        let largest = grown.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
        let apart = grown.iter().zip(&shared).fold(0.0_f32, |apart, (a, b)| apart.max((a - b).abs()));
        tracing::debug!(apart, largest, "keys and values in place against copied ones");
        Ok(apart <= same * largest)
    }

    /// The logits after the beginning of all prompts, one token, and one more.
    fn two_steps(&mut self) -> Result<Vec<f32>, AskError> {
        let stop = Stop::new()?;
        let mut call = Call::new(&stop, self.clock, open_end(self.clock));
        let text: Arc<str> = REHEARSAL.into();
        self.prefix = None;
        self.prepare([(&text, 2)].into_iter(), 0, &mut call)?;
        let mut sequence: Sequence = self.prefix.take().unwrap_or_default();
        for _ in 0..2 {
            let pick = self.pick(0)?;
            let embedded = self.embed.one(pick.id, &mut call)?;
            self.decoder.run(embedded, 1, &mut sequence, &mut call)?;
        }
        let row = self.decoder.row()?.to_vec();
        self.decoder.clear();
        Ok(row)
    }
}

fn failed(source: ort::Error) -> AskError {
    AskError::Run { part: "host tensors", source }
}
