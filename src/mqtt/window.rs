//! Which publications are on their way, and what for. Pure.
//!
//! rumqttc gives no receipts: a publication is asked for, later an outgoing packet id appears in the event stream, later
//! still an acknowledgement with that id. Requests leave in the order in which they were made, so the first outgoing id
//! belongs to the first request. (Design decision 9.)

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;
use crate::event::Event;
use crate::ids::{CameraId, EventId};
use crate::outbox::RowId;

/// A row on its way, with what the log calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub row: RowId,
    pub camera: CameraId,
    pub id: EventId,
    pub seq: u64,
}

impl Letter {
    pub(super) fn new(row: RowId, event: &Event) -> Self {
        Self { row, camera: event.camera.clone(), id: event.id, seq: event.seq }
    }
}

/// What a publication is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An event.
    Row(Letter),
    /// A camera's last words, retained. If they are lost, the next connection says them again.
    Words(CameraId),
    /// Other retained state; the next connection says it again, too.
    State,
    /// An answer to somebody's question. If it is lost, whoever asked asks again.
    Answer,
}

impl Purpose {
    /// Whether it is retained by the broker.
    fn is_state(&self) -> bool {
        matches!(self, Self::Words(_) | Self::State)
    }
}

/// A publication that has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    packet: u16,
    pub purpose: Purpose,
    pub at: Moment,
}

#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    /// Asked for, without a packet id yet; oldest first.
    requested: VecDeque<Purpose>,
    /// Without an acknowledgement yet, in the order in which they left. Brokers answer in order, so the one that is looked
    /// for is at the front or near it.
    sent: VecDeque<Sent>,
    /// How many of both are retained.
    states: usize,
    /// When something last moved; meaningful while anything is on its way.
    moved: Moment,
}

impl Window {
    /// Room for `limit` publications, at least one.
    pub(super) fn new(limit: usize, now: Moment) -> Self {
        let limit = limit.max(1);
        let (requested, sent) = (VecDeque::with_capacity(limit), VecDeque::with_capacity(limit));
        Self { limit, requested, sent, states: 0, moved: now }
    }

    pub(super) fn has_room(&self) -> bool {
        self.requested.len() + self.sent.len() < self.limit
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requested.is_empty() && self.sent.is_empty()
    }

    /// Whether the broker has answered for all that it is to retain.
    pub(super) fn states_are_answered(&self) -> bool {
        self.states == 0
    }

    /// Whether all requests have reached the network.
    pub(super) fn all_sent(&self) -> bool {
        self.requested.is_empty()
    }

    pub(super) fn requested(&mut self, purpose: Purpose, now: Moment) {
        if self.is_empty() {
            self.moved = now;
        }
        self.states += usize::from(purpose.is_state());
        self.requested.push_back(purpose);
    }

    /// The oldest request left with this packet id.
    pub(super) fn sent(&mut self, packet: u16, now: Moment) {
        if let Some(purpose) = self.requested.pop_front() {
            self.sent.push_back(Sent { packet, purpose, at: now });
        }
    }

    /// The broker answered: what it is that it answered. `None`: the id is not ours.
    pub(super) fn answered(&mut self, packet: u16, now: Moment) -> Option<Sent> {
        let index = self.sent.iter().position(|sent| sent.packet == packet)?;
        let sent = self.sent.remove(index)?;
        self.moved = now;
        self.states -= usize::from(sent.purpose.is_state());
        Some(sent)
    }

    /// What left first of all that is unanswered: brokers work in order, so it is what a sudden end is about.
    pub(super) fn first_unanswered(&self) -> Option<&Sent> {
        self.sent.front()
    }

    /// The first of these that is an event or words.
    pub(super) fn first_suspect(&self) -> Option<&Sent> {
        self.sent.iter().find(|sent| matches!(sent.purpose, Purpose::Row(_) | Purpose::Words(_)))
    }

    /// Whether something is on its way and nothing was acknowledged for so long.
    pub(super) fn stalled(&self, now: Moment, patience: Duration) -> bool {
        !self.is_empty() && now.since(self.moved) >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn packet_ids_belong_to_requests_in_order() {
        let now = Clock::system().now();
        let camera = CameraId::new("door").unwrap();
        let row = Purpose::Row(Letter { row: RowId(7), camera: camera.clone(), id: EventId::new(now.wall, 1), seq: 1 });
        let words = Purpose::Words(camera);
        let mut window = Window::new(4, now);
        window.requested(Purpose::State, now);
        window.requested(Purpose::Answer, now);
        window.requested(row.clone(), now);
        window.requested(words.clone(), now);
        assert!(!window.has_room() && !window.all_sent() && window.first_unanswered().is_none());
        for packet in 1..=4 {
            window.sent(packet, now);
        }
        assert!(window.all_sent());
        assert_eq!(window.first_unanswered().unwrap().purpose, Purpose::State);
        assert_eq!(window.first_suspect().unwrap().purpose, row);
        let mut answered = |packet| window.answered(packet, now).map(|sent| sent.purpose);
        assert_eq!(answered(9), None);
        assert_eq!(answered(4), Some(words));
        assert!(window.has_room() && !window.states_are_answered());
        let mut answered = |packet| window.answered(packet, now).map(|sent| sent.purpose);
        assert_eq!(answered(1), Some(Purpose::State));
        assert!(window.states_are_answered());
        assert_eq!(window.first_unanswered().unwrap().purpose, Purpose::Answer);
        let mut answered = |packet| window.answered(packet, now).map(|sent| sent.purpose);
        assert_eq!((answered(2), answered(3)), (Some(Purpose::Answer), Some(row)));
        assert!(window.is_empty());
        assert_eq!(window.first_unanswered(), None);
        assert_eq!(window.answered(2, now), None, "an id answers once");
    }

    #[test]
    fn a_stall_is_counted_from_the_last_movement() {
        let start = Clock::system().now();
        let at = |s| start.plus(Duration::from_secs(s));
        let patience = Duration::from_secs(10);
        let mut window = Window::new(9, start);
        assert!(!window.stalled(at(100), patience));
        window.requested(Purpose::State, at(100));
        window.requested(Purpose::State, at(105));
        window.sent(1, at(105));
        window.sent(2, at(105));
        assert!(!window.stalled(at(109), patience));
        assert!(window.stalled(at(110), patience));
        window.answered(1, at(110));
        assert!(!window.stalled(at(119), patience));
        assert!(window.stalled(at(120), patience));
    }
}
