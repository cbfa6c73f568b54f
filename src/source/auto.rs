//! `decode = "auto"`: an idle camera has its keyframes decoded and the rest kept; when something happens, what was kept
//! is decoded at once, and everything after it, until it is quiet again. Pure: units and what was told go in, what to do
//! with the decoder comes out.

use std::collections::VecDeque;
use std::time::Duration;

use super::demand::Heard;
use super::kept::{Kept, Limits, Unit};
use super::picker::Picker;
use super::settings::Decode;
use super::sizes::Sizes;

/// It stays awake for so long at least, so that the gate has seen what was kept.
const LEAST_AWAKE: Duration = Duration::from_secs(1);
/// For so long a jump of sizes waits for the gate's word about the last keyframe, which may ask for more.
const VERDICT: Duration = Duration::from_secs(1);
/// Keyframes that are no further apart than this will do by themselves; someone who comes is seen that much later, with
/// everything since. Further apart, the sizes of what lies between must tell.
const CLOSE: Duration = Duration::from_millis(2500);
/// A step of the stream's time by more than this, or back by more than pictures are ever out of order, is a new timeline.
const JUMP: Duration = Duration::from_secs(10);
const ORDER: Duration = Duration::from_secs(2);

/// Why a camera was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Something moves in a keyframe.
    Keyframe,
    /// The encoder had to spend more.
    Sizes,
    /// The gate wants to see everything for reasons of its own.
    Asked,
    /// There is no telling how to decode only a part of it ([`Unfit`]).
    Unfit,
}

/// Why a stream is decoded whole for now, although as little as will do was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// More lies between two keyframes than can be kept.
    FarApart,
    /// Much can happen between two keyframes, and the packets would not tell.
    Blind,
    Untimed,
}

/// What to do now.
#[derive(Debug)]
pub(super) enum Plan<D> {
    /// Nothing: it is kept, or cannot be decoded.
    Nothing,
    /// Decode it.
    Feed(Unit<D>),
    /// Decode it alone: let the decoder give it out at once.
    Lone(Unit<D>),
    /// Decode all of these, in order, and what comes after them.
    Wake(VecDeque<Fed<D>>),
}

/// A kept unit that is decoded after all.
#[derive(Debug)]
pub(super) struct Fed<D> {
    pub(super) unit: Unit<D>,
    /// Its picture was delivered before.
    pub(super) silent: bool,
}

/// What is to be counted and said.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Notes {
    pub(super) skipped: u64,
    pub(super) woke: Option<Cause>,
    pub(super) slept: bool,
    pub(super) unfit: Option<Unfit>,
}

#[derive(Debug)]
pub(super) struct Auto<D> {
    settle: Duration,
    limits: Limits,
    mode: Mode,
    kept: Kept<D>,
    sizes: Sizes,
    picker: Picker,
    wants_all: bool,
    /// Time of the stream that has gone by, whatever its timestamps do.
    elapsed: Duration,
    last: Option<Duration>,
    group: Group,
    /// The last lone keyframe that the gate saw and kept.
    known: Option<Duration>,
    /// The last lone keyframe that the gate has not spoken of, and since when.
    pending: Option<(Duration, Duration)>,
    said: Option<Unfit>,
    notes: Notes,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Awake { since: Duration, cause: Option<Cause>, busy: bool },
    Idle,
}

/// The running group of pictures.
#[derive(Debug, Default)]
struct Group {
    /// It began with a keyframe.
    whole: bool,
    began: Duration,
    bytes: usize,
    unfit: Option<Unfit>,
}

impl<D: Clone> Auto<D> {
    pub(super) fn new(settle: Duration, limits: Limits, pixels: u32) -> Self {
        Self {
            settle: settle.max(LEAST_AWAKE),
            limits,
            mode: Mode::Awake { since: Duration::ZERO, cause: None, busy: false },
            kept: Kept::new(),
            sizes: Sizes::new(pixels),
            picker: Picker::new(Decode::All),
            wants_all: true,
            elapsed: Duration::ZERO,
            last: None,
            group: Group::default(),
            known: None,
            pending: None,
            said: None,
            notes: Notes::default(),
        }
    }

