//! Which publications are on their way, and for which outbox row. Pure.
//!
//! rumqttc gives no receipts: a publication is asked for, later an outgoing packet id appears in the event stream, later
//! still an acknowledgement with that id. Requests leave in the order in which they were made, so the first outgoing id
//! belongs to the first request. (Design decision 9.)

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::clock::Moment;
use crate::outbox::RowId;

/// What a publication is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One of the messages of a row.
    Row(RowId),
    /// Retained state; if it is lost, the next connection says it again.
    State,
}

/// What an acknowledgement completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// All messages of the row were accepted.
    Row(RowId),
    /// All messages of the row were answered, at least one with a refusal.
    RowRefused(RowId),
    State,
    StateRefused,
}

#[derive(Debug, Clone, Copy)]
struct Parts {
    unanswered: usize,
    refused: bool,
}

#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    /// Asked for, without a packet id yet; oldest first.
    requested: VecDeque<Purpose>,
    /// By packet id, without an acknowledgement yet.
    sent: HashMap<u16, Purpose>,
    rows: HashMap<RowId, Parts>,
    /// When something last moved; meaningful while anything is on its way.
    moved: Moment,
}

impl Window {
    /// Room for `limit` publications, at least one.
    pub(super) fn new(limit: usize, now: Moment) -> Self {
        Self { limit: limit.max(1), requested: VecDeque::new(), sent: HashMap::new(), rows: HashMap::new(), moved: now }
    }

    pub(super) fn has_room(&self) -> bool {
        self.requested.len() + self.sent.len() < self.limit
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requested.is_empty() && self.sent.is_empty()
    }

    /// Whether all requests have reached the network.
    pub(super) fn all_sent(&self) -> bool {
        self.requested.is_empty()
    }

    /// A row of `messages` messages begins.
    pub(super) fn begin(&mut self, row: RowId, messages: usize) {
        self.rows.insert(row, Parts { unanswered: messages, refused: false });
    }

    pub(super) fn requested(&mut self, purpose: Purpose, now: Moment) {
        if self.is_empty() {
            self.moved = now;
        }
        self.requested.push_back(purpose);
    }

    /// The oldest request left with this packet id.
    pub(super) fn sent(&mut self, packet: u16) {
        if let Some(purpose) = self.requested.pop_front() {
            self.sent.insert(packet, purpose);
        }
    }

    /// The broker answered. `None`: the row still waits for its other messages, or the id is not ours.
    pub(super) fn answered(&mut self, packet: u16, accepted: bool, now: Moment) -> Option<Done> {
        let purpose = self.sent.remove(&packet)?;
        self.moved = now;
        let Purpose::Row(row) = purpose else {
            return Some(if accepted { Done::State } else { Done::StateRefused });
        };
        let parts = self.rows.get_mut(&row)?;
        parts.unanswered -= 1;
        parts.refused |= !accepted;
        let parts = *parts;
        if parts.unanswered > 0 {
            return None;
        }
        self.rows.remove(&row);
        Some(if parts.refused { Done::RowRefused(row) } else { Done::Row(row) })
    }

    /// The oldest row on its way: brokers work in order, so it is the one that a sudden disconnect is about.
    pub(super) fn oldest_row(&self) -> Option<RowId> {
        self.rows.keys().min().copied()
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
        let mut window = Window::new(3, now);
        window.requested(Purpose::State, now);
        window.begin(RowId(7), 2);
        window.requested(Purpose::Row(RowId(7)), now);
        window.requested(Purpose::Row(RowId(7)), now);
        assert!(!window.has_room() && !window.all_sent());
        for packet in [1, 2, 3] {
            window.sent(packet);
        }
        assert!(window.all_sent());
        assert_eq!(window.oldest_row(), Some(RowId(7)));
        assert_eq!(window.answered(9, true, now), None);
        assert_eq!(window.answered(3, true, now), None);
        assert!(window.has_room());
        assert_eq!(window.answered(1, true, now), Some(Done::State));
        assert_eq!(window.answered(2, true, now), Some(Done::Row(RowId(7))));
        assert!(window.is_empty());
        assert_eq!(window.oldest_row(), None);
    }

    #[test]
    fn a_row_is_refused_when_one_of_its_messages_is() {
        let now = Clock::system().now();
        let mut window = Window::new(9, now);
        window.begin(RowId(1), 2);
        window.requested(Purpose::Row(RowId(1)), now);
        window.requested(Purpose::Row(RowId(1)), now);
        window.sent(1);
        window.sent(2);
        assert_eq!(window.answered(1, false, now), None);
        assert_eq!(window.answered(2, true, now), Some(Done::RowRefused(RowId(1))));
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
        window.sent(1);
        window.sent(2);
        assert!(!window.stalled(at(109), patience));
        assert!(window.stalled(at(110), patience));
        window.answered(1, true, at(110));
        assert!(!window.stalled(at(119), patience));
        assert!(window.stalled(at(120), patience));
    }
}
