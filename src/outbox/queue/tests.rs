//! Rules of the queue, each by itself. `model` has all of them together.

use super::super::model::event;
use super::*;
use crate::clock::Clock;

fn queue(max_size: u64, max_age: Duration) -> Queue {
    let settings = Settings { max_size, max_age, ..Settings::default() };
    Queue::new(Place::Memory, &settings)
}

fn unbounded() -> Queue {
    queue(u64::MAX, Duration::MAX)
}

fn append(queue: &mut Queue, event: Event, now: Moment) -> Removed {
    let bytes = event.to_json().len();
    queue.append(event, bytes, now).1
}

fn seqs(queue: &mut Queue) -> Vec<u64> {
    std::iter::from_fn(|| queue.take()).map(|offer| offer.event.seq).collect()
}

#[test]
fn the_oldest_go_when_there_are_too_many_bytes() {
    let now = Clock::system().now();
    let size = event("a", 1).to_json().len() as u64;
    let mut queue = queue(3 * size, Duration::MAX);
    for seq in 1..=5 {
        append(&mut queue, event("a", seq), now);
    }
    assert_eq!(seqs(&mut queue), [3, 4, 5]);
    assert_eq!((queue.stats().evicted_total, queue.stats().bytes), (2, 3 * size));
}

#[test]
fn an_event_beyond_the_bound_costs_no_other() {
    let now = Clock::system().now();
    let size = event("a", 1).to_json().len() as u64;
    let mut queue = queue(2 * size, Duration::MAX);
    append(&mut queue, event("a", 1), now);
    let mut long = event("a", 2);
    long.description = Some("x".repeat(1000));
    assert_eq!(append(&mut queue, long, now).rows, 1);
    assert_eq!(seqs(&mut queue), [1]);
}

#[test]
fn the_old_go_by_age() {
    let start = Clock::system().now();
    let mut queue = queue(u64::MAX, Duration::from_secs(10));
    append(&mut queue, event("a", 1), start);
    append(&mut queue, event("a", 2), start.plus(Duration::from_secs(5)));
    assert_eq!(queue.expire(start.plus(Duration::from_secs(10))).rows, 0);
    let removed = queue.expire(start.plus(Duration::from_secs(11)));
    assert_eq!(removed, Removed { rows: 1, oldest_age: Duration::from_secs(11) });
    assert_eq!(seqs(&mut queue), [2]);
}

#[test]
fn a_refused_row_comes_again_and_is_set_aside_at_last() {
    let now = Clock::system().now();
    let mut queue = unbounded();
    queue.connected();
    append(&mut queue, event("a", 1), now);
    append(&mut queue, event("a", 2), now);
    for _ in 1..MAX_REFUSALS {
        let offer = queue.take().unwrap();
        assert_eq!(offer.event.seq, 1);
        assert_eq!(queue.refuse(offer.row, now), Refusal::Again);
    }
    let offer = queue.take().unwrap();
    assert_eq!(queue.refuse(offer.row, now), Refusal::SetAside);
    assert_eq!(queue.refuse(offer.row, now), Refusal::Unknown);
    assert_eq!(seqs(&mut queue), [2]);
    assert_eq!(queue.stats().refused_total, 1);
}

fn at(wall: &str, mono: u64) -> Moment {
    Moment { mono: Duration::from_secs(mono), wall: wall.parse().unwrap() }
}

/// A row of an earlier run, added at that time of the wall.
fn left(id: u64, added: &str) -> Listed {
    let added = added.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    Listed { id: RowId(id), camera: CameraId::new("a").unwrap(), bytes: 10, added, last: false }
}

