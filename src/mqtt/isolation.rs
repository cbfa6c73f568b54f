//! Which event a broker hangs up over. Pure.
//!
//! A broker (or a rule engine in it) may end the connection over one particular event without a word, and rumqttc
//! swallows the short DISCONNECT that others send. Such an event would be offered again for ever, and everything behind it
//! would wait. So it is found out, and it has to be proven: a broker that is killed, frozen or restarted at random
//! moments also ends connections with events on their way.
//!
//! An end is *suspicious* when the broker hung up (and did not fall silent) soon after an event or a description had left
//! that it has not answered, and had answered something else on this connection. When the same one is the first of its kind
//! unanswered twice in a row, messages leave one at a time on the next connections, and an event under suspicion only after a pause in
//! which the broker answers and stays: one that ends connections by itself fails there, and nothing is held against the event.
//! Only when [`PROOFS`] such trials in a row end, each with nothing but the suspect on its way, it is set aside. A healthy
//! broker answers within milliseconds, so each of them would have to die in that very moment.

use std::time::Duration;

use crate::ids::CameraId;
use crate::outbox::RowId;

/// So many suspicious ends in a row with the same suspect, and messages leave one at a time.
const SAME: u32 = 2;
/// The same, when it is another suspect each time.
const ANY: u32 = 4;
/// So many trials have to end before the suspect is set aside.
pub(super) const PROOFS: u32 = 5;
/// An end later than this after the suspect left is not held against it.
const SOON: Duration = Duration::from_secs(5);
/// So many messages answered one at a time, and they may leave together again.
const CLEARED: u32 = 32;

/// What a broker may hang up over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Suspect {
    Row(RowId),
    /// A camera's retained words.
    Words(CameraId),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// The broker hung up, rather than falling silent.
    pub hung_up: bool,
    /// The first of its kind that was unanswered, and how long it was on its way. Acknowledgements get lost with a
    /// connection, so it may be an innocent one that left before the one that it is about.
    pub first: Option<(Suspect, Duration)>,
    /// The broker had acknowledged something on this connection.
    pub answered: bool,
}

/// What follows from an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    /// Messages leave one at a time from now on.
    Careful,
    /// It was this one, which is not to be sent again.
    SetAside(Suspect),
}

#[derive(Debug, Default)]
pub(super) struct Isolation {
    suspect: Option<Suspect>,
    /// Suspicious ends in a row, and those of them with the suspect first.
    ends: u32,
    same: u32,
    careful: bool,
    cleared: u32,
}

impl Isolation {
    /// Whether messages have to leave one at a time.
    pub(super) fn careful(&self) -> bool {
        self.careful
    }

    /// Whether this event has to wait until the broker has proven that it stays.
    pub(super) fn suspects(&self, row: RowId) -> bool {
        self.careful && self.suspect == Some(Suspect::Row(row))
    }

    /// The broker has answered.
    pub(super) fn answered(&mut self, answered: &Suspect) {
        self.ends = 0;
        if self.suspect.as_ref() == Some(answered) {
            (self.suspect, self.same) = (None, 0);
        }
        if self.careful {
            self.cleared += 1;
            if self.cleared >= CLEARED && self.suspect.is_none() {
                *self = Self::default();
            }
        }
    }

    pub(super) fn ended(&mut self, ending: Ending) -> Verdict {
        let suspicious = ending.hung_up && ending.answered;
        let Some((suspect, _)) = ending.first.filter(|(_, on_its_way)| suspicious && *on_its_way <= SOON) else {
            *self = Self::default();
            return Verdict::Nothing;
        };
        if self.suspect.as_ref() != Some(&suspect) {
            (self.suspect, self.same) = (Some(suspect.clone()), 0);
        }
        self.same += 1;
        self.ends += 1;
        self.cleared = 0;
        if self.careful {
            if self.same < PROOFS {
                return Verdict::Nothing;
            }
            *self = Self::default();
            return Verdict::SetAside(suspect);
        }
        if self.same < SAME && self.ends < ANY {
            return Verdict::Nothing;
        }
        // What it did in company proves nothing.
        (self.careful, self.same) = (true, 0);
        Verdict::Careful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: RowId = RowId(7);

    fn row(row: u64) -> Suspect {
        Suspect::Row(RowId(row))
    }

    fn hung_up_over(suspect: Suspect) -> Ending {
        Ending { hung_up: true, first: Some((suspect, Duration::from_millis(3))), answered: true }
    }

    fn careful() -> Isolation {
        let mut isolation = Isolation::default();
        assert_eq!(isolation.ended(hung_up_over(row(7))), Verdict::Nothing);
        assert_eq!(isolation.ended(hung_up_over(row(7))), Verdict::Careful);
        assert!(isolation.suspects(ROW) && !isolation.suspects(RowId(8)));
        isolation
    }

    #[test]
    fn an_event_is_set_aside_after_five_trials() {
        let mut isolation = careful();
        for _ in 1..PROOFS {
            assert_eq!(isolation.ended(hung_up_over(row(7))), Verdict::Nothing);
            assert!(isolation.suspects(ROW));
        }
        assert_eq!(isolation.ended(hung_up_over(row(7))), Verdict::SetAside(row(7)));
        assert!(!isolation.careful());
    }

    #[test]
    fn an_answer_clears_it() {
        let mut isolation = careful();
        isolation.ended(hung_up_over(row(7)));
        isolation.answered(&row(7));
        assert!(isolation.careful() && !isolation.suspects(ROW));
        for next in 8..100 {
            isolation.answered(&row(next));
        }
        assert!(!isolation.careful());
    }

    #[test]
    fn ends_that_prove_nothing_begin_anew() {
        let innocent = [
            Ending { hung_up: false, ..hung_up_over(row(7)) },
            Ending { answered: false, ..hung_up_over(row(7)) },
            Ending { first: None, ..hung_up_over(row(7)) },
            Ending { first: Some((row(7), Duration::from_secs(6))), ..hung_up_over(row(7)) },
        ];
        for ending in innocent {
            let mut isolation = careful();
            for _ in 1..PROOFS {
                isolation.ended(hung_up_over(row(7)));
            }
            assert_eq!(isolation.ended(ending.clone()), Verdict::Nothing, "{ending:?}");
            assert!(!isolation.careful(), "{ending:?}");
            assert_eq!(isolation.ended(hung_up_over(row(7))), Verdict::Nothing, "{ending:?}");
        }
    }

    #[test]
    fn progress_between_ends_is_no_suspicion() {
        // A broker under load that is killed at random: other events are first each time, and many were answered before.
        let mut isolation = Isolation::default();
        for next in 1..1000 {
            isolation.answered(&row(next));
            assert_eq!(isolation.ended(hung_up_over(row(next + 1))), Verdict::Nothing);
        }
        assert!(!isolation.careful());
    }

    #[test]
    fn lost_acknowledgements_hide_nothing() {
        // Others than the bad one are first, as their acknowledgements are lost.
        let mut isolation = Isolation::default();
        let verdicts: Vec<_> = (1..=4).map(|next| isolation.ended(hung_up_over(row(next)))).collect();
        assert_eq!(verdicts[2..], [Verdict::Nothing, Verdict::Careful]);
        // One at a time, the bad one is first at last.
        let words = Suspect::Words(CameraId::new("door").unwrap());
        isolation.answered(&row(4));
        let verdicts: Vec<_> = (0..PROOFS).map(|_| isolation.ended(hung_up_over(words.clone()))).collect();
        assert_eq!(verdicts.last(), Some(&Verdict::SetAside(words)));
    }
}
