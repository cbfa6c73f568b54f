//! Whether the camera still sees its scene: covered, out of focus, or turned away. Pure.
//!
//! The rules, all held against the empty scene as it was while nothing was wrong (it follows slowly, as dusk and fog do):
//! - Covered: none of the scene's edges is left and there is next to nothing else to see, for two seconds. Where that comes
//!   in one step into black, or as the end of a fading, with nothing large before the lens just before, the light went out
//!   instead. What fades slowly is night or fog.
//! - Out of focus: the coarse picture agrees with the scene, and over the whole view the fine detail is less than half of
//!   what the contrast would give, for five seconds.
//! - Turned away: another scene, reached by movement of the whole view over several frames, for two seconds. A cut shows no
//!   such movement: it is news (`cause: "novelty"`), and counts as turned away only if the camera had shown one scene for ten
//!   minutes before and shows none of it, and no further cut, for the next minute. Montages cut sooner.

use std::time::Duration;

use super::detail::Detail;
use super::drift::Profiles;
use super::motion::Sight;
use super::places::Place;
use super::portrait::Cells;
use super::witness::{Testimony, Witnesses};
use crate::clock::Moment;
use crate::frame::Picture;

const COVERED_FOR: Duration = Duration::from_secs(2);
const TURNED_FOR: Duration = Duration::from_secs(2);
const BLURRED_FOR: Duration = Duration::from_secs(5);
/// A scene that was shown for so long belongs to the camera: a cut away from it ...
const AT_HOME: Duration = Duration::from_secs(600);
/// ... that lasts so long means that somebody turned it.
const CUT_FOR_GOOD: Duration = Duration::from_secs(60);
/// The scene is back when it has been for so long.
const BACK: Duration = Duration::from_millis(400);
/// A new view is the scene once it has held still for so long, or after so long in any case.
const LEARNT: Duration = Duration::from_secs(10);
const LEARNT_ANYWAY: Duration = Duration::from_secs(60);
/// What stays blurred, or dark, for so long is how it looks now.
const FOR_GOOD: Duration = Duration::from_secs(600);
/// Whatever takes longer to go is no tampering: dusk, fog, snow on the lens.
const SUDDEN: Duration = Duration::from_secs(10);
/// Something large before the lens matters for so long.
const RECENT: Duration = Duration::from_secs(3);
/// So much time between two frames hides a hand that comes in.
const BLIND: Duration = Duration::from_millis(300);
/// How slowly the memory of the scene follows, as time constant in seconds.
const FOLLOW: f32 = 30.0;
const FOLLOW_BUSY: f32 = 600.0;
/// The edges of the scene are chosen anew so often.
const CHOOSE_ANEW: Duration = Duration::from_secs(60);

/// Agreement with the scene's edges: at least this is the scene, less than that has nothing to do with it.
const SAME: f32 = 0.6;
const GONE: f32 = 0.3;
/// With so little structure, against the scene's, there is nothing to see; with so much there is.
const FLAT: f32 = 0.3;
const SOMETHING: f32 = 0.5;
/// Of a picture that is out of focus so much is soft; so much of one that is in focus again.
const ALL_SOFT: f32 = 0.7;
const SHARP: f32 = 0.5;
/// Share of the view that something large covers.
const LARGE: f32 = 0.1;
const LARGE_HIDES: std::ops::Range<f32> = 0.25..0.9;
/// Mean luma of a picture without light; cameras lift black a little.
const BLACK: f32 = 40.0;
/// Contrast, against the usual, of a scene that was going anyway.
const FADED: f32 = 0.3;
/// Frames in which the whole view moved that make a turn.
const TURN: u32 = 2;

/// What a frame means for the event of the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finding {
    /// Nothing is wrong.
    Fine,
    /// Perhaps something is: no event should begin before that is known, which takes seconds.
    Suspect,
    /// It was nothing of the kind, but another scene.
    News,
    /// From this frame on it is certain. In words, and since when.
    Wrong(&'static str, Moment),
    /// It goes on.
    Still,
    /// The scene is back, or the new one has been learnt.
    Over,
}

/// A frame with what the watcher knows about it.
pub(super) struct Look<'a> {
    pub(super) picture: &'a Picture,
    pub(super) at: Moment,
    pub(super) sight: &'a Sight,
    pub(super) cells: Cells<'a>,
    /// The empty scene, as far as it has been learnt.
    pub(super) scene: Option<&'a [f32]>,
    pub(super) place: &'a [Place],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Covered,
    Blurred,
    Turned,
}

