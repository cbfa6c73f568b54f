//! What may be asked of the model, and when: so many calls per time and a share of the time, per camera and for the box.
//! Pure, in whole nanoseconds: whether something may go out does not depend on how often somebody looked.

use std::fmt;
use std::time::Duration;

use crate::units::Rate;

/// A burst may be as large as what comes in so long, ...
const BURST: Duration = Duration::from_secs(15);
/// ... and is never less calls than this.
const LEAST_BURST: f64 = 2.0;

/// A look that is only for rules costs about so much less than one with words. They have as many calls again for themselves, and
/// share the model's time: neither rules nor words starve.
const LOOKS: u32 = 3;

/// What is allowed: of one camera or of the box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// Calls of the model.
    pub calls: Rate,
    /// Share of the time that the model may be busy, 0 to 1; 1: all of it.
    pub share: f32,
}

/// What is there of an [`Allowance`]. Full at first.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    allowance: Allowance,
    calls: Bucket,
    /// Looks that are only for rules.
    looks: Bucket,
    /// `None`: the model may be busy all the time.
    time: Option<Bucket>,
    /// Time between two calls, and time that pays for a second of the model's.
    per_call: Duration,
    per_look: Duration,
    per_second: f64,
}

/// Whose budget holds something up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Camera,
    Box,
}

/// A budget that holds something up: what is left of it, what it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shortage {
    pub(super) whose: Whose,
    limit: Limit,
    pub(super) left: f32,
    pub(super) needed: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Calls(Rate),
    Share(f32),
}

impl Shortage {
    /// What `left` and `needed` count.
    pub(super) fn what(&self) -> &'static str {
        match (self.whose, self.limit) {
            (Whose::Camera, Limit::Calls(_)) => "descriptions left in the camera's budget",
            (Whose::Box, Limit::Calls(_)) => "descriptions left in the model's budget",
            (Whose::Camera, Limit::Share(_)) => "seconds of the model left in the camera's share",
            (Whose::Box, Limit::Share(_)) => "seconds of the model left in its share",
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.whose {
            Whose::Camera => "this camera",
            Whose::Box => "the model",
        };
        match self.limit {
            Limit::Calls(rate) => write!(f, "the budget of {whose} ({rate}) was used up"),
            Limit::Share(share) => write!(f, "the share of time of {whose} ({} %) was used up", share * 100.0),
        }
    }
}

impl Budget {
    pub(super) fn new(allowance: Allowance) -> Self {
        let Allowance { calls, share } = allowance;
        // A rate so low that nothing fits: once in the longest time there is.
        let per_call = Duration::try_from_secs_f64(1.0 / calls.per_second()).unwrap_or(Duration::MAX / 1024);
        let burst = (calls.per_second() * BURST.as_secs_f64()).max(LEAST_BURST);
        let slack = Duration::try_from_secs_f64(per_call.as_secs_f64() * (burst - 1.0)).unwrap_or(per_call);
        Self {
            allowance,
            calls: Bucket { slack, paid: Duration::ZERO },
            looks: Bucket { slack: slack + per_call - per_call / LOOKS, paid: Duration::ZERO },
            time: (share < 1.0).then_some(Bucket { slack: BURST, paid: Duration::ZERO }),
            per_look: per_call / LOOKS,
            per_call,
            per_second: 1.0 / f64::from(share),
        }
    }

    /// From when on so many calls may go out.
    pub(super) fn due(&self, calls: u32) -> Duration {
        let more = self.per_call.saturating_mul(calls.saturating_sub(1));
        let time = self.time.as_ref().map_or(Duration::ZERO, Bucket::due);
        (self.calls.due() + more).max(time)
    }

    /// From when on rules may be asked about one more frame.
    pub(super) fn look_due(&self) -> Duration {
        let time = self.time.as_ref().map_or(Duration::ZERO, Bucket::due);
        self.looks.due().max(time)
    }

    pub(super) fn take_look(&mut self, now: Duration) {
        self.looks.spend(self.per_look, now);
    }

    /// Why so many calls may not go out now; `None` if they may.
    pub(super) fn shortage(&self, whose: Whose, calls: u32, now: Duration) -> Option<Shortage> {
        if self.due(calls) <= now {
            return None;
        }
        let more = self.per_call.saturating_mul(calls.saturating_sub(1));
        if self.calls.due() + more > now {
            let left = 1.0 + self.calls.balance(now) / self.per_call.as_secs_f64();
            let limit = Limit::Calls(self.allowance.calls);
            return Some(Shortage { whose, limit, left: left as f32, needed: calls as f32 });
        }
        let left = self.time.as_ref().map_or(0.0, |time| time.balance(now) / self.per_second);
        Some(Shortage { whose, limit: Limit::Share(self.allowance.share), left: left as f32, needed: 0.0 })
    }

    pub(super) fn take(&mut self, calls: u32, now: Duration) {
        self.calls.spend(self.per_call.saturating_mul(calls), now);
    }

    /// Calls that were not made after all.
    pub(super) fn give_back(&mut self, calls: u32) {
        self.calls.paid = self.calls.paid.saturating_sub(self.per_call.saturating_mul(calls));
    }

    /// The model was busy so long.
    pub(super) fn charge(&mut self, busy: Duration, now: Duration) {
        if let Some(time) = &mut self.time {
            let cost = Duration::try_from_secs_f64(busy.as_secs_f64() * self.per_second).unwrap_or(BURST);
            time.spend(cost, now);
        }
    }

