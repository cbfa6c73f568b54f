use super::*;
use crate::event::Cause;
use crate::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use crate::gate::{Candidate, EndReason};
use crate::ids::CameraId;
use crate::rules::When;
use crate::units::Rate;

const DEADLINE: Duration = Duration::from_secs(10);

fn at(seconds: f64) -> Moment {
    let mono = Duration::from_secs_f64(seconds);
    Moment { mono, wall: jiff::Timestamp::from_millisecond(mono.as_millis() as i64).unwrap() }
}

fn candidate(seq: u64, started_at: f64) -> Candidate {
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
    let picture = Picture::packed(16, 16, PixelFormat::I420, colour, vec![0; 384]).unwrap();
    let camera = CameraId::new("c").unwrap();
    let frame = Frame { camera, seq, at: at(started_at), pts: None, lone: false, picture };
    Candidate { frame, cause: Cause::Motion, region: None, started_at: at(started_at), reason: None }
}

fn start(seq: u64) -> Signal {
    Signal::Start(candidate(seq, 0.0))
}

fn update(seq: u64) -> Signal {
    Signal::Update(candidate(seq, 0.0))
}

fn end() -> Signal {
    Signal::End { started_at: at(0.0), ended_at: at(0.0), reason: EndReason::Quiet, frame: None }
}

fn allowance(per_minute: f64) -> Allowance {
    Allowance { calls: Rate { count: per_minute, per: Duration::from_secs(60) }, share: 1.0 }
}

fn lanes(of_camera: &[f64], of_box: f64, own_time: bool) -> Lanes {
    let terms =
        |per_minute: &f64| Terms { rules: Vec::new(), allowance: allowance(*per_minute), view: View::Whole, own_time };
    Lanes::new(of_camera.iter().map(terms), allowance(of_box), DEADLINE)
}

fn plenty(cameras: usize) -> Lanes {
    lanes(&vec![6000.0; cameras], 6000.0, false)
}

const WORDS: Report = Report { calls: 1, busy: Duration::ZERO, words: true, torn: None };

/// Takes and works off the next letter: which camera, what.
fn work(lanes: &mut Lanes, now: f64) -> Option<(usize, String)> {
    let delivery = lanes.pop(at(now))?;
    let what = match &delivery.letter {
        Letter::Look { kind, candidate } => {
            lanes.report(delivery.lane, WORDS, at(now));
            format!("{} {}", kind.name(), candidate.frame.seq)
        }
        Letter::Unseen { reason, .. } => format!("unseen: {reason}"),
        Letter::Skipped(settled) => format!("{} {}", settled.outcome.name(), settled.frame),
        Letter::End { frame, .. } => (if frame.is_some() { "end, asked" } else { "end" }).into(),
        Letter::Check { frame, .. } => format!("rules {}", frame.seq),
    };
    Some((delivery.lane, what))
}

fn all(lanes: &mut Lanes, now: f64) -> Vec<String> {
    std::iter::from_fn(|| work(lanes, now)).map(|(_, what)| what).collect()
}

#[test]
fn cameras_take_turns() {
    let mut lanes = plenty(2);
    for seq in 0..3 {
        lanes.push(0, start(seq), at(seq as f64));
    }
    lanes.push(1, start(9), at(9.0));
    let order: Vec<_> = std::iter::from_fn(|| work(&mut lanes, 9.0)).map(|(lane, _)| lane).collect();
    assert_eq!(order, [0, 1, 0, 0]);
}

#[test]
fn a_newer_picture_of_the_event_replaces_the_one_that_waits() {
    let mut lanes = plenty(1);
    lanes.push(0, start(1), at(1.0));
    let superseded = |seq| Settled::new(&candidate(seq, 0.0).frame, Outcome::Superseded);
    assert_eq!(lanes.push(0, update(2), at(2.0)).frames, [superseded(1)]);
    assert_eq!(work(&mut lanes, 2.0), Some((0, "start 2".into())));
    lanes.push(0, update(3), at(3.0));
    assert_eq!(lanes.push(0, update(4), at(4.0)).frames, [superseded(3)]);
    lanes.push(0, end(), at(5.0));
    // Of another event.
    assert!(lanes.push(0, start(5), at(6.0)).frames.is_empty());
    assert_eq!(all(&mut lanes, 6.0), ["update 4", "end", "start 5"]);
}

