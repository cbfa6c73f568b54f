//! Whose turn it is: cameras one after another, each camera's rows in order. So a camera with ten thousand rows does not
//! delay one with a single row. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::index::RowId;
use crate::ids::CameraId;

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    of_camera: BTreeMap<CameraId, u16>,
    /// The lane that is asked first.
    turn: usize,
}

#[derive(Debug)]
struct Lane {
    camera: CameraId,
    /// May be handed out.
    waiting: BTreeSet<RowId>,
}

/// What [`Lanes::take`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) row: Option<RowId>,
    /// A camera was passed over, since the event of its first row is not at hand.
    pub(super) passed_over: bool,
}

impl Lanes {
    /// The number of this camera's lane.
    pub(super) fn of(&mut self, camera: &CameraId) -> u16 {
        if let Some(lane) = self.of_camera.get(camera) {
            return *lane;
        }
        // More cameras than that are no box: they would share the last lane, in order all the same.
        let lane = u16::try_from(self.lanes.len()).unwrap_or(u16::MAX);
        if lane < u16::MAX {
            self.lanes.push(Lane { camera: camera.clone(), waiting: BTreeSet::new() });
        }
        self.of_camera.insert(camera.clone(), lane.min(u16::MAX - 1));
        lane.min(u16::MAX - 1)
    }

    pub(super) fn known(&self, camera: &CameraId) -> Option<u16> {
        self.of_camera.get(camera).copied()
    }

    pub(super) fn camera(&self, lane: u16) -> Option<&CameraId> {
        self.lanes.get(usize::from(lane)).map(|lane| &lane.camera)
    }

    /// The row may be handed out.
    pub(super) fn offer(&mut self, lane: u16, row: RowId) {
        if let Some(lane) = self.lanes.get_mut(usize::from(lane)) {
            lane.waiting.insert(row);
        }
    }

    pub(super) fn remove(&mut self, lane: u16, row: RowId) -> bool {
        self.lanes.get_mut(usize::from(lane)).is_some_and(|lane| lane.waiting.remove(&row))
    }

    pub(super) fn is_waiting(&self, lane: u16, row: RowId) -> bool {
        self.lanes.get(usize::from(lane)).is_some_and(|lane| lane.waiting.contains(&row))
    }

    /// How many rows may be handed out.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    pub(super) fn first(&self, lane: u16) -> Option<RowId> {
        self.lanes.get(usize::from(lane))?.waiting.first().copied()
    }

    /// Takes out the first row of the next camera whose first row is `at_hand`.
    pub(super) fn take(&mut self, at_hand: impl Fn(RowId) -> bool) -> Found {
        let mut found = Found::default();
        for step in 0..self.lanes.len() {
            let at = (self.turn + step) % self.lanes.len();
            let Some(row) = self.lanes[at].waiting.first().copied() else { continue };
            if at_hand(row) {
                self.lanes[at].waiting.pop_first();
                self.turn = at + 1;
                found.row = Some(row);
                return found;
            }
            found.passed_over = true;
        }
        found
    }

    /// The next rows whose events are not `at_hand`, cameras in turn, in the order in which they will be handed out.
    pub(super) fn ahead(&self, most: usize, at_hand: impl Fn(RowId) -> bool) -> Vec<RowId> {
        let count = self.lanes.len();
        let mut walks: Vec<_> = (0..count)
            .map(|step| self.lanes[(self.turn + step) % count].waiting.iter().filter(|row| !at_hand(**row)))
            .collect();
        let mut rows = Vec::new();
        while !walks.is_empty() && rows.len() < most {
            walks.retain_mut(|walk| {
                let Some(row) = walk.next() else { return false };
                if rows.len() < most {
                    rows.push(*row);
                }
                true
            });
        }
        rows
    }
}
