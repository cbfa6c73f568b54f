//! Which events are in memory: those that are not on disk yet, those of late that the live path would otherwise have to
//! read again, and some read ahead of the consumer. All within bounds. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::RowId;
use crate::event::Event;

/// Events of late that are kept although they are on disk, in bytes of JSON.
const MAX_FRESH: u64 = 1 << 20;
/// Rows that are read ahead of the consumer, and when it is time to read the next: its window is far smaller.
pub(super) const AHEAD: usize = 256;
const AHEAD_LOW: usize = 64;
/// Longest stretch that is read at once, in bytes of JSON. One row at least.
pub(super) const MAX_AHEAD: u64 = 512 << 10;

#[derive(Debug, Default)]
pub(super) struct Events {
    /// Not on disk.
    held: BTreeMap<RowId, (Arc<Event>, u32)>,
    held_bytes: u64,
    /// On disk too. Only rows that wait.
    kept: BTreeMap<RowId, Kept>,
    fresh_bytes: u64,
    ahead_rows: usize,
    /// The consumer will soon need more than is at hand.
    hungry: bool,
}

#[derive(Debug)]
struct Kept {
    event: Arc<Event>,
    bytes: u32,
    read: bool,
}

impl Events {
    pub(super) fn hold(&mut self, id: RowId, event: Arc<Event>, bytes: u32) {
        self.held.insert(id, (event, bytes));
        self.held_bytes += u64::from(bytes);
    }

    /// Bytes of JSON that are nowhere else.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    pub(super) fn held(&self) -> impl Iterator<Item = RowId> {
        self.held.keys().copied()
    }

    pub(super) fn get_held(&self, id: RowId) -> Option<&Arc<Event>> {
        self.held.get(&id).map(|(event, _)| event)
    }

    /// The row is on disk now. Its event is kept when it is wanted soon and there is room.
    pub(super) fn written(&mut self, id: RowId, soon: bool) {
        let Some((event, bytes)) = self.held.remove(&id) else { return };
        self.held_bytes -= u64::from(bytes);
        if soon && self.fresh_bytes + u64::from(bytes) <= MAX_FRESH {
            self.keep(id, Kept { event, bytes, read: false });
        }
    }

    /// The row was read.
    pub(super) fn read(&mut self, id: RowId, event: Event, bytes: u32) {
        self.keep(id, Kept { event: Arc::new(event), bytes, read: true });
    }

    fn keep(&mut self, id: RowId, kept: Kept) {
        self.drop_kept(id);
        if kept.read {
            self.ahead_rows += 1;
        } else {
            self.fresh_bytes += u64::from(kept.bytes);
        }
        self.kept.insert(id, kept);
    }

    pub(super) fn at_hand(&self, id: RowId) -> bool {
        self.kept.contains_key(&id) || self.held.contains_key(&id)
    }

    /// The event for the consumer. One that is on disk is not kept any longer.
    pub(super) fn hand_out(&mut self, id: RowId) -> Option<Arc<Event>> {
        self.drop_kept(id).or_else(|| self.held.get(&id).map(|(event, _)| event.clone()))
    }

    pub(super) fn forget(&mut self, id: RowId) {
        if let Some((_, bytes)) = self.held.remove(&id) {
            self.held_bytes -= u64::from(bytes);
        }
        self.drop_kept(id);
    }

    fn drop_kept(&mut self, id: RowId) -> Option<Arc<Event>> {
        let kept = self.kept.remove(&id)?;
        if kept.read {
            self.ahead_rows -= 1;
        } else {
            self.fresh_bytes -= u64::from(kept.bytes);
        }
        Some(kept.event)
    }

    /// The consumer asked for a row while `waiting` waited; a camera was `passed_over` if its first event is not at hand.
    pub(super) fn asked(&mut self, passed_over: bool, waiting: usize) {
        let low = self.ahead_rows < AHEAD_LOW && waiting > self.kept.len() + self.held.len();
        self.hungry |= passed_over || low;
    }

    /// More is to be read; it counts as done.
    pub(super) fn is_hungry(&self) -> bool {
        self.hungry
    }

    pub(super) fn fed(&mut self) {
        self.hungry = false;
    }
}