#[test]
fn what_was_noticed_once_is_not_replaced() {
    let mut lanes = plenty(1);
    lanes.push(0, Signal::Start(Candidate { cause: Cause::Tamper, ..candidate(1, 0.0) }), at(1.0));
    assert!(lanes.push(0, update(2), at(2.0)).frames.is_empty());
    assert_eq!(all(&mut lanes, 2.0), ["start 1", "update 2"]);
}

#[test]
fn when_it_is_full_pictures_go_and_events_stay() {
    let mut lanes = plenty(1);
    let mut gone = Vec::new();
    for seq in 0..10 {
        gone.extend(lanes.push(0, start(seq), at(1.0)).frames);
        gone.extend(lanes.push(0, end(), at(1.0)).frames);
    }
    let gone: Vec<_> = gone.iter().map(|settled| (settled.frame, settled.outcome)).collect();
    assert_eq!(gone, (0..6).map(|seq| (seq, Outcome::Expired)).collect::<Vec<_>>());
    let told = all(&mut lanes, 1.0);
    assert_eq!(told.len(), 20);
    assert!(told[0].starts_with("unseen: too many pictures"), "{told:?}");
    assert_eq!(told[12], "start 6");
}

#[test]
fn a_storm_is_bounded_and_counted() {
    let mut lanes = lanes(&[1.0], 1.0, false);
    let mut lost = 0;
    for seq in 0..1000 {
        lost += lanes.push(0, start(seq), at(1.0)).events;
        lost += lanes.push(0, end(), at(1.0)).events;
    }
    let waiting = lanes.lanes[0].queue.len();
    assert!(waiting <= LETTERS, "{waiting}");
    assert_eq!(lost, 1000 - waiting as u64 / 2);
}

#[test]
fn a_look_waits_for_the_budget_and_goes_without_words_after_the_deadline() {
    let mut lanes = lanes(&[12.0], 600.0, false);
    for seq in 0..5 {
        lanes.push(0, start(seq), at(100.0));
        lanes.push(0, end(), at(100.0));
    }
    // A burst of three, one more after five seconds; at ten seconds the last may go, too, but waited too long.
    let told = all(&mut lanes, 100.0);
    assert_eq!(told[..2], ["unseen: too many pictures were waiting for the model", "end"]);
    assert_eq!(told[2..], ["start 1", "end", "start 2", "end", "start 3", "end"]);
    assert_eq!(lanes.due(at(100.0)), Some(Duration::from_secs(105)));
    assert_eq!(all(&mut lanes, 104.9), Vec::<String>::new());
    assert_eq!(all(&mut lanes, 105.0), ["start 4", "end"]);
    assert_eq!((lanes.due(at(105.0)), lanes.is_empty()), (None, true));

    let mut slow = self::lanes(&[1.0], 600.0, false);
    for seq in 0..3 {
        slow.push(0, start(seq), at(100.0));
    }
    assert_eq!(all(&mut slow, 100.0), ["start 0", "start 1"]);
    assert_eq!(slow.due(at(100.0)), Some(Duration::from_secs(110)));
    let delivery = slow.pop(at(110.0)).unwrap();
    let Letter::Unseen { settled: Some(settled), reason, .. } = delivery.letter else { panic!("{delivery:?}") };
    assert_eq!(reason, "the budget of this camera (1/min) was used up");
    let because = settled.because.unwrap();
    assert_eq!((settled.outcome, because.what), (Outcome::Budget, "descriptions left in the camera's budget"));
    assert!(because.value > 0.1 && because.value < 0.2 && because.threshold == 1.0, "{because:?}");
}

