//! A broker of a few lines that acknowledges as no real one would.

use std::collections::VecDeque;

use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::peer::{Peer, Publish};
use crate::{Daemon, SOON, settings};

/// Starts a daemon with `count` events waiting, and a peer that has answered it.
async fn connect(count: u64, properties: &[u8]) -> (Daemon, Peer, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=count).await;
    let peer = Peer::accept(&listener, properties).await;
    (daemon, peer, listener)
}

#[tokio::test]
async fn a_broker_may_ask_for_one_at_a_time() {
    // Receive maximum 1; and a keep-alive of 0, which must not become a flood of pings.
    let (daemon, mut peer, _listener) = connect(5, &[0x21, 0, 1, 0x13, 0, 0]).await;
    let mut seen = vec![];
    while seen.len() < 5 {
        let publish = peer.publish().await.expect("one more is on its way");
        assert!(peer.publish().await.is_none(), "two at a time");
        seen.extend(publish.seq());
        peer.acknowledge(publish.packet).await;
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    daemon.task.abort();
}

#[tokio::test]
async fn acknowledgements_may_come_in_any_order() {
    let (daemon, mut peer, _listener) = connect(1000, &[]).await;
    let mut seen = vec![];
    loop {
        let mut unanswered = vec![];
        while let Some(publish) = peer.publish().await {
            unanswered.push(publish);
        }
        if unanswered.is_empty() {
            break;
        }
        assert!(unanswered.len() <= 128, "{} at a time", unanswered.len());
        seen.extend(unanswered.iter().filter_map(Publish::seq));
        for publish in unanswered.iter().rev() {
            peer.acknowledge(publish.packet).await;
        }
    }
    assert_eq!(seen, (1..=1000).collect::<Vec<_>>());
    let stats = daemon.outbox.stats();
    assert_eq!((stats.rows, stats.acked_total), (0, 1000));
    daemon.task.abort();
}

#[tokio::test]
async fn one_late_acknowledgement_costs_no_event() {
    // The first event stays unanswered until the packet ids have come round to its own.
    let (daemon, mut peer, _listener) = connect(1000, &[]).await;
    let mut seen = vec![];
    let mut held = None;
    let mut late = VecDeque::new();
    loop {
        match peer.publish().await {
            Some(publish) => {
                seen.extend(publish.seq());
                if publish.seq() == Some(1) {
                    held = Some(publish.packet);
                } else {
                    peer.acknowledge(publish.packet).await;
                }
            }
            None => match held.take() {
                Some(packet) => {
                    late.push_back(seen.len());
                    peer.acknowledge(packet).await;
                }
                None => break,
            },
        }
    }
    assert!(late[0] > 1 && late[0] < 1000, "it was held while others went on: {late:?}");
    assert_eq!(seen, (1..=1000).collect::<Vec<_>>());
    let stats = daemon.outbox.stats();
    assert_eq!((stats.rows, stats.acked_total), (0, 1000));
    daemon.task.abort();
}

#[tokio::test]
async fn a_broker_that_hangs_up_over_an_event_is_not_asked_for_ever() {
    let (daemon, mut peer, listener) = connect(1, &[]).await;
    for _ in 0..3 {
        loop {
            let publish = peer.publish().await.expect("the event comes");
            if publish.seq().is_some() {
                break;
            }
            peer.acknowledge(publish.packet).await;
        }
        // DISCONNECT, packet too large, no properties.
        peer.send(&[0xe0, 2, 0x95, 0]).await;
        peer = Peer::accept(&listener, &[]).await;
    }
    let stats = daemon.outbox.stats();
    assert_eq!((stats.rows, stats.refused_total), (0, 1));
    daemon.task.abort();
}

#[tokio::test]
async fn a_broker_that_answers_pings_and_nothing_else_is_given_up() {
    let (mut daemon, mut peer, listener) = connect(3, &[]).await;
    let deaf = tokio::spawn(async move {
        loop {
            let (kind, _) = peer.packet().await;
            if kind >> 4 == 12 {
                peer.send(&[0xd0, 0]).await;
            }
        }
    });
    let reason = daemon.failed().await;
    assert!(reason.ends_with("has acknowledged nothing for 10 s"), "{reason}");
    deaf.abort();
    // What was on its way comes again, in order, and says so.
    let mut peer = Peer::accept(&listener, &[]).await;
    let mut seen = vec![];
    while let Some(publish) = peer.publish().await {
        if let Some(seq) = publish.seq() {
            assert_eq!(publish.payload["replayed"], true);
            seen.push(seq);
        }
        peer.acknowledge(publish.packet).await;
    }
    assert_eq!(seen, [1, 2, 3]);
    daemon.task.abort();
}

#[tokio::test]
async fn a_late_refusal_frees_its_packet_id() {
    // Receive maximum 3, so that the ids are 1 to 3. The first event's stays unanswered until it comes round, and then the
    // event is refused.
    let (daemon, mut peer, _listener) = connect(12, &[0x21, 0, 3]).await;
    let held = peer.event().await;
    let others = peer.drain().await;
    assert!(others.len() < 11, "the id has come round");
    let [high, low] = held.packet.to_be_bytes();
    peer.send(&[0x40, 3, high, low, 0x87]).await;
    let rest = timeout(SOON, peer.drain_until_delivered(&daemon)).await.unwrap();
    let seen: Vec<_> = others.iter().chain(&rest).filter_map(Publish::seq).collect();
    assert!(rest.iter().any(|publish| publish.seq() == Some(1)), "the refused one comes again: {seen:?}");
    assert!(seen.iter().filter(|seq| **seq != 1).copied().eq(2..=12), "{seen:?}");
    assert_eq!((daemon.outbox.stats().acked_total, daemon.connection.borrow().connects_total), (12, 1));
    daemon.task.abort();
}