    /// The same for what nobody holds back (questions from outside): it takes what is left of the burst and no more, so that
    /// however much is asked, descriptions keep the share that comes in.
    pub(super) fn charge_burst(&mut self, busy: Duration, now: Duration) {
        let Some(time) = &self.time else { return };
        let (paid, full) = (time.paid, now.saturating_add(time.slack));
        self.charge(busy, now);
        if let Some(time) = &mut self.time {
            time.paid = time.paid.min(full.max(paid));
        }
    }
}

/// A token bucket as the time until which everything that was spent is paid off.
#[derive(Debug, Clone)]
struct Bucket {
    /// How far ahead of now that may be for one more to go out.
    slack: Duration,
    paid: Duration,
}

impl Bucket {
    fn due(&self) -> Duration {
        self.paid.saturating_sub(self.slack)
    }

    /// Seconds between now and the time that it was due; negative before it is.
    fn balance(&self, now: Duration) -> f64 {
        now.as_secs_f64() - (self.paid.max(now).as_secs_f64() - self.slack.as_secs_f64())
    }

    fn spend(&mut self, cost: Duration, now: Duration) {
        self.paid = self.paid.max(now).saturating_add(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn budget(per_minute: f64, share: f32) -> Budget {
        Budget::new(Allowance { calls: Rate { count: per_minute, per: seconds(60) }, share })
    }

    /// How many calls go out if somebody always wants one.
    fn greedy(budget: &mut Budget, until: Duration) -> u32 {
        let (mut now, mut calls) = (Duration::ZERO, 0);
        loop {
            now = now.max(budget.due(1));
            if now > until {
                return calls;
            }
            budget.take(1, now);
            calls += 1;
        }
    }

    #[test]
    fn a_quarter_of_a_minute_at_once_then_the_rate() {
        assert_eq!(greedy(&mut budget(12.0, 1.0), Duration::ZERO), 3);
        // The burst, and one every five seconds.
        assert_eq!(greedy(&mut budget(12.0, 1.0), seconds(600)), 3 + 120);
        // However small the rate, two go at once: a view of both asks twice.
        let mut rare = Budget::new(Allowance { calls: Rate { count: 1.0, per: seconds(3600) }, share: 1.0 });
        assert_eq!(greedy(&mut rare, seconds(3599)), 2);
        assert_eq!(rare.due(1), seconds(3600));
    }

    #[test]
    fn an_idle_budget_does_not_grow_beyond_its_burst() {
        let mut budget = budget(12.0, 1.0);
        for _ in 0..3 {
            assert!(budget.shortage(Whose::Camera, 1, seconds(1000)).is_none());
            budget.take(1, seconds(1000));
        }
        assert_eq!(budget.due(1), seconds(1005));
        assert_eq!(budget.due(2), seconds(1010));
    }

    #[test]
    fn rules_have_three_looks_for_a_call_and_share_the_time() {
        let mut budget = budget(12.0, 0.5);
        (0..9).for_each(|_| {
            assert_eq!(budget.look_due(), Duration::ZERO);
            budget.take_look(Duration::ZERO);
        });
        assert!(budget.look_due() > Duration::ZERO && budget.look_due() <= seconds(2), "{:?}", budget.look_due());
        // Words are not held up by that, but by the time that rules take, they are.
        assert_eq!(budget.due(1), Duration::ZERO);
        budget.charge(seconds(10), Duration::ZERO);
        assert_eq!((budget.due(1), budget.look_due()), (seconds(5), seconds(5)));
    }

    #[test]
    fn what_is_given_back_can_be_taken() {
        let mut budget = budget(12.0, 1.0);
        (0..3).for_each(|_| budget.take(1, seconds(10)));
        assert_eq!(budget.due(1), seconds(15));
        budget.give_back(1);
        assert_eq!(budget.due(1), seconds(10));
    }

    #[test]
    fn a_share_of_the_time_is_paid_afterwards() {
        let mut budget = budget(600.0, 0.25);
        // Four seconds of the model want sixteen; fifteen may be owed.
        budget.charge(seconds(4), seconds(100));
        assert_eq!(budget.due(1), seconds(101));
        let shortage = budget.shortage(Whose::Box, 1, seconds(100)).unwrap();
        assert_eq!(shortage.to_string(), "the share of time of the model (25 %) was used up");
        assert!((shortage.left + 0.25).abs() < 1e-5 && shortage.needed == 0.0, "{shortage:?}");
        assert!(budget.shortage(Whose::Box, 1, seconds(101)).is_none());
    }

    #[test]
    fn what_nobody_holds_back_takes_the_burst_and_no_more() {
        let mut budget = budget(600.0, 0.25);
        budget.charge_burst(seconds(2), seconds(100));
        // Eight seconds' worth of fifteen; a description of four seconds makes it sixteen more.
        assert_eq!(budget.due(1), seconds(93));
        for _ in 0..1000 {
            budget.charge_burst(seconds(4), seconds(100));
        }
        assert_eq!(budget.due(1), seconds(100));
        budget.charge(seconds(4), seconds(100));
        assert_eq!(budget.due(1), seconds(116));
        // What descriptions owe is not taken back.
        budget.charge_burst(seconds(4), seconds(101));
        assert_eq!(budget.due(1), seconds(116));
    }

    #[test]
    fn a_shortage_says_what_is_left() {
        let mut budget = budget(12.0, 1.0);
        (0..3).for_each(|_| budget.take(1, seconds(10)));
        let shortage = budget.shortage(Whose::Camera, 1, seconds(12)).unwrap();
        assert_eq!(shortage.to_string(), "the budget of this camera (12/min) was used up");
        assert_eq!(shortage.what(), "descriptions left in the camera's budget");
        assert!((shortage.left - 0.4).abs() < 1e-5, "{shortage:?}");
    }
}