impl What {
    fn words(self) -> &'static str {
        match self {
            Self::Covered => "the camera is covered",
            Self::Blurred => "the camera is out of focus",
            Self::Turned => "the camera was turned away",
        }
    }

    fn lasts(self) -> Duration {
        match self {
            Self::Covered => COVERED_FOR,
            Self::Blurred => BLURRED_FOR,
            Self::Turned => TURNED_FOR,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// No scene is known.
    Learning,
    Fine,
    /// Perhaps.
    Suspect {
        what: What,
        since: Moment,
    },
    /// The light went out.
    Unlit {
        since: Moment,
    },
    /// A cut away from a scene that belonged to the camera.
    Parted {
        since: Moment,
    },
    Wrong {
        what: What,
        since: Moment,
        moved_at: Moment,
        back_since: Option<Moment>,
    },
}

#[derive(Debug)]
pub(super) struct Tamper {
    state: State,
    witnesses: Witnesses,
    detail: Detail,
    /// Of the last frame, and room for the next.
    profiles: [Profiles; 2],
    last: Option<Moment>,
    /// When the scene was first seen, when its edges were chosen, and when it was last seen.
    known_since: Moment,
    chosen_at: Moment,
    good_at: Moment,
    /// The contrast that it had then, against the usual.
    good_gain: f32,
    /// When something large was last before the lens.
    large_at: Option<Moment>,
    /// Frames since the scene was last seen in which the whole view moved.
    moves: u32,
}

impl Tamper {
    pub(super) fn new() -> Self {
        let never = Moment { mono: Duration::ZERO, wall: jiff::Timestamp::UNIX_EPOCH };
        Self {
            state: State::Learning,
            witnesses: Witnesses::default(),
            detail: Detail::default(),
            profiles: <[Profiles; 2]>::default(),
            last: None,
            known_since: never,
            chosen_at: never,
            good_at: never,
            good_gain: 1.0,
            large_at: None,
            moves: 0,
        }
    }

    /// Forgets the scene; a new one is learnt.
    pub(super) fn forget(&mut self) {
        self.learn_anew();
        self.profiles.iter_mut().for_each(Profiles::forget);
        self.last = None;
    }

    /// Whether it needs more frames to know.
    pub(super) fn doubts(&self) -> bool {
        matches!(self.state, State::Suspect { .. }) || matches!(self.state, State::Fine if self.moves > 0)
    }

    /// Whether a picture that looks like another scene is none that is worth words: something is wrong with the camera, or
    /// its scene is back.
    pub(super) fn explains(&self) -> bool {
        match self.state {
            State::Suspect { .. } | State::Wrong { .. } | State::Unlit { .. } => true,
            State::Fine => self.last == Some(self.good_at),
            State::Learning | State::Parted { .. } => false,
        }
    }

    pub(super) fn observe(&mut self, look: &Look<'_>) -> Finding {
        let gap = self.last.map(|last| look.at.since(last));
        let steady = self.last == Some(self.good_at);
        self.last = Some(look.at);
        let moved = self.view_moved(look.cells, gap);
        if !self.witnesses.fit(look.cells) {
            // Another size: what was known says nothing about it.
            let over = matches!(self.state, State::Wrong { .. });
            self.learn_anew();
            return if over { Finding::Over } else { Finding::Fine };
        }
        let Some(seen) = self.witnesses.ask(look.cells) else { return self.learn(look) };
        if seen.agreement >= SAME {
            self.good_at = look.at;
            self.good_gain = seen.gain;
            self.moves = 0;
        } else if moved {
            self.moves += 1;
        }
        // Fading light takes the edges from all parts alike; a hand leaves the others as they are.
        let hides = LARGE_HIDES.contains(&seen.hidden) && seen.gain >= 0.5 * (1.0 - seen.hidden);
        if hides || look.sight.foreground >= LARGE {
            self.large_at = Some(look.at);
        }
        match self.state {
            State::Learning => self.learn(look),
            State::Fine if seen.agreement >= SAME => self.good(look, seen, gap),
            State::Fine => self.lost(look, seen, gap, steady),
            State::Suspect { what: What::Blurred, since } => self.perhaps_blurred(look, seen, gap, since),
            State::Suspect { what, since } => self.perhaps_gone(look, seen, what, since),
            State::Unlit { since } => self.unlit(look, seen, since),
            State::Parted { since } => self.parted(look, seen, since),
            State::Wrong { what, since, moved_at, back_since } => {
                let moved_at = if moved { look.at } else { moved_at };
                self.wrong(look, seen, (what, since), moved_at, back_since)
            }
        }
    }

    fn view_moved(&mut self, cells: Cells<'_>, gap: Option<Duration>) -> bool {
        self.profiles.swap(0, 1);
        self.profiles[0].take(cells);
        // Only when it matters: comparing costs more than all the rest.
        let unsettled = self.moves > 0 || self.last != Some(self.good_at) || !matches!(self.state, State::Fine);
        let fresh = gap.is_some_and(|gap| gap < Duration::from_secs(2));
        let known = !matches!(self.state, State::Learning);
        fresh && known && unsettled && self.profiles[0].moved_from(&self.profiles[1])
    }

    /// Knows no scene, or one without anything to see: tries again now and then.
    fn learn(&mut self, look: &Look<'_>) -> Finding {
        let over = matches!(self.state, State::Wrong { .. });
        let again = look.at.since(self.chosen_at) >= SUDDEN || look.at < self.chosen_at;
        if let (true, Some(scene)) = (again || matches!(self.state, State::Learning), look.scene) {
            self.choose(look, scene);
            self.known_since = look.at;
            self.good_at = look.at;
            self.moves = 0;
            self.state = State::Fine;
        }
        if over { Finding::Over } else { Finding::Fine }
    }

    fn choose(&mut self, look: &Look<'_>, scene: &[f32]) {
        let scene = Cells { luma: scene, cols: look.cells.cols };
        self.witnesses.choose(scene, |i| look.place.get(i).is_some_and(|place| *place != Place::Masked));
        self.chosen_at = look.at;
    }

    fn learn_anew(&mut self) {
        self.state = State::Learning;
        self.witnesses.forget();
        self.detail.forget();
        self.large_at = None;
        self.moves = 0;
    }

    /// The scene is in view.
    fn good(&mut self, look: &Look<'_>, seen: Testimony, gap: Option<Duration>) -> Finding {
        self.state = State::Fine;
        if self.detail.read(look.picture, seen.gain).is_some_and(|soft| soft >= ALL_SOFT) {
            self.state = State::Suspect { what: What::Blurred, since: look.at };
            return Finding::Fine;
        }
        let dt = gap.unwrap_or_default().as_secs_f32();
        // What is in view for a while must not be missed when it goes; but no street is ever empty.
        let share = 1.0 - (-dt / if look.sight.foreground > 0.0 { FOLLOW_BUSY } else { FOLLOW }).exp();
        self.witnesses.follow(look.cells, share);
        self.detail.follow(share);
        if let (true, Some(scene)) = (look.at.since(self.chosen_at) >= CHOOSE_ANEW && dt > 0.0, look.scene) {
            self.choose(look, scene);
        }
        Finding::Fine
    }

    /// The scene was in view, and is not, or not all of it. `steady`: it was in the frame before.
    fn lost(&mut self, look: &Look<'_>, seen: Testimony, gap: Option<Duration>, steady: bool) -> Finding {
        if look.sight.other_scene && seen.structure >= FLAT && self.moves < TURN {
            return self.cut(look.at);
        }
        let since = look.at;
        if seen.agreement >= GONE {
            return if self.moves > 0 { Finding::Suspect } else { self.give_up_slow(look.at) };
        }
        if seen.structure < FLAT {
            let seen_coming = self.large_at.is_some_and(|at| look.at.since(at) <= RECENT);
            let at_once = steady && gap.is_some_and(|gap| gap <= BLIND);
            let faded = self.good_gain < FADED;
            if (at_once || faded) && !seen_coming && mean(look.cells) < BLACK {
                self.state = State::Unlit { since };
                return Finding::Fine;
            }
            if steady || look.at.since(self.good_at) <= SUDDEN {
                self.state = State::Suspect { what: What::Covered, since };
                return Finding::Suspect;
            }
        } else if self.moves >= TURN {
            self.state = State::Suspect { what: What::Turned, since };
            return Finding::Suspect;
        }
        self.give_up_slow(look.at)
    }

    /// Another scene by a hard cut.
    fn cut(&mut self, at: Moment) -> Finding {
        if at.since(self.known_since) >= AT_HOME {
            self.state = State::Parted { since: at };
        } else {
            self.learn_anew();
        }
        Finding::Fine
    }

    fn give_up_slow(&mut self, at: Moment) -> Finding {
        if at.since(self.good_at) > SUDDEN {
            self.learn_anew();
        }
        Finding::Fine
    }

    fn perhaps_gone(&mut self, look: &Look<'_>, seen: Testimony, what: What, since: Moment) -> Finding {
        if seen.agreement >= SAME {
            return self.good(look, seen, None);
        }
        let what = match what {
            _ if seen.structure < FLAT => What::Covered,
            What::Covered if self.moves < TURN && seen.structure >= SOMETHING => {
                self.learn_anew();
                return Finding::News;
            }
            What::Covered if self.moves < TURN => What::Covered,
            _ => What::Turned,
        };
        self.state = State::Suspect { what, since };
        if look.at.since(since) >= what.lasts() {
            return self.certain(what, since, look.at);
        }
        Finding::Suspect
    }

    fn perhaps_blurred(&mut self, look: &Look<'_>, seen: Testimony, gap: Option<Duration>, since: Moment) -> Finding {
        if seen.agreement < SAME {
            self.state = State::Fine;
            return self.lost(look, seen, gap, false);
        }
        if self.detail.read(look.picture, seen.gain).is_none_or(|soft| soft < ALL_SOFT) {
            return self.good(look, seen, gap);
        }
        if look.at.since(since) >= What::Blurred.lasts() {
            return self.certain(What::Blurred, since, look.at);
        }
        Finding::Fine
    }

    fn certain(&mut self, what: What, since: Moment, at: Moment) -> Finding {
        self.state = State::Wrong { what, since, moved_at: at, back_since: None };
        Finding::Wrong(what.words(), since)
    }

    fn unlit(&mut self, look: &Look<'_>, seen: Testimony, since: Moment) -> Finding {
        if seen.agreement >= SAME {
            return self.good(look, seen, None);
        }
        let lit = seen.structure >= SOMETHING && look.at.since(self.good_at) > SUDDEN;
        if lit || look.at.since(since) >= FOR_GOOD {
            self.learn_anew();
        }
        Finding::Fine
    }

    fn parted(&mut self, look: &Look<'_>, seen: Testimony, since: Moment) -> Finding {
        if seen.agreement >= SAME {
            return self.good(look, seen, None);
        }
        if look.sight.other_scene {
            self.learn_anew();
        } else if look.at.since(since) >= CUT_FOR_GOOD {
            return self.certain(What::Turned, since, look.at);
        }
        Finding::Fine
    }

    fn wrong(
        &mut self,
        look: &Look<'_>,
        seen: Testimony,
        (what, since): (What, Moment),
        moved_at: Moment,
        back_since: Option<Moment>,
    ) -> Finding {
        let agrees = seen.agreement >= SAME;
        let mut sharp = || self.detail.read(look.picture, seen.gain).is_none_or(|soft| soft < SHARP);
        let back = agrees && (what != What::Blurred || sharp());
        let back_since = back.then(|| back_since.unwrap_or(look.at));
        if back_since.is_some_and(|since| look.at.since(since) >= BACK) {
            self.state = State::Fine;
            return Finding::Over;
        }
        let unmoved = look.at.since(moved_at);
        // As long as it is covered there is nothing to learn.
        let moved_at = if what == What::Covered && seen.structure < SOMETHING { look.at } else { moved_at };
        let learnt = match what {
            What::Covered => unmoved >= LEARNT,
            What::Turned => unmoved >= LEARNT || look.at.since(since) >= LEARNT_ANYWAY + CUT_FOR_GOOD,
            What::Blurred => look.at.since(since) >= FOR_GOOD || !agrees && look.at.since(self.good_at) >= LEARNT,
        };
        if learnt && back_since.is_none() && look.scene.is_some() {
            self.learn_anew();
            return Finding::Over;
        }
        self.state = State::Wrong { what, since, moved_at, back_since };
        Finding::Still
    }
}

fn mean(cells: Cells<'_>) -> f32 {
    cells.luma.iter().sum::<f32>() / cells.luma.len().max(1) as f32
}
