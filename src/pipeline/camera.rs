//! One camera's part of the walk: frames from its mailbox through its gate into the analyst's inbox.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::audience::Audience;
use super::desk::Newest;
use super::progress::{BEAT, Beat};
use crate::analyst::{Inbox, Offered};
use crate::clock::{Clock, Moment};
use crate::frame::Frame;
use crate::gate::{self, EndReason, Gate, Observation, Outcome, Settled, Signal, Wish};
use crate::health::{CameraHealth, CameraState};
use crate::ids::CameraId;
use crate::source::{self, Counters, Demand, mailbox};
use crate::telemetry::Metrics;

/// Everything that one camera's gate loop needs.
pub(super) struct CameraLoop {
    pub(super) camera: CameraId,
    /// Index of the camera in the inbox.
    pub(super) lane: usize,
    pub(super) gate: Gate,
    /// Settings that come later; each makes a new gate.
    pub(super) settings: watch::Receiver<gate::Settings>,
    pub(super) frames: mailbox::Receiver<Frame>,
    pub(super) health: watch::Receiver<CameraHealth>,
    pub(super) counters: Arc<Counters>,
    /// Where the source hears what the gate wants next.
    pub(super) demand: Arc<Demand>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) beat: Beat,
    pub(super) clock: Clock,
    pub(super) audience: Arc<dyn Audience>,
    /// The clip plays as fast as it is understood: wait for the analyst after every signal.
    pub(super) patient: bool,
    pub(super) stopping: CancellationToken,
    /// The longest that an online source may give no sign.
    pub(super) silence: Duration,
    /// It delivers now, or has delivered before.
    pub(super) up: bool,
    pub(super) was_up: bool,
    /// The camera is to be watched no more, or in another way; the daemon goes on.
    pub(super) leaving: CancellationToken,
    /// Why, if that is known.
    pub(super) why: Arc<OnceLock<EndReason>>,
    /// The newest frame, for questions.
    pub(super) newest: Newest,
}

