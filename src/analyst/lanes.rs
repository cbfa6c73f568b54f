//! What waits for the analyst: one lane per camera, served in turns as far as the budgets allow. Pure, time passed in.
//!
//! A letter that costs nothing goes when its turn comes. A look waits for both budgets, and goes without words after too long.

mod lane;

use std::time::Duration;

use self::lane::Lane;
pub(super) use self::lane::WAITED;
use self::lane::{START, short};
use super::budget::{Allowance, Budget};
use super::letter::{Delivery, Displaced, Letter};
use super::view::View;
use crate::clock::Moment;
use crate::event::Kind;
use crate::frame::Frame;
use crate::gate::{Outcome, Settled, Signal};
use crate::rules::{Places, Rule};

/// Pictures that may wait per camera. Each holds a decoder's buffer, so it is few.
pub(super) const PICTURES: usize = 4;

/// Letters that may wait per camera; without a picture one is some hundred bytes.
pub(super) const LETTERS: usize = 64;

/// An update of an event with words lets others without any go first, but not more often than this.
const PATIENCE: u32 = 3;

/// How one camera is served.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) rules: Vec<Rule>,
    pub(super) allowance: Allowance,
    pub(super) view: View,
    /// Its time is what [`Lanes::advance`] said last. Such a camera has the box's budget for itself, and its share of time
    /// does not count: how it fares depends neither on the machine nor on the other clips.
    pub(super) own_time: bool,
}

/// What became of rules whose time had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// None of them had.
    Nothing,
    /// They will be asked.
    Waits,
    /// They will be asked about this frame, not about the one before it.
    Instead,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    /// Calls of the model with words, of those that were set aside.
    pub(super) calls: u32,
    pub(super) busy: Duration,
    /// The event has words now.
    pub(super) words: bool,
    /// Rules whose answers are at odds, and when the frame was taken that was looked at.
    pub(super) torn: Option<(Places, Moment)>,
}

#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Of the cameras without a time of their own.
    shared: Budget,
    /// The longest that anything waits.
    deadline: Duration,
    /// Whose turn it is.
    next: usize,
    /// No more letters will come.
    pub(super) closed: bool,
}

/// What is to become of a lane's first letter.
#[derive(Debug, Clone, PartialEq)]
enum Fate {
    /// It goes; what has no words yet first.
    Goes { first: bool },
    /// It waited too long, or for nothing, and goes without its picture.
    Spent(Settled, String),
    /// Not before this time of its lane.
    Waits(Duration),
}

impl Lanes {
    pub(super) fn new(terms: impl IntoIterator<Item = Terms>, shared: Allowance, deadline: Duration) -> Self {
        let lanes = terms.into_iter().map(|terms| Lane::new(terms, shared)).collect();
        Self { lanes, shared: Budget::new(shared), deadline, next: 0, closed: false }
    }

    /// What holds for all of them, from now on.
    pub(super) fn set_general(&mut self, shared: Allowance, deadline: Duration) {
        self.shared = Budget::new(shared);
        self.deadline = deadline;
        for (own, _) in self.lanes.iter_mut().filter_map(|lane| lane.own.as_mut()) {
            *own = Budget::new(shared);
        }
    }

    /// A lane for one more camera: one that was left and is empty (and not `busy`), or a new one.
    pub(super) fn enter(&mut self, terms: Terms, shared: Allowance, busy: Option<usize>) -> usize {
        let lane = Lane::new(terms, shared);
        let free = |(index, lane): (usize, &Lane)| lane.left && lane.queue.is_empty() && busy != Some(index);
        match self.lanes.iter().enumerate().position(free) {
            Some(index) => {
                self.lanes[index] = lane;
                index
            }
            None => {
                self.lanes.push(lane);
                self.lanes.len() - 1
            }
        }
    }

    /// The same camera on other terms; what waits stays. A camera that had left is back.
    pub(super) fn change(&mut self, index: usize, terms: Terms, shared: Allowance) {
        let lane = &mut self.lanes[index];
        if lane.terms.own_time != terms.own_time {
            lane.own = terms.own_time.then(|| (Budget::new(shared), START));
        }
        if lane.terms.allowance != terms.allowance {
            lane.budget = Budget::new(terms.allowance);
        }
        if lane.terms.rules != terms.rules {
            lane.check = None;
            lane.schedule.renew(&terms.rules);
        }
        (lane.terms, lane.left) = (terms, false);
    }

    /// No more letters will come from this camera.
    pub(super) fn leave(&mut self, lane: usize) {
        let lane = &mut self.lanes[lane];
        (lane.left, lane.check) = (true, None);
    }

    /// The time of a lane that has its own.
    pub(super) fn advance(&mut self, lane: usize, at: Moment) {
        if let Some((_, time)) = &mut self.lanes[lane].own {
            *time = (*time).max(at);
        }
    }

