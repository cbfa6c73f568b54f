//! What is offered next, what is evicted, what counts as replayed. Pure: the time is passed in, the rows lie in a
//! [`Store`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Moment;
use crate::event::Event;

use super::Settings;
use super::store::{Row, RowId, Store};

/// So often may a broker refuse a row before it is set aside.
pub const MAX_REFUSALS: u32 = 3;

/// A row on its way to the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    pub row: RowId,
    /// With `replayed` set if it waited for a broker.
    pub event: Event,
}

/// What became of a refused row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It will be offered again.
    Again,
    /// It is gone, and counted.
    SetAside,
    /// It was no longer there.
    Unknown,
}

/// What waits, and what became of the rest. Every appended row is in exactly one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    pub rows: u64,
    /// JSON bytes of the rows that wait.
    pub bytes: u64,
    /// Gone by acknowledgement.
    pub acked_total: u64,
    /// Gone because of the bounds.
    pub evicted_total: u64,
    /// Gone because the broker refuses them for good.
    pub refused_total: u64,
    /// Gone because the disk gave back something else than it was given.
    pub unreadable_total: u64,
}

/// Rows that a bound took, and how old the oldest was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Removed {
    pub rows: u64,
    pub oldest_age: Duration,
}

#[derive(Debug)]
pub(super) struct Queue {
    store: Box<dyn Store>,
    max_size: u64,
    max_age: Duration,
    last_id: u64,
    /// Handed out and not answered; as small as the consumer's window.
    out: BTreeSet<RowId>,
    refusals: BTreeMap<RowId, u32>,
    /// The connection that is up, counted from 1.
    connection: Option<u64>,
    connections: u64,
    acked: u64,
    evicted: u64,
    refused: u64,
}

impl Queue {
    pub(super) fn new(store: Box<dyn Store>, settings: &Settings) -> Self {
        Self {
            store,
            max_size: settings.max_size,
            max_age: settings.max_age,
            last_id: 0,
            out: BTreeSet::new(),
            refusals: BTreeMap::new(),
            connection: None,
            connections: 0,
            acked: 0,
            evicted: 0,
            refused: 0,
        }
    }

    /// Adds the event at the end and removes the oldest rows until the bounds hold.
    pub(super) fn append(&mut self, event: Event, now: Moment) -> Removed {
        let bytes = event.to_json().len() as u64;
        if bytes > self.max_size {
            // It alone is beyond the bound: making room for it would cost every other row and still not help.
            self.evicted += 1;
            return Removed { rows: 1, oldest_age: Duration::ZERO };
        }
        self.last_id += 1;
        let id = RowId(self.last_id);
        self.store.push(Row { id, event, bytes, added: now, connection: self.connection });
        self.evict_while(now, |queue, _| queue.store.bytes() > queue.max_size).and(self.expire(now))
    }

    /// Removes what has waited too long.
    pub(super) fn expire(&mut self, now: Moment) -> Removed {
        self.evict_while(now, |queue, row| now.since(row.added) > queue.max_age)
    }

    pub(super) fn set_bounds(&mut self, max_size: u64, max_age: Duration) {
        (self.max_size, self.max_age) = (max_size, max_age);
    }

    /// Hands out the oldest row that is not out.
    pub(super) fn take(&mut self) -> Option<Offer> {
        let mut after = None;
        let row = loop {
            let row = self.store.next(after)?;
            if !self.out.contains(&row.id) {
                break row;
            }
            after = Some(row.id);
        };
        let mut event = row.event.clone();
        event.replayed |= row.connection.is_none() || row.connection != self.connection;
        let offer = Offer { row: row.id, event };
        self.out.insert(offer.row);
        Some(offer)
    }

    pub(super) fn ack(&mut self, id: RowId) -> bool {
        let removed = self.remove(id);
        self.acked += u64::from(removed);
        removed
    }

    pub(super) fn refuse(&mut self, id: RowId) -> Refusal {
        if !self.out.remove(&id) {
            return Refusal::Unknown;
        }
        let refusals = self.refusals.entry(id).or_insert(0);
        *refusals += 1;
        if *refusals < MAX_REFUSALS {
            return Refusal::Again;
        }
        self.set_aside(id);
        Refusal::SetAside
    }

