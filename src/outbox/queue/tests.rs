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
