//! One camera's lane: what waits there, what it lacks, what has to go. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::{LETTERS, PICTURES, Terms};
use crate::analyst::budget::{Allowance, Budget, Shortage, Whose};
use crate::analyst::letter::{Displaced, Letter};
use crate::clock::Moment;
use crate::event::Kind;
use crate::gate::{Outcome, Settled};
use crate::rules::Schedule;

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) queue: VecDeque<(Letter, Moment)>,
    /// Rules whose time has come, and since when. They go when nothing of the queue is left.
    pub(super) check: Option<(Letter, Moment)>,
    pub(super) schedule: Schedule,
    /// Between a start and an end.
    pub(super) running: bool,
    pub(super) terms: Terms,
    pub(super) budget: Budget,
    /// With a time of its own: the box's budget, by that time; and the time.
    pub(super) own: Option<(Budget, Moment)>,
    /// The running event has words.
    pub(super) described: bool,
    /// Looks of others that went before an update of this one, since its last.
    pub(super) passed: u32,
    /// Calls that were set aside for the look that is being worked on.
    pub(super) taken: u32,
    /// Its camera is no longer watched; once it is empty, another camera may have it.
    pub(super) left: bool,
}

pub(super) const START: Moment = Moment { mono: Duration::ZERO, wall: jiff::Timestamp::UNIX_EPOCH };

/// What an expired frame is held against.
pub(in crate::analyst) const WAITED: &str = "seconds until the model was free";

pub(super) fn short(settled: Settled, shortage: &Shortage) -> Settled {
    settled.because(shortage.what(), shortage.left, shortage.needed)
}

impl Lane {
    pub(super) fn new(terms: Terms, shared: Allowance) -> Self {
        Self {
            queue: VecDeque::new(),
            check: None,
            schedule: Schedule::new(&terms.rules),
            running: false,
            budget: Budget::new(terms.allowance),
            own: terms.own_time.then(|| (Budget::new(shared), START)),
            described: false,
            passed: 0,
            taken: 0,
            left: false,
            terms,
        }
    }

    pub(super) fn now(&self, now: Moment) -> Moment {
        self.own.as_ref().map_or(now, |(_, time)| *time)
    }

    /// Calls of the model that the first letter wants.
    pub(super) fn asks(&self) -> Option<u32> {
        match self.queue.front() {
            Some((Letter::Look { candidate, .. }, _)) => Some(self.terms.view.calls(candidate.region)),
            _ => None,
        }
    }

    pub(super) fn shortage(&self, shared: &Budget, now: Moment) -> Option<Shortage> {
        self.lacks(self.asks()?, shared, now)
    }

    /// What so many calls lack.
    pub(super) fn lacks(&self, calls: u32, shared: &Budget, now: Moment) -> Option<Shortage> {
        let shared = self.own.as_ref().map_or(shared, |(own, _)| own);
        let of_camera = self.budget.shortage(Whose::Camera, calls, now.mono);
        of_camera.or_else(|| shared.shortage(Whose::Box, calls, now.mono))
    }

    /// Sets so many calls aside for what goes now.
    pub(super) fn take(&mut self, calls: u32, shared: &mut Budget, at: Moment) {
        self.taken = calls;
        self.budget.take(calls, at.mono);
        self.own.as_mut().map_or(shared, |(own, _)| own).take(calls, at.mono);
    }

    /// When rules may be asked about one more frame.
    pub(super) fn look_due(&self, shared: &Budget) -> Duration {
        let shared = self.own.as_ref().map_or(shared, |(own, _)| own);
        self.budget.look_due().max(shared.look_due())
    }

    pub(super) fn take_look(&mut self, shared: &mut Budget, at: Moment) {
        self.taken = 0;
        self.budget.take_look(at.mono);
        self.own.as_mut().map_or(shared, |(own, _)| own).take_look(at.mono);
    }

    pub(super) fn due(&self, shared: &Budget) -> Duration {
        self.due_in(self.asks().unwrap_or_default(), shared)
    }

    /// When there is a budget for so many calls.
    pub(super) fn due_in(&self, calls: u32, shared: &Budget) -> Duration {
        let shared = self.own.as_ref().map_or(shared, |(own, _)| own);
        self.budget.due(calls).max(shared.due(calls))
    }

    pub(super) fn ends_next(&self) -> bool {
        matches!(self.queue.get(1), Some((Letter::End { .. }, _)))
    }

    pub(super) fn drop_pictures(&mut self, shared: &Budget, now: Moment, displaced: &mut Displaced) {
        let is_look = |letter: &Letter| matches!(letter, Letter::Look { .. });
        let is_update = |letter: &Letter| matches!(letter, Letter::Look { kind: Kind::Update, .. });
        while self.queue.iter().filter(|(letter, _)| is_look(letter)).count() > PICTURES {
            let update = self.queue.iter().position(|(letter, _)| is_update(letter));
            let oldest = update.or_else(|| self.queue.iter().position(|(letter, _)| is_look(letter)));
            let shortage = self.shortage(shared, self.now(now));
            let Some(at) = oldest else { return };
            let Some((letter, since)) = self.queue.remove(at) else { return };
            let Letter::Look { candidate, .. } = &letter else { return };
            let (settled, reason) = match shortage {
                Some(shortage) => {
                    (short(Settled::new(&candidate.frame, Outcome::Budget), &shortage), shortage.to_string())
                }
                None => (
                    Settled::new(&candidate.frame, Outcome::Expired),
                    "too many pictures were waiting for the model".to_owned(),
                ),
            };
            displaced.frames.push(settled);
            // The event is announced all the same.
            if let Letter::Unseen { started_at, at: seen_at, cause, region, wrong, reason, .. } =
                letter.without_picture(settled, reason)
            {
                let letter = Letter::Unseen { started_at, at: seen_at, cause, region, wrong, reason, settled: None };
                self.queue.insert(at, (letter, since));
            }
        }
    }

    pub(super) fn drop_events(&mut self, displaced: &mut Displaced) {
        while self.queue.len() > LETTERS {
            let pairs = self.queue.iter().zip(self.queue.iter().skip(1));
            let mut pairs = pairs.map(|((a, _), (b, _))| matches!((a, b), (Letter::Unseen { .. }, Letter::End { .. })));
            let Some(at) = pairs.position(|whole| whole) else { return };
            self.queue.drain(at..at + 2);
            displaced.events += 1;
        }
    }
}
