//! The life of an event: nothing, choosing the frame that it starts with, active, settling, nothing. Pure; what moves
//! is seen in `motion`, what it costs is decided further up the ladder.

use std::time::Duration;

use super::background::Class;
use super::candidate::{Candidate, EndReason, Observation, Outcome, Signal};
use super::look::{self, Shape};
use super::motion::Sight;
use super::settings::Settings;
use crate::clock::Moment;
use crate::event::Cause;
use crate::frame::Frame;
use crate::units::Region;

/// The frame that an event starts with is chosen from so long.
const CHOICE: Duration = Duration::from_millis(700);
/// Not before so long is a look taken for the best, because things that come in grow.
const FIRST_LOOK: Duration = Duration::from_millis(350);
/// So many looks worse than the best, one after the other, mean that the best has been.
const WORSE: u32 = 2;
/// What shows in a single frame and not again within so long was nothing: an insect, a broken picture.
const BLINK: Duration = Duration::from_millis(450);
/// A camera with fewer frames than one in so long must be believed at the first.
const SLOW: Duration = Duration::from_millis(800);

/// One camera's event, if any.
#[derive(Debug)]
pub(super) struct Life {
    settle: Duration,
    min_interval: Duration,
    refresh: Duration,
    state: State,
    last: Option<Moment>,
}

#[derive(Debug)]
enum State {
    /// Nothing is in view.
    Idle,
    /// Something came into view; the best frame of its first moment is held.
    Choosing(Choosing),
    /// An event goes on and something moves.
    Active(Active),
    /// An event goes on and nothing moves: it was over at the last movement, unless more comes.
    Settling(Active),
}

#[derive(Debug)]
struct Choosing {
    started_at: Moment,
    last_alive: Moment,
    best: Frame,
    region: Option<Region>,
    shape: Shape,
    score: f32,
    /// Frames with movement.
    seen: u32,
    /// Frames in a row that looked worse than the best.
    worse: u32,
}

#[derive(Debug)]
struct Active {
    started_at: Moment,
    /// When something last moved.
    last_alive: Moment,
    /// Of the last described frame.
    described_at: Moment,
    shape: Shape,
}

/// A frame with what there is to know about it.
pub(super) struct View<'a> {
    pub(super) sight: &'a Sight,
    pub(super) classes: &'a [Class],
}

