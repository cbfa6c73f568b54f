//! The node's own status as the broker has it. Pure.
//!
//! A will belongs to a connection, and a broker may publish the will of the last one after the status of this one: then
//! the node would look dead while it lives. So the daemon listens to its own status, and whoever says of it that it is gone is
//! contradicted, now and then: if it goes on, another daemon has the same name, and shouting at each other helps nobody.

use std::time::Duration;

use serde::Deserialize;

use crate::clock::Moment;

/// Between two contradictions.
const PAUSE: Duration = Duration::from_secs(5);
/// So many on one connection are no late will any more.
const FIGHT: u32 = 3;
/// Our statuses are shorter; nobody else's is looked at.
const LONGEST: usize = 4096;

#[derive(Debug)]
pub(super) struct Birth {
    session: String,
    overwritten: bool,
    last: Option<Moment>,
    times: u32,
}

impl Birth {
    pub(super) fn new(session: String) -> Self {
        Self { session, overwritten: false, last: None, times: 0 }
    }

    /// A status came. Ours comes back as well.
    pub(super) fn heard(&mut self, payload: &[u8]) {
        #[derive(Deserialize)]
        struct Payload<'a> {
            state: &'a str,
            session: &'a str,
        }
        if payload.len() > LONGEST {
            return;
        }
        self.overwritten = match serde_json::from_slice::<Payload<'_>>(payload) {
            Ok(said) if said.session == self.session => false,
            Ok(said) => ["offline", "stopped"].contains(&said.state),
            // Removed, or something that is none of ours.
            Err(_) => true,
        };
    }

    /// Whether to say again that the node is there.
    pub(super) fn contradict(&mut self, now: Moment) -> bool {
        let early = self.last.is_some_and(|last| now.since(last) < PAUSE);
        if !self.overwritten || early {
            return false;
        }
        self.overwritten = false;
        self.last = Some(now);
        self.times += 1;
        true
    }

    /// Whether somebody keeps on saying it, just now for the first time.
    pub(super) fn fights(&self) -> bool {
        self.times == FIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn status(state: &str, session: &str) -> Vec<u8> {
        format!(r#"{{"state":"{state}","version":"1","session":"{session}"}}"#).into_bytes()
    }

    #[test]
    fn a_late_will_is_contradicted_once() {
        let now = Clock::system().now();
        let mut birth = Birth::new("B".into());
        birth.heard(&status("online", "B"));
        assert!(!birth.contradict(now));
        birth.heard(&status("offline", "A"));
        assert!(birth.contradict(now));
        birth.heard(&status("online", "B"));
        assert!(!birth.contradict(now.plus(PAUSE)));
        assert!(!birth.fights());
    }

    #[test]
    fn our_own_words_and_long_ones_are_nothing() {
        let now = Clock::system().now();
        let mut birth = Birth::new("B".into());
        birth.heard(&status("offline", "B"));
        birth.heard(&status("online", "C"));
        birth.heard(&vec![b'x'; LONGEST + 1]);
        assert!(!birth.contradict(now));
        // What anybody may do: remove it, or put rubbish there.
        birth.heard(b"");
        assert!(birth.contradict(now));
    }

    #[test]
    fn two_daemons_do_not_flood() {
        let start = Clock::system().now();
        let mut birth = Birth::new("B".into());
        let (mut said, mut fights) = (0, 0);
        for tenth in 0..1000 {
            birth.heard(&status("offline", "A"));
            if birth.contradict(start.plus(Duration::from_millis(100 * tenth))) {
                said += 1;
                fights += u32::from(birth.fights());
            }
        }
        assert_eq!((said, fights), (20, 1));
    }
}