    pub(super) fn set_aside(&mut self, id: RowId) {
        self.refused += u64::from(self.remove(id));
    }

    pub(super) fn connected(&mut self) {
        self.connections += 1;
        self.connection = Some(self.connections);
        self.out.clear();
    }

    pub(super) fn disconnected(&mut self) {
        self.connection = None;
        self.out.clear();
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            rows: self.store.rows(),
            bytes: self.store.bytes(),
            acked_total: self.acked,
            evicted_total: self.evicted,
            refused_total: self.refused,
            unreadable_total: 0,
        }
    }

    fn remove(&mut self, id: RowId) -> bool {
        self.out.remove(&id);
        self.refusals.remove(&id);
        self.store.remove(id).is_some()
    }

    fn evict_while(&mut self, now: Moment, too_much: impl Fn(&Self, &Row) -> bool) -> Removed {
        let mut removed = Removed::default();
        while let Some(row) = self.store.next(None) {
            if !too_much(self, row) {
                break;
            }
            let (id, age) = (row.id, now.since(row.added));
            self.remove(id);
            self.evicted += 1;
            removed = removed.and(Removed { rows: 1, oldest_age: age });
        }
        removed
    }
}

impl Removed {
    fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, oldest_age: self.oldest_age.max(other.oldest_age) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryStore;
    use super::super::model::event;
    use super::*;
    use crate::clock::Clock;

    fn queue(max_size: u64, max_age: Duration) -> Queue {
        let settings = Settings { max_size, max_age, ..Settings::default() };
        Queue::new(Box::new(MemoryStore::default()), &settings)
    }

    fn unbounded() -> Queue {
        queue(u64::MAX, Duration::MAX)
    }

    fn seqs(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.take()).map(|offer| offer.event.seq).collect()
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_bytes() {
        let now = Clock::system().now();
        let size = event("a", 1).to_json().len() as u64;
        let mut queue = queue(3 * size, Duration::MAX);
        for seq in 1..=5 {
            queue.append(event("a", seq), now);
        }
        assert_eq!(seqs(&mut queue), [3, 4, 5]);
        assert_eq!((queue.stats().evicted_total, queue.stats().bytes), (2, 3 * size));
    }

    #[test]
    fn an_event_beyond_the_bound_costs_no_other() {
        let now = Clock::system().now();
        let size = event("a", 1).to_json().len() as u64;
        let mut queue = queue(2 * size, Duration::MAX);
        queue.append(event("a", 1), now);
        let mut long = event("a", 2);
        long.description = Some("x".repeat(1000));
        assert_eq!(queue.append(long, now).rows, 1);
        assert_eq!(seqs(&mut queue), [1]);
    }

    #[test]
    fn the_old_go_by_age() {
        let start = Clock::system().now();
        let mut queue = queue(u64::MAX, Duration::from_secs(10));
        queue.append(event("a", 1), start);
        queue.append(event("a", 2), start.plus(Duration::from_secs(5)));
        assert_eq!(queue.expire(start.plus(Duration::from_secs(10))).rows, 0);
        let removed = queue.expire(start.plus(Duration::from_secs(11)));
        assert_eq!(removed, Removed { rows: 1, oldest_age: Duration::from_secs(11) });
        assert_eq!(seqs(&mut queue), [2]);
    }

    #[test]
    fn a_refused_row_comes_again_and_is_set_aside_at_last() {
        let now = Clock::system().now();
        let mut queue = unbounded();
        queue.connected();
        queue.append(event("a", 1), now);
        queue.append(event("a", 2), now);
        for _ in 1..MAX_REFUSALS {
            let offer = queue.take().unwrap();
            assert_eq!(offer.event.seq, 1);
            assert_eq!(queue.refuse(offer.row), Refusal::Again);
        }
        let offer = queue.take().unwrap();
        assert_eq!(queue.refuse(offer.row), Refusal::SetAside);
        assert_eq!(queue.refuse(offer.row), Refusal::Unknown);
        assert_eq!(seqs(&mut queue), [2]);
        assert_eq!(queue.stats().refused_total, 1);
    }
}
