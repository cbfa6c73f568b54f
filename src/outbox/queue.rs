//! What is offered next, what is evicted, what counts as replayed, what is to be written and read. Pure: the time is
//! passed in, and the thread of `keeper` does what is to be done.

mod disk_side;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::event::{Cause, Event, Kind, MAX_JSON};
use crate::ids::CameraId;

use disk_side::MAX_REMOVALS;

use super::Settings;
use super::events::Events;
use super::index::{Entry, Index, RowId, Stored};
use super::lanes::Lanes;
use super::past::{Past, Pasts, Record};
use super::row::Listed;

/// So often may a broker refuse a row before it is set aside.
pub const MAX_REFUSALS: u32 = 3;
/// What may wait in memory while the disk does not take it, in bytes of JSON.
const MAX_HELD: u64 = 16 << 20;
/// A clock that says less was never set: 2020-01-01.
const CLOCK_IS_SET: i64 = 1_577_836_800_000;
/// Rows of a run that could not read the disk at its begin are numbered from here: those on disk come before them.
pub(super) const BLIND: u64 = 1 << 62;

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

/// What waits, and what became of the rest: `rows` and the totals of rows that are gone. Every row, appended or left by an earlier run, is in exactly one of them.
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
    /// Gone because the disk does not give them back.
    pub unreadable_total: u64,
    /// Transactions on the disk: each waits for the disk once.
    pub commits_total: u64,
}

/// Rows that a bound took, and how old the oldest was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Removed {
    pub rows: u64,
    pub oldest_age: Duration,
}

/// Where new rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// They stay in memory.
    Memory,
    /// To the disk; they are offered once they are there.
    Disk,
    /// To the disk when it works again; until then they are offered from memory.
    Failing,
}

/// One transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) inserts: Vec<(Listed, Arc<Event>)>,
    pub(super) removals: Vec<RowId>,
    pub(super) records: Vec<Record>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.removals.is_empty() && self.records.is_empty()
    }
}

/// What lies on disk, as it was read.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// In the order of their ids.
    pub(super) rows: Vec<Listed>,
    pub(super) records: Vec<Record>,
    /// Rows that are there and cannot be read.
    pub(super) unreadable: Vec<RowId>,
}

#[derive(Debug)]
pub(super) struct Queue {
    place: Place,
    index: Index,
    lanes: Lanes,
    events: Events,
    pasts: Pasts,
    max_size: u64,
    max_age: Duration,
    last_id: u64,
    /// Handed out and not answered; as small as the consumer's window.
    out: BTreeSet<RowId>,
    refusals: BTreeMap<RowId, u32>,
    /// Gone, but still on disk.
    removals: Vec<RowId>,
    /// When the first of them went, on the monotonic clock.
    removals_since: Option<Duration>,
    /// Whoever writes has to hear of them.
    news: bool,
    /// What the disk held before this run is known.
    adopted: bool,
    /// The connection that is up, counted from 1.
    connection: Option<u32>,
    connections: u32,
    stats: Stats,
}

impl Queue {
    pub(super) fn new(place: Place, settings: &Settings) -> Self {
        Self {
            place,
            index: Index::default(),
            lanes: Lanes::default(),
            events: Events::default(),
            pasts: Pasts::default(),
            max_size: settings.max_size,
            max_age: settings.max_age,
            last_id: 0,
            out: BTreeSet::new(),
            refusals: BTreeMap::new(),
            removals: Vec::new(),
            removals_since: None,
            news: false,
            adopted: place == Place::Memory,
            connection: None,
            connections: 0,
            stats: Stats::default(),
        }
    }

    /// Adds the event at the end and removes rows until the bounds hold. `bytes`: the length of its JSON.
    pub(super) fn append(&mut self, event: Event, bytes: usize, now: Moment) -> (RowId, Removed) {
        let event = Arc::new(event);
        let size = bytes as u64;
        self.last_id += 1;
        let id = RowId(self.last_id);
        self.pasts.note(&event, id);
        if size > self.max_size || bytes > MAX_JSON {
            // It alone is beyond the bound: making room for it would cost every other row and still not help.
            self.stats.evicted_total += 1;
            return (id, Removed { rows: 1, oldest_age: Duration::ZERO });
        }
        let lane = self.lanes.of(&event.camera);
        let entry = Entry {
            added: millis(now),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            connection: self.connection.unwrap_or(0),
            lane,
            last: goes_last(&event),
            stored: Stored::No,
        };
        self.index.insert(id, entry);
        self.events.hold(id, event, entry.bytes);
        if self.place != Place::Disk {
            self.lanes.offer(lane, id);
        }
        (id, self.trim(now))
    }

