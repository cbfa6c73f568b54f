//! Scenes that the gate must tell apart, drawn, without any clip.

#[path = "gate/stage.rs"]
mod stage;

use eyewitness::gate::{EndReason, Outcome, Settings};
use eyewitness::units::Polygon;
use stage::{Shot, Stage, Thing, bag, crossing, person};

fn near(actual: f64, expected: f64, by: f64) {
    assert!((actual - expected).abs() <= by, "{actual} should be within {by} of {expected}");
}

fn stage() -> Stage {
    Stage::new(Settings::default())
}

#[test]
fn someone_who_crosses_is_one_event() {
    for fps in [2.0, 5.0, 10.0, 25.0] {
        let mut stage = stage();
        stage.play(0.0, 20.0, fps, |t| Shot::of(crossing(t, 6.0, 11.0)));
        assert_eq!(stage.events.len(), 1, "at {fps} frames per second");
        let event = &stage.events[0];
        near(event.started_at, 6.2, 0.6);
        near(event.told_at, 7.0, 0.8);
        near(event.ended_at.unwrap(), 10.9, 0.6);
        near(event.end_told_at.unwrap(), event.ended_at.unwrap() + 2.0, 1.0 / fps + 0.01);
    }
}

#[test]
fn one_frame_in_two_seconds_still_finds_an_event() {
    let mut stage = stage();
    stage.play(0.0, 60.0, 0.5, |t| Shot::of(crossing(t, 21.0, 35.0)));
    assert_eq!(stage.events.len(), 1);
    near(stage.events[0].started_at, 22.0, 2.1);
    assert!(stage.events[0].ended_at.is_some());
}

#[test]
fn an_exposure_swing_is_light() {
    let mut stage = stage();
    let gain = |t: f64| 1.0 - 0.43 * (((t - 6.0) / 1.5).clamp(0.0, 1.0) - ((t - 12.0) / 1.5).clamp(0.0, 1.0));
    stage.play(0.0, 20.0, 5.0, |t| Shot { gain: Some(gain(t)), ..Shot::default() });
    assert!(stage.events.is_empty());
    assert!(stage.count(Outcome::Lighting) >= 8, "{}", stage.count(Outcome::Lighting));
}

#[test]
fn someone_is_found_while_the_exposure_swings() {
    let mut stage = stage();
    let gain = |t: f64| 1.0 - 0.43 * (((t - 6.5) / 1.5).clamp(0.0, 1.0) - ((t - 12.0) / 1.5).clamp(0.0, 1.0));
    stage.play(0.0, 20.0, 5.0, |t| Shot { gain: Some(gain(t)), ..Shot::of(crossing(t, 6.0, 12.0)) });
    assert_eq!(stage.events.len(), 1);
    near(stage.events[0].ended_at.unwrap(), 11.9, 0.6);
}

#[test]
fn a_lamp_is_light() {
    let mut stage = stage();
    stage.play(0.0, 60.0, 5.0, |t| Shot { glow: if t % 20.0 < 10.0 { 0.0 } else { 0.5 }, ..Shot::default() });
    stage.play(60.0, 100.0, 5.0, |t| Shot { gain: Some(if t % 20.0 < 10.0 { 1.0 } else { 0.4 }), ..Shot::default() });
    assert!(stage.events.is_empty(), "{}", stage.events[0].started_at);
    assert!(stage.count(Outcome::Lighting) >= 5);
}

/// Enters at 5, stands from 6, leaves at `leaves`, is out a second later.
fn stander(t: f64, leaves: f64) -> Option<Thing> {
    let sway = ((t / 1.7).floor() % 2.0) * 1.5;
    match t {
        t if t < 5.0 || t > leaves + 1.0 => None,
        t if t < 6.0 => Some(person(-30.0 + 150.0 * (t - 5.0))),
        t if t < leaves => Some(person(120.0 + sway)),
        t => Some(person(120.0 + 200.0 * (t - leaves))),
    }
}

#[test]
fn someone_who_stands_still_keeps_the_event_going() {
    let mut stage = stage();
    stage.play(0.0, 76.0, 5.0, |t| Shot::of(stander(t, 70.0)));
    assert_eq!(stage.events.len(), 1);
    let event = &stage.events[0];
    near(event.started_at, 5.2, 0.5);
    near(event.ended_at.unwrap(), 71.0, 0.5);
    // The start, perhaps one on arrival, and the refresh after a minute.
    assert!((2..=4).contains(&event.descriptions), "{}", event.descriptions);
    assert!(stage.count(Outcome::Budget) > 250);
}

