//! The life of an event: nothing, choosing the frame that it starts with, active, settling, nothing. Pure; what moves
//! is seen in `motion`, what it costs is decided further up the ladder.

use std::time::Duration;

use super::candidate::{Candidate, EndReason, Measure, Observation, Outcome, Settled, Signal};
use super::described::{Described, Novelty, View};
use super::look;
use super::motion::Sight;
use super::portrait;
use super::settings::Settings;
use super::tamper::Finding;
use super::thresholds::SLOW;
use crate::clock::Moment;
use crate::event::Cause;
use crate::frame::Frame;
use crate::units::Region;

/// The frame that an event starts with is chosen from so long: no later frame is waited for.
const CHOICE: Duration = Duration::from_millis(900);
/// Not before so long is a look taken for the best, because things that come in grow.
const FIRST_LOOK: Duration = Duration::from_millis(350);
/// So many looks worse than the best, one after the other, mean that the best has been, ...
const WORSE: u32 = 2;
/// ... unless the border still cuts off so much of it that more must be on its way in.
const CUT: f32 = 0.05;
/// What shows in a single frame and not again within so long was nothing: an insect, a broken picture.
const BLINK: Duration = Duration::from_millis(450);
/// Between two descriptions of another scene.
const CUTS_APART: Duration = Duration::from_secs(1);

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
    /// What the best shows.
    shows: Described,
    score: f32,
    /// Share of its rim that the border cuts off.
    cut: f32,
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
    described: Described,
    /// Frames since something moved.
    quiet: u32,
    /// The event is that something is wrong with the camera: it goes on until that is over.
    tamper: bool,
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
        self.state = match (state, view.tamper) {
            (state, Finding::Wrong(reason, since)) => tampered(state, frame, view, (reason, since), out),
            (State::Active(active) | State::Settling(active), Finding::Over) if active.tamper => {
                out.settled.push(quiet(&frame, view.sight));
                out.signals.push(Active { last_alive: at, ..active }.over(&frame));
                State::Idle
            }
            (state, finding) if view.sight.other_scene && finding != Finding::Still => cut(state, frame, view, out),
            (State::Idle, _) => self.idle(frame, view, out),
            (State::Choosing(choosing), _) => self.choosing(choosing, frame, view, out),
            (State::Active(active), _) => self.active(active, frame, view, out),
            (State::Settling(active), _) => self.settling(active, frame, view, out),
        };
        self.last = Some(at);
    }

    /// Nothing is in view, and nothing goes on.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Something has begun, and the picture to begin it with is being chosen.
    pub(super) fn is_choosing(&self) -> bool {
        matches!(self.state, State::Choosing(_))
    }

    /// Ends what goes on.
    pub(super) fn interrupt(&mut self, reason: EndReason, out: &mut Observation) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            // Whoever came was seen, if not for long.
            State::Choosing(choosing) if choosing.seen >= 2 => {
                if let State::Active(active) = choosing.start(out) {
                    out.signals.push(active.end(reason));
                }
            }
            State::Choosing(choosing) => out.settled.push(choosing.blink()),
            State::Active(active) | State::Settling(active) => out.signals.push(active.end(reason)),
        }
        self.last = None;
    }

    fn idle(&self, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        let sight = view.sight;
        if !sight.living || sight.foreground < sight.threshold {
            out.settled.push(quiet(&frame, sight));
            return State::Idle;
        }
        self.begin(frame, view, out)
    }

    fn begin(&self, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        let choosing = Choosing {
            started_at: frame.at,
            last_alive: frame.at,
            score: look::score(&frame.picture, view.sight),
            cut: view.sight.cut,
            region: view.sight.region,
            shows: Described::new(frame.at, view),
            best: frame,
            seen: 1,
            worse: 0,
        };
        let slow = self.last.is_some_and(|last| choosing.started_at.since(last) >= SLOW);
        if slow && view.tamper != Finding::Suspect { choosing.start(out) } else { State::Choosing(choosing) }
    }

    fn choosing(&self, mut choosing: Choosing, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        let at = frame.at;
        if view.sight.living {
            choosing.compare(frame, view, out);
        } else {
            out.settled.push(quiet(&frame, view.sight));
        }
        // Until it is known whether the camera itself was touched, which takes two seconds at most.
        if view.tamper == Finding::Suspect {
            return State::Choosing(choosing);
        }
        let held = at.since(choosing.started_at);
        let interval = self.last.map_or(Duration::ZERO, |last| at.since(last));
        if choosing.seen < 2 {
            if held < BLINK {
                return State::Choosing(choosing);
            }
            out.settled.push(choosing.blink());
            return State::Idle;
        }
        let gone = at.since(choosing.last_alive) >= FIRST_LOOK;
        let passed = held >= FIRST_LOOK && choosing.worse >= WORSE && choosing.cut < CUT;
        if held + interval >= CHOICE || passed || gone { choosing.start(out) } else { State::Choosing(choosing) }
    }

    fn active(&self, mut active: Active, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        if !view.sight.living {
            return self.rest(active, frame, view, out);
        }
        active.last_alive = frame.at;
        active.quiet = 0;
        self.update(&mut active, frame, view, out);
        State::Active(active)
    }

    fn settling(&self, active: Active, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        if !view.sight.living {
            return self.rest(active, frame, view, out);
        }
        // Something that stayed behind may have kept the event open; whoever comes now is a visit of its own.
        let over = active.quiet >= 2 && frame.at.since(active.last_alive) >= self.settle;
        if view.sight.newcomer && over && !active.tamper {
            out.signals.push(active.end(EndReason::Quiet));
            return self.begin(frame, view, out);
        }
        self.active(active, frame, view, out)
    }

    /// A frame of an event in which nothing moves.
    fn rest(&self, mut active: Active, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        active.quiet += 1;
        if active.tamper {
            active.last_alive = frame.at;
            out.settled.push(quiet(&frame, view.sight));
            return State::Settling(active);
        }
        if view.sight.lingering {
            self.update(&mut active, frame, view, out);
            return State::Settling(active);
        }
        out.settled.push(quiet(&frame, view.sight));
        if frame.at.since(active.last_alive) >= self.settle {
            out.signals.push(active.over(&frame));
            return State::Idle;
        }
        State::Settling(active)
    }

    /// A frame of an event with something in view: described again if it is time, and if there is something to say.
    fn update(&self, active: &mut Active, frame: Frame, view: &View<'_>, out: &mut Observation) {
        let settled = |outcome, what, value, threshold| Settled::new(&frame, outcome).because(what, value, threshold);
        let age = frame.at.since(active.described.at);
        let (least, most) = (self.min_interval, self.refresh.max(self.min_interval));
        let cause = if age >= most {
            Cause::Refresh
        } else if age < least {
            let (value, threshold) = (age.as_secs_f32(), least.as_secs_f32());
            out.settled.push(settled(Outcome::Budget, "seconds since the last description", value, threshold));
            return;
        } else {
            let novelty = if view.sight.living { active.described.novelty(frame.at, view) } else { Novelty::None };
            match novelty {
                Novelty::New => Cause::Motion,
                Novelty::None => {
                    let (what, value) = ("seconds since the last description, and things are where they were", age);
                    out.settled.push(settled(Outcome::Budget, what, value.as_secs_f32(), most.as_secs_f32()));
                    return;
                }
                Novelty::NotYet(waited) => {
                    let what = "seconds since a picture like the described one";
                    out.settled.push(settled(Outcome::Budget, what, waited, Described::wait()));
                    return;
                }
                Novelty::Alike(bits) => {
                    let what = "bits that differ from the picture described last";
                    out.settled.push(settled(Outcome::Duplicate, what, bits as f32, portrait::ALIKE as f32));
                    return;
                }
            }
        };
        active.described.take(frame.at, view);
        let (region, started_at) = (view.sight.region, active.started_at);
        out.signals.push(Signal::Update(Candidate { frame, cause, region, started_at, reason: None }));
    }
}

