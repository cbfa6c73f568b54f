//! The bytes of rows and records. Each says what it is, how long it is, and has a checksum over all of it, so that it is
//! known by itself: in the database, and in a file that is no database any more.
//!
//! A row or record: mark (8 bytes), then little-endian two numbers of 8 bytes, the length of the JSON and a CRC-32 over
//! everything else, then the JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::index::RowId;
use super::past::{Past, Record};
use super::queue::goes_last;
use crate::event::{Event, MAX_JSON};
use crate::ids::CameraId;

pub(super) const ROW_MARK: [u8; 8] = *b"\x9dEWrow\x01\n";
pub(super) const RECORD_MARK: [u8; 8] = *b"\x9dEWcam\x01\n";
const HEAD: usize = 8 + 8 + 8 + 4 + 4;
/// A record holds up to two events.
const MAX_BODY: usize = 3 * MAX_JSON;
/// In front of the camera's name in an index entry: CRC-32, bytes, time, class.
const ENTRY_HEAD: usize = 4 + 4 + 8 + 1;

/// A row as it is read: when it was added (milliseconds of Unix time) and what it holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) id: RowId,
    pub(super) added: i64,
    pub(super) event: Event,
}

/// A row's place in the index on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: RowId,
    pub(super) camera: CameraId,
    pub(super) bytes: u32,
    /// Milliseconds of Unix time.
    pub(super) added: i64,
    pub(super) last: bool,
}

impl Listed {
    pub(super) fn of(row: &Row) -> Self {
        Self {
            id: row.id,
            camera: row.event.camera.clone(),
            bytes: u32::try_from(row.event.to_json().len()).unwrap_or(u32::MAX),
            added: row.added,
            last: goes_last(&row.event),
        }
    }
}

pub(super) fn write_row(id: RowId, added: i64, event: &Event) -> Vec<u8> {
    seal(ROW_MARK, id.0, added.cast_unsigned(), event.to_json().as_bytes())
}

pub(super) fn read_row(bytes: &[u8]) -> Option<Row> {
    let (id, added, body) = open(ROW_MARK, bytes)?;
    let event = Event::from_json(body).ok()?;
    Some(Row { id: RowId(id), added: added.cast_signed(), event })
}

pub(super) fn write_record(record: &Record) -> Vec<u8> {
    seal(RECORD_MARK, record.last_row.0, record.waiting_from.0, &json(&record.past))
}

pub(super) fn read_record(bytes: &[u8]) -> Option<Record> {
    let (last_row, waiting_from, body) = open(RECORD_MARK, bytes)?;
    let past: Past = from_json(body)?;
    Some(Record { past, last_row: RowId(last_row), waiting_from: RowId(waiting_from) })
}

pub(super) fn write_listed(listed: &Listed) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(listed.bytes.to_le_bytes());
    bytes.extend(listed.added.to_le_bytes());
    bytes.push(u8::from(listed.last));
    bytes.extend(listed.camera.as_str().as_bytes());
    let sum = listed_sum(listed.id, &bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

pub(super) fn read_listed(id: RowId, bytes: &[u8]) -> Option<Listed> {
    let (head, camera) = bytes.split_at_checked(ENTRY_HEAD)?;
    if u32_at(head, 0)? != listed_sum(id, &bytes[4..]) {
        return None;
    }
    let camera = CameraId::new(std::str::from_utf8(camera).ok()?).ok()?;
    let added = u64_at(head, 8)?.cast_signed();
    Some(Listed { id, camera, bytes: u32_at(head, 4)?, added, last: head[16] != 0 })
}

/// How many bytes are needed to know whether a row or record begins here.
pub(super) fn needs(mark: [u8; 8], bytes: &[u8]) -> usize {
    let known = bytes.len().min(mark.len());
    if bytes[..known] != mark[..known] {
        return 0;
    }
    match u32_at(bytes, 24) {
        Some(length) if length as usize <= MAX_BODY => HEAD + length as usize,
        Some(_) => 0,
        None => HEAD,
    }
}

/// How many bytes the row or record has that begins here; `None` if there is none.
pub(super) fn length(mark: [u8; 8], bytes: &[u8]) -> Option<usize> {
    open(mark, bytes).map(|(_, _, body)| HEAD + body.len())
}

fn seal(mark: [u8; 8], first: u64, second: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend(mark);
    bytes.extend(first.to_le_bytes());
    bytes.extend(second.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    let sum = sum(&[&bytes, body]);
    bytes.extend(sum.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// There may be more behind it.
fn open(mark: [u8; 8], bytes: &[u8]) -> Option<(u64, u64, &[u8])> {
    let head = bytes.get(..HEAD)?;
    let length = u32_at(head, 24)? as usize;
    if head[..8] != mark || length > MAX_BODY {
        return None;
    }
    let body = bytes.get(HEAD..HEAD + length)?;
    (u32_at(head, 28)? == sum(&[&head[..28], body])).then_some(())?;
    Some((u64_at(head, 8)?, u64_at(head, 16)?, body))
}

fn listed_sum(id: RowId, rest: &[u8]) -> u32 {
    sum(&[&id.0.to_le_bytes(), rest])
}

fn sum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it holds only strings, numbers and maps with string keys")
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::model::event;
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_was_changed_is_not() {
        let row = Row { id: RowId(7), added: -3, event: event("a", 1) };
        let past =
            Past { camera: row.event.camera.clone(), seq: 1, words: Some(Arc::new(row.event.clone())), running: None };
        let record = Record { past, last_row: RowId(7), waiting_from: RowId(5) };
        let listed = Listed { id: RowId(7), camera: row.event.camera.clone(), bytes: 9, added: -3, last: true };
        let (a, b, c) = (write_row(row.id, row.added, &row.event), write_record(&record), write_listed(&listed));
        assert_eq!(read_row(&a), Some(row));
        assert_eq!(read_record(&b), Some(record));
        assert_eq!(read_listed(RowId(7), &c), Some(listed));
        assert_eq!(read_listed(RowId(8), &c), None);
        let with_more = [a.clone(), b.clone()].concat();
        assert_eq!(length(ROW_MARK, &with_more), Some(a.len()));
        for (bytes, readable) in [
            (&a, (|bytes| read_row(bytes).is_some()) as fn(&[u8]) -> bool),
            (&b, |bytes| read_record(bytes).is_some()),
            (&c, |bytes| read_listed(RowId(7), bytes).is_some()),
        ] {
            assert!(readable(bytes));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 0x10;
                assert!(!readable(&changed) && !readable(&bytes[..at]), "{at}");
            }
        }
    }
}