#[test]
fn the_scene_behind_someone_follows_the_light() {
    let mut stage = stage();
    let gain = |t: f64| 0.8 + 0.2 * (t / 4.0).cos();
    stage.play(0.0, 50.0, 5.0, |t| Shot { gain: Some(gain(t)), ..Shot::of(stander(t, 40.0)) });
    assert_eq!(stage.events.len(), 1);
    near(stage.events[0].ended_at.unwrap(), 41.0, 0.5);
    // No ghost of them keeps the event open.
    near(stage.events[0].end_told_at.unwrap(), 43.0, 0.7);
}

/// Stands from 5 to 40 in a coat like the wall, with a dark hat, strap and shoes, and turns slowly to the light.
fn grey_coat(t: f64) -> Vec<Thing> {
    if !(5.0..40.0).contains(&t) {
        return Vec::new();
    }
    let sway = ((t / 1.7).floor() % 2.0) * 1.5;
    let part = |dx: f64, y: f64, w: f64, h: f64, luma: u8| Thing { x: 90.0 + dx + sway, y, w, h, luma };
    let coat = 158 + (2.0 * (t - 8.0).clamp(0.0, 30.0)) as u8;
    vec![
        part(0.0, 10.0, 60.0, 85.0, coat),
        part(0.0, 5.0, 60.0, 14.0, 30),
        part(28.0, 5.0, 6.0, 100.0, 30),
        part(0.0, 90.0, 60.0, 14.0, 30),
    ]
}

#[test]
fn a_coat_like_the_wall_leaves_no_ghost() {
    let mut stage = stage();
    stage.play(0.0, 50.0, 5.0, |t| Shot::of(grey_coat(t)));
    assert_eq!(stage.events.len(), 1);
    near(stage.events[0].end_told_at.unwrap(), 42.0, 0.7);
}

#[test]
fn dusk_is_silent_and_hides_nobody() {
    let mut stage = stage();
    let gain = |t: f64| 1.0 - 0.85 * (t / 400.0).min(1.0);
    stage.play(0.0, 400.0, 2.0, |t| Shot { gain: Some(gain(t)), ..Shot::default() });
    assert!(stage.events.is_empty());
    stage.play(400.0, 412.0, 5.0, |t| Shot { gain: Some(0.15), ..Shot::of(crossing(t, 402.0, 407.0)) });
    assert_eq!(stage.events.len(), 1);
}

#[test]
fn what_is_left_behind_becomes_the_scene() {
    let mut stage = stage();
    let left = |t: f64| (t >= 7.0).then(|| bag(150.0));
    stage.play(0.0, 40.0, 5.0, |t| Shot::of(left(t).into_iter().chain(crossing(t, 5.0, 9.0))));
    assert_eq!(stage.events.len(), 1);
    near(stage.events[0].ended_at.unwrap(), 9.0, 0.6);
    // It lies still since 7.4, and ten seconds of that make it part of the scene.
    near(stage.events[0].end_told_at.unwrap(), 17.4, 0.5);
    // And is not in the way of the next visit.
    stage.play(40.0, 50.0, 5.0, |t| Shot::of(left(t).into_iter().chain(crossing(t, 42.0, 46.0))));
    assert_eq!(stage.events.len(), 2);
    near(stage.events[1].ended_at.unwrap(), 46.0, 0.6);
}

#[test]
fn two_visits_shortly_one_after_the_other_are_two() {
    for bagged in [false, true] {
        let mut stage = stage();
        let left = |t: f64| (bagged && t >= 7.0).then(|| bag(280.0));
        let people = |t: f64| crossing(t, 5.0, 9.0).or(crossing(t, 11.5, 15.0));
        stage.play(0.0, 40.0, 5.0, |t| Shot::of(left(t).into_iter().chain(people(t))));
        assert_eq!(stage.events.len(), 2, "with something left behind: {bagged}");
        near(stage.events[0].ended_at.unwrap(), 9.0, 0.6);
        near(stage.events[1].started_at, 11.7, 0.6);
    }
}