impl Choosing {
    /// Keeps the better of the held frame and this one; the other is superseded.
    fn compare(&mut self, frame: Frame, view: &View<'_>, out: &mut Observation) {
        // Two insects in a row are no visitor.
        self.seen += u32::from(!view.sight.strays);
        self.last_alive = frame.at;
        let score = look::score(&frame.picture, view.sight);
        let beaten_by = |frame: &Frame, score, best| {
            Settled::new(frame, Outcome::Superseded).because("how good a look it gives, against the best", score, best)
        };
        if score <= self.score {
            self.worse += 1;
            out.settled.push(beaten_by(&frame, score, self.score));
            return;
        }
        self.worse = 0;
        self.cut = view.sight.cut;
        self.region = view.sight.region;
        self.shows.take(frame.at, view);
        let beaten = std::mem::replace(&mut self.best, frame);
        out.settled.push(beaten_by(&beaten, self.score, score));
        self.score = score;
    }

    fn start(self, out: &mut Observation) -> State {
        let Self { started_at, last_alive, best, region, shows, .. } = self;
        let candidate = Candidate { frame: best, cause: Cause::Motion, region, started_at, reason: None };
        out.signals.push(Signal::Start(candidate));
        State::Active(Active { started_at, last_alive, described: shows, quiet: 0, tamper: false })
    }

