//! Brokers that hang up over one message without a word, and brokers that only seem to.

use std::collections::BTreeSet;
use std::time::Duration;

use eyewitness::event::Kind;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::peer::Peer;
use crate::support::mosquitto::Mosquitto;
use crate::{Daemon, event, settings};

/// Two ends in company, then five trials with their pauses.
const LONG: Duration = Duration::from_secs(60);

/// A broker that hangs up as soon as it sees a message that it does not like; it ends when all other events are there.
async fn picky(listener: TcpListener, dislikes: fn(&crate::peer::Publish) -> bool, last: u64) -> (Vec<u64>, u32) {
    let (mut seen, mut ends) = (vec![], 0);
    while seen.last() != Some(&last) {
        let (socket, _) = listener.accept().await.unwrap();
        let mut peer = Peer { socket };
        peer.packet().await;
        peer.answer(0, &[]).await;
        loop {
            let Some(publish) = peer.publish().await else { continue };
            if dislikes(&publish) {
                ends += 1;
                peer.hang_up();
                break;
            }
            peer.acknowledge(publish.packet).await;
            seen.extend(publish.seq());
            if publish.seq() == Some(last) {
                peer.drain().await;
                break;
            }
        }
    }
    (seen, ends)
}

#[tokio::test]
async fn an_event_that_a_broker_hangs_up_over_in_silence_is_set_aside() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=6).await;
    let (seen, ends) = timeout(LONG, picky(listener, |publish| publish.seq() == Some(3), 6)).await.unwrap();
    // The first two come until their acknowledgements are no longer lost with the connection.
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 4, 5, 6]));
    assert_eq!(ends, 7, "two in company, five alone");
    daemon.delivered().await;
    let stats = daemon.outbox.stats();
    assert_eq!((stats.acked_total, stats.refused_total), (5, 1));
    daemon.task.abort();
}

#[tokio::test]
async fn words_that_a_broker_hangs_up_over_do_not_hold_up_events() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=3).await;
    let (seen, ends) =
        timeout(LONG, picky(listener, |publish| publish.topic.ends_with("/description"), 3)).await.unwrap();
    assert_eq!(seen, [1, 2, 3]);
    assert_eq!(ends, 7, "two in company, five alone");
    daemon.delivered().await;
    assert_eq!(daemon.outbox.stats().refused_total, 0);
    daemon.task.abort();
}

#[tokio::test]
async fn a_forbidden_subscription_does_not_hold_up_events() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=3).await;
    for _ in 0..2 {
        let mut peer = Peer::accept(&listener, &[]).await;
        while peer.packet().await.0 >> 4 != 8 {}
        peer.hang_up();
    }
    let mut peer = Peer::accept(&listener, &[]).await;
    let all = timeout(LONG, peer.drain_until_delivered(&daemon)).await.unwrap();
    assert!(all.iter().filter_map(crate::peer::Publish::seq).eq(1..=3));
    assert_eq!(daemon.connection.borrow().connects_total, 3);
    daemon.task.abort();
}

#[tokio::test]
async fn a_broker_that_dies_by_itself_costs_no_event() {
    // Soon after each connect, whatever it is shown: it acknowledges the state, and hangs up when an event has come, or
    // half a second later.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=3).await;
    let dying = async {
        for _ in 0..7 {
            let mut peer = Peer::accept(&listener, &[]).await;
            let life = async {
                loop {
                    match peer.publish().await {
                        Some(publish) if publish.seq().is_some() => break,
                        Some(publish) => peer.acknowledge(publish.packet).await,
                        None => {}
                    }
                }
            };
            timeout(Duration::from_millis(500), life).await.ok();
        }
    };
    timeout(LONG, dying).await.unwrap();
    let mut peer = Peer::accept(&listener, &[]).await;
    // Where one is under suspicion, it waits for its trial, and passes.
    timeout(LONG, peer.drain_until_delivered(&daemon)).await.unwrap();
    let stats = daemon.outbox.stats();
    assert_eq!((stats.acked_total, stats.refused_total), (3, 0));
    daemon.task.abort();
}

#[tokio::test]
async fn kills_and_freezes_at_random_cost_no_event() {
    let mut broker = Mosquitto::open();
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    let outbox = daemon.outbox.clone();
    let writing = tokio::spawn(async move {
        for seq in 1..=1200 {
            outbox.append(event("door", seq, Kind::Update)).await.kept().await;
            sleep(Duration::from_millis(5)).await;
        }
    });
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..5 {
        daemon.connected().await;
        sleep(Duration::from_millis(random.u64(0..300))).await;
        if round % 2 == 1 {
            broker.freeze();
            sleep(Duration::from_millis(random.u64(0..300))).await;
        }
        broker.kill();
        daemon.failed().await;
        broker.restart();
    }
    writing.await.unwrap();
    daemon.delivered().await;
    let stats = daemon.outbox.stats();
    assert_eq!((stats.acked_total, stats.refused_total, stats.evicted_total), (1200, 0, 0));
    daemon.stop().await;
}