impl Life {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settle: settings.settle,
            min_interval: settings.min_interval,
            refresh: settings.refresh,
            state: State::Idle,
            last: None,
        }
    }

    /// Takes a frame; it leaves in `out`, or is held until a later call.
    pub(super) fn observe(&mut self, frame: Frame, view: &View<'_>, out: &mut Observation) {
        let state = std::mem::replace(&mut self.state, State::Idle);
        let at = frame.at;
        self.state = match state {
            State::Idle => self.idle(frame, view, out),
            State::Choosing(choosing) => self.choosing(choosing, frame, view, out),
            State::Active(active) => self.active(active, frame, view, out),
            State::Settling(active) => self.settling(active, frame, view, out),
        };
        self.last = Some(at);
    }

    /// Ends what goes on. A frame that is held expires: nobody would see its event through.
    pub(super) fn interrupt(&mut self, reason: EndReason, out: &mut Observation) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            State::Choosing(choosing) => out.settled.push((choosing.best.seq, Outcome::Expired)),
            State::Active(active) | State::Settling(active) => out.signals.push(active.end(reason)),
        }
        self.last = None;
    }

    fn idle(&self, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        let sight = view.sight;
        if !sight.living || sight.foreground < sight.threshold {
            out.settled.push((frame.seq, quiet(sight)));
            return State::Idle;
        }
        self.begin(frame, view, out)
    }

    fn begin(&self, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        let mut shape = Shape::default();
        shape.copy(view.classes);
        let choosing = Choosing {
            started_at: frame.at,
            last_alive: frame.at,
            score: look::score(&frame.picture, view.sight),
            region: view.sight.region,
            best: frame,
            shape,
            seen: 1,
            worse: 0,
        };
        let slow = self.last.is_some_and(|last| choosing.started_at.since(last) >= SLOW);
        if slow { choosing.start(out) } else { State::Choosing(choosing) }
    }

    fn choosing(&self, mut choosing: Choosing, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        let at = frame.at;
        if view.sight.living {
            choosing.compare(frame, view, out);
        } else {
            out.settled.push((frame.seq, quiet(view.sight)));
        }
        let held = at.since(choosing.started_at);
        if choosing.seen < 2 {
            if held < BLINK {
                return State::Choosing(choosing);
            }
            out.settled.push((choosing.best.seq, Outcome::NoMotion));
            return State::Idle;
        }
        let gone = at.since(choosing.last_alive) >= FIRST_LOOK;
        let passed = held >= FIRST_LOOK && choosing.worse >= WORSE;
        if held >= CHOICE || passed || gone { choosing.start(out) } else { State::Choosing(choosing) }
    }

    fn active(&self, mut active: Active, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        if !view.sight.living {
            return self.rest(active, frame, view, out);
        }
        active.last_alive = frame.at;
        self.update(&mut active, frame, view, out);
        State::Active(active)
    }

    fn settling(&self, active: Active, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        if !view.sight.living {
            return self.rest(active, frame, view, out);
        }
        // Something that stayed behind may have kept the event open; whoever comes now is a visit of its own.
        if view.sight.newcomer && frame.at.since(active.last_alive) >= self.settle {
            out.signals.push(active.end(EndReason::Quiet));
            return self.begin(frame, view, out);
        }
        self.active(active, frame, view, out)
    }

    /// A frame of an event in which nothing moves.
    fn rest(&self, mut active: Active, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        if view.sight.lingering {
            self.update(&mut active, frame, view, out);
            return State::Settling(active);
        }
        out.settled.push((frame.seq, quiet(view.sight)));
        if frame.at.since(active.last_alive) >= self.settle {
            out.signals.push(active.end(EndReason::Quiet));
            return State::Idle;
        }
        State::Settling(active)
    }

    /// A frame of an event with something in view: described again if it is time.
    fn update(&self, active: &mut Active, frame: Frame, view: &View<'_>, out: &mut Observation) {
        let age = frame.at.since(active.described_at);
        let cause = if age >= self.refresh.max(self.min_interval) {
            Cause::Refresh
        } else if age >= self.min_interval && view.sight.living && active.shape.outdated_by(view.classes) {
            Cause::Motion
        } else {
            out.settled.push((frame.seq, Outcome::Budget));
            return;
        };
        active.described_at = frame.at;
        active.shape.copy(view.classes);
        let (region, started_at) = (view.sight.region, active.started_at);
        out.signals.push(Signal::Update(Candidate { frame, cause, region, started_at }));
    }
}

impl Choosing {
    /// Keeps the better of the held frame and this one; the other is superseded.
    fn compare(&mut self, frame: Frame, view: &View<'_>, out: &mut Observation) {
        self.seen += 1;
        self.last_alive = frame.at;
        let score = look::score(&frame.picture, view.sight);
        if score <= self.score {
            self.worse += 1;
            out.settled.push((frame.seq, Outcome::Superseded));
            return;
        }
        self.worse = 0;
        self.score = score;
        self.region = view.sight.region;
        self.shape.copy(view.classes);
        let beaten = std::mem::replace(&mut self.best, frame);
        out.settled.push((beaten.seq, Outcome::Superseded));
    }

    fn start(self, out: &mut Observation) -> State {
        let Self { started_at, last_alive, best, region, shape, .. } = self;
        let described_at = best.at;
        out.signals.push(Signal::Start(Candidate { frame: best, cause: Cause::Motion, region, started_at }));
        State::Active(Active { started_at, last_alive, described_at, shape })
    }
}

impl Active {
    fn end(self, reason: EndReason) -> Signal {
        Signal::End { started_at: self.started_at, ended_at: self.last_alive, reason }
    }
}

/// How a frame ends in which nothing is in view.
fn quiet(sight: &Sight) -> Outcome {
    /// Less of the view in other light is not worth a name.
    const LIT: f32 = 0.02;
    if sight.lighting >= LIT {
        Outcome::Lighting
    } else if sight.masked {
        Outcome::Masked
    } else {
        Outcome::NoMotion
    }
}