#[test]
fn an_end_does_not_wait_for_more_words() {
    let mut lanes = lanes(&[1.0], 600.0, false);
    lanes.push(0, start(1), at(1.0));
    assert_eq!(work(&mut lanes, 1.0), Some((0, "start 1".into())));
    lanes.push(0, update(2), at(5.0));
    assert_eq!(work(&mut lanes, 5.0), Some((0, "update 2".into())));
    lanes.push(0, update(3), at(9.0));
    assert_eq!(work(&mut lanes, 9.0), None);
    lanes.push(0, end(), at(10.0));
    assert_eq!(all(&mut lanes, 10.0), ["budget 3", "end"]);
    // A start waits, and its end with it, but not longer.
    lanes.push(0, start(4), at(20.0));
    lanes.push(0, end(), at(22.0));
    assert!(all(&mut lanes, 29.9).is_empty());
    assert_eq!(all(&mut lanes, 30.0), ["unseen: the budget of this camera (1/min) was used up", "end"]);
}

#[test]
fn what_nobody_described_goes_first() {
    let mut lanes = lanes(&[600.0; 3], 4.0, false);
    lanes.push(0, start(1), at(0.0));
    lanes.push(1, start(2), at(0.0));
    assert_eq!(all(&mut lanes, 0.0), ["start 1", "start 2"]);
    lanes.push(0, update(3), at(8.0));
    lanes.push(1, update(4), at(8.0));
    lanes.push(2, start(5), at(9.0));
    assert_eq!(all(&mut lanes, 15.0), ["start 5"]);

    // An event whose start went without words counts as not described.
    let mut lanes = self::lanes(&[600.0; 2], 4.0, false);
    lanes.push(0, start(1), at(0.0));
    lanes.push(1, start(2), at(0.0));
    for _ in 0..2 {
        let delivery = lanes.pop(at(0.0)).unwrap();
        lanes.report(delivery.lane, Report { words: delivery.lane == 0, ..WORDS }, at(0.0));
    }
    lanes.push(0, update(3), at(6.0));
    lanes.push(1, update(4), at(7.0));
    assert_eq!(all(&mut lanes, 15.0), ["update 4"]);
}

#[test]
fn what_was_not_asked_is_given_back() {
    let mut lanes = lanes(&[1.0], 1.0, false);
    for seq in 0..20 {
        lanes.push(0, start(seq), at(1.0));
        let delivery = lanes.pop(at(1.0)).unwrap();
        assert!(matches!(delivery.letter, Letter::Look { .. }), "{delivery:?}");
        lanes.report(0, Report { calls: 0, ..WORDS }, at(1.0));
    }
}

#[test]
fn a_busy_model_uses_up_its_share() {
    let half = Allowance { share: 0.5, ..allowance(600.0) };
    let terms = Terms { rules: Vec::new(), allowance: allowance(600.0), view: View::Whole, own_time: false };
    let mut lanes = Lanes::new([terms], half, DEADLINE);
    lanes.push(0, start(1), at(100.0));
    lanes.pop(at(100.0)).unwrap();
    lanes.report(0, Report { busy: Duration::from_secs(10), ..WORDS }, at(110.0));
    lanes.push(0, update(2), at(110.0));
    assert!(lanes.pop(at(110.0)).is_none());
    assert_eq!(lanes.due(at(110.0)), Some(Duration::from_secs(115)));
    assert_eq!(work(&mut lanes, 115.0), Some((0, "update 2".into())));
}

#[test]
fn a_clip_waits_by_its_own_time_and_runs_on_at_its_end() {
    let mut lanes = lanes(&[12.0; 2], 600.0, true);
    for seq in 0..4 {
        lanes.push(0, start(seq), at(50.0));
    }
    // The other clip is elsewhere, and the box's clock does not matter.
    lanes.advance(1, at(5000.0));
    assert_eq!(all(&mut lanes, 9999.0), ["start 0", "start 1", "start 2"]);
    assert!(!lanes.is_ready(0, at(9999.0)));
    lanes.advance(0, at(55.0));
    assert!(lanes.is_ready(0, at(0.0)));
    assert_eq!(all(&mut lanes, 0.0), ["start 3"]);
    lanes.push(0, start(4), at(56.0));
    assert_eq!((all(&mut lanes, 0.0), lanes.due(at(0.0))), (Vec::new(), None));
    lanes.closed = true;
    assert_eq!(all(&mut lanes, 0.0), ["start 4"]);
    assert_eq!(lanes.lanes[0].now(at(0.0)).mono, Duration::from_secs(60));
}