    /// What is to be counted and said since the last time.
    pub(super) fn notes(&mut self) -> Notes {
        std::mem::take(&mut self.notes)
    }

    /// Another size of pictures, in pixels.
    pub(super) fn resize(&mut self, pixels: u32) {
        self.sizes.resize(pixels);
    }

    /// Comes before [`Auto::take`]: time goes on to this unit. Whether only the gate's word stands between it and sleep;
    /// a clip waits for that word.
    pub(super) fn comes(&mut self, unit: &Unit<D>) -> bool {
        self.elapsed += self.step(unit.time);
        // Where only presentation times are known, a picture that others build on comes before them.
        self.last =
            Some(self.last.filter(|last| unit.time + ORDER > *last).map_or(unit.time, |last| last.max(unit.time)));
        let settled =
            matches!(self.mode, Mode::Awake { since, .. } if self.elapsed.saturating_sub(since) >= self.settle);
        settled && self.fits(unit)
    }

    /// Hears what the gate wants.
    pub(super) fn hear(&mut self, heard: Heard) -> Plan<D> {
        self.wants_all = heard.wants_all;
        match &mut self.mode {
            Mode::Awake { busy, .. } => {
                *busy |= heard.busy;
                Plan::Nothing
            }
            Mode::Idle => {
                if let Some(pts) = heard.kept {
                    self.known = Some(pts);
                    self.notes.skipped += self.kept.drop_before(pts);
                    self.pending = self.pending.filter(|(waiting, _)| *waiting != pts);
                }
                if heard.replay {
                    self.wake(Cause::Keyframe)
                } else if heard.wants_all {
                    self.wake_running(Cause::Asked)
                } else {
                    Plan::Nothing
                }
            }
        }
    }

    /// Takes the next unit. `full`: the decoder cannot take it now.
    pub(super) fn take(&mut self, unit: Unit<D>, full: bool) -> Plan<D> {
        let unit = Unit { time: self.elapsed, ..unit };
        let jumps = !unit.key && self.sizes.jumps(self.elapsed, unit.bytes, !self.wants_all);
        match self.mode {
            Mode::Awake { since, cause, busy } => self.awake(unit, full, since, cause, busy),
            Mode::Idle => self.idle(unit, jumps),
        }
    }

    /// The stream ended or begins anew: what is kept will not be decoded.
    pub(super) fn end(&mut self) {
        self.notes.skipped += self.kept.clear();
    }

    fn awake(&mut self, unit: Unit<D>, full: bool, since: Duration, cause: Option<Cause>, busy: bool) -> Plan<D> {
        let quiet = !self.wants_all && self.elapsed.saturating_sub(since) >= self.settle;
        if quiet && !full && unit.key {
            match cause {
                Some(Cause::Sizes) if !busy => self.sizes.false_alarm(self.elapsed),
                Some(Cause::Keyframe) if busy => self.sizes.missed(self.elapsed),
                _ => {}
            }
            if self.fits(&unit) {
                self.notes.slept = true;
                self.known = None;
                self.mode = Mode::Idle;
                return self.lone(unit);
            }
            // What this waking has taught is known now.
            self.mode = Mode::Awake { since, cause: None, busy };
            if self.is_blind() && self.sizes.are_known() {
                self.say(Unfit::Blind);
            }
        }
        self.grow(&unit);
        if self.picker.picks(unit.key, full) {
            return Plan::Feed(unit);
        }
        self.notes.skipped += 1;
        Plan::Nothing
    }

