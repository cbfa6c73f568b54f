//! The gate of one camera: the rungs from cheap to dear that a frame climbs. Motion first; what comes after it
//! (duplicates, cached answers, the budget of camera and box) has its place between the sight and the life of the event.

use std::time::Duration;

use super::candidate::{EndReason, Motion, Observation};
use super::life::{Life, View};
use super::motion::{Sight, Watcher};
use super::settings::Settings;
use super::thresholds::GAP;
use crate::clock::Moment;
use crate::frame::Frame;
use crate::ids::CameraId;

/// Decides about one camera's frames. Every frame given to [`Gate::observe`] leaves exactly once: in
/// [`Observation::settled`] of this or a later call, or in a signal. At most one frame is held between calls.
#[derive(Debug)]
pub struct Gate {
    camera: CameraId,
    watcher: Watcher,
    life: Life,
    last: Option<Moment>,
    /// Usual time between two frames.
    interval: Duration,
}

impl Gate {
    #[must_use]
    pub fn new(camera: CameraId, settings: Settings) -> Self {
        let life = Life::new(&settings);
        let watcher = Watcher::new(settings.sensitivity, settings.masks);
        Self { camera, watcher, life, last: None, interval: Duration::ZERO }
    }

    /// Whose frames it decides about.
    #[must_use]
    pub fn camera(&self) -> &CameraId {
        &self.camera
    }

    /// Takes one frame, NV12 or I420, taken at `frame.at`. Times should not go back; where they do, nothing is lost
    /// but the time until they have caught up, and after a large jump either way the scene is learnt anew.
    pub fn observe(&mut self, frame: Frame) -> Observation {
        let mut out = Observation::default();
        let at = frame.at;
        if self.lost_track(at) {
            self.end(EndReason::Quiet, &mut out);
        }
        self.last = Some(at);
        let sight = self.watcher.watch(&frame.picture, at.mono);
        out.motion = motion(&sight);
        let view = View { sight: &sight, classes: self.watcher.classes() };
        self.life.observe(frame, &view, &mut out);
        out
    }

    /// Whether it wants every frame that there is: something goes on, or the scene is still being learnt. Otherwise a
    /// keyframe now and then will do.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        !self.life.is_idle() || !self.watcher.has_learnt()
    }

    /// The camera is lost or the daemon stops: a held frame is settled and a running event ends, at its last movement.
    /// A camera that comes back may look elsewhere, so the scene is learnt anew. `_at` is when that became known.
    pub fn interrupt(&mut self, _at: Moment, reason: EndReason) -> Observation {
        let mut out = Observation::default();
        self.end(reason, &mut out);
        out
    }

    fn end(&mut self, reason: EndReason, out: &mut Observation) {
        self.life.interrupt(reason, out);
        self.watcher.forget();
        self.last = None;
    }

    /// Whether so much time lies before this frame, or the clock went back so far, that nothing follows from what was.
    fn lost_track(&mut self, at: Moment) -> bool {
        let Some(last) = self.last else { return false };
        let gap = at.since(last);
        // A camera that always takes its time has lost nothing.
        let lost = gap > GAP.max(self.interval * 4) || last.since(at) > GAP;
        let gap = gap.min(GAP * 60);
        self.interval = if self.interval.is_zero() { gap } else { (self.interval * 3 + gap) / 4 };
        lost
    }
}

fn motion(sight: &Sight) -> Motion {
    Motion {
        foreground: sight.foreground,
        threshold: sight.threshold,
        lighting: sight.lighting.min(1.0),
        region: sight.region,
    }
}