#[test]
fn when_it_closes_nothing_waits_any_more() {
    let mut lanes = lanes(&[1.0], 600.0, false);
    for seq in 0..3 {
        lanes.push(0, start(seq), at(1.0));
    }
    lanes.closed = true;
    let told = all(&mut lanes, 1.0);
    assert_eq!(told, ["start 0", "start 1", "unseen: the budget of this camera (1/min) was used up"]);
}

/// One camera has a visitor every second and wants every picture described, the other has one every half minute that stays
/// for twenty seconds, and a box that describes six pictures per minute.
#[test]
fn a_storm_starves_nobody() {
    let mut lanes = lanes(&[600.0, 12.0], 6.0, false);
    let mut told = [Vec::new(), Vec::new()];
    for tick in 0..6000_u32 {
        let now = f64::from(tick) / 10.0;
        if tick % 10 == 0 {
            lanes.push(0, start(u64::from(tick)), at(now));
        }
        if tick % 10 == 9 {
            lanes.push(0, end(), at(now));
        }
        match tick % 300 {
            0 => drop(lanes.push(1, start(u64::from(tick)), at(now))),
            80 | 140 => drop(lanes.push(1, update(u64::from(tick)), at(now))),
            200 => drop(lanes.push(1, end(), at(now))),
            _ => {}
        }
        while let Some((lane, what)) = work(&mut lanes, now) {
            told[lane].push(what);
        }
    }
    let of = |lane: usize, what: &str| told[lane].iter().filter(|told| told.starts_with(what)).count();
    println!("storm: {} described, {} not", of(0, "start"), of(0, "unseen"));
    println!("calm: {} starts, {} updates, {} not", of(1, "start"), of(1, "update"), of(1, "unseen"));
    // Sixty pictures in ten minutes, twenty visitors of the calm camera: each has words.
    assert_eq!((of(1, "start"), of(1, "unseen")), (20, 0));
    assert!(of(1, "update") >= 5, "{}", of(1, "update"));
    assert!(of(0, "start") >= 20, "{}", of(0, "start"));
    assert!(of(0, "start") + of(1, "start") + of(1, "update") <= 62);
}

#[test]
fn a_lane_goes_to_another_camera_only_when_nothing_of_the_first_is_left() {
    let mut lanes = plenty(2);
    let terms = Terms { rules: Vec::new(), allowance: allowance(6000.0), view: View::Whole, own_time: false };
    lanes.push(1, end(), at(0.0));
    lanes.leave(1);
    assert_eq!(lanes.enter(terms.clone(), allowance(6000.0), None), 2);
    assert_eq!(work(&mut lanes, 1.0), Some((1, "end".into())));
    assert_eq!(lanes.enter(terms.clone(), allowance(6000.0), Some(1)), 3, "the analyst is still at it");
    assert_eq!(lanes.enter(terms.clone(), allowance(6000.0), None), 1);
    // Who comes back before anybody else came is not in anybody's way.
    lanes.leave(0);
    lanes.change(0, terms.clone(), allowance(6000.0));
    assert_eq!(lanes.enter(terms, allowance(6000.0), None), 4);
    assert_eq!(lanes.pop(at(2.0)).map(|delivery| delivery.lane), None);
}

#[test]
fn other_budgets_hold_at_once() {
    let mut lanes = plenty(1);
    let nothing = Allowance { calls: Rate { count: 0.001, per: Duration::from_secs(86_400) }, share: 1.0 };
    let terms = Terms { rules: Vec::new(), allowance: nothing, view: View::Whole, own_time: false };
    lanes.change(0, terms, allowance(6000.0));
    for seq in 0..4 {
        lanes.push(0, start(seq), at(0.0));
        lanes.push(0, end(), at(0.0));
    }
    // What may come at once comes; then it waits, and not for ever.
    let first = all(&mut lanes, 0.0);
    assert!(first.len() < 8, "{first:?}");
    let later = all(&mut lanes, DEADLINE.as_secs_f64() + 1.0);
    assert!(later.iter().any(|what| what.starts_with("unseen: ")), "{later:?}");
    lanes.set_general(allowance(6000.0), Duration::from_secs(1));
    assert!(lanes.is_empty());
}

