//! Which pictures go out: of each camera the newest, once per connection. No I/O.
//!
//! They are QoS 0 and so have no place in the window: a few at a time are asked for, and the next ones when these have left.
//! Nobody acknowledges them, either, so a broker that hangs up over them is told by what it answers after them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::clock::Moment;
use crate::event::Event;
use crate::ids::{CameraId, EventId};

use super::message::{self, Message};
use super::run::{Snapshot, Snapshots};
use super::topics::Topics;

/// Pictures that were asked for and have not left.
const AT_A_TIME: usize = 2;
/// A connection that ends so soon after a picture had left, with nothing answered since, ended over it, or so it seems.
const SOON: Duration = Duration::from_secs(5);
/// So many such ends in a row, and no more pictures go to this broker.
const ENOUGH: u32 = 3;

/// What is known of one broker from earlier connections.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Connections in a row that ended over a picture.
    ends: u32,
    /// It was said that one is too large.
    too_large_said: bool,
}

impl Memory {
    /// The broker does not stand pictures.
    pub(super) fn gives_up(&self) -> bool {
        self.ends >= ENOUGH
    }
}

/// One connection's pictures.
#[derive(Debug)]
pub(super) struct Pictures {
    on: bool,
    /// Cameras with a picture that was not sent yet, in turns.
    due: VecDeque<CameraId>,
    /// What was sent last of each.
    sent: BTreeMap<CameraId, (EventId, u64)>,
    /// Asked for and not left.
    leaving: usize,
    /// When the last one left, until something after it is answered.
    unproven: Option<Moment>,
}

impl Pictures {
    pub(super) fn new(on: bool, memory: &Memory) -> Self {
        let on = on && !memory.gives_up();
        Self { on, due: VecDeque::new(), sent: BTreeMap::new(), leaving: 0, unproven: None }
    }

    /// There are other pictures than before, or other cameras.
    pub(super) fn changed(&mut self, newest: &Snapshots, has: impl Fn(&CameraId) -> bool) {
        self.due.retain(&has);
        self.sent.retain(|camera, _| has(camera));
        for (camera, picture) in newest.iter().filter(|_| self.on) {
            let new = self.sent.get(camera) != Some(&(picture.event, picture.seq));
            if new && has(camera) && !self.due.contains(camera) {
                self.due.push_back(camera.clone());
            }
        }
    }

    /// Whether one may leave.
    pub(super) fn is_due(&self) -> bool {
        self.leaving < AT_A_TIME && !self.due.is_empty()
    }

    /// The picture that leaves next, if one is due and there is room for it.
    pub(super) fn next(&mut self, newest: &Snapshots, topics: &Topics) -> Option<Message> {
        while self.is_due() {
            let camera = self.due.pop_front()?;
            if let Some(picture) = newest.get(&camera) {
                return Some(self.leaves(&camera, picture, topics));
            }
        }
        None
    }

    /// The picture that this event names, if it is the newest and was not sent yet: whoever gets the event finds it there.
    pub(super) fn of(&mut self, event: &Event, newest: &Snapshots, topics: &Topics) -> Option<Message> {
        let name = event.snapshot.as_ref().filter(|_| self.on)?;
        let picture = newest.get(&event.camera).filter(|picture| picture.name == *name)?;
        if self.sent.get(&event.camera) == Some(&(picture.event, picture.seq)) {
            return None;
        }
        self.due.retain(|due| *due != event.camera);
        Some(self.leaves(&event.camera, picture, topics))
    }

    /// One has left, or something else that nobody acknowledges.
    pub(super) fn left(&mut self, now: Moment) {
        if self.leaving > 0 {
            self.leaving -= 1;
            self.unproven = Some(now);
        }
    }

    /// One that was asked for is not sent after all.
    pub(super) fn too_large(&mut self, memory: &mut Memory) -> bool {
        self.leaving = self.leaving.saturating_sub(1);
        !std::mem::replace(&mut memory.too_large_said, true)
    }

    /// The broker has answered something that left at this moment.
    pub(super) fn proven(&mut self, at: Moment, memory: &mut Memory) {
        if self.unproven.is_some_and(|left| at.since(left) > Duration::ZERO) {
            (self.unproven, memory.ends) = (None, 0);
        }
    }

