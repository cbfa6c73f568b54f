//! Row numbers in memory and on disk. They are the same, unless this run began without being able to read the disk: its
//! rows have numbers of their own then, and go behind those that were found on the disk later.

use super::index::RowId;
use super::queue::{BLIND, Contents};

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Keys {
    /// On disk, rows of a blind run begin here.
    from: Option<u64>,
}

impl Keys {
    /// `contents` as they lie on disk, to be numbered as in memory.
    pub(super) fn learn(&mut self, contents: &mut Contents, blind: bool) {
        if blind && self.from.is_none() {
            let rows = contents.rows.iter().map(|row| row.id.0);
            let last = rows.chain(contents.records.iter().map(|record| record.last_row.0)).max();
            self.from = Some(last.map_or(1, |last| last + 1));
        }
        contents.rows.iter_mut().for_each(|row| row.id = self.in_memory(row.id));
        contents.unreadable.iter_mut().for_each(|id| *id = self.in_memory(*id));
        for record in &mut contents.records {
            record.last_row = self.in_memory(record.last_row);
            record.waiting_from = self.in_memory(record.waiting_from);
        }
    }

    pub(super) fn on_disk(self, id: RowId) -> RowId {
        match self.from {
            Some(from) if id.0 > BLIND => RowId(id.0 - BLIND - 1 + from),
            _ => id,
        }
    }

    fn in_memory(self, id: RowId) -> RowId {
        match self.from {
            Some(from) if id.0 >= from => RowId(id.0 - from + BLIND + 1),
            _ => id,
        }
    }
}