    /// Removes rows until the bounds hold.
    pub(super) fn trim(&mut self, now: Moment) -> Removed {
        let mut removed = self.expire(now);
        while self.index.bytes() > self.max_size
            && let Some(id) = self.index.first_to_go()
        {
            removed = removed.and(self.evict(id, now));
        }
        let most = self.max_size.min(MAX_HELD);
        while self.place == Place::Failing && self.events.held_bytes() > most {
            let ordinary = |id: &RowId| self.index.get(*id).is_some_and(|entry| !entry.last);
            let Some(id) = self.events.held().find(ordinary).or_else(|| self.events.held().next()) else { break };
            removed = removed.and(self.evict(id, now));
        }
        removed
    }

    /// Removes what has waited too long.
    pub(super) fn expire(&mut self, now: Moment) -> Removed {
        let mut removed = Removed::default();
        while let Some((id, entry)) = self.index.oldest()
            && age(entry, now) > self.max_age
        {
            removed = removed.and(self.evict(id, now));
        }
        removed
    }

    pub(super) fn set_bounds(&mut self, max_size: u64, max_age: Duration) {
        (self.max_size, self.max_age) = (max_size, max_age);
    }

    /// Hands out the next row.
    pub(super) fn take(&mut self) -> Option<Offer> {
        let found = self.lanes.take(|id| self.events.at_hand(id));
        self.events.asked(found.passed_over, self.lanes.waiting());
        let id = found.row?;
        let entry = self.index.get(id)?;
        let mut event = Arc::unwrap_or_clone(self.events.hand_out(id)?);
        event.replayed |= self.connection.is_none_or(|up| up != entry.connection);
        self.out.insert(id);
        Some(Offer { row: id, event })
    }

    pub(super) fn ack(&mut self, id: RowId, now: Moment) -> bool {
        let removed = self.remove(id, now);
        self.stats.acked_total += u64::from(removed);
        removed
    }

    pub(super) fn refuse(&mut self, id: RowId, now: Moment) -> Refusal {
        if !self.out.remove(&id) {
            return Refusal::Unknown;
        }
        let refusals = self.refusals.entry(id).or_insert(0);
        *refusals += 1;
        if *refusals < MAX_REFUSALS {
            self.offer_again(id);
            return Refusal::Again;
        }
        self.set_aside(id, now);
        Refusal::SetAside
    }

    pub(super) fn set_aside(&mut self, id: RowId, now: Moment) {
        self.stats.refused_total += u64::from(self.remove(id, now));
    }

    pub(super) fn connected(&mut self) {
        self.connections = self.connections.saturating_add(1);
        self.connection = Some(self.connections);
        self.all_again();
    }

    pub(super) fn disconnected(&mut self) {
        self.connection = None;
        self.all_again();
    }

    pub(super) fn stats(&self) -> Stats {
        Stats { rows: self.index.rows(), bytes: self.index.bytes(), ..self.stats }
    }

    pub(super) fn past(&self, camera: &CameraId) -> Option<&Past> {
        self.pasts.get(camera)
    }

    pub(super) fn running(&self) -> Vec<Event> {
        self.pasts.running()
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The rows that wait, and whether they go last.
    #[cfg(test)]
    pub(super) fn classes(&self) -> Vec<(RowId, bool)> {
        self.index.iter().map(|(id, entry)| (id, entry.last)).collect()
    }

    fn all_again(&mut self) {
        for id in std::mem::take(&mut self.out) {
            self.offer_again(id);
        }
    }

    fn offer_again(&mut self, id: RowId) {
        if let Some(entry) = self.index.get(id) {
            self.lanes.offer(entry.lane, id);
        }
    }

    fn evict(&mut self, id: RowId, now: Moment) -> Removed {
        let oldest_age = self.index.get(id).map_or(Duration::ZERO, |entry| age(entry, now));
        self.remove(id, now);
        self.stats.evicted_total += 1;
        Removed { rows: 1, oldest_age }
    }

    fn remove(&mut self, id: RowId, now: Moment) -> bool {
        let Some(entry) = self.index.remove(id) else { return false };
        self.out.remove(&id);
        self.refusals.remove(&id);
        self.lanes.remove(entry.lane, id);
        self.events.forget(id);
        if entry.stored != Stored::No {
            self.removals.push(id);
            if let Some(camera) = self.lanes.camera(entry.lane) {
                self.pasts.touch(camera);
            }
            self.removals_since.get_or_insert(now.mono);
            self.news |= self.removals.len() == 1 || self.removals.len() == MAX_REMOVALS;
        }
        true
    }
}

impl Removed {
    fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, oldest_age: self.oldest_age.max(other.oldest_age) }
    }
}

fn millis(now: Moment) -> i64 {
    i64::try_from(now.mono.as_millis()).unwrap_or(i64::MAX)
}

fn age(entry: &Entry, now: Moment) -> Duration {
    Duration::from_millis(u64::try_from(millis(now) - entry.added).unwrap_or(0))
}

/// Ends and alerts: whoever switches something on has to hear when to switch it off.
pub(super) fn goes_last(event: &Event) -> bool {
    event.kind == Kind::End || event.cause == Cause::Tamper || !event.alert.is_empty()
}

#[cfg(test)]
mod tests;
