//! A small bounded queue in which cameras take turns. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::CameraId;

/// Of one camera: more would only be refused later, when they are too late.
pub(super) const PER_CAMERA: usize = 4;

/// Of all cameras.
pub(super) const IN_ALL: usize = 16;

/// What waits, by camera; no lane is empty.
#[derive(Debug)]
pub(super) struct Turns<T> {
    lanes: BTreeMap<CameraId, VecDeque<T>>,
    /// Whose turn it was.
    last: Option<CameraId>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), last: None }
    }
}

impl<T> Turns<T> {
    /// Gives it back if there is no room.
    pub(super) fn push(&mut self, camera: CameraId, item: T) -> Result<(), T> {
        let full = self.lanes.values().map(VecDeque::len).sum::<usize>() >= IN_ALL
            || self.lanes.get(&camera).is_some_and(|lane| lane.len() >= PER_CAMERA);
        if full {
            return Err(item);
        }
        self.lanes.entry(camera).or_default().push_back(item);
        Ok(())
    }

    /// The oldest of the camera whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(CameraId, T)> {
        let after = |last: &CameraId| self.lanes.keys().find(|camera| *camera > last);
        let camera = self.last.as_ref().and_then(after).or_else(|| self.lanes.keys().next())?.clone();
        let lane = self.lanes.get_mut(&camera)?;
        let item = lane.pop_front()?;
        if lane.is_empty() {
            self.lanes.remove(&camera);
        }
        self.last = Some(camera.clone());
        Some((camera, item))
    }

    /// Only what is still wanted.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        self.lanes.retain(|_, lane| {
            lane.retain(&mut wanted);
            !lane.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> CameraId {
        CameraId::new(name).unwrap()
    }

    fn drain(turns: &mut Turns<u32>) -> Vec<u32> {
        std::iter::from_fn(|| turns.pop()).map(|(_, item)| item).collect()
    }

    #[test]
    fn cameras_take_turns_and_each_keeps_its_order() {
        let mut turns = Turns::default();
        for (camera, item) in [("door", 1), ("door", 2), ("door", 3), ("attic", 10), ("yard", 20), ("yard", 21)] {
            turns.push(id(camera), item).unwrap();
        }
        assert_eq!(drain(&mut turns), [10, 1, 20, 2, 21, 3]);
        // The turn goes on from where it was.
        turns.push(id("attic"), 11).unwrap();
        turns.push(id("yard"), 22).unwrap();
        assert_eq!(drain(&mut turns), [22, 11]);
    }

    #[test]
    fn there_is_room_for_a_few_of_each_and_of_all() {
        let mut turns = Turns::default();
        for item in 0..4 {
            turns.push(id("door"), item).unwrap();
        }
        assert_eq!(turns.push(id("door"), 4), Err(4));
        for camera in ["a", "b", "c"] {
            (0..4).for_each(|item| turns.push(id(camera), item).unwrap());
        }
        assert_eq!(turns.push(id("another"), 9), Err(9));
        turns.retain(|item| *item != 0);
        assert_eq!(turns.push(id("another"), 9), Ok(()));
        turns.retain(|_| false);
        assert!(turns.lanes.is_empty());
        assert_eq!(turns.pop(), None);
    }
}