#[test]
fn whoever_is_there_at_the_start_does_not_spoil_the_scene() {
    let mut stage = stage();
    stage.play(0.0, 60.0, 5.0, |t| {
        let first = (t < 8.0).then(|| person((120.0 + 80.0 * (t - 5.0)).max(120.0)));
        Shot::of(first.or(crossing(t, 40.0, 45.0)))
    });
    assert_eq!(stage.events.len(), 2);
    near(stage.events[1].started_at, 40.2, 0.6);
    near(stage.events[1].ended_at.unwrap(), 45.0, 0.6);
}

#[test]
fn noise_is_silent_for_ten_minutes() {
    let mut stage = stage();
    // So small that a cell is a pixel, and nothing averages the noise away.
    (stage.width, stage.height) = (160, 90);
    stage.set_noise(8.0);
    stage.play(0.0, 600.0, 5.0, |_| Shot::default());
    assert!(stage.events.is_empty());
    assert_eq!(stage.count(Outcome::NoMotion), 3000);
}

#[test]
fn noise_does_not_hide_someone() {
    let mut stage = stage();
    stage.set_noise(8.0);
    stage.play(0.0, 20.0, 5.0, |t| Shot::of(crossing(t, 6.0, 11.0)));
    assert_eq!(stage.events.len(), 1);
    near(stage.events[0].started_at, 6.2, 0.6);
}

#[test]
fn a_mask_hides_what_moves_under_it() {
    let left_half = Polygon(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]);
    let mut stage = Stage::new(Settings { masks: vec![left_half], ..Settings::default() });
    stage.play(0.0, 20.0, 5.0, |t| Shot::of((6.0..12.0).contains(&t).then(|| person(60.0 + 40.0 * (t % 2.0)))));
    assert!(stage.events.is_empty());
    assert!(stage.count(Outcome::Masked) >= 25, "{}", stage.count(Outcome::Masked));
    // The other half is still watched.
    stage.play(20.0, 34.0, 5.0, |t| Shot::of(crossing(t, 22.0, 30.0)));
    assert_eq!(stage.events.len(), 1);
    assert!(stage.events[0].started_at > 25.0);
}

#[test]
fn masks_without_an_inside_hide_nothing_and_a_mask_over_all_hides_all() {
    let odd =
        vec![Polygon(vec![]), Polygon(vec![[0.1, 0.1], [0.9, 0.9]]), Polygon(vec![[3.0, 3.0], [4.0, 3.0], [4.0, 9.0]])];
    let all = vec![Polygon(vec![[-1.0, -1.0], [2.0, -1.0], [2.0, 2.0], [-1.0, 2.0]])];
    for (masks, events) in [(odd, 1), (all, 0)] {
        let mut stage = Stage::new(Settings { masks, ..Settings::default() });
        stage.play(0.0, 16.0, 5.0, |t| Shot::of(crossing(t, 6.0, 11.0)));
        assert_eq!(stage.events.len(), events);
    }
}

fn rectangle(left: f32, top: f32, right: f32, bottom: f32) -> Polygon {
    Polygon(vec![[left, top], [right, top], [right, bottom], [left, bottom]])
}

#[test]
fn outside_the_zones_nothing_starts_or_keeps_an_event() {
    let mut stage = Stage::new(Settings { zones: vec![rectangle(0.5, 0.0, 1.0, 1.0)], ..Settings::default() });
    let left = |t: f64| person(20.0 + 50.0 * (t % 2.0));
    stage.play(0.0, 20.0, 5.0, |t| Shot::of((6.0..12.0).contains(&t).then(|| left(t))));
    assert!(stage.events.is_empty());
    assert!(stage.count(Outcome::Masked) >= 25, "{}", stage.count(Outcome::Masked));
    assert!(stage.because.iter().any(|what| what.ends_with("outside the zones")));
    // Someone crosses the zone, and somebody else stays busy outside of it.
    stage.play(20.0, 44.0, 5.0, |t| Shot::of(crossing(t, 22.0, 30.0).into_iter().chain([left(t)])));
    assert_eq!(stage.events.len(), 1);
    near(stage.events[0].started_at, 25.4, 1.0);
    near(stage.events[0].ended_at.unwrap(), 30.0, 0.6);
}

