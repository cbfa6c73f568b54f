//! The queue's side that faces the disk: what is to be written and read, and what came of it.

use super::*;
use crate::outbox::events::{AHEAD, MAX_AHEAD};

/// Removals wait that long for a row to ride with, and no more of them than that: each transaction wears the disk.
const REMOVALS_WAIT: Duration = Duration::from_millis(200);
pub(super) const MAX_REMOVALS: usize = 512;

impl Queue {
    /// When there is something to be written: at once, or at a time of the monotonic clock.
    pub(in crate::outbox) fn write_at(&self) -> Option<Duration> {
        let unwritten = self.events.held().next().is_some();
        if self.place == Place::Memory {
            None
        } else if unwritten || self.removals.len() >= MAX_REMOVALS {
            Some(Duration::ZERO)
        } else {
            self.removals_since.map(|since| since + REMOVALS_WAIT)
        }
    }

    /// Whether whoever writes has to look again at when that is.
    pub(in crate::outbox) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Everything that is to be written, as one transaction. [`Queue::written`] or [`Queue::failing`] says what came of it.
    pub(in crate::outbox) fn batch(&mut self, now: Moment) -> Batch {
        let mut inserts = Vec::new();
        let held: Vec<RowId> = self.events.held().collect();
        for id in held {
            let (Some(event), Some(entry)) = (self.events.get_held(id), self.index.get_mut(id)) else { continue };
            entry.stored = Stored::Writing;
            let listed = Listed {
                id,
                camera: event.camera.clone(),
                bytes: entry.bytes,
                added: now.wall.as_millisecond() - (millis(now) - entry.added),
                last: entry.last,
            };
            inserts.push((listed, event.clone()));
        }
        Batch { inserts, ..self.removals_only() }
    }

    /// As [`Queue::batch`], without rows: it makes room on a full disk.
    pub(in crate::outbox) fn removals_only(&mut self) -> Batch {
        self.removals_since = None;
        let records =
            self.pasts.take_changed().into_iter().map(|(past, last_row)| self.record(past, last_row)).collect();
        Batch { inserts: Vec::new(), removals: std::mem::take(&mut self.removals), records }
    }

    /// The batch is on disk.
    pub(in crate::outbox) fn written(&mut self, batch: &Batch) {
        self.stats.commits_total += u64::from(!batch.is_empty());
        for (listed, _) in &batch.inserts {
            let id = listed.id;
            let Some(entry) = self.index.get_mut(id) else { continue };
            entry.stored = Stored::Yes;
            let lane = entry.lane;
            let out = self.out.contains(&id);
            if !out {
                self.lanes.offer(lane, id);
            }
            // Behind rows that have to be read first, it would only take room.
            let soon = !out && self.lanes.first(lane).is_some_and(|first| first == id || self.events.at_hand(first));
            self.events.written(id, soon);
        }
        self.place = Place::Disk;
    }

    /// The disk does not take rows: those that are not on it are offered from memory.
    pub(in crate::outbox) fn failing(&mut self, now: Moment) -> Removed {
        self.place = Place::Failing;
        let held: Vec<RowId> = self.events.held().collect();
        for id in held {
            let Some(entry) = self.index.get_mut(id) else { continue };
            entry.stored = Stored::No;
            if !self.out.contains(&id) {
                self.lanes.offer(entry.lane, id);
            }
        }
        if !self.adopted && self.last_id < BLIND {
            self.last_id = BLIND;
        }
        self.pasts.touch_all();
        self.trim(now)
    }

    /// The disk may never come back: its rows do not hold up those in memory any longer. Should it come back, they are
    /// offered late.
    pub(in crate::outbox) fn strand(&mut self) {
        for (id, entry) in self.index.iter().filter(|(_, entry)| entry.stored == Stored::Yes) {
            if !self.events.at_hand(id) {
                self.lanes.remove(entry.lane, id);
            }
        }
    }

