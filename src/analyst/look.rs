//! One look at a frame: what to ask, whether an earlier answer serves, what to make of the answer.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::{debug, warn};

use super::lanes::{Report, WAITED};
use super::memory::{self, Memory};
use super::story::{Said, Words};
use super::{Analyst, Ask, Camera, Listener, Teller};
use crate::event::{RuleAnswer, TimingMs, YesNo};
use crate::gate::{Candidate, Outcome, Settled};
use crate::units::Region;
use crate::vlm::{Answer, AskError, Question};

/// While the daemon stops, a question has so long: stopping as a whole has five seconds.
const LAST_QUESTION: Duration = Duration::from_millis(1500);

/// In a replay the model has all the time it needs: how fast the machine is shall not show.
const PATIENT: Duration = Duration::from_secs(600);

impl<A: Ask> Analyst<A> {
    /// Asks about a frame that has waited for so long. How it ended is told to the listener.
    pub(super) async fn look<L: Listener>(
        &mut self,
        lane: usize,
        candidate: Candidate,
        waited: Duration,
        listener: &mut L,
    ) -> (Said, Report) {
        let began = self.clock.now();
        let frame = &candidate.frame;
        let (first, second) = self.tellers[lane].camera.view.parts(candidate.region);
        let mut question = self.question(lane, &candidate, first, waited);
        question.recall = self.tellers[lane].memory.recall(frame.at);
        let mut calls = 1;
        let mut result = self.model.ask(question).await;
        if let (Ok(answer), Some(second)) = (&mut result, second)
            && !answer.recalled
        {
            calls += 1;
            let question = self.question(lane, &candidate, second, waited);
            self.surer(lane, answer, question, listener).await;
        }
        let busy = self.clock.now().since(began);
        let Teller { camera, memory, .. } = &mut self.tellers[lane];
        let settled = |outcome| Settled::new(frame, outcome);
        let (settled, said) = match result {
            Ok(answer) => {
                listener.answer(&camera.id, &answer);
                let timing = self.seed.is_none().then(|| timing(&answer, waited));
                if answer.recalled {
                    calls = 0;
                    again(&answer, timing, settled, memory)
                } else {
                    let label = self.model.label();
                    let said = remember(answer, timing, camera, label, &candidate, memory);
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
        (said, Report { calls, busy, words })
    }

    /// Asks about the other part of the picture, too, and keeps the answer that the model is surer of.
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

    fn question(&self, lane: usize, candidate: &Candidate, view: Region, waited: Duration) -> Question {
        let camera = &self.tellers[lane].camera;
        Question {
            picture: candidate.frame.picture.clone(),
            view,
            masks: camera.masks.clone(),
            prompt: camera.prompt.clone(),
            describe: true,
            recall: None,
            check: true,
            asks: camera.rules.iter().map(|rule| rule.ask.clone()).collect(),
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
fn remember(
    mut answer: Answer,
    timing: Option<TimingMs>,
    camera: &Camera,
    model: &str,
    candidate: &Candidate,
    memory: &mut Memory,
) -> Said {
    let frame = &candidate.frame;
    let nearest = answer.nearest.map(|nearest| nearest.cosine);
    debug!(
        frame = frame.seq,
        text = answer.text,
        confidence = answer.confidence,
        nearest,
        least = memory::LEAST,
        "described"
    );
    let likeness = answer.likeness.take();
    let words = words(answer, camera, model, timing);
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

fn words(answer: Answer, camera: &Camera, model: &str, timing: Option<TimingMs>) -> Words {
    let rules: BTreeMap<_, _> = camera
        .rules
        .iter()
        .zip(&answer.p_yes)
        .map(|(rule, &p)| (rule.id.clone(), RuleAnswer { answer: YesNo::from_probability(p), p }))
        .collect();
    Words { text: answer.text, confidence: answer.confidence, model: model.to_owned(), rules, timing }
}

fn timing(answer: &Answer, waited: Duration) -> TimingMs {
    let ms = |took: Duration| took.as_secs_f32() * 1000.0;
    let t = &answer.timing;
    TimingMs {
        wait: ms(waited + t.wait),
        preprocess: ms(t.preprocess),
        encode: ms(t.encode),
        prefill: ms(t.prefill),
        decode: ms(t.decode),
        total: ms(waited + t.total),
    }
}