    /// The connection has ended. Whether that was once too often.
    pub(super) fn ended(&self, hung_up: bool, now: Moment, memory: &mut Memory) -> bool {
        let soon = self.unproven.is_some_and(|left| now.since(left) <= SOON);
        if !(hung_up && soon) || memory.gives_up() {
            return false;
        }
        memory.ends += 1;
        memory.gives_up()
    }

    fn leaves(&mut self, camera: &CameraId, picture: &Snapshot, topics: &Topics) -> Message {
        self.sent.insert(camera.clone(), (picture.event, picture.seq));
        self.leaving += 1;
        message::snapshot(topics, camera, picture)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::clock::Clock;
    use crate::ids::NodeId;

    fn id(camera: &str) -> CameraId {
        CameraId::new(camera).unwrap()
    }

    fn newest(of: &[(&str, u64)]) -> Snapshots {
        let at = Clock::system().now().wall;
        let picture = |seq| {
            let event = EventId::new(at, 1);
            Arc::new(Snapshot { jpeg: Bytes::from_static(b"jpeg"), name: format!("{event}-{seq}"), event, seq, at })
        };
        Arc::new(of.iter().map(|(camera, seq)| (id(camera), picture(*seq))).collect())
    }

    fn topics() -> Topics {
        Topics::new("p", &NodeId::new("n").unwrap())
    }

    fn topic(message: Option<Message>) -> Option<String> {
        message.map(|message| message.topic)
    }

    #[test]
    fn cameras_take_turns_and_the_newest_wins() {
        let now = Clock::system().now();
        let mut pictures = Pictures::new(true, &Memory::default());
        let mut all = newest(&[("a", 1), ("b", 1), ("c", 1)]);
        let has = |camera: &CameraId| camera.as_str() != "gone";
        pictures.changed(&all, has);
        assert_eq!(topic(pictures.next(&all, &topics())).unwrap(), "p/n/a/snapshot");
        assert_eq!(topic(pictures.next(&all, &topics())).unwrap(), "p/n/b/snapshot");
        assert_eq!(pictures.next(&all, &topics()), None, "two at a time");
        // Two of `a` came meanwhile, and one of a camera that is gone.
        for seq in [2, 3] {
            all = newest(&[("a", seq), ("b", 1), ("c", 1), ("gone", 1)]);
            pictures.changed(&all, has);
        }
        pictures.left(now);
        assert_eq!(topic(pictures.next(&all, &topics())).unwrap(), "p/n/c/snapshot");
        pictures.left(now);
        let third = pictures.next(&all, &topics()).unwrap();
        assert_eq!(third.properties.user[1], ("seq", "3".to_owned()));
        pictures.left(now);
        pictures.left(now);
        assert_eq!(pictures.next(&all, &topics()), None, "each once");
        let mut off = Pictures::new(false, &Memory::default());
        off.changed(&all, has);
        assert_eq!(off.next(&all, &topics()), None);
    }

    #[test]
    fn a_broker_that_hangs_up_over_pictures_gets_none_any_more() {
        let start = Clock::system().now();
        let at = |ms| start.plus(Duration::from_millis(ms));
        let all = newest(&[("a", 1)]);
        let mut memory = Memory::default();
        let mut connection = |answered: Option<u64>, ends: u64, hung_up| {
            let mut pictures = Pictures::new(true, &memory);
            pictures.changed(&all, |_| true);
            assert!(pictures.next(&all, &topics()).is_some());
            pictures.left(at(100));
            if let Some(answered) = answered {
                pictures.proven(at(answered), &mut memory);
            }
            pictures.ended(hung_up, at(ends), &mut memory)
        };
        assert!(!connection(None, 150, true));
        assert!(!connection(Some(90), 150, true));
        // Answered after it, ended long after it, fell silent.
        assert!(!connection(Some(110), 150, true));
        assert!(!connection(None, 9000, true));
        assert!(!connection(None, 150, false));
        assert!(!connection(None, 150, true));
        assert!(!connection(None, 150, true));
        assert!(connection(None, 150, true), "three in a row");
        let mut pictures = Pictures::new(true, &memory);
        pictures.changed(&all, |_| true);
        assert_eq!(pictures.next(&all, &topics()), None);
    }
}