    pub(super) fn push(&mut self, lane: usize, signal: Signal, now: Moment) -> Displaced {
        self.advance(lane, now);
        let mut displaced = Displaced::default();
        let shared = &self.shared;
        let lane = &mut self.lanes[lane];
        // What was still to be asked is asked about this frame, or of no interest any more.
        lane.check = None;
        match &signal {
            Signal::Start(candidate) | Signal::Update(candidate) => {
                lane.running = true;
                lane.schedule.asked(candidate.frame.at);
            }
            Signal::End { .. } => lane.running = false,
        }
        match signal {
            Signal::Start(candidate) => lane.queue.push_back((Letter::Look { kind: Kind::Start, candidate }, now)),
            Signal::Update(candidate) => {
                // A newer picture of the same event is worth more than one that still waits.
                let renewed = match lane.queue.back_mut() {
                    Some((letter, _)) => letter.renew(candidate),
                    None => Err(candidate.into()),
                };
                match renewed {
                    Ok(replaced) => displaced.frames.extend(replaced),
                    Err(candidate) => {
                        lane.queue.push_back((Letter::Look { kind: Kind::Update, candidate: *candidate }, now));
                    }
                }
            }
            Signal::End { started_at, ended_at, reason, frame } => {
                // What was left of the view by an earlier event says nothing any more.
                for (letter, _) in &mut lane.queue {
                    if let Letter::End { frame, .. } = letter {
                        *frame = None;
                    }
                }
                let frame = frame.filter(|_| !lane.terms.rules.is_empty());
                lane.queue.push_back((Letter::End { started_at, ended_at, reason, frame }, now));
            }
        }
        lane.drop_pictures(shared, now, &mut displaced);
        lane.drop_events(&mut displaced);
        displaced
    }

    /// A frame that the gate has looked at: the rules whose time has come are to be asked about it. What still waits to be
    /// asked is asked about the newer frame. Returns how that went.
    pub(super) fn offer(&mut self, lane: usize, frame: &Frame, now: Moment) -> Offered {
        self.advance(lane, now);
        let lane = &mut self.lanes[lane];
        let due = lane.schedule.take(frame.at, lane.running);
        if due.is_empty() {
            return Offered::Nothing;
        }
        let before = lane.check.take();
        let waited = match &before {
            Some((Letter::Check { due, .. }, _)) => *due,
            _ => Places::default(),
        };
        lane.check = Some((Letter::Check { frame: frame.clone(), due: due.and(waited) }, now));
        if before.is_some() { Offered::Instead } else { Offered::Waits }
    }

    /// The next letter that may go, if any.
    pub(super) fn pop(&mut self, now: Moment) -> Option<Delivery> {
        // A camera may come later: with none there is nothing.
        let count = self.lanes.len();
        let order = (0..count).map(|step| (self.next + step) % count);
        let fates: Vec<_> = order.filter_map(|lane| Some((lane, self.fate(lane, now)?))).collect();
        let goes = |wanted: bool| {
            fates.iter().find(|(_, fate)| match fate {
                Fate::Goes { first } => *first == wanted,
                Fate::Spent(..) => wanted,
                Fate::Waits(_) => false,
            })
        };
        let Some((lane, fate)) = goes(true).or_else(|| goes(false)) else {
            if let Some(check) = self.pop_check(now) {
                return Some(check);
            }
            return self.run_on().then(|| self.pop(now)).flatten();
        };
        let (chosen, fate) = (*lane, fate.clone());
        let is_look = self.lanes[chosen].asks().is_some() && matches!(fate, Fate::Goes { .. });
        for (lane, other) in &fates {
            if is_look && *lane != chosen && matches!(other, Fate::Goes { first: false }) {
                self.lanes[*lane].passed += 1;
            }
        }
        self.next = (chosen + 1) % count;
        self.give_out(chosen, fate, now)
    }

    /// Rules are asked when there is nothing else to do, as far as there is a budget.
    fn pop_check(&mut self, now: Moment) -> Option<Delivery> {
        let count = self.lanes.len();
        let index = (0..count).map(|step| (self.next + step) % count).find(|lane| self.may_check(*lane, now))?;
        self.next = (index + 1) % count;
        let lane = &mut self.lanes[index];
        let at = lane.now(now);
        let (letter, since) = lane.check.take()?;
        lane.take_look(&mut self.shared, at);
        Some(Delivery { lane: index, letter, waited: at.since(since) })
    }

    fn may_check(&self, index: usize, now: Moment) -> bool {
        let lane = &self.lanes[index];
        lane.queue.is_empty() && lane.check.is_some() && lane.look_due(&self.shared) <= lane.now(now).mono
    }

