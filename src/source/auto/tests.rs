//! The decisions of [`Auto`], unit by unit.

use super::*;
use crate::clock::Moment;

const FRAME: Duration = Duration::from_millis(200);
const CALM: Heard = Heard { wants_all: false, busy: false, replay: false, kept: None };

/// A camera of five frames per second, a keyframe every second, and its gate.
struct Camera {
    auto: Auto<u32>,
    next: u32,
    skipped: u64,
    woke: Vec<Cause>,
    unfit: Vec<Unfit>,
}

impl Camera {
    fn new(limits: Limits) -> Self {
        let auto = Auto::new(Duration::from_secs(2), limits, 640 * 480);
        Self { auto, next: 0, skipped: 0, woke: Vec::new(), unfit: Vec::new() }
    }

    fn unit(&self, key: bool, pts: Option<Duration>) -> Unit<u32> {
        let time = FRAME * self.next;
        let at = Moment { mono: time, wall: jiff::Timestamp::UNIX_EPOCH };
        let bytes = if key { 1000 } else { 50 };
        Unit { key, bytes, pts, time, at, lone: false, data: self.next }
    }

    fn send(&mut self, unit: Unit<u32>) -> String {
        self.next += 1;
        self.auto.comes(&unit);
        let plan = self.auto.take(unit, false);
        self.note(plan)
    }

    /// The next unit, as it should be.
    fn one(&mut self) -> String {
        self.send(self.unit(self.next.is_multiple_of(5), Some(FRAME * self.next)))
    }

    fn hear(&mut self, heard: Heard) -> String {
        let plan = self.auto.hear(heard);
        self.note(plan)
    }

    fn note(&mut self, plan: Plan<u32>) -> String {
        let notes = self.auto.notes();
        self.skipped += notes.skipped;
        self.woke.extend(notes.woke);
        self.unfit.extend(notes.unfit);
        match plan {
            Plan::Nothing => "-".to_owned(),
            Plan::Feed(unit) => format!("feed {}", unit.data),
            Plan::Lone(unit) => format!("lone {}", unit.data),
            Plan::Wake(units) => {
                let shown = units.iter().map(|fed| format!(" {}{}", if fed.silent { "~" } else { "" }, fed.unit.data));
                format!("wake{}", shown.collect::<String>())
            }
        }
    }

    /// Until it sleeps, with a gate that has nothing to say.
    fn asleep(limits: Limits) -> Self {
        let mut camera = Self::new(limits);
        camera.hear(CALM);
        for _ in 0..10 {
            assert!(camera.one().starts_with("feed"));
        }
        assert_eq!(camera.one(), "lone 10");
        camera
    }

    /// The gate has seen the lone keyframe and kept it.
    fn saw(&mut self, unit: u32) {
        assert_eq!(self.hear(Heard { kept: Some(FRAME * unit), ..CALM }), "-");
    }
}

#[test]
fn it_is_awake_until_it_has_been_quiet_for_settle_and_then_decodes_keyframes() {
    let mut camera = Camera::asleep(Limits::USUAL);
    camera.saw(10);
    let plans: Vec<String> = (0..6).map(|_| camera.one()).collect();
    assert_eq!(plans, ["-", "-", "-", "-", "lone 15", "-"]);
    assert_eq!(camera.skipped, 0, "they are kept");
    camera.saw(15);
    assert_eq!(camera.skipped, 4, "nobody will want them any more");
    camera.auto.end();
    camera.hear(CALM);
    assert_eq!(camera.skipped, 5);
}

#[test]
fn motion_in_a_keyframe_brings_back_everything_since_the_one_before() {
    let mut camera = Camera::asleep(Limits::USUAL);
    camera.saw(10);
    (0..6).for_each(|_| drop(camera.one()));
    let heard = camera.hear(Heard { replay: true, ..CALM });
    assert_eq!(heard, "wake ~10 11 12 13 14 15 16");
    assert_eq!(camera.one(), "feed 17");
    assert_eq!((camera.skipped, camera.woke.as_slice()), (0, [Cause::Keyframe].as_slice()));
}

#[test]
fn motion_in_the_very_first_keyframe_brings_it_back_too() {
    let mut camera = Camera::asleep(Limits::USUAL);
    camera.one();
    assert_eq!(camera.hear(Heard { replay: true, ..CALM }), "wake 10 11");
}

#[test]
fn a_gate_that_wants_everything_gets_what_came_since_the_last_keyframe() {
    let mut camera = Camera::asleep(Limits::USUAL);
    camera.saw(10);
    (0..7).for_each(|_| drop(camera.one()));
    assert_eq!(camera.hear(Heard { wants_all: true, busy: true, ..CALM }), "wake ~15 16 17");
    assert_eq!(camera.skipped, 4);
    for _ in 18..30 {
        assert!(camera.one().starts_with("feed"), "as long as it wants");
    }
}

