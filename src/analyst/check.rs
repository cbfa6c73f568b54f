//! Rules on frames that are not described for their own sake: on a schedule, and at an event's end.

use std::sync::Arc;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};
use tracing::{debug, warn};

use super::lanes::Report;
use super::rulings::{self, Ruling, Sheet};
use super::story::{Said, Sight, Words};
use super::{Analyst, Ask, Listener, Teller, Told};
use crate::event::{Cause, Kind};
use crate::frame::Frame;
use crate::gate::EndReason;
use crate::ids::RuleId;
use crate::rules::Places;
use crate::units::Polygon;
use crate::vlm::{AskError, Question};

impl<A: Ask> Analyst<A> {
    /// Asks the rules whose time has come. If an alerting one turns on, that is told, with words.
    pub(super) async fn check<L: Listener>(
        &mut self,
        lane: usize,
        frame: Frame,
        due: Places,
        waited: Duration,
        listener: &mut L,
    ) -> SmallVec<[Told; 2]> {
        let began = self.clock.now();
        let rulings = self.rule(lane, &frame, due, waited).await;
        let alert = rulings::alerts(&rulings);
        let mut told = SmallVec::new();
        let mut described = false;
        if !alert.is_empty() {
            let said = self.words(lane, &frame, listener).await;
            described = !matches!(said, Said::Nothing(_));
            told = self.alarm(lane, &frame, with_rules(said, &rulings), alert);
        }
        let busy = self.clock.now().since(began);
        let torn = Some((self.tellers[lane].rulings.torn(), frame.at));
        self.inbox.report(lane, Report { calls: u32::from(described), busy, words: described, torn });
        self.tell_rules(lane, Some(&frame), &rulings, listener);
        told
    }

    /// What all rules say of the view that an event has left behind.
    pub(super) async fn last_rulings<L: Listener>(
        &mut self,
        lane: usize,
        frame: &Frame,
        waited: Duration,
        listener: &mut L,
    ) -> Vec<Ruling> {
        let began = self.clock.now();
        let rulings = self.rule(lane, frame, Places::ALL, waited).await;
        let busy = self.clock.now().since(began);
        let torn = Some((self.tellers[lane].rulings.torn(), frame.at));
        self.inbox.report(lane, Report { calls: 0, busy, words: false, torn });
        self.tell_rules(lane, Some(frame), &rulings, listener);
        rulings
    }

    /// Asks these rules about a frame.
    async fn rule(&mut self, lane: usize, frame: &Frame, which: Places, waited: Duration) -> Vec<Ruling> {
        let sheets = self.tellers[lane].rulings.sheets(which);
        self.fill_in(lane, frame, &sheets, waited).await
    }

    /// Asks what stands on the sheets. What the model cannot answer stays as it was.
    pub(super) async fn fill_in(
        &mut self,
        lane: usize,
        frame: &Frame,
        sheets: &[Sheet],
        waited: Duration,
    ) -> Vec<Ruling> {
        let mut all = Vec::new();
        for sheet in sheets {
            let mut question = self.question(lane, frame, sheet.view, waited);
            question.asks.clone_from(&sheet.asks);
            question.masks = masks(&question, sheet.mask.as_ref());
            match self.model.ask(question).await {
                Ok(answer) => {
                    self.tellers[lane].unruled = None;
                    all.extend(self.tellers[lane].rulings.heard(sheet, &answer.p_yes, frame.at));
                }
                Err(error) => self.tellers[lane].not_ruled(&error, frame),
            }
        }
        all
    }

    /// A rule has turned on: an update of what goes on, or, if nothing does, an event of its own.
    fn alarm(&mut self, lane: usize, frame: &Frame, said: Said, alert: Vec<RuleId>) -> SmallVec<[Told; 2]> {
        let teller = &mut self.tellers[lane];
        let running = teller.story.running_since();
        let (kind, started_at) = running.map_or((Kind::Start, frame.at), |since| (Kind::Update, since));
        let cause = Cause::Rule;
        let sight = Sight { kind, cause, started_at, at: frame.at, region: None, wrong: None };
        let random = teller.random.u128(..);
        let mut event = teller.story.tell(sight, said, random);
        event.alert = alert;
        let mut told: SmallVec<[Told; 2]> = smallvec![Told { event, frame: Some(frame.clone()) }];
        if running.is_none() {
            let end = teller.story.end(started_at, frame.at, EndReason::Quiet, random);
            told.push(Told { event: end, frame: None });
        }
        told
    }

    /// What the rules have come to, for whoever listens.
    pub(super) fn tell_rules<L: Listener>(
        &self,
        lane: usize,
        frame: Option<&Frame>,
        rulings: &[Ruling],
        listener: &mut L,
    ) {
        let teller = &self.tellers[lane];
        if let Some(frame) = frame {
            rulings.iter().for_each(|ruling| listener.ruled(&teller.camera.id, frame, ruling));
        }
        listener.rules(&teller.camera.id, teller.rulings.now());
    }
}

impl Teller {
    /// Rules were not answered: said once as long as it is for the same reason.
    fn not_ruled(&mut self, error: &AskError, frame: &Frame) {
        let why = error.to_string();
        if self.unruled.as_ref() == Some(&why) {
            debug!(frame = frame.seq, why, "rules were not answered");
        } else {
            warn!(frame = frame.seq, why, "rules were not answered; they stay as they are");
            self.unruled = Some(why);
        }
    }
}

/// The words with what the rules say about the same frame.
pub(super) fn with_rules(said: Said, rulings: &[Ruling]) -> Said {
    let add = |mut words: Words| {
        words.rules = rulings::answers(rulings);
        words
    };
    match said {
        Said::Words(words) => Said::Words(add(words)),
        Said::Again(words) => Said::Again(add(words)),
        Said::Nothing(reason) => Said::Nothing(reason),
    }
}

fn masks(question: &Question, more: Option<&Polygon>) -> Arc<[Polygon]> {
    match more {
        Some(more) => question.masks.iter().chain([more]).cloned().collect(),
        None => Arc::clone(&question.masks),
    }
}
