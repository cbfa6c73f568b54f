//! What can be saved of a file that is no database any more. Rows and records are known by themselves (see `row`), so the
//! file is read from end to end for their marks. A database leaves many old copies lying about: a camera's newest record
//! says which of its rows still wait.
//!
//! Own code, since a database that does not open has nothing else to offer.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::index::RowId;
use super::past::{Past, Record};
use super::row::{self, RECORD_MARK, ROW_MARK, Row};
use crate::ids::CameraId;

const CHUNK: usize = 1 << 20;
/// Both marks begin with it.
const MARK: u8 = ROW_MARK[0];

/// The newest record of each camera.
#[derive(Debug, Default)]
pub(super) struct Saved {
    cameras: BTreeMap<CameraId, Record>,
}

impl Saved {
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(file: impl Read) -> io::Result<Self> {
        let mut cameras: BTreeMap<CameraId, Record> = BTreeMap::new();
        each(file, RECORD_MARK, |bytes| {
            let Some(record) = row::read_record(bytes) else { return };
            let age = |record: &Record| (record.last_row, record.past.seq, record.waiting_from);
            match cameras.get(&record.past.camera) {
                Some(known) if age(known) >= age(&record) => {}
                _ => _ = cameras.insert(record.past.camera.clone(), record),
            }
        })?;
        Ok(Self { cameras })
    }

    /// Goes through the rows that still wait, some twice.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn rows(&mut self, file: impl Read, mut found: impl FnMut(Row)) -> io::Result<()> {
        each(file, ROW_MARK, |bytes| {
            if let Some(row) = row::read_row(bytes)
                && self.waits(&row)
            {
                found(row);
            }
        })
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.cameras.values().cloned().collect()
    }

    /// Whether the row waits. One that is younger than its camera's record makes it younger.
    fn waits(&mut self, row: &Row) -> bool {
        let camera = &row.event.camera;
        let record = self.cameras.entry(camera.clone()).or_insert_with(|| Record {
            past: Past::new(camera.clone()),
            last_row: RowId(0),
            waiting_from: RowId(0),
        });
        if row.id > record.last_row {
            record.last_row = row.id;
            record.past.seq = record.past.seq.max(row.event.seq);
        }
        row.id >= record.waiting_from
    }
}

/// Calls `found` with all that is left of the file from each place at which something of this mark begins.
fn each(mut file: impl Read, mark: [u8; 8], mut found: impl FnMut(&[u8])) -> io::Result<()> {
    let mut window: Vec<u8> = Vec::new();
    let mut more = true;
    while more || !window.is_empty() {
        if more {
            let before = window.len();
            file.by_ref().take(CHUNK as u64).read_to_end(&mut window)?;
            more = window.len() > before;
        }
        let mut at = 0;
        while let Some(step) = window[at..].iter().position(|byte| *byte == MARK) {
            at += step;
            let rest = &window[at..];
            if more && row::needs(mark, rest) > rest.len() {
                break;
            }
            match row::length(mark, rest) {
                Some(length) => {
                    found(&rest[..length]);
                    at += length;
                }
                None => at += 1,
            }
        }
        let whole = window[at..].iter().all(|byte| *byte != MARK);
        window.drain(..if whole || !more { window.len() } else { at });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::model::event;
    use super::*;
    use proptest::prelude::*;

    /// Gives out a file in small pieces.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(out.len()).min(self.0.len());
            out[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn record(camera: &str, seq: u64, last_row: u64, waiting_from: u64) -> Record {
        let past = Past { seq, ..Past::new(CameraId::new(camera).unwrap()) };
        Record { past, last_row: RowId(last_row), waiting_from: RowId(waiting_from) }
    }

    proptest! {
        #[test]
        fn whatever_lies_between_what_still_waits_is_found(
            noise in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), Just(MARK)], 0..50), 9),
            piece in 1..3000_usize,
        ) {
            let parts = [
                row::write_record(&record("a", 3, 3, 1)),
                row::write_row(RowId(1), 5, &event("a", 1)),
                row::write_row(RowId(2), 5, &event("a", 2)),
                row::write_record(&record("a", 4, 4, 2)),
                row::write_row(RowId(4), 5, &event("a", 4)),
                row::write_row(RowId(5), 5, &event("a", 5)),
                row::write_row(RowId(6), 5, &event("b", 9)),
                b"\x9dEWrow\x01\n and no more".to_vec(),
            ];
            let mut file = noise[0].clone();
            for (part, noise) in parts.iter().zip(&noise[1..]) {
                file.extend(part);
                file.extend(noise);
            }
            let mut saved = Saved::read(Pieces(&file, piece)).unwrap();
            let mut rows = vec![];
            saved.rows(Pieces(&file, piece), |row| rows.push((row.id.0, row.event.seq))).unwrap();
            prop_assert_eq!(rows, [(2, 2), (4, 4), (5, 5), (6, 9)]);
            prop_assert_eq!(saved.records(), [record("a", 5, 5, 2), record("b", 9, 6, 0)]);
        }
    }
}