    /// It showed once and not again.
    fn blink(&self) -> Settled {
        let settled = Settled::new(&self.best, Outcome::NoMotion);
        settled.because("frames in which it showed", self.seen as f32, 2.0)
    }
}

impl Active {
    fn end(self, reason: EndReason) -> Signal {
        Signal::End { started_at: self.started_at, ended_at: self.last_alive, reason, frame: None }
    }

    /// It is over, and this is what is left.
    fn over(self, frame: &Frame) -> Signal {
        let Self { started_at, last_alive: ended_at, .. } = self;
        Signal::End { started_at, ended_at, reason: EndReason::Quiet, frame: Some(frame.clone()) }
    }
}

/// Another scene: news at once, whatever `min_interval` says, but never more often than `CUTS_APART`.
fn cut(state: State, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
    let at = frame.at;
    let candidate =
        |frame, started_at| Candidate { frame, cause: Cause::Novelty, region: None, started_at, reason: None };
    let started_at = match state {
        State::Active(mut active) | State::Settling(mut active) => {
            active.last_alive = at;
            active.quiet = 0;
            let age = at.since(active.described.at);
            if age < CUTS_APART {
                let (value, threshold) = (age.as_secs_f32(), CUTS_APART.as_secs_f32());
                let settled = Settled::new(&frame, Outcome::Budget);
                out.settled.push(settled.because("seconds since the last description", value, threshold));
            } else {
                active.described.take(at, view);
                out.signals.push(Signal::Update(candidate(frame, active.started_at)));
            }
            return State::Active(active);
        }
        State::Choosing(choosing) => {
            out.settled.push(Settled::new(&choosing.best, Outcome::Superseded));
            choosing.started_at
        }
        State::Idle => at,
    };
    out.signals.push(Signal::Start(candidate(frame, started_at)));
    State::Active(Active { started_at, last_alive: at, described: Described::new(at, view), quiet: 0, tamper: false })
}

/// Something is wrong with the camera: that is an event of its own. What went on ends with it.
fn tampered(
    state: State,
    frame: Frame,
    view: &View<'_>,
    (reason, since): (&'static str, Moment),
    out: &mut Observation,
) -> State {
    let (at, mut started_at) = (frame.at, since);
    match state {
        State::Idle => {}
        // What came into view was whoever did it, or the view itself.
        State::Choosing(choosing) => out.settled.push(Settled::new(&choosing.best, Outcome::Superseded)),
        State::Active(active) | State::Settling(active) => {
            started_at = started_at.max(active.last_alive.min(at));
            out.signals.push(active.end(EndReason::Quiet));
        }
    }
    let candidate = Candidate { frame, cause: Cause::Tamper, region: None, started_at, reason: Some(reason) };
    out.signals.push(Signal::Start(candidate));
    State::Active(Active { started_at, last_alive: at, described: Described::new(at, view), quiet: 0, tamper: true })
}

/// How a frame ends in which nothing is in view.
fn quiet(frame: &Frame, sight: &Sight) -> Settled {
    let (outcome, because) = why_quiet(sight);
    Settled { because, ..Settled::new(frame, outcome) }
}

fn why_quiet(sight: &Sight) -> (Outcome, Option<Measure>) {
    /// Less of the view in other light is not worth a name.
    const LIT: f32 = 0.02;
    if sight.lighting >= LIT {
        let what = "share of the view in other light";
        (Outcome::Lighting, Some(Measure { what, value: sight.lighting, threshold: LIT }))
    } else if sight.masked.max(sight.outside) >= sight.least && sight.least > 0.0 {
        let (what, value) = if sight.masked >= sight.outside {
            ("share of the view that moves under masks", sight.masked)
        } else {
            ("share of the view that moves outside the zones", sight.outside)
        };
        (Outcome::Masked, Some(Measure { what, value, threshold: sight.least }))
    } else {
        let what = "share of the view that moves";
        (Outcome::NoMotion, Some(Measure { what, value: sight.foreground, threshold: sight.threshold }))
    }
}

#[cfg(test)]
mod tests;
