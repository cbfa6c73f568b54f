//! One model, loaded, on one thread: picture and questions in, words and probabilities out. All buffers and sessions are made
//! when it opens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, Stop};
use super::check::{Asker, RuledOut};
use super::decoder::Decoder;
use super::embed::Embed;
use super::encoder::{Input, Vision};
use super::known::Place;
use super::likeness::{Likeness, Nearest};
use super::load::{self, LoadError};
use super::logits::{self, Pick};
use super::placement::Placement;
use super::prepared::Kept;
use super::prompt::{PromptError, Prompts};
use super::question::{Answer, AskError, Question, Recall, Timing};
use super::sequence::Sequence;
use super::settings::Settings;
use super::tensors;
use crate::clock::{Clock, Moment};
use crate::frame::Picture;
use crate::image::{Geometry, Preprocessor};
use crate::units::Region;

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
    /// Edges of the pictures that it may be shown, in pixels, smallest first; the last is that of `picture`.
    pub edges: Vec<u32>,
    /// Threads of one operator.
    pub threads: usize,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// Where the nodes of vision, embed, decoder ran in the rehearsal.
    pub placement: [Placement; 3],
    /// Keys and values are written in place, not copied.
    pub shared_buffers: bool,
    /// What a description names is asked back where [`Question::check`] wants it.
    pub checks: bool,
    /// Things that can be asked back.
    pub things: usize,
    /// The set answers better if a question is asked turned round as well.
    pub negate: bool,
}

/// A loaded model. Not for sharing: one thread owns it (see [`super::Model`]).
pub struct Engine {
    pub(super) info: Info,
    pub(super) clock: Clock,
    pub(super) prompts: Prompts,
    /// By size of picture, as in `vision`.
    pub(super) preprocessors: Vec<Preprocessor>,
    pub(super) vision: Vision,
    pub(super) embed: Embed,
    pub(super) decoder: Decoder,
    pub(super) kept: Kept,
    /// What all prompts begin with, through the decoder.
    pub(super) prefix: Option<Sequence>,
    pub(super) stop: Vec<u32>,
    /// What is asked back.
    pub(super) asker: Asker,
    /// First tokens of yes and no.
    pub(super) yes_no: Option<(u32, u32)>,
    pub(super) hidden: usize,
    /// An earlier start has found out that it works; this one has not tried.
    pub(super) unrehearsed: bool,
    /// Where that is kept.
    pub(super) place: Option<Place>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("info", &self.info).finish_non_exhaustive()
    }
}

/// A description on its way.
#[derive(Default)]
pub(super) struct Spoken {
    pub(super) ids: Vec<u32>,
    probability: f64,
}

impl Spoken {
    /// Mean probability of its tokens; 0 if there are none.
    fn confidence(&self) -> f32 {
        if self.ids.is_empty() { 0.0 } else { (self.probability / self.ids.len() as f64) as f32 }
    }
}

/// What a question comes to, once it is known whether the picture was described before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub describe: bool,
    /// What the description names is asked back.
    pub checks: bool,
}

