//! Pictures of what was described: made beside the analyst, never on its way, and the newest of each camera shown to delivery.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::debug;

use crate::frame::Frame;
use crate::ids::{CameraId, EventId};
use crate::image::{SnapshotSettings, snapshot};
use crate::mqtt::{self, Snapshot};
use crate::telemetry::Metrics;
use crate::units::Polygon;

/// Takes frames that were described. Of each camera one is made into a picture and one waits; a newer one takes its place.
pub(super) struct Snapshots {
    state: Mutex<State>,
    shown: watch::Sender<mqtt::Snapshots>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    /// `None`: no picture leaves the box, so none is made.
    settings: Option<SnapshotSettings>,
    /// Of every camera in the config.
    lanes: BTreeMap<CameraId, Lane>,
}

#[derive(Default)]
struct Lane {
    busy: bool,
    next: Option<Shot>,
}

/// A frame to make a picture of.
struct Shot {
    frame: Frame,
    masks: Arc<[Polygon]>,
    event: EventId,
    seq: u64,
}

impl Shot {
    fn name(&self) -> String {
        format!("{}-{}", self.event, self.seq)
    }
}

impl Snapshots {
    /// Makes none until [`Snapshots::apply`] says otherwise.
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), shown: watch::Sender::default(), metrics }
    }

    /// The newest of each camera.
    pub(super) fn subscribe(&self) -> watch::Receiver<mqtt::Snapshots> {
        self.shown.subscribe()
    }

    /// What the config says now. Pictures of cameras that are gone go, and all of them when none are wanted any more.
    pub(super) fn apply<'a>(&self, settings: Option<SnapshotSettings>, cameras: impl Iterator<Item = &'a CameraId>) {
        let cameras: BTreeSet<&CameraId> = cameras.collect();
        let mut state = self.state();
        state.settings = settings;
        state.lanes.retain(|camera, _| cameras.contains(camera));
        for camera in cameras {
            state.lanes.entry(camera.clone()).or_default();
        }
        self.shown.send_if_modified(|shown| {
            let before = shown.len();
            let stays = |camera: &CameraId| state.settings.is_some() && state.lanes.contains_key(camera);
            if shown.keys().all(stays) {
                return false;
            }
            Arc::make_mut(shown).retain(|camera, _| stays(camera));
            shown.len() != before
        });
    }

    /// Has a picture made of the frame that message `seq` of `event` is about, and returns the picture's name. `None`: none is
    /// wanted, or nobody knows the camera any more. Does not wait; call it on the runtime.
    pub(super) fn take(
        self: &Arc<Self>,
        camera: &CameraId,
        frame: &Frame,
        masks: Arc<[Polygon]>,
        event: EventId,
        seq: u64,
    ) -> Option<String> {
        let mut state = self.state();
        let settings = state.settings?;
        let lane = state.lanes.get_mut(camera)?;
        let shot = Shot { frame: frame.clone(), masks, event, seq };
        let name = shot.name();
        if lane.busy {
            if lane.next.replace(shot).is_some() {
                self.metrics.snapshot_dropped(camera.as_str());
            }
        } else {
            lane.busy = true;
            tokio::spawn(self.clone().work(camera.clone(), shot, settings));
        }
        Some(name)
    }

    /// Makes pictures of one camera until none waits.
    async fn work(self: Arc<Self>, camera: CameraId, first: Shot, mut settings: SnapshotSettings) {
        let mut shot = first;
        loop {
            let (name, at) = (shot.name(), shot.frame.at.wall);
            let Shot { frame, masks, event, seq } = shot;
            let made = spawn_blocking(move || snapshot(&frame.picture, &masks, settings)).await.ok().flatten();
            let made = made.map(|jpeg| Snapshot { jpeg: jpeg.into(), name, event, seq, at });
            match self.settle(&camera, made) {
                Some(next) => (shot, settings) = next,
                None => return,
            }
        }
    }

    /// Shows the picture, if it is still wanted, and gives out what is next.
    fn settle(&self, camera: &CameraId, made: Option<Snapshot>) -> Option<(Shot, SnapshotSettings)> {
        let mut state = self.state();
        let State { settings, lanes } = &mut *state;
        let lane = lanes.get_mut(camera)?;
        match made {
            Some(made) if settings.is_some() => self.show(camera, made),
            Some(_) => {}
            None => {
                debug!(%camera, "no picture could be made of a frame");
                self.metrics.snapshot_dropped(camera.as_str());
            }
        }
        let next = lane.next.take().zip(*settings);
        lane.busy = next.is_some();
        next
    }

    fn show(&self, camera: &CameraId, made: Snapshot) {
        self.shown.send_if_modified(|shown| {
            // A camera that left and came back may have two on the way.
            let newest = shown.get(camera).is_none_or(|before| before.seq < made.seq);
            if newest {
                Arc::make_mut(shown).insert(camera.clone(), Arc::new(made));
            }
            newest
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};

    const SMALL: SnapshotSettings = SnapshotSettings { width: 32, quality: 80 };

    fn id(name: &str) -> CameraId {
        CameraId::new(name).unwrap()
    }

    fn frame(luma: u8) -> Frame {
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Full };
        let data = [vec![luma; 64 * 32], vec![128; 64 * 32 / 2]].concat();
        let picture = Picture::packed(64, 32, PixelFormat::I420, colour, data).unwrap();
        Frame { camera: id("door"), seq: 1, at: Clock::system().now(), pts: None, lone: false, picture }
    }

    fn snapshots() -> (Arc<Snapshots>, Arc<Metrics>, watch::Receiver<mqtt::Snapshots>) {
        let metrics = Arc::new(Metrics::new());
        let snapshots = Arc::new(Snapshots::new(metrics.clone()));
        let shown = snapshots.subscribe();
        (snapshots, metrics, shown)
    }

    fn event() -> EventId {
        EventId(ulid::Ulid::from_parts(1, 2))
    }

    #[tokio::test]
    async fn the_newest_is_shown_and_what_it_overtook_is_counted() {
        let (snapshots, metrics, mut shown) = snapshots();
        let (door, yard) = (id("door"), id("yard"));
        snapshots.apply(Some(SMALL), [&door, &yard].into_iter());
        let left: Arc<[Polygon]> = [Polygon(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]])].into();
        let mut last = frame(0);
        // On this runtime nothing is made before somebody waits.
        for (seq, luma) in [(1, 20), (2, 90), (3, 250)] {
            last = frame(luma);
            let name = snapshots.take(&door, &last, left.clone(), event(), seq);
            assert_eq!(name.unwrap(), format!("{}-{seq}", event()));
        }
        assert!(snapshots.take(&yard, &frame(90), Arc::new([]), event(), 7).is_some());
        let done = |shown: &mqtt::Snapshots| {
            shown.get(&id("door")).is_some_and(|shot| shot.seq == 3) && shown.contains_key(&id("yard"))
        };
        let shown = shown.wait_for(done).await.unwrap().clone();
        assert_eq!((metrics.snapshots_dropped_of("door"), metrics.snapshots_dropped_of("yard")), (1, 0));
        let shot = &shown[&door];
        assert_eq!((shot.name.as_str(), shot.at), (format!("{}-3", event()).as_str(), last.at.wall));
        let picture = image::load_from_memory(&shot.jpeg).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (32, 16));
        let [masked, open] = [2, 29].map(|x| picture.get_pixel(x, 8).0[0]);
        assert!(masked.abs_diff(128) < 12 && open > 240, "{masked} {open}");
    }

    #[tokio::test]
    async fn a_camera_that_is_gone_takes_its_picture_with_it() {
        let (snapshots, _, mut shown) = snapshots();
        let (door, yard) = (id("door"), id("yard"));
        snapshots.apply(Some(SMALL), [&door, &yard].into_iter());
        for camera in [&door, &yard] {
            snapshots.take(camera, &frame(90), Arc::new([]), event(), 1);
        }
        shown.wait_for(|shown| shown.len() == 2).await.unwrap();
        // One is on its way while its camera goes.
        snapshots.take(&yard, &frame(90), Arc::new([]), event(), 2);
        snapshots.apply(Some(SMALL), [&door].into_iter());
        assert_eq!(shown.borrow_and_update().keys().collect::<Vec<_>>(), [&door]);
        assert_eq!(snapshots.take(&yard, &frame(90), Arc::new([]), event(), 3), None);
        snapshots.take(&door, &frame(90), Arc::new([]), event(), 2);
        let late = shown.wait_for(|shown| shown[&id("door")].seq == 2).await.unwrap().clone();
        assert_eq!(late.len(), 1);
        // The same config again wakes nobody.
        snapshots.apply(Some(SMALL), [&door].into_iter());
        assert!(!shown.has_changed().unwrap());
    }

    #[tokio::test]
    async fn switched_off_nothing_is_made_and_nothing_stays() {
        let (snapshots, _, mut shown) = snapshots();
        let door = id("door");
        snapshots.apply(None, [&door].into_iter());
        assert_eq!(snapshots.take(&door, &frame(90), Arc::new([]), event(), 1), None);
        snapshots.apply(Some(SMALL), [&door].into_iter());
        assert!(snapshots.take(&door, &frame(90), Arc::new([]), event(), 1).is_some());
        shown.wait_for(|shown| shown.len() == 1).await.unwrap();
        snapshots.apply(None, [&door].into_iter());
        assert!(shown.borrow().is_empty());
    }
}