    fn idle(&mut self, unit: Unit<D>, jumps: bool) -> Plan<D> {
        if unit.pts.is_none() {
            self.kept.push(unit);
            return self.give_up(Unfit::Untimed);
        }
        if unit.key {
            if !self.fits(&unit) {
                self.grow(&unit);
                self.kept.push(unit);
                self.say(Unfit::Blind);
                return self.wake_kept(Cause::Unfit);
            }
            let plan = self.lone(unit);
            self.notes.skipped += self.kept.shrink(&self.limits);
            return plan;
        }
        self.kept.push(unit);
        self.notes.skipped += self.kept.shrink(&self.limits);
        if self.kept.overflows(&self.limits) {
            return self.give_up(Unfit::FarApart);
        }
        if self.pending.is_some_and(|(_, since)| self.elapsed.saturating_sub(since) >= VERDICT) {
            self.pending = None;
        }
        if jumps && self.pending.is_none() { self.wake_running(Cause::Sizes) } else { Plan::Nothing }
    }

    fn lone(&mut self, unit: Unit<D>) -> Plan<D> {
        self.grow(&unit);
        let unit = Unit { lone: true, ..unit };
        self.pending = unit.pts.map(|pts| (pts, self.elapsed));
        self.kept.push(unit.clone());
        Plan::Lone(unit)
    }

    fn give_up(&mut self, why: Unfit) -> Plan<D> {
        self.group.unfit = Some(why);
        self.say(why);
        self.wake_running(Cause::Unfit)
    }

    fn say(&mut self, why: Unfit) {
        if self.said != Some(why) {
            self.said = Some(why);
            self.notes.unfit = Some(why);
        }
    }

    /// Wakes with what came since the last keyframe; that one's picture was delivered.
    fn wake_running(&mut self, cause: Cause) -> Plan<D> {
        self.notes.skipped += self.kept.drop_earlier();
        self.wake_kept(cause)
    }

    /// Wakes with all that was kept; pictures of keyframes were delivered.
    fn wake_kept(&mut self, cause: Cause) -> Plan<D> {
        let kept = self.waken(cause);
        Plan::Wake(kept.into_iter().map(|unit| Fed { silent: unit.lone, unit }).collect())
    }

    /// Wakes with everything since the last keyframe that the gate kept; the later ones it has forgotten.
    fn wake(&mut self, cause: Cause) -> Plan<D> {
        let known = self.known.take();
        let kept = self.waken(cause);
        let fed = kept.into_iter().enumerate();
        Plan::Wake(fed.map(|(i, unit)| Fed { silent: i == 0 && unit.pts == known, unit }).collect())
    }

    fn waken(&mut self, cause: Cause) -> VecDeque<Unit<D>> {
        self.mode = Mode::Awake { since: self.elapsed, cause: Some(cause), busy: false };
        self.notes.woke = Some(cause);
        self.pending = None;
        self.picker = Picker::new(Decode::All);
        // What is fed here begins with a keyframe.
        self.picker.picks(true, false);
        self.kept.take()
    }

    /// How much time of the stream a unit at `time` adds.
    fn step(&self, time: Duration) -> Duration {
        let step = self.last.and_then(|last| time.checked_sub(last)).unwrap_or_default();
        if step > JUMP { Duration::ZERO } else { step }
    }

    /// Whether the group that this keyframe closes could have been kept, so that the next one probably can.
    fn fits(&self, unit: &Unit<D>) -> bool {
        unit.key && unit.pts.is_some() && self.group.whole && self.group.unfit.is_none() && !self.is_blind()
    }

    /// Whether too much could happen unseen before the next keyframe, if the next group is as the last one.
    fn is_blind(&self) -> bool {
        let length = self.elapsed.saturating_sub(self.group.began);
        length > CLOSE && !self.sizes.tells(self.elapsed)
    }

    /// The running group grows by a unit, or a new one begins with it.
    fn grow(&mut self, unit: &Unit<D>) {
        if unit.key {
            self.group = Group { whole: true, began: self.elapsed, bytes: 0, unfit: None };
        }
        self.group.bytes += unit.bytes;
        let unfit = if unit.pts.is_none() {
            Some(Unfit::Untimed)
        } else if self.group.bytes > self.limits.bytes || self.elapsed - self.group.began > self.limits.gop {
            Some(Unfit::FarApart)
        } else {
            None
        };
        if let Some(why) = unfit {
            self.group.unfit = Some(why);
            self.say(why);
        }
    }
}

#[cfg(test)]
mod tests;