#[test]
fn a_jump_of_sizes_wakes_once_the_gate_has_spoken_of_the_keyframe() {
    let mut camera = Camera::asleep(Limits::USUAL);
    camera.saw(10);
    for _ in 0..60 {
        camera.one();
        if (camera.next - 1).is_multiple_of(5) {
            camera.saw(camera.next - 1);
        }
    }
    let large = |camera: &Camera| Unit { bytes: 9000, ..camera.unit(false, Some(FRAME * camera.next)) };
    assert_eq!(camera.send(large(&camera)), "-", "one may be the encoder's affair");
    assert_eq!(camera.send(large(&camera)), "wake ~70 71 72");
    assert_eq!(camera.woke, [Cause::Sizes]);
}

#[test]
fn keyframes_that_are_too_far_apart_end_it_in_words_and_close_ones_begin_it_again() {
    let limits = Limits { bytes: 1300, ..Limits::USUAL };
    let mut camera = Camera::asleep(limits);
    camera.saw(10);
    let plans: Vec<String> = (0..7).map(|_| camera.send(camera.unit(false, Some(FRAME * camera.next)))).collect();
    assert_eq!(plans[..6], ["-"; 6]);
    assert_eq!(plans[6], "wake ~10 11 12 13 14 15 16 17");
    assert_eq!((camera.unfit.as_slice(), camera.skipped), ([Unfit::FarApart].as_slice(), 0));
    let lone = (0..30).map(|_| camera.one()).position(|plan| plan.starts_with("lone"));
    assert!(lone.is_some_and(|after| after < 20), "{lone:?}");
    assert_eq!(camera.unfit, [Unfit::FarApart], "said once");
}

#[test]
fn units_without_timestamps_are_decoded_and_so_is_all_until_they_have_some() {
    let mut camera = Camera::asleep(Limits::USUAL);
    camera.saw(10);
    camera.one();
    assert_eq!(camera.send(camera.unit(false, None)), "wake ~10 11 12");
    assert_eq!(camera.unfit, [Unfit::Untimed]);
    for _ in 0..20 {
        assert!(camera.send(camera.unit(camera.next.is_multiple_of(5), None)).starts_with("feed"));
    }
}

#[test]
fn far_keyframes_need_sizes_that_tell() {
    let mut camera = Camera::new(Limits::USUAL);
    camera.hear(CALM);
    let noisy = |camera: &mut Camera| {
        let bytes = 9000 + (camera.next as usize * 7919) % 900;
        let key = camera.next.is_multiple_of(20);
        camera.send(Unit { bytes, ..camera.unit(key, Some(FRAME * camera.next)) })
    };
    assert!((0..200).all(|_| noisy(&mut camera).starts_with("feed")));
    assert_eq!(camera.unfit, [Unfit::Blind]);
}

#[test]
fn far_keyframes_do_where_sizes_tell_also_after_the_gate_has_learnt_the_scene() {
    let mut camera = Camera::new(Limits::USUAL);
    camera.hear(Heard { wants_all: true, busy: true, ..CALM });
    let quiet =
        |camera: &mut Camera| camera.send(camera.unit(camera.next.is_multiple_of(20), Some(FRAME * camera.next)));
    assert!((0..25).all(|_| quiet(&mut camera).starts_with("feed")));
    camera.hear(Heard { busy: true, ..CALM });
    let slept = (0..75).position(|_| quiet(&mut camera).starts_with("lone"));
    assert!(slept.is_some(), "{:?}", camera.unfit);
}

#[test]
fn a_stream_that_stops_telling_wakes_with_the_group_of_which_nothing_was_seen() {
    let mut camera = Camera::asleep(Limits::USUAL);
    camera.saw(10);
    // The next keyframe is late, and so few sizes are known that nothing follows from them.
    let plans: Vec<String> = (0..14).map(|_| camera.send(camera.unit(false, Some(FRAME * camera.next)))).collect();
    assert_eq!(plans, ["-"; 14]);
    let woke = camera.send(camera.unit(true, Some(FRAME * camera.next)));
    assert_eq!(woke, "wake ~10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25");
    assert_eq!((camera.unfit.as_slice(), camera.skipped), ([Unfit::Blind].as_slice(), 0));
}

#[test]
fn pictures_out_of_order_do_not_make_time_go_faster() {
    let mut camera = Camera::new(Limits::USUAL);
    camera.hear(CALM);
    // As with B-frames, where only presentation times are known.
    for second in 0..20_u32 {
        for place in [0, 4, 2, 1, 3] {
            let pts = Some(FRAME * (second * 5 + place));
            let unit = Unit { time: FRAME * (second * 5 + place), ..camera.unit(place == 0, pts) };
            camera.send(unit);
        }
    }
    assert!(camera.auto.elapsed <= FRAME * 100, "{:?}", camera.auto.elapsed);
}

#[test]
fn a_stream_whose_time_jumps_goes_on() {
    let mut camera = Camera::asleep(Limits::USUAL);
    camera.saw(10);
    (0..3).for_each(|_| drop(camera.one()));
    camera.next += 100_000;
    let plans: Vec<String> = (0..6).map(|_| camera.one()).collect();
    assert_eq!(plans, ["-", "lone 100015", "-", "-", "-", "-"]);
    camera.next = 0;
    assert_eq!(camera.one(), "lone 0");
    assert!(camera.unfit.is_empty());
}