impl CameraLoop {
    /// Until the source has ended and its last frame is settled.
    pub(super) async fn run(mut self) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<Moment> = None;
        let mut moved = self.clock.now();
        let mut counted = Counted::default();
        loop {
            tokio::select! {
                frame = self.frames.take() => match frame {
                    Some(frame) => {
                        last = Some(frame.at);
                        moved = self.clock.now();
                        self.observe(frame).await;
                    }
                    None => break,
                },
                changed = self.health.changed() => if changed.is_ok() { self.health_changed(last) },
                Ok(()) = self.settings.changed() => self.settings_changed(last),
                // A last frame may come after the camera's last word.
                _ = beat.tick() => if !self.up { self.newest.clear() },
            }
            let now = self.clock.now();
            if self.count_drops(&mut counted) || !self.up {
                moved = now;
            }
            // A source that says it is online has frames, or sees within its timeout that it has none. If neither comes, it
            // is stuck, and the watchdog shall know.
            if now.since(moved) < self.silence {
                self.beat.beat(now);
            }
        }
        self.newest.clear();
        self.interrupt(last, self.why_gone());
        self.count_drops(&mut counted);
    }

    /// Why no more frames come: a source that was told to end says that it is offline, too.
    fn why_gone(&self) -> EndReason {
        match () {
            () if self.stopping.is_cancelled() => EndReason::Stopped,
            () if self.leaving.is_cancelled() => self.why.get().copied().unwrap_or(EndReason::Reconfigured),
            () => EndReason::CameraLost,
        }
    }

    /// A gate with other settings has yet to learn the scene, so what went on has ended.
    fn settings_changed(&mut self, last: Option<Moment>) {
        let settings = self.settings.borrow_and_update().clone();
        self.interrupt(last, EndReason::Reconfigured);
        self.gate = Gate::new(self.camera.clone(), settings);
    }

    async fn observe(&mut self, frame: Frame) {
        let (seq, at) = (frame.seq, frame.at);
        if self.patient {
            self.inbox.advance(self.lane, at);
            self.inbox.settled(self.lane).await;
        }
        // Cheap: the picture is shared, not copied.
        let seen = frame.clone();
        let observation = if frame.lone { self.gate.glance(frame) } else { self.gate.observe(frame) };
        self.demand.tell(seen.pts, seen.lone, wish(self.gate.wish()));
        self.audience.observed(&self.camera, &seen, &observation.motion);
        debug!(
            frame = seq,
            at = %at.wall,
            foreground = observation.motion.foreground,
            threshold = observation.motion.threshold,
            lighting = observation.motion.lighting,
            signals = observation.signals.len(),
            "gate"
        );
        let mut spoke = !observation.signals.is_empty();
        self.pass_on(observation, at);
        let now = if self.patient { at } else { self.clock.now() };
        // What is about to be told has its rules asked with it: one that alerts now would make two events of it.
        let offered = if self.gate.is_choosing() { Offered::Nothing } else { self.inbox.offer(self.lane, &seen, now) };
        match offered {
            Offered::Nothing => {}
            Offered::Waits => spoke = true,
            Offered::Instead => {
                spoke = true;
                self.metrics.rules_skipped(self.camera.as_str());
            }
        }
        self.newest.put(seen);
        if spoke && self.patient {
            self.inbox.settled(self.lane).await;
        }
    }

    fn health_changed(&mut self, last: Option<Moment>) {
        let health = self.health.borrow_and_update().clone();
        let up = health.state == CameraState::Online;
        if up && !self.up && self.was_up {
            self.metrics.camera_reconnected(self.camera.as_str());
        }
        (self.up, self.was_up) = (up, self.was_up || up);
        self.metrics.camera_up(self.camera.as_str(), up);
        if !up {
            self.newest.clear();
        }
        // What comes from a clip that has its own time comes in its order: its end is that of its frames.
        if !up && !self.patient {
            self.interrupt(last, self.why_gone());
        }
    }

    fn interrupt(&mut self, last: Option<Moment>, reason: EndReason) {
        // A clip has its own time: what it shows ended when it ended.
        let at = match last {
            Some(last) if self.patient => last,
            _ => self.clock.now(),
        };
        let observation = self.gate.interrupt(at, reason);
        self.pass_on(observation, at);
    }

    fn pass_on(&self, observation: Observation, at: Moment) {
        let camera = self.camera.as_str();
        for settled in observation.settled {
            self.note(&settled);
        }
        for signal in observation.signals {
            debug!(signal = name(&signal), "signal");
            match &signal {
                Signal::Start(candidate) => self.audience.chosen(&self.camera, candidate, true),
                Signal::Update(candidate) => self.audience.chosen(&self.camera, candidate, false),
                Signal::End { .. } => {}
            }
            let now = if self.patient { at } else { self.clock.now() };
            let displaced = self.inbox.put(self.lane, signal, now);
            for settled in displaced.frames {
                self.note(&settled);
            }
            for _ in 0..displaced.events {
                self.metrics.signal_dropped(camera);
            }
        }
    }

    fn note(&self, settled: &Settled) {
        note(settled);
        self.audience.settled(&self.camera, settled);
        self.metrics.frame(self.camera.as_str(), settled.outcome.name());
    }

    /// What the source dropped since the last look; whether that was anything.
    fn count_drops(&self, counted: &mut Counted) -> bool {
        let camera = self.camera.as_str();
        let superseded = self.frames.superseded();
        let skipped = self.counters.decode_skipped();
        for (outcome, frames) in [
            (Outcome::Superseded, superseded - counted.superseded),
            (Outcome::DecodeSkipped, skipped - counted.skipped),
        ] {
            self.metrics.frames_by(camera, outcome.name(), frames);
            if frames > 0 {
                self.audience.dropped(&self.camera, outcome, frames);
            }
        }
        let before = std::mem::replace(counted, Counted { superseded, skipped });
        before != *counted
    }
}

fn wish(wish: Wish) -> source::Wish {
    match wish {
        Wish::Keyframes => source::Wish::Keyframes,
        Wish::All => source::Wish::All,
        Wish::Replay => source::Wish::Replay,
    }
}

/// Why a frame went no further.
pub(super) fn note(settled: &Settled) {
    let Settled { frame, at, outcome, because } = settled;
    let because = because.as_ref();
    debug!(
        frame,
        at = %at.wall,
        outcome = outcome.name(),
        because = because.map(|measure| measure.what),
        value = because.map(|measure| measure.value),
        threshold = because.map(|measure| measure.threshold),
        "settled"
    );
}

/// What was counted already.
#[derive(Default, PartialEq, Eq)]
struct Counted {
    superseded: u64,
    skipped: u64,
}

fn name(signal: &Signal) -> &'static str {
    match signal {
        Signal::Start(_) => "start",
        Signal::Update(_) => "update",
        Signal::End { .. } => "end",
    }
}
