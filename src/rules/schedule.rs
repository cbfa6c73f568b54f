//! When rules are asked besides an event's own messages. Pure, time passed in.

use std::time::Duration;

use super::{Rule, When};
use crate::clock::Moment;

/// Some of a camera's rules, by their places in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Places(u32);

impl Places {
    /// So many rules a camera may have.
    pub const MOST: usize = u32::BITS as usize;
    pub const ALL: Self = Self(u32::MAX);

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn has(self, place: usize) -> bool {
        place < Self::MOST && self.0 & (1 << place) != 0
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn put(&mut self, place: usize) {
        if place < Self::MOST {
            self.0 |= 1 << place;
        }
    }
}

/// An answer that is at odds with those before it is asked for again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// The rules of one camera whose time comes.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    rules: Vec<Entry>,
    /// How many answers each rule looks back at.
    of: Vec<usize>,
    torn: Vec<Torn>,
}

/// A rule whose answers are at odds.
#[derive(Debug, Clone, PartialEq)]
struct Torn {
    place: usize,
    last: Moment,
    /// So often it is asked again on that account.
    left: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    place: usize,
    every: Duration,
    /// When nothing goes on, too.
    always: bool,
    /// When it was asked last.
    last: Option<Moment>,
}

impl Schedule {
    #[must_use]
    pub fn new(rules: &[Rule]) -> Self {
        let entry = |(place, rule): (usize, &Rule)| {
            let (every, always) = match rule.when {
                When::Event => return None,
                When::During(every) => (every, false),
                When::Always(every) => (every, true),
            };
            Some(Entry { place, every, always, last: None })
        };
        Self {
            rules: rules.iter().enumerate().filter_map(entry).collect(),
            of: rules.iter().map(|rule| rule.agree.of).collect(),
            torn: Vec::new(),
        }
    }

    /// The rules to ask about a frame that was taken at `at`; they count as asked. `running`: an event goes on.
    pub fn take(&mut self, at: Moment, running: bool) -> Places {
        let mut due = Places::default();
        for entry in self.rules.iter_mut().filter(|entry| entry.always || running) {
            // A clip that starts again goes back in time.
            let is_due = entry.last.is_none_or(|last| at.since(last) >= entry.every || at < last);
            if is_due {
                entry.last = Some(at);
                due.put(entry.place);
            }
        }
        for torn in self.torn.iter_mut().filter(|torn| torn.left > 0) {
            if at.since(torn.last) >= AGAIN || at < torn.last {
                (torn.last, torn.left) = (at, torn.left - 1);
                due.put(torn.place);
            }
        }
        due
    }

    /// Other rules; those that stay as they were are asked when they would have been.
    pub fn renew(&mut self, rules: &[Rule]) {
        let before = std::mem::replace(self, Self::new(rules));
        for entry in &mut self.rules {
            let same = |was: &&Entry| (was.place, was.every, was.always) == (entry.place, entry.every, entry.always);
            entry.last = before.rules.iter().find(same).and_then(|was| was.last);
        }
    }

    /// The rules whose last answers, about a frame of this time, are at odds with those before. Each is asked again a second
    /// later, as often as it looks back: so that what takes several answers need not wait for several events.
    pub fn torn(&mut self, places: Places, at: Moment) {
        self.torn.retain(|torn| places.has(torn.place));
        for (place, of) in self.of.iter().enumerate().filter(|(place, _)| places.has(*place)) {
            if !self.torn.iter().any(|torn| torn.place == place) {
                self.torn.push(Torn { place, last: at, left: *of });
            }
        }
    }

    /// All of them were asked about a frame of this time, as rules of a described frame are.
    pub fn asked(&mut self, at: Moment) {
        self.rules.iter_mut().for_each(|entry| entry.last = Some(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RuleId;

    fn at(seconds: u64) -> Moment {
        Moment { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::from_second(seconds as i64).unwrap() }
    }

    fn rules(when: &[When]) -> Vec<Rule> {
        let rule = |(n, when): (usize, &When)| Rule {
            when: *when,
            ..Rule::new(RuleId::new(&format!("r{n}")).unwrap(), "Is it?")
        };
        when.iter().enumerate().map(rule).collect()
    }

    #[test]
    fn each_is_asked_when_its_time_has_come() {
        let ten = Duration::from_secs(10);
        let mut schedule = Schedule::new(&rules(&[When::Event, When::During(ten), When::Always(ten * 2)]));
        let asked = |due: Places| (0..3).filter(|place| due.has(*place)).collect::<Vec<usize>>();
        assert_eq!(asked(schedule.take(at(0), false)), [2]);
        assert_eq!(asked(schedule.take(at(19), false)), Vec::<usize>::new());
        // An event begins and has all of them asked; then its own come every ten seconds.
        schedule.asked(at(20));
        assert_eq!(asked(schedule.take(at(29), true)), Vec::<usize>::new());
        assert_eq!(asked(schedule.take(at(30), true)), [1]);
        assert_eq!(asked(schedule.take(at(41), true)), [1, 2]);
        assert_eq!(asked(schedule.take(at(60), false)), Vec::<usize>::new());
        assert_eq!(asked(schedule.take(at(61), false)), [2]);
        // The clip starts again.
        assert_eq!(asked(schedule.take(at(1), true)), [1, 2]);
    }

    #[test]
    fn answers_at_odds_are_asked_for_again_and_not_for_ever() {
        let agree = crate::rules::Agree { least: 2, of: 3 };
        let rule = Rule { agree, ..rules(&[When::Event]).remove(0) };
        let mut schedule = Schedule::new(&[rule]);
        let (torn, none) = (Places(1), Places::default());
        assert_eq!(schedule.take(at(1), true), none);
        schedule.torn(torn, at(1));
        assert_eq!((schedule.take(at(1), true), schedule.take(at(2), true)), (none, torn));
        // Settled: no more of it. Torn anew: as often as it looks back.
        schedule.torn(none, at(2));
        assert_eq!(schedule.take(at(9), false), none);
        schedule.torn(torn, at(10));
        let asked = (11..30).filter(|second| {
            let due = schedule.take(at(*second), false);
            schedule.torn(torn, at(*second));
            due == torn
        });
        assert_eq!(asked.count(), 3);
    }

    #[test]
    fn what_is_beyond_the_last_place_is_nowhere() {
        let many = vec![When::Always(Duration::ZERO); 40];
        let due = Schedule::new(&rules(&many)).take(at(1), false);
        assert_eq!((due, due.has(31), due.has(32), Places::ALL.has(39)), (Places::ALL, true, false, false));
    }
}
