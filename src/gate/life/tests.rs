//! Lives that are told what is seen.

use super::*;
use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use crate::gate::background::Class;
use crate::gate::portrait::Cells;
use crate::ids::CameraId;

/// A life that is told what is seen: things cover the cells `from..to` of a hundred.
struct Told {
    life: Life,
    seq: u64,
    signals: Vec<String>,
    outcomes: Vec<(u64, Outcome)>,
    /// The picture is the same whatever is said to be in view.
    frozen: bool,
}

impl Told {
    fn new() -> Self {
        let life = Life::new(&Settings::default());
        Self { life, seq: 0, signals: Vec::new(), outcomes: Vec::new(), frozen: false }
    }

    fn see(&mut self, at: f64, cells: std::ops::Range<usize>, living: bool) {
        self.look(at, cells, Sight { living, newcomer: living, ..Sight::default() });
    }

    fn look(&mut self, at: f64, cells: std::ops::Range<usize>, sight: Sight) {
        self.find(at, cells, sight, Finding::Fine);
    }

    fn find(&mut self, at: f64, cells: std::ops::Range<usize>, mut sight: Sight, tamper: Finding) {
        sight.foreground = cells.len() as f32 / 100.0;
        sight.threshold = 0.02;
        let classes: Vec<_> = (0..100).map(|i| if cells.contains(&i) { Class::Thing } else { Class::Scene }).collect();
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        let picture = Picture::packed(4, 4, PixelFormat::I420, colour, vec![9; 24]).unwrap();
        let at = Moment { mono: Duration::from_secs_f64(at), wall: jiff::Timestamp::UNIX_EPOCH };
        let camera = CameraId::new("told").unwrap();
        let mut out = Observation::default();
        let frame = Frame { camera, seq: self.seq, at, pts: None, lone: false, picture };
        // What is in view is bright and has a texture.
        let shown = if self.frozen { 0..100 } else { cells };
        let luma: Vec<_> =
            (0..100).map(|i| if shown.contains(&i) { 150.0 + (i * 37 % 100) as f32 } else { 50.0 }).collect();
        let cells = Cells { luma: &luma, cols: 10 };
        self.life.observe(frame, &View { sight: &sight, classes: &classes, cells, tamper }, &mut out);
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
fn a_picture_like_the_described_one_is_a_duplicate_once_a_second_until_refresh() {
    let mut told = Told { frozen: true, ..Told::new() };
    for i in 0..320 {
        // Things are said to be elsewhere from 3 s on, but nothing of it shows.
        told.see(1.0 + 0.2 * f64::from(i), if i < 10 { 0..20 } else { 50..70 }, true);
    }
    assert_eq!(told.signals, ["start 0 of 1.0", "update 300 Refresh"]);
    let duplicates =
        told.outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Duplicate).map(|(frame, _)| *frame);
    // Compared when four seconds are over, then each second.
    assert_eq!(duplicates.collect::<Vec<_>>()[..3], [20, 25, 30]);
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