fn ruled(per_minute: f64, when: When) -> Lanes {
    let rule = Rule { when, ..Rule::new(crate::ids::RuleId::new("r").unwrap(), "Is it?") };
    let allowance = allowance(per_minute);
    let terms = Terms { rules: vec![rule], allowance, view: View::Whole, own_time: false };
    Lanes::new([terms], self::allowance(6000.0), DEADLINE)
}

/// A frame with its number for a time in seconds.
fn frame(seq: u64) -> Frame {
    candidate(seq, seq as f64).frame
}

#[test]
fn rules_are_asked_when_nothing_else_is_to_do() {
    let mut lanes = ruled(6000.0, When::Always(Duration::from_secs(10)));
    assert_eq!(lanes.offer(0, &frame(1), at(1.0)), Offered::Waits);
    assert_eq!(lanes.offer(0, &frame(2), at(2.0)), Offered::Nothing);
    lanes.push(0, Signal::Start(candidate(3, 3.0)), at(3.0));
    // They are asked about the newer picture, with the words.
    assert_eq!(all(&mut lanes, 3.0), ["start 3"]);
    // The start had them asked: ten seconds from there.
    assert_eq!(lanes.offer(0, &frame(12), at(12.0)), Offered::Nothing);
    assert_eq!(lanes.offer(0, &frame(13), at(13.0)), Offered::Waits);
    // Nobody had the time, and then there is a newer picture.
    assert_eq!(lanes.offer(0, &frame(23), at(23.0)), Offered::Instead);
    assert_eq!(all(&mut lanes, 23.0), ["rules 23"]);
}

#[test]
fn an_end_has_its_rules_asked_and_only_the_newest_keeps_its_picture() {
    let end =
        |seq| Signal::End { started_at: at(0.0), ended_at: at(1.0), reason: EndReason::Quiet, frame: Some(frame(seq)) };
    let mut lanes = ruled(6000.0, When::Event);
    assert_eq!(lanes.offer(0, &frame(1), at(1.0)), Offered::Nothing);
    for signal in [start(1), end(2), start(3), end(4)] {
        lanes.push(0, signal, at(1.0));
    }
    assert_eq!(all(&mut lanes, 1.0), ["start 1", "end", "start 3", "end, asked"]);
    // Without rules nobody is asked.
    let mut plain = plenty(1);
    plain.push(0, end(5), at(1.0));
    assert_eq!(all(&mut plain, 1.0), ["end"]);
}

#[test]
fn scheduled_rules_wait_for_the_budget_and_ends_do_not() {
    let mut lanes = ruled(2.0, When::Always(Duration::from_secs(1)));
    for second in 0..30 {
        lanes.offer(0, &frame(second), at(second as f64));
        let asked = all(&mut lanes, second as f64);
        // Six at once, as many as two descriptions cost, then one every ten seconds, about the newest frame.
        let expected: &[&str] = match second {
            0..6 => &[&format!("rules {second}")],
            10 => &["rules 10"],
            20 => &["rules 20"],
            _ => &[],
        };
        assert_eq!(asked, expected, "{second}");
    }
    assert!(lanes.due(at(29.5)).is_some_and(|due| due <= at(30.0).mono));
    let over =
        Signal::End { started_at: at(0.0), ended_at: at(29.0), reason: EndReason::Quiet, frame: Some(frame(29)) };
    lanes.push(0, over, at(29.5));
    assert_eq!(all(&mut lanes, 29.5), ["end, asked"]);
    // That is paid off before rules are asked on schedule again.
    lanes.offer(0, &frame(30), at(30.0));
    assert_eq!(all(&mut lanes, 39.9), Vec::<String>::new());
    assert_eq!(all(&mut lanes, 40.0), ["rules 30"]);
    // Rules that are others by now are not asked by the places of the old ones.
    lanes.offer(0, &frame(50), at(41.0));
    let terms = Terms { rules: Vec::new(), allowance: allowance(2.0), view: View::Whole, own_time: false };
    lanes.change(0, terms, allowance(6000.0));
    assert_eq!(all(&mut lanes, 90.0), Vec::<String>::new());
}
