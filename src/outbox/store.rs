//! The seam behind which rows lie: today memory, later a file. A store keeps rows and decides nothing; order, bounds
//! and what is out are the queue's.

use std::fmt;

use crate::clock::Moment;
use crate::event::Event;

/// Place of a row in the queue; grows with each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub u64);

/// One event that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: RowId,
    pub event: Event,
    /// What the row counts for against the bound: the length of the event's JSON.
    pub bytes: u64,
    pub added: Moment,
    /// The connection that was up when the row was added. A row from an earlier run has none.
    pub connection: Option<u64>,
}

/// Rows in the order of their ids. A store that can fail (a full disk) keeps what it could not write in memory, says
/// so, and goes on: the queue in front of it never stops taking events.
pub trait Store: Send + fmt::Debug {
    /// Adds a row; its id is larger than all before.
    fn push(&mut self, row: Row);

    /// The oldest row with a larger id than `after`, or the oldest of all.
    fn next(&self, after: Option<RowId>) -> Option<&Row>;

    /// Takes the row out.
    fn remove(&mut self, id: RowId) -> Option<Row>;

    /// How many rows wait.
    fn rows(&self) -> u64;

    /// Sum of the rows' `bytes`.
    fn bytes(&self) -> u64;
}
