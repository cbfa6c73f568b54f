//! The life of an event: nothing, choosing the frame that it starts with, active, settling, nothing. Pure; what moves
//! is seen in `motion`, what it costs is decided further up the ladder.

use std::time::Duration;

use super::background::Class;
use super::candidate::{Candidate, EndReason, Measure, Observation, Outcome, Settled, Signal};
use super::look::{self, Shape};
use super::motion::Sight;
use super::settings::Settings;
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
    shape: Shape,
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
    /// Of the last described frame.
    described_at: Moment,
    shape: Shape,
    /// Frames since something moved.
    quiet: u32,
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
            state if view.sight.other_scene => self.cut(state, frame, out),
            State::Idle => self.idle(frame, view, out),
            State::Choosing(choosing) => self.choosing(choosing, frame, view, out),
            State::Active(active) => self.active(active, frame, view, out),
            State::Settling(active) => self.settling(active, frame, view, out),
        };
        self.last = Some(at);
    }

    /// Nothing is in view, and nothing goes on.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
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
            State::Choosing(choosing) => out.settled.push(Settled::new(&choosing.best, Outcome::NoMotion)),
            State::Active(active) | State::Settling(active) => out.signals.push(active.end(reason)),
        }
        self.last = None;
    }

    /// Another scene: news at once, whatever `min_interval` says, but never more often than `CUTS_APART`.
    fn cut(&self, state: State, frame: Frame, out: &mut Observation) -> State {
        let at = frame.at;
        let candidate = |frame, started_at| Candidate { frame, cause: Cause::Novelty, region: None, started_at };
        let started_at = match state {
            State::Active(mut active) | State::Settling(mut active) => {
                active.last_alive = at;
                active.quiet = 0;
                if at.since(active.described_at) < CUTS_APART {
                    out.settled.push(Settled::new(&frame, Outcome::Budget));
                } else {
                    active.described_at = at;
                    active.shape = Shape::default();
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
        State::Active(Active { started_at, last_alive: at, described_at: at, shape: Shape::default(), quiet: 0 })
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
        let mut shape = Shape::default();
        shape.copy(view.classes);
        let choosing = Choosing {
            started_at: frame.at,
            last_alive: frame.at,
            score: look::score(&frame.picture, view.sight),
            cut: view.sight.cut,
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
            out.settled.push(quiet(&frame, view.sight));
        }
        let held = at.since(choosing.started_at);
        let interval = self.last.map_or(Duration::ZERO, |last| at.since(last));
        if choosing.seen < 2 {
            if held < BLINK {
                return State::Choosing(choosing);
            }
            out.settled.push(Settled::new(&choosing.best, Outcome::NoMotion));
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
        if view.sight.newcomer && over {
            out.signals.push(active.end(EndReason::Quiet));
            return self.begin(frame, view, out);
        }
        self.active(active, frame, view, out)
    }

    /// A frame of an event in which nothing moves.
    fn rest(&self, mut active: Active, frame: Frame, view: &View<'_>, out: &mut Observation) -> State {
        active.quiet += 1;
        if view.sight.lingering {
            self.update(&mut active, frame, view, out);
            return State::Settling(active);
        }
        out.settled.push(quiet(&frame, view.sight));
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
            let settled = Settled::new(&frame, Outcome::Budget);
            let wait = self.min_interval.as_secs_f32();
            out.settled.push(settled.because("seconds since the last description", age.as_secs_f32(), wait));
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
        // Two insects in a row are no visitor.
        self.seen += u32::from(!view.sight.strays);
        self.last_alive = frame.at;
        let score = look::score(&frame.picture, view.sight);
        if score <= self.score {
            self.worse += 1;
            out.settled.push(Settled::new(&frame, Outcome::Superseded));
            return;
        }
        self.worse = 0;
        self.score = score;
        self.cut = view.sight.cut;
        self.region = view.sight.region;
        self.shape.copy(view.classes);
        let beaten = std::mem::replace(&mut self.best, frame);
        out.settled.push(Settled::new(&beaten, Outcome::Superseded));
    }

    fn start(self, out: &mut Observation) -> State {
        let Self { started_at, last_alive, best, region, shape, .. } = self;
        let described_at = best.at;
        out.signals.push(Signal::Start(Candidate { frame: best, cause: Cause::Motion, region, started_at }));
        State::Active(Active { started_at, last_alive, described_at, shape, quiet: 0 })
    }
}

impl Active {
    fn end(self, reason: EndReason) -> Signal {
        Signal::End { started_at: self.started_at, ended_at: self.last_alive, reason }
    }
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
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};
    use crate::ids::CameraId;

    /// A life that is told what is seen: things cover the cells `from..to` of a hundred.
    struct Told {
        life: Life,
        seq: u64,
        signals: Vec<String>,
        outcomes: Vec<(u64, Outcome)>,
    }

    impl Told {
        fn new() -> Self {
            let life = Life::new(&Settings::default());
            Self { life, seq: 0, signals: Vec::new(), outcomes: Vec::new() }
        }

        fn see(&mut self, at: f64, cells: std::ops::Range<usize>, living: bool) {
            self.look(at, cells, Sight { living, newcomer: living, ..Sight::default() });
        }

        fn look(&mut self, at: f64, cells: std::ops::Range<usize>, mut sight: Sight) {
            sight.foreground = cells.len() as f32 / 100.0;
            sight.threshold = 0.02;
            let classes: Vec<_> =
                (0..100).map(|i| if cells.contains(&i) { Class::Thing } else { Class::Scene }).collect();
            let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
            let picture = Picture::packed(4, 4, PixelFormat::I420, colour, vec![9; 24]).unwrap();
            let at = Moment { mono: Duration::from_secs_f64(at), wall: jiff::Timestamp::UNIX_EPOCH };
            let camera = CameraId::new("told").unwrap();
            let mut out = Observation::default();
            let frame = Frame { camera, seq: self.seq, at, pts: None, lone: false, picture };
            self.life.observe(frame, &View { sight: &sight, classes: &classes }, &mut out);
            self.seq += 1;
            self.note(&out);
        }

        fn note(&mut self, out: &Observation) {
            self.outcomes.extend(out.settled.iter().map(|settled| (settled.frame, settled.outcome)));
            self.signals.extend(out.signals.iter().map(|signal| match signal {
                Signal::Start(c) => format!("start {} of {:.1}", c.frame.seq, c.started_at.mono.as_secs_f64()),
                Signal::Update(c) => format!("update {} {:?}", c.frame.seq, c.cause),
                Signal::End { ended_at, reason, .. } => format!("end {:.1} {reason:?}", ended_at.mono.as_secs_f64()),
            }));
        }
    }

    #[test]
    fn the_best_frame_of_the_first_moment_starts_the_event() {
        let mut told = Told::new();
        for (i, area) in [3, 8, 20, 15, 12].into_iter().enumerate() {
            told.see(1.0 + 0.2 * i as f64, 0..area, true);
        }
        assert_eq!(told.signals, ["start 2 of 1.0"]);
        let superseded = [0, 1, 3, 4].map(|seq| (seq, Outcome::Superseded));
        assert_eq!(told.outcomes, superseded);
    }

    #[test]
    fn an_event_is_described_again_when_it_has_changed_and_at_the_latest_after_refresh() {
        let mut told = Told::new();
        for i in 0..350 {
            // Elsewhere from 3 s on: described again 4 s after the first description, then not before a minute is over.
            let cells = if i < 10 { 0..20 } else { 50..70 };
            told.see(1.0 + 0.2 * f64::from(i), cells, true);
        }
        // Frame 0 starts (no later one is better); 20 frames are 4 s, 300 are a minute.
        assert_eq!(told.signals, ["start 0 of 1.0", "update 20 Motion", "update 320 Refresh"]);
        assert!(told.outcomes.contains(&(19, Outcome::Budget)));
    }

    #[test]
    fn an_event_ends_settle_after_the_last_movement() {
        let mut told = Told::new();
        for i in 0..30 {
            told.see(1.0 + 0.2 * f64::from(i), 0..20, i <= 10);
        }
        assert_eq!(told.signals, ["start 0 of 1.0", "end 3.0 Quiet"]);
        assert_eq!(told.outcomes.last(), Some(&(29, Outcome::NoMotion)));
    }

    #[test]
    fn another_scene_is_news_at_once() {
        let cut = Sight { other_scene: true, ..Sight::default() };
        let mut told = Told::new();
        told.look(1.0, 0..0, cut);
        told.look(1.5, 0..0, cut);
        told.look(3.0, 0..0, cut);
        for i in 0..15 {
            told.see(3.2 + 0.2 * f64::from(i), 0..0, false);
        }
        assert_eq!(told.signals, ["start 0 of 1.0", "update 2 Novelty", "end 3.0 Quiet"]);
        assert_eq!(told.outcomes[0], (1, Outcome::Budget));
    }

    #[test]
    fn what_stays_keeps_an_event_open_until_someone_else_comes() {
        let stays = Sight { lingering: true, ..Sight::default() };
        let stirs = Sight { lingering: true, living: true, ..Sight::default() };
        let comes = Sight { newcomer: true, ..stirs };
        for (then, signals) in [(stirs, vec!["start 0 of 1.0"]), (comes, vec!["start 0 of 1.0", "end 3.0 Quiet"])] {
            let mut told = Told::new();
            for i in 0..11 {
                told.look(1.0 + 0.2 * f64::from(i), 0..20, stirs);
            }
            for i in 11..25 {
                told.look(1.0 + 0.2 * f64::from(i), 0..20, stays);
            }
            told.look(6.0, 0..20, then);
            assert_eq!(told.signals, signals);
        }
    }

    #[test]
    fn an_interruption_lets_nothing_behind() {
        for (frames, signals, outcome) in [
            (1, vec![], Some((0, Outcome::NoMotion))),
            (2, vec!["start 0 of 1.0", "end 1.2 CameraLost"], None),
            (10, vec!["start 0 of 1.0", "end 2.8 CameraLost"], None),
        ] {
            let mut told = Told::new();
            for i in 0..frames {
                told.see(1.0 + 0.2 * f64::from(i), 0..20, true);
            }
            let before = told.outcomes.len();
            let mut out = Observation::default();
            told.life.interrupt(EndReason::CameraLost, &mut out);
            told.note(&out);
            assert_eq!(told.signals, signals);
            assert_eq!(told.outcomes[before..].first().copied(), outcome);
        }
    }

    #[test]
    fn quiet_frames_say_why() {
        let quiet_as = |sight: Sight| why_quiet(&sight).0;
        assert_eq!(quiet_as(Sight::default()), Outcome::NoMotion);
        assert_eq!(quiet_as(Sight { masked: 0.2, least: 0.1, ..Sight::default() }), Outcome::Masked);
        assert_eq!(quiet_as(Sight { lighting: 0.5, ..Sight::default() }), Outcome::Lighting);
    }
}