#[test]
fn the_light_is_known_from_outside_the_zones_too() {
    // The zone holds a lamp's glow and little else: alone it could not tell that the exposure swings.
    let zones = vec![rectangle(0.35, 0.3, 0.65, 0.7)];
    let mut stage = Stage::new(Settings { zones, ..Settings::default() });
    let gain = |t: f64| 1.0 - 0.43 * (((t - 6.0) / 1.5).clamp(0.0, 1.0) - ((t - 12.0) / 1.5).clamp(0.0, 1.0));
    stage.play(0.0, 20.0, 5.0, |t| Shot { gain: Some(gain(t)), ..Shot::default() });
    assert!(stage.events.is_empty());
    stage.play(20.0, 34.0, 5.0, |t| Shot::of(crossing(t, 22.0, 30.0)));
    assert_eq!(stage.events.len(), 1);
}

#[test]
fn a_mask_wins_over_a_zone_and_a_zone_outside_the_picture_is_never_entered() {
    let all = rectangle(0.0, 0.0, 1.0, 1.0);
    let far = rectangle(2.0, 2.0, 3.0, 3.0);
    for (masks, zones) in [(vec![all.clone()], vec![all]), (vec![], vec![far])] {
        let mut stage = Stage::new(Settings { masks, zones, ..Settings::default() });
        stage.play(0.0, 16.0, 5.0, |t| Shot::of(crossing(t, 6.0, 11.0)));
        assert!(stage.events.is_empty());
        assert!(stage.count(Outcome::Masked) > 10);
    }
}

#[test]
fn a_camera_that_is_turned_learns_the_new_scene() {
    let mut stage = stage();
    stage.play(0.0, 40.0, 5.0, |t| Shot { elsewhere: t >= 10.0, ..Shot::of(crossing(t, 25.0, 30.0)) });
    let visit = stage.events.last().unwrap();
    near(visit.started_at, 25.2, 0.6);
    near(visit.ended_at.unwrap(), 30.0, 0.6);
    assert!(stage.events.len() <= 2);
    assert!(stage.events.iter().all(|e| e.end_told_at.is_some()));
}

#[test]
fn a_new_size_begins_anew() {
    let mut stage = stage();
    stage.play(0.0, 14.0, 5.0, |t| Shot::of(crossing(t, 5.0, 9.0)));
    (stage.width, stage.height) = (641, 363);
    stage.play(14.0, 30.0, 5.0, |t| Shot::of(crossing(t, 18.0, 22.0)));
    (stage.width, stage.height) = (64, 36);
    stage.play(30.0, 46.0, 5.0, |t| Shot::of(crossing(t, 34.0, 38.0)));
    assert_eq!(stage.events.len(), 3);
    near(stage.events[1].started_at, 18.2, 0.6);
    near(stage.events[2].started_at, 34.2, 0.6);
}

#[test]
fn a_long_gap_ends_the_event() {
    let mut stage = stage();
    stage.play(0.0, 8.0, 5.0, |t| Shot::of(stander(t, 99.0)));
    stage.play(100.0, 110.0, 5.0, |_| Shot::default());
    assert_eq!(stage.events.len(), 1);
    near(stage.events[0].ended_at.unwrap(), 7.8, 1.9);
    near(stage.events[0].end_told_at.unwrap(), 100.0, 0.01);
}

#[test]
fn a_lost_camera_ends_the_event_and_the_next_scene_is_learnt() {
    let mut stage = stage();
    stage.play(0.0, 8.0, 5.0, |t| Shot::of(stander(t, 99.0)));
    stage.interrupt(8.1, EndReason::CameraLost);
    assert!(stage.events[0].ended_at.is_some());
    stage.play(9.0, 20.0, 5.0, |_| Shot { elsewhere: true, ..Shot::default() });
    assert_eq!(stage.events.len(), 1);
    assert_eq!(stage.given, stage.settled.len() as u64 + stage.chosen);
}

#[test]
fn a_blink_is_nothing() {
    let mut stage = stage();
    stage.play(0.0, 20.0, 5.0, |t| Shot::of((t - 10.0).abs().lt(&0.05).then(|| person(100.0))));
    assert!(stage.events.is_empty());
    assert_eq!(stage.given, stage.settled.len() as u64);
}
