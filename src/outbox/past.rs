//! What is remembered of a camera besides its rows: the number of its last message, what its retained description says,
//! and the event that goes on. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::index::RowId;
use crate::event::{Event, Kind};
use crate::ids::CameraId;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    pub(super) camera: CameraId,
    pub(super) seq: u64,
    /// The last event with new words.
    pub(super) words: Option<Arc<Event>>,
    /// The last message of the event that goes on.
    pub(super) running: Option<Arc<Event>>,
}

impl Past {
    pub(super) fn new(camera: CameraId) -> Self {
        Self { camera, seq: 0, words: None, running: None }
    }

    fn note(&mut self, event: &Arc<Event>) {
        self.seq = event.seq;
        if event.kind != Kind::End && event.description.is_some() {
            self.words = Some(event.clone());
        }
        self.running = (event.kind != Kind::End).then(|| event.clone());
    }
}

/// A camera's past as it is written down, with what tells later which of its rows still wait.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) past: Past,
    /// Its last row.
    pub(super) last_row: RowId,
    /// No row of it before this one waits.
    pub(super) waiting_from: RowId,
}

#[derive(Debug, Default)]
pub(super) struct Pasts {
    cameras: BTreeMap<CameraId, (Past, RowId)>,
    /// Those whose record on disk is out of date.
    changed: BTreeSet<CameraId>,
}

impl Pasts {
    pub(super) fn note(&mut self, event: &Arc<Event>, row: RowId) {
        let camera = &event.camera;
        let (past, last_row) =
            self.cameras.entry(camera.clone()).or_insert_with(|| (Past::new(camera.clone()), RowId(0)));
        past.note(event);
        *last_row = row.max(*last_row);
        self.touch(camera);
    }

    /// The record on disk is to be written again.
    pub(super) fn touch(&mut self, camera: &CameraId) {
        if !self.changed.contains(camera) {
            self.changed.insert(camera.clone());
        }
    }

    pub(super) fn touch_all(&mut self) {
        self.changed = self.cameras.keys().cloned().collect();
    }

    pub(super) fn get(&self, camera: &CameraId) -> Option<&Past> {
        self.cameras.get(camera).map(|(past, _)| past)
    }

    /// What an earlier run wrote. What this run knows already is newer, but its numbers never go back.
    pub(super) fn adopt(&mut self, record: Record) {
        match self.cameras.get_mut(&record.past.camera) {
            Some((past, _)) => {
                past.seq = past.seq.max(record.past.seq);
                past.words = past.words.take().or(record.past.words);
            }
            None => {
                self.cameras.insert(record.past.camera.clone(), (record.past, record.last_row));
            }
        }
    }

    pub(super) fn running(&self) -> Vec<Event> {
        self.cameras.values().filter_map(|(past, _)| past.running.as_deref().cloned()).collect()
    }

    /// The cameras whose records are to be written, with their last rows; they count as written then.
    pub(super) fn take_changed(&mut self) -> Vec<(Past, RowId)> {
        let changed = std::mem::take(&mut self.changed);
        changed.iter().filter_map(|camera| self.cameras.get(camera).cloned()).collect()
    }
}