#[test]
fn the_age_of_what_an_earlier_run_left_is_told_by_the_wall_unless_that_was_wrong() {
    let settings = Settings { max_size: u64::MAX, max_age: Duration::from_secs(3600), ..Settings::default() };
    let waiting = |now: Moment, left: Vec<Listed>, later: u64| {
        let mut queue = Queue::new(Place::Disk, &settings);
        queue.contact(Contents { rows: left, ..Contents::default() }, now);
        queue.expire(now.plus(Duration::from_secs(later)));
        queue.classes().iter().map(|row| row.0.0).collect::<Vec<_>>()
    };
    let set = at("2026-05-01T12:00:00Z", 5);
    let three =
        || vec![left(1, "2026-05-01T10:59:00Z"), left(2, "2026-05-01T11:30:00Z"), left(3, "2026-05-01T11:59:00Z")];
    assert_eq!(waiting(set, three(), 0), [2, 3]);
    assert_eq!(waiting(set, three(), 31 * 60), [3]);
    assert_eq!(waiting(set, three(), 61 * 60), Vec::<u64>::new());
    // A row from when the clock was not set, and one from the future, count from this start.
    let wrong = || vec![left(1, "1970-01-01T00:10:00Z"), left(2, "2031-01-01T00:00:00Z")];
    assert_eq!(waiting(set, wrong(), 59 * 60), [1, 2]);
    assert_eq!(waiting(set, wrong(), 61 * 60), Vec::<u64>::new());
    // So do all while the clock is not set now.
    assert_eq!(waiting(at("1970-01-01T00:00:20Z", 5), three(), 59 * 60), [1, 2, 3]);
}

#[test]
fn a_clock_that_is_set_later_makes_nothing_older() {
    let mut queue = queue(u64::MAX, Duration::from_secs(60));
    append(&mut queue, event("a", 1), at("1970-01-01T00:00:20Z", 20));
    assert_eq!(queue.expire(at("2026-05-01T12:00:00Z", 79)).rows, 0);
    assert_eq!(queue.expire(at("2026-05-01T12:00:02Z", 81)).rows, 1);
}

#[test]
fn ends_and_alerts_go_when_nothing_else_is_left() {
    let now = Clock::system().now();
    let end = |seq| Event { kind: Kind::End, ..event("a", seq) };
    let covered = Event { cause: Cause::Tamper, ..event("a", 102) };
    let mut alert = event("a", 103);
    alert.alert.push(crate::ids::RuleId::new("r").unwrap());
    let room: usize = [&end(101), &covered, &alert].map(|event| event.to_json().len()).iter().sum();
    let mut queue = queue((room + event("a", 100).to_json().len()) as u64 - 1, Duration::MAX);
    for event in [event("a", 100), end(101), covered, alert, event("a", 104), event("a", 105)] {
        append(&mut queue, event, now);
    }
    assert_eq!(seqs(&mut queue), [101, 102, 103]);
    queue.disconnected();
    for seq in 106..109 {
        append(&mut queue, end(seq), now);
    }
    let left = seqs(&mut queue);
    assert!(left.len() < 6 && !left.contains(&101) && left.ends_with(&[106, 107, 108]), "{left:?}");
}

#[test]
fn a_row_takes_less_than_a_hundred_bytes() {
    // A map's or set's node is more than half full; a row is in one map and two sets.
    let row = size_of::<RowId>() + size_of::<Entry>() + 2 * size_of::<RowId>();
    assert!(row * 2 <= 100, "{row}");
}

#[test]
fn numbers_and_words_are_remembered_and_what_runs_is_told() {
    let now = Clock::system().now();
    let camera = CameraId::new("a").unwrap();
    let mut queue = Queue::new(Place::Disk, &Settings::default());
    queue.contact(Contents::default(), now);
    let words = Event { kind: Kind::Start, description: Some("A cat.".into()), ..event("a", 1) };
    append(&mut queue, words.clone(), now);
    append(&mut queue, event("a", 2), now);
    let batch = queue.batch(now);
    queue.written(&batch);
    let [record] = batch.records.as_slice() else { panic!("{batch:?}") };
    assert_eq!((record.past.seq, record.last_row, record.waiting_from), (2, RowId(2), RowId(1)));
    let mut next = Queue::new(Place::Disk, &Settings::default());
    next.contact(Contents { records: batch.records.clone(), ..Contents::default() }, now);
    let past = next.past(&camera).unwrap();
    assert_eq!((past.seq, past.words.as_deref()), (2, Some(&words)));
    assert_eq!(next.running(), [event("a", 2)]);
    append(&mut next, Event { kind: Kind::End, ..event("a", 3) }, now);
    assert_eq!((next.running(), next.past(&camera).unwrap().words.as_deref()), (vec![], Some(&words)));
    // Rows are numbered on, whatever is left of them.
    assert_eq!(next.batch(now).inserts[0].0.id, RowId(3));
}
