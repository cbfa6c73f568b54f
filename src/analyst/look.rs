//! One look at a frame: what to ask, whether an earlier answer serves, what to make of the answer.

use std::time::Duration;

use tracing::{debug, warn};

use super::lanes::{Report, WAITED};
use super::memory::{self, Memory};
use super::rulings::Ruling;
use super::story::{Said, Words};
use super::{Analyst, Ask, Listener, Teller};
use crate::event::TimingMs;
use crate::frame::Frame;
use crate::gate::{Candidate, Outcome, Settled};
use crate::rules::Places;
use crate::units::Region;
use crate::vlm::{Answer, AskError, Question};

/// While the daemon stops, a question has so long: stopping as a whole has five seconds.
const LAST_QUESTION: Duration = Duration::from_millis(1500);

/// In a replay the model has all the time it needs: how fast the machine is shall not show.
const PATIENT: Duration = Duration::from_secs(600);

/// What a look came to.
pub(super) struct Seen {
    pub(super) said: Said,
    /// Of all the camera's rules, unless the model had no answer.
    pub(super) rulings: Vec<Ruling>,
    pub(super) report: Report,
}

impl<A: Ask> Analyst<A> {
    /// Asks about a frame that has waited for so long. How it ended is told to the listener.
    pub(super) async fn look<L: Listener>(
        &mut self,
        lane: usize,
        candidate: Candidate,
        waited: Duration,
        listener: &mut L,
    ) -> Seen {
        let began = self.clock.now();
        let frame = &candidate.frame;
        let (first, second) = self.tellers[lane].camera.view.parts(candidate.region);
        let mut sheets = self.tellers[lane].rulings.sheets(Places::ALL);
        // Questions about what the description is about cost next to nothing beside it.
        let beside = sheets.first().is_some_and(|sheet| sheet.view == first && sheet.mask.is_none());
        let beside = beside.then(|| sheets.remove(0));
        let mut question = self.describe(lane, frame, first, waited);
        question.recall = self.tellers[lane].memory.recall(frame.at);
        question.asks = beside.as_ref().map(|sheet| sheet.asks.clone()).unwrap_or_default();
        let mut calls = 1;
        let mut result = self.model.ask(question).await;
        let mut rulings = Vec::new();
        if let Ok(answer) = &mut result {
            if let Some(sheet) = &beside {
                rulings = self.tellers[lane].rulings.heard(sheet, &answer.p_yes, frame.at);
            }
            if let Some(second) = second.filter(|_| !answer.recalled) {
                calls += 1;
                let question = self.describe(lane, frame, second, waited);
                self.surer(lane, answer, question, listener).await;
            }
            rulings.extend(self.fill_in(lane, frame, &sheets, waited).await);
        }
        let busy = self.clock.now().since(began);
        let Teller { camera, memory, .. } = &mut self.tellers[lane];
        let settled = |outcome| Settled::new(frame, outcome);
        let (settled, said) = match result {
            Ok(answer) => {
                listener.answer(&camera.id, &answer);
                let timing = self.seed.is_none().then(|| answer.timing.in_ms(waited));
                if answer.recalled {
                    calls = 0;
                    again(&answer, timing, settled, memory)
                } else {
                    let said = remember(answer, timing, self.model.label(), frame, memory);
                    (settled(Outcome::Described), said)
                }
            }
            Err(AskError::Expired) => {
                let (limit, took) = (self.general.deadline, waited + busy);
                debug!(frame = frame.seq, waited_ms = waited.as_millis(), "the model was not free in time");
                let settled = settled(Outcome::Expired).because(WAITED, took.as_secs_f32(), limit.as_secs_f32());
                (settled, Said::Nothing("the model was not free in time".into()))
            }
            Err(error) => {
                warn!(frame = frame.seq, %error, "no description");
                (settled(Outcome::Failed), Said::Nothing(format!("the model failed: {error}")))
            }
        };
        listener.frame(&camera.id, settled);
        let words = !matches!(said, Said::Nothing(_));
        let torn = Some((self.tellers[lane].rulings.torn(), frame.at));
        Seen { said, rulings, report: Report { calls, busy, words, torn } }
    }