    /// Compares what lies on disk with what is known. At the first contact, the rows of earlier runs are taken over.
    pub(in crate::outbox) fn contact(&mut self, contents: Contents, now: Moment) -> Removed {
        let first = !std::mem::replace(&mut self.adopted, true);
        self.removals.clear();
        for record in contents.records {
            self.last_id = self.last_id.max(record.last_row.0);
            if first {
                self.pasts.adopt(record);
            }
        }
        let mut there = BTreeSet::new();
        let mut youngest = i64::MIN;
        for listed in &contents.rows {
            self.last_id = self.last_id.max(listed.id.0);
            if !first {
                there.insert(listed.id);
                match self.index.get_mut(listed.id) {
                    None => self.removals.push(listed.id),
                    Some(entry) if entry.stored == Stored::Yes => {
                        if !self.out.contains(&listed.id) {
                            self.lanes.offer(entry.lane, listed.id);
                        }
                    }
                    // It was written although the disk said no: should it go before it is written again, it goes there, too.
                    Some(entry) => entry.stored = Stored::Writing,
                }
                continue;
            }
            // A row is never older than the one before it.
            youngest = youngest.max(added(listed, now));
            let lane = self.lanes.of(&listed.camera);
            let entry = Entry {
                added: youngest,
                bytes: listed.bytes,
                connection: 0,
                lane,
                last: listed.last,
                stored: Stored::Yes,
            };
            self.index.insert(listed.id, entry);
            self.lanes.offer(lane, listed.id);
        }
        let lost: Vec<RowId> = self
            .index
            .iter()
            .filter(|(id, entry)| !first && entry.stored == Stored::Yes && !there.contains(id))
            .map(|(id, _)| id)
            .collect();
        for id in lost {
            self.unreadable(id, now);
        }
        self.stats.unreadable_total += contents.unreadable.len() as u64;
        self.removals.extend(contents.unreadable);
        self.removals_since = (!self.removals.is_empty()).then_some(now.mono);
        self.pasts.touch_all();
        self.trim(now)
    }

    /// The disk does not give this row back.
    pub(in crate::outbox) fn unreadable(&mut self, id: RowId, now: Moment) {
        self.stats.unreadable_total += u64::from(self.remove(id, now));
    }

    /// What to read for the consumer; empty when it needs nothing.
    pub(in crate::outbox) fn wanted(&mut self) -> Vec<RowId> {
        if !self.events.is_hungry() {
            return Vec::new();
        }
        self.events.fed();
        let mut ids = self.lanes.ahead(AHEAD, |id| self.events.at_hand(id));
        let mut bytes = 0;
        ids.retain(|id| {
            let Some(entry) = self.index.get(*id).filter(|entry| entry.stored == Stored::Yes) else { return false };
            let fits = bytes == 0 || bytes + u64::from(entry.bytes) <= MAX_AHEAD;
            bytes += u64::from(entry.bytes);
            fits
        });
        ids
    }

    /// The disk could not be read when this run began.
    pub(in crate::outbox) fn is_blind(&self) -> bool {
        self.last_id >= BLIND
    }

    pub(in crate::outbox) fn is_hungry(&self) -> bool {
        self.events.is_hungry()
    }

    /// A wanted row was read.
    pub(in crate::outbox) fn read(&mut self, id: RowId, event: Option<Event>, now: Moment) {
        let Some(entry) = self.index.get(id).copied() else { return };
        match event {
            Some(event) if self.lanes.is_waiting(entry.lane, id) => self.events.read(id, event, entry.bytes),
            Some(_) => {}
            None => self.unreadable(id, now),
        }
    }

    fn record(&self, past: Past, last_row: RowId) -> Record {
        let lane = self.lanes.known(&past.camera);
        let of_lane = |id: &RowId| self.index.get(*id).is_some_and(|entry| Some(entry.lane) == lane);
        let waiting = lane.and_then(|lane| self.lanes.first(lane));
        let out = self.out.iter().copied().find(of_lane);
        let unwritten = self.events.held().find(of_lane);
        let first = [waiting, out, unwritten].into_iter().flatten().min();
        Record { past, last_row, waiting_from: first.unwrap_or(RowId(last_row.0 + 1)) }
    }
}

/// When a row of an earlier run was added, on this run's monotonic clock. A clock that is not set, or that was not when
/// the row was written, says nothing: the row counts from now on then.
fn added(listed: &Listed, now: Moment) -> i64 {
    let wall = now.wall.as_millisecond();
    let known = (CLOCK_IS_SET..=wall).contains(&listed.added);
    millis(now) - if known { wall - listed.added } else { 0 }
}