    /// Whether a letter of this camera may go now.
    pub(super) fn is_ready(&self, lane: usize, now: Moment) -> bool {
        matches!(self.fate(lane, now), Some(Fate::Goes { .. } | Fate::Spent(..))) || self.may_check(lane, now)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.queue.is_empty())
    }

    /// When the next letter may go that may not go now; for the lanes without a time of their own.
    pub(super) fn due(&self, now: Moment) -> Option<Duration> {
        let shared = (0..self.lanes.len()).filter(|lane| self.lanes[*lane].own.is_none());
        let waits = shared.filter_map(|index| match self.fate(index, now) {
            Some(Fate::Waits(until)) => Some(until),
            Some(_) => None,
            None => self.lanes[index].check.is_some().then(|| self.lanes[index].look_due(&self.shared)),
        });
        waits.min()
    }

    /// What the last look of this camera came to.
    pub(super) fn report(&mut self, lane: usize, report: Report, now: Moment) {
        let lane = &mut self.lanes[lane];
        let (back, more) = (lane.taken.saturating_sub(report.calls), report.calls.saturating_sub(lane.taken));
        if more > 0 {
            let at = lane.now(now);
            lane.take(more, &mut self.shared, at);
        }
        lane.taken = 0;
        lane.described |= report.words;
        if let Some((torn, at)) = report.torn {
            lane.schedule.torn(torn, at);
        }
        lane.budget.give_back(back);
        match &mut lane.own {
            Some((own, _)) => own.give_back(back),
            None => {
                self.shared.give_back(back);
                self.shared.charge(report.busy, now.mono);
                lane.budget.charge(report.busy, now.mono);
            }
        }
    }

    /// The model was busy so long for somebody who is not held back by any budget.
    pub(super) fn charge(&mut self, lane: usize, busy: Duration, now: Moment) {
        let lane = &mut self.lanes[lane];
        if lane.own.is_none() {
            self.shared.charge_burst(busy, now.mono);
            lane.budget.charge_burst(busy, now.mono);
        }
    }

    fn fate(&self, index: usize, now: Moment) -> Option<Fate> {
        let lane = &self.lanes[index];
        let (letter, since) = lane.queue.front()?;
        let Letter::Look { kind, candidate } = letter else { return Some(Fate::Goes { first: true }) };
        let now = lane.now(now);
        let late = now.since(*since) >= self.deadline;
        let Some(shortage) = lane.shortage(&self.shared, now) else {
            // A clip with its own time waits for the model as long as it takes.
            if late && lane.own.is_none() {
                let took = now.since(*since).as_secs_f32();
                let settled = Settled::new(&candidate.frame, Outcome::Expired);
                let because = settled.because(WAITED, took, self.deadline.as_secs_f32());
                return Some(Fate::Spent(because, "the model was not free in time".into()));
            }
            let first = !lane.described || *kind == Kind::Start || lane.passed >= PATIENCE;
            return Some(Fate::Goes { first });
        };
        // Whoever hears of an event's end has not waited for more words than there are already.
        let over = *kind == Kind::Update && lane.described && lane.ends_next();
        if late || over || (self.closed && lane.own.is_none()) {
            return Some(Fate::Spent(
                short(Settled::new(&candidate.frame, Outcome::Budget), &shortage),
                shortage.to_string(),
            ));
        }
        Some(Fate::Waits(lane.due(&self.shared).min(since.plus(self.deadline).mono)))
    }

    fn give_out(&mut self, index: usize, fate: Fate, now: Moment) -> Option<Delivery> {
        let calls = self.lanes[index].asks();
        let lane = &mut self.lanes[index];
        let at = lane.now(now);
        let (letter, since) = lane.queue.pop_front()?;
        let letter = match fate {
            Fate::Spent(settled, reason) => letter.without_picture(settled, reason),
            _ => letter,
        };
        match &letter {
            Letter::Look { kind, .. } => {
                if *kind == Kind::Start {
                    lane.described = false;
                } else {
                    lane.passed = 0;
                }
                lane.take(calls.unwrap_or_default(), &mut self.shared, at);
            }
            // Whoever was told that something is there hears that it is gone, whatever is left of the budget.
            Letter::End { frame: Some(_), .. } => {
                lane.described = false;
                lane.take_look(&mut self.shared, at);
            }
            Letter::Unseen { .. } | Letter::End { .. } => lane.described = false,
            Letter::Skipped(_) | Letter::Check { .. } => {}
        }
        Some(Delivery { lane: index, letter, waited: at.since(since) })
    }

    /// After the last frame, the time of clips goes on as far as their letters need it. Returns whether there was need.
    fn run_on(&mut self) -> bool {
        let mut moved = false;
        for index in 0..self.lanes.len() {
            let Some((_, time)) = self.lanes[index].own.as_ref().filter(|_| self.closed) else { continue };
            let time = *time;
            if let Some(Fate::Waits(until)) = self.fate(index, time) {
                let later = time.plus(until.saturating_sub(time.mono));
                moved |= later > time;
                self.advance(index, later);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests;