    /// Words for a frame whose end was said already.
    pub(super) async fn words<L: Listener>(&mut self, lane: usize, frame: &Frame, listener: &mut L) -> Said {
        let (view, _) = self.tellers[lane].camera.view.parts(None);
        match self.model.ask(self.describe(lane, frame, view, Duration::ZERO)).await {
            Ok(answer) => {
                listener.answer(&self.tellers[lane].camera.id, &answer);
                let timing = self.seed.is_none().then(|| answer.timing.in_ms(Duration::ZERO));
                Said::Words(words(answer, self.model.label(), timing))
            }
            Err(error) => {
                warn!(frame = frame.seq, %error, "no description");
                Said::Nothing(format!("the model failed: {error}"))
            }
        }
    }

    /// Asks about the other part of the picture, too, and keeps the words that the model is surer of.
    async fn surer<L: Listener>(&self, lane: usize, answer: &mut Answer, question: Question, listener: &mut L) {
        let Ok(other) = self.model.ask(question).await else { return };
        let other = if other.confidence > answer.confidence {
            let likeness = answer.likeness.take();
            let nearest = answer.nearest;
            std::mem::replace(answer, Answer { likeness, nearest, ..other })
        } else {
            other
        };
        listener.answer(&self.tellers[lane].camera.id, &other);
    }

    fn describe(&self, lane: usize, frame: &Frame, view: Region, waited: Duration) -> Question {
        Question { describe: true, check: true, ..self.question(lane, frame, view, waited) }
    }

    /// A question about this part of the frame, with nothing asked yet.
    pub(super) fn question(&self, lane: usize, frame: &Frame, view: Region, waited: Duration) -> Question {
        let camera = &self.tellers[lane].camera;
        Question {
            picture: frame.picture.clone(),
            view,
            masks: camera.masks.clone(),
            prompt: camera.prompt.clone(),
            describe: false,
            check: false,
            recall: None,
            asks: Vec::new(),
            max_tokens: self.general.max_tokens,
            deadline: self.clock.now().plus(self.patience(waited)),
        }
    }

    /// How long a question may take. What waited long for a budget shall not have waited in vain.
    fn patience(&self, waited: Duration) -> Duration {
        let limit = self.general.deadline;
        let patience = match self.seed {
            Some(_) => PATIENT,
            None => limit.saturating_sub(waited).max(limit / 2),
        };
        if self.stopping.is_cancelled() { patience.min(LAST_QUESTION) } else { patience }
    }
}

/// An answer from the model, kept for the next picture that looks the same.
fn remember(mut answer: Answer, timing: Option<TimingMs>, model: &str, frame: &Frame, memory: &mut Memory) -> Said {
    let nearest = answer.nearest.map(|nearest| nearest.cosine);
    debug!(
        frame = frame.seq,
        text = answer.text,
        confidence = answer.confidence,
        corrected = answer.corrections > 0,
        nearest,
        least = memory::LEAST,
        "described"
    );
    let likeness = answer.likeness.take();
    let words = words(answer, model, timing);
    if let Some(likeness) = likeness.filter(|_| !words.text.is_empty()) {
        memory.keep(likeness, words.clone(), frame.at);
    }
    Said::Words(words)
}

/// An earlier answer.
fn again(
    answer: &Answer,
    timing: Option<TimingMs>,
    settled: impl Fn(Outcome) -> Settled,
    memory: &Memory,
) -> (Settled, Said) {
    let known = answer.nearest.and_then(|nearest| Some((nearest, memory.words(nearest.index)?)));
    let Some((nearest, words)) = known else {
        let reason = "the model recalled what was not there (a bug, please report it)";
        return (settled(Outcome::Failed), Said::Nothing(reason.into()));
    };
    debug!(text = words.text, cosine = nearest.cosine, least = memory::LEAST, "recalled");
    let settled = settled(Outcome::Cached).because("likeness to an earlier picture", nearest.cosine, memory::LEAST);
    (settled, Said::Again(Words { timing, ..words.clone() }))
}

/// What the model said, without the answers of rules, which are their own.
fn words(answer: Answer, model: &str, timing: Option<TimingMs>) -> Words {
    let checked = answer.checked.iter().map(|(name, p)| (name.to_string(), *p)).collect();
    let (text, confidence) = (answer.text, answer.confidence);
    Words { text, confidence, model: model.to_owned(), rules: [].into(), checked, timing }
}
