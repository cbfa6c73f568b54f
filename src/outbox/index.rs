//! Which rows there are, and which of them goes first when there is no more room. Small: a long outage leaves hundreds
//! of thousands of rows, whose events lie on disk.

use std::collections::{BTreeMap, BTreeSet};

/// Place of a row in the queue; grows with each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub u64);

/// Whether a row is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    No,
    /// It may be: the transaction is on its way.
    Writing,
    Yes,
}

/// What is known of a row without its event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Milliseconds on the monotonic clock of this run; below zero for rows of earlier runs.
    pub(super) added: i64,
    /// What the row counts for against the bound: the length of the event's JSON.
    pub(super) bytes: u32,
    /// The connection that was up when the row was added, counted from 1; 0: none.
    pub(super) connection: u32,
    /// Its camera's.
    pub(super) lane: u16,
    /// It goes only when nothing else is left to go.
    pub(super) last: bool,
    pub(super) stored: Stored,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    rows: BTreeMap<RowId, Entry>,
    /// Those that go last.
    last: BTreeSet<RowId>,
    /// All others.
    ordinary: BTreeSet<RowId>,
    bytes: u64,
}

impl Index {
    pub(super) fn insert(&mut self, id: RowId, entry: Entry) {
        self.remove(id);
        self.class(entry.last).insert(id);
        self.bytes += u64::from(entry.bytes);
        self.rows.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: RowId) -> Option<Entry> {
        let entry = self.rows.remove(&id)?;
        self.class(entry.last).remove(&id);
        self.bytes -= u64::from(entry.bytes);
        Some(entry)
    }

    pub(super) fn get(&self, id: RowId) -> Option<&Entry> {
        self.rows.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: RowId) -> Option<&mut Entry> {
        self.rows.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RowId, &Entry)> {
        self.rows.iter().map(|(id, entry)| (*id, entry))
    }

    pub(super) fn oldest(&self) -> Option<(RowId, &Entry)> {
        self.rows.first_key_value().map(|(id, entry)| (*id, entry))
    }

    /// The row that goes when there is no more room: the oldest, those that go last after all others.
    pub(super) fn first_to_go(&self) -> Option<RowId> {
        self.ordinary.first().or(self.last.first()).copied()
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Sum of the rows' `bytes`.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn class(&mut self, last: bool) -> &mut BTreeSet<RowId> {
        if last { &mut self.last } else { &mut self.ordinary }
    }
}
