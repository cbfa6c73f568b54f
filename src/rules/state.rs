//! From answers to a state: off, on, unsure. Pure, time passed in.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Agree, Bounds, State};
use crate::clock::Moment;
use crate::event::YesNo;

/// The answers of one rule so far, and the state that follows from them.
///
/// Each answer is a vote: yes at and above `on`, no below `off`. Between them it leans to one side: one that leans to the
/// present state votes for it (hysteresis), one that leans away from it is unsure. As soon as enough of the last votes agree,
/// the state is theirs; until then it stays. A state that was on stays on for `hold` after the last yes.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    agree: Agree,
    hold: Duration,
    state: State,
    /// The newest last; never more than `agree.of`.
    votes: VecDeque<State>,
    /// What the votes have come to, which `hold` may keep back.
    verdict: State,
    last_yes: Option<Moment>,
}

/// What an answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub answer: YesNo,
    pub state: State,
    /// The rule has just turned on.
    pub turned_on: bool,
}

impl Tally {
    #[must_use]
    pub fn new(agree: Agree, hold: Duration) -> Self {
        Self { agree, hold, state: State::Unsure, votes: VecDeque::new(), verdict: State::Unsure, last_yes: None }
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// An answer about a frame that was taken at `at`. A probability that is no number is unsure.
    pub fn answer(&mut self, p: f32, bounds: Bounds, at: Moment) -> Step {
        self.tick(at);
        let answer = bounds.answer(p);
        let vote = match answer {
            YesNo::Yes => State::On,
            YesNo::No => State::Off,
            YesNo::Unsure => self.leaning(p, bounds),
        };
        if vote == State::On {
            self.last_yes = Some(at);
        }
        if self.votes.len() >= self.agree.of {
            self.votes.pop_front();
        }
        self.votes.push_back(vote);
        let agreed =
            [State::On, State::Off, State::Unsure].into_iter().find(|state| self.count(*state) >= self.agree.least);
        self.verdict = agreed.unwrap_or(self.verdict);
        let before = self.state;
        self.settle(at);
        Step { answer, state: self.state, turned_on: self.state == State::On && before != State::On }
    }

    /// Time goes on without an answer. Returns whether the state is another one.
    pub fn tick(&mut self, now: Moment) -> bool {
        let before = self.state;
        self.settle(now);
        self.state != before
    }

    /// When [`Tally::tick`] has something to do, if no answer comes before.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        let held = self.state == State::On && self.verdict != State::On;
        self.last_yes.filter(|_| held).map(|last| last.plus(self.hold))
    }

    /// The last answer says something else than the answers have come to so far: another one would help.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.votes.back().is_some_and(|last| *last != self.verdict)
    }

    fn settle(&mut self, now: Moment) {
        let held = self.state == State::On
            && self.verdict != State::On
            && self.last_yes.is_some_and(|last| now.since(last) < self.hold);
        if !held {
            self.state = self.verdict;
        }
    }

    fn leaning(&self, p: f32, bounds: Bounds) -> State {
        let middle = f32::midpoint(bounds.on, bounds.off);
        match self.state {
            State::On if p >= middle => State::On,
            State::Off if p < middle => State::Off,
            _ => State::Unsure,
        }
    }

    fn count(&self, state: State) -> usize {
        self.votes.iter().filter(|vote| **vote == state).count()
    }
}

#[cfg(test)]
mod tests;