impl Engine {
    /// Loads the library and the set, and runs every graph once, unless an earlier start has done so ([`Self::warm_up`] makes up
    /// for it).
    ///
    /// # Errors
    /// [`LoadError`]
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, LoadError> {
        load::open(settings, clock)
    }

    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Runs every graph once if that was not done when it opened, so that the first question is not slower than others. What an
    /// earlier start has found out is forgotten if it does not hold. `stop` ends it early from another thread.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn warm_up(&mut self, stop: &Stop) -> Result<(), AskError> {
        if !std::mem::take(&mut self.unrehearsed) {
            return Ok(());
        }
        match self.rehearse(stop) {
            Ok(_) | Err(AskError::Expired) => Ok(()),
            Err(error) => {
                if let Some(place) = &self.place {
                    place.forget();
                }
                Err(error)
            }
        }
    }

    /// Looks at the picture once and answers everything that is asked about it. `stop` ends it early from another thread.
    ///
    /// # Errors
    /// [`AskError`]; the engine can be asked again after any of them.
    pub fn answer(&mut self, question: &Question, stop: &Stop) -> Result<Answer, AskError> {
        let mut call = Call::new(stop, self.clock, question.deadline);
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
        let size = self.size(&question.picture, question.view);
        self.take_in(question, size)?;
        let ready = self.clock.now();
        timing.preprocess = ready.since(began);
        self.vision.encode(size, call)?;
        timing.encode = self.clock.now().since(ready);
        let (likeness, nearest) = self.recall(question.recall.as_ref(), size)?;
        let least = question.recall.as_ref().map(|recall| recall.least);
        let recalled = nearest.zip(least).is_some_and(|(nearest, least)| nearest.cosine >= least);
        let describe = question.describe && !recalled;
        let checks = question.check && describe && self.info.checks;
        let before = self.clock.now();
        let mut head = self.look(question, Wanted { describe, checks }, size, call)?;
        timing.prefill = self.clock.now().since(before);

        let mut answer = Answer { likeness, nearest, recalled, ..Answer::default() };
        if describe {
            let before = self.clock.now();
            let mut sequence = self.prefill(&question.prompt, size, head.as_ref(), call)?;
            if checks && head.is_none() {
                head = self.beginning(&question.prompt, &sequence);
            }
            let first = self.pick(0)?;
            let after = self.clock.now();
            timing.prefill += after.since(before);
            timing.first_token = after.since(began);
            let mut spoken = Spoken::default();
            self.speak(first, question.max_tokens, &mut sequence, &mut spoken, &RuledOut::default(), call)?;
            timing.decode = self.clock.now().since(after);
            if checks {
                self.check(question, size, head.as_ref(), spoken, &mut answer, call)?;
                timing.check = self.clock.now().since(after) - timing.decode;
            } else {
                self.say_words(spoken, &mut answer)?;
                timing.detokenise = self.clock.now().since(after) - timing.decode;
            }
        }
        let before = self.clock.now();
        for ask in &question.asks {
            answer.p_yes.push(self.ask(ask, size, head.as_ref(), call)?);
        }
        timing.prefill += self.clock.now().since(before);
        self.close(&mut timing, began, call);
        answer.timing = timing;
        Ok(answer)
    }

    /// What was said, into words.
    fn say_words(&self, spoken: Spoken, answer: &mut Answer) -> Result<(), AskError> {
        answer.text = self.prompts.words(&spoken.ids)?;
        answer.confidence = spoken.confidence();
        answer.tokens = spoken.ids.len();
        answer.token_ids = spoken.ids;
        Ok(())
    }

    /// The same, after what it names was asked back.
    fn check(
        &mut self,
        question: &Question,
        size: usize,
        head: Option<&Sequence>,
        spoken: Spoken,
        answer: &mut Answer,
        call: &mut Call<'_>,
    ) -> Result<(), AskError> {
        let examined = self.examine(question, size, head, spoken, call)?;
        answer.text = examined.text;
        answer.confidence = examined.spoken.confidence().min(examined.sure);
        answer.tokens = examined.spoken.ids.len();
        answer.token_ids = examined.spoken.ids;
        answer.checked = examined.checked;
        answer.before = examined.before;
        answer.corrections = examined.corrections;
        answer.agrees = examined.agrees;
        Ok(())
    }

    fn close(&self, timing: &mut Timing, began: Moment, call: &Call<'_>) {
        let [_, embed, _] = call.in_runtime;
        timing.embed = embed;
        timing.total = self.clock.now().since(began);
        timing.host = timing.total.saturating_sub(call.in_runtime.iter().sum());
    }

    /// The picture as the vision graph wants it, into its input.
    pub(super) fn take_in(&mut self, question: &Question, size: usize) -> Result<(), AskError> {
        let (preprocessor, view, masks) = (&mut self.preprocessors[size], question.view, &question.masks);
        match self.vision.input(size)? {
            Input::F32(values) => preprocessor.run(&question.picture, view, masks, values),
            Input::F16(values) => preprocessor.run(&question.picture, view, masks, values),
        }
        Ok(())
    }

    /// The smallest size of picture that shows all there is to see in this part of it, or the largest.
    pub(super) fn size(&self, picture: &Picture, view: Region) -> usize {
        let extent = (view.w * picture.width() as f32).max(view.h * picture.height() as f32);
        let edges = &self.info.edges;
        edges.iter().position(|edge| *edge as f32 >= extent).unwrap_or(edges.len() - 1)
    }

    /// What the picture looks like, and which of the known ones it looks like.
    fn recall(&self, recall: Option<&Recall>, size: usize) -> Result<(Option<Likeness>, Option<Nearest>), AskError> {
        let Some(recall) = recall else { return Ok((None, None)) };
        let features = tensors::floats(self.vision.features(size)).map_err(failed)?;
        let likeness = Likeness::new(&features, self.hidden);
        let nearest = likeness.nearest(&recall.known);
        Ok((Some(likeness), nearest))
    }

    /// Makes ready what all that is asked has in common: texts, room, the beginning of all prompts, and, if there is a yes/no
    /// question, the picture. Then each question is only as long as its words, and its probability the same whatever else
    /// is asked; a lone description is faster in one piece.
    pub(super) fn look(
        &mut self,
        question: &Question,
        wanted: Wanted,
        size: usize,
        call: &mut Call<'_>,
    ) -> Result<Option<Sequence>, AskError> {
        let described = wanted.describe.then_some((&question.prompt, question.max_tokens));
        let back: Vec<Arc<str>> = if wanted.checks { self.asker.questions().cloned().collect() } else { Vec::new() };
        let all = question.asks.iter().chain(&back).map(|ask| (ask, 1)).chain(described);
        let alike = self.prepare(all, size, call)?;
        // Where sequences can be cut short, the description's own way to its end begins with the picture.
        let shared = !question.asks.is_empty() || (wanted.checks && !self.decoder.goes_back());
        if !shared || !alike {
            return Ok(None);
        }
        let mut sequence = self.prefix.clone().unwrap_or_default();
        let picture = self.kept.picture(size, self.vision.features(size))?;
        self.decoder.run(&picture.embeds, picture.tokens, &mut sequence, call)?;
        Ok(Some(sequence))
    }

    /// The picture at the beginning of a prefilled text, to be continued otherwise; `None` where that cannot be done.
    fn beginning(&self, text: &Arc<str>, prefilled: &Sequence) -> Option<Sequence> {
        let tail = self.kept.tail(text).filter(|_| self.decoder.goes_back() && self.prefix.is_some())?;
        Some(Sequence::beginning(prefilled.length.checked_sub(tail.tokens)?))
    }

    /// Returns whether all of the texts begin alike.
    pub(super) fn prepare<'q>(
        &mut self,
        texts: impl Iterator<Item = (&'q Arc<str>, usize)> + Clone,
        size: usize,
        call: &mut Call<'_>,
    ) -> Result<bool, AskError> {
        self.kept.make_room(texts.clone().count());
        let image_tokens = self.kept.image_tokens(size);
        let (mut longest, mut alike) = (0, true);
        for (text, max_tokens) in texts {
            let (tokens, usual) = self.kept.prepare(text, &self.prompts, &mut self.embed, call)?;
            self.prompts.fits(tokens + image_tokens, max_tokens)?;
            longest = longest.max(tokens + image_tokens + max_tokens);
            alike &= usual;
        }
        if self.decoder.reserve(longest)? {
            self.prefix = None;
        }
        if self.prefix.is_none()
            && let Some(prefix) = self.kept.prefix()
        {
            let mut sequence = Sequence::default();
            self.decoder.run(&prefix.embeds, prefix.tokens, &mut sequence, call)?;
            self.prefix = Some(sequence);
        }
        Ok(alike)
    }

    /// A prepared text about the picture through the decoder: behind `head`, which holds the picture, or with the picture.
    pub(super) fn prefill(
        &mut self,
        text: &Arc<str>,
        size: usize,
        head: Option<&Sequence>,
        call: &mut Call<'_>,
    ) -> Result<Sequence, AskError> {
        if let Some(head) = head
            && let Some(tail) = self.kept.tail(text)
        {
            let mut sequence = head.clone();
            self.decoder.run(&tail.embeds, tail.tokens, &mut sequence, call)?;
            return Ok(sequence);
        }
        let (joint, usual) = self.kept.joint(text, size, self.vision.features(size))?;
        let mut sequence = if usual { self.prefix.clone().unwrap_or_default() } else { Sequence::default() };
        if !usual {
            // It writes over what the usual ones begin with.
            self.prefix = None;
        }
        self.decoder.run(&joint.embeds, joint.tokens, &mut sequence, call)?;
        Ok(sequence)
    }

    pub(super) fn ask(
        &mut self,
        ask: &Arc<str>,
        size: usize,
        head: Option<&Sequence>,
        call: &mut Call<'_>,
    ) -> Result<f32, AskError> {
        let (yes, no) = self.yes_no.ok_or(AskError::NoYesNo)?;
        self.prefill(ask, size, head, call)?;
        logits::p_yes(self.decoder.row()?, yes, no).ok_or(AskError::NotFinite { tokens: 0 })
    }

    /// Greedy decoding from the first pick on, without what is ruled out, until a stop token or `max_tokens`.
    pub(super) fn speak(
        &mut self,
        first: Pick,
        max_tokens: usize,
        sequence: &mut Sequence,
        spoken: &mut Spoken,
        ruled_out: &RuledOut,
        call: &mut Call<'_>,
    ) -> Result<(), AskError> {
        let mut next = first;
        while spoken.ids.len() < max_tokens && !self.stop.contains(&next.id) {
            spoken.ids.push(next.id);
            spoken.probability += f64::from(next.probability);
            if spoken.ids.len() < max_tokens {
                let embedded = self.embed.one(next.id, call)?;
                self.decoder.run(embedded, 1, sequence, call)?;
                next = self.pick_without(&spoken.ids, ruled_out)?;
            }
        }
        Ok(())
    }

    /// The word after the last run.
    pub(super) fn pick(&mut self, tokens: usize) -> Result<Pick, AskError> {
        logits::pick(self.decoder.row()?).ok_or(AskError::NotFinite { tokens })
    }

    /// The same, without what is ruled out after what was said.
    pub(super) fn pick_without(&mut self, said: &[u32], ruled_out: &RuledOut) -> Result<Pick, AskError> {
        if ruled_out.is_empty() {
            return self.pick(said.len());
        }
        let not_finite = AskError::NotFinite { tokens: said.len() };
        logits::pick_without(self.decoder.row()?, &ruled_out.next(said)).ok_or(not_finite)
    }

    /// Tokens of a prompt with the picture, if it can be asked with that much room for the answer.
    ///
    /// # Errors
    /// [`PromptError`]
    pub fn check_prompt(&self, text: &str, max_tokens: usize) -> Result<usize, PromptError> {
        let tokens = self.prompts.build(text)?.len(self.kept.image_tokens(self.info.edges.len() - 1));
        self.prompts.fits(tokens, max_tokens)?;
        Ok(tokens)
    }
}

fn failed(source: ort::Error) -> AskError {
    AskError::Run { part: "host tensors", source }
}

/// Time that does not pass: for rehearsals and measurements.
pub(super) fn open_end(clock: Clock) -> Moment {
    clock.now().plus(Duration::MAX)
}
