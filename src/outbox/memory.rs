//! The store in memory: what waits is lost with the process.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::store::{Row, RowId, Store};

#[derive(Debug, Default)]
pub(super) struct MemoryStore {
    rows: BTreeMap<RowId, Row>,
    bytes: u64,
}

impl Store for MemoryStore {
    fn push(&mut self, row: Row) {
        self.bytes += row.bytes;
        self.rows.insert(row.id, row);
    }

    fn next(&self, after: Option<RowId>) -> Option<&Row> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.range((from, Bound::Unbounded)).next().map(|(_, row)| row)
    }

    fn remove(&mut self, id: RowId) -> Option<Row> {
        let row = self.rows.remove(&id)?;
        self.bytes -= row.bytes;
        Some(row)
    }

    fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
