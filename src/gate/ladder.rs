//! The gate of one camera: the rungs from cheap to dear that a frame climbs. What is seen (`motion`), whether the camera itself
//! is well (`tamper`), then the life of the event with its duplicates (`life`). Cached answers and budgets come behind it, in
//! `analyst`, where features and the other cameras are known.

use std::time::Duration;

use super::candidate::{EndReason, Motion, Observation, Outcome, Settled};
use super::described::View;
use super::life::Life;
use super::motion::{Sight, Watcher};
use super::places::Places;
use super::settings::Settings;
use super::tamper::{Finding, Look, Tamper};
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
    tamper: Tamper,
    life: Life,
    last: Option<Moment>,
    /// Usual time between two frames.
    interval: Duration,
    /// Something moved in a lone frame; what lies before it was asked for and has yet to come.
    awaits: bool,
}

/// What a gate wants to see next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing goes on: a keyframe now and then will do.
    Keyframes,
    /// Every frame: something goes on, or the scene is still being learnt.
    All,
    /// Every frame since the last lone one that it took. It has looked at a later one and put it out of its mind.
    Replay,
}

impl Gate {
    #[must_use]
    pub fn new(camera: CameraId, settings: Settings) -> Self {
        let life = Life::new(&settings);
        let watcher = Watcher::new(settings.sensitivity, Places::new(settings.masks, settings.zones));
        Self { camera, watcher, tamper: Tamper::new(), life, last: None, interval: Duration::ZERO, awaits: false }
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
        self.awaits = false;
        if self.lost_track(frame.at) {
            self.end(EndReason::Quiet, &mut out);
        }
        self.look(frame, &mut out);
        out
    }

    /// Takes a lone frame: one that was decoded while the camera was idle, without what lies before it. If it shows
    /// something, that began somewhere before it: then the gate puts this frame out of its mind again, and wants the
    /// frames in between ([`Wish::Replay`]), this one among them. Otherwise the same as [`Gate::observe`].
    pub fn glance(&mut self, frame: Frame) -> Observation {
        if self.awaits {
            return dismissed(&frame, Motion::default());
        }
        if self.wants_all() {
            return self.observe(frame);
        }
        let before = self.watcher.clone();
        let sight = self.watcher.watch(&frame.picture, frame.at.mono);
        if self.watcher.is_puzzled() || sight.other_scene || sight.living && sight.foreground >= sight.threshold {
            self.watcher = before;
            self.awaits = true;
            return dismissed(&frame, motion(&sight));
        }
        // However long ago the last one was: the camera has been there all the time.
        self.last = Some(frame.at);
        let mut out = Observation::default();
        self.conclude(frame, sight, &mut out);
        out
    }

    fn look(&mut self, frame: Frame, out: &mut Observation) {
        self.last = Some(frame.at);
        let sight = self.watcher.watch(&frame.picture, frame.at.mono);
        self.conclude(frame, sight, out);
    }

    /// What follows from what is seen.
    fn conclude(&mut self, frame: Frame, mut sight: Sight, out: &mut Observation) {
        out.motion = motion(&sight);
        let (cells, place) = (self.watcher.cells(), self.watcher.place());
        let scene = self.watcher.scene();
        let look = Look { picture: &frame.picture, at: frame.at, sight: &sight, cells, scene, place };
        let tamper = self.tamper.observe(&look);
        // A picture that shows nothing, or the old scene again, is no other scene; one that was taken for nothing may be.
        sight.other_scene = tamper == Finding::News || sight.other_scene && !self.tamper.explains();
        let view = View { sight: &sight, classes: self.watcher.classes(), cells, tamper };
        self.life.observe(frame, &view, out);
    }

    /// What it wants to see next.
    #[must_use]
    pub fn wish(&self) -> Wish {
        if self.awaits {
            Wish::Replay
        } else if self.wants_all() {
            Wish::All
        } else {
            Wish::Keyframes
        }
    }

    /// Whether it wants every frame that there is: something goes on, or the scene is still being learnt. Otherwise a
    /// keyframe now and then will do.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        !self.life.is_idle() || !self.watcher.has_learnt() || self.tamper.doubts()
    }

    /// Something has begun that has not been told yet: within two seconds it is, or it was nothing.
    #[must_use]
    pub fn is_choosing(&self) -> bool {
        self.life.is_choosing()
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
        self.tamper.forget();
        self.last = None;
        self.awaits = false;
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

/// The frame is not looked at: the same picture comes again, with those before it.
fn dismissed(frame: &Frame, motion: Motion) -> Observation {
    let settled = Settled::new(frame, Outcome::Superseded);
    let settled =
        settled.because("share of the view that moves in a lone keyframe", motion.foreground, motion.threshold);
    let mut out = Observation { motion, ..Observation::default() };
    out.settled.push(settled);
    out
}

fn motion(sight: &Sight) -> Motion {
    Motion {
        foreground: sight.foreground,
        threshold: sight.threshold,
        lighting: sight.lighting.min(1.0),
        region: sight.region,
    }
}
