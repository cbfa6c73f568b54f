//! Brokers that refuse a connection, or end it with a reason.

use std::time::Duration;

use eyewitness::clock::Clock;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::peer::{Peer, Publish};
use crate::{Daemon, settings};

/// Every reason code of CONNACK, one that is none, and what is said about them.
const REFUSALS: [(u8, &str); 22] = [
    (0x80, "refused the connection: unspecified error"),
    (0x81, "refused the connection: malformed packet"),
    (0x82, "refused the connection: protocol error"),
    (0x83, "refused the connection: implementation specific error"),
    (0x84, "speaks only MQTT 3.1.1"),
    (0x85, "does not accept the client id"),
    (0x86, "does not accept a client without a user name"),
    (0x87, "does not accept a client without a user name"),
    (0x88, "it is busy or not available"),
    (0x89, "it is busy or not available"),
    (0x8a, "this client is banned"),
    (0x8c, "does not accept a client without a user name"),
    (0x90, "refused the connection: topic name invalid"),
    (0x95, "refused the connection: packet too large"),
    (0x97, "refused the connection: quota exceeded"),
    (0x99, "refused the connection: payload format invalid"),
    (0x9a, "does not keep retained messages"),
    (0x9b, "refuses QoS 1"),
    (0x9c, "wants its clients to use another server: `fallback_url`"),
    (0x9d, "wants its clients to use another server for good: `fallback_url`"),
    (0x9f, "refused the connection: connection rate exceeded"),
    (0x42, "answered with something that is not MQTT 5"),
];

#[tokio::test]
async fn every_refusal_is_said_and_waited_for() {
    let refusals = REFUSALS.map(async |(code, words)| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
        daemon.append([1]).await;
        let mut peer = Peer::greeted(&listener).await;
        peer.answer(code, &[]).await;
        let reason = daemon.failed().await;
        assert!(reason.contains(words), "{code:#x}: {reason}");
        let early = timeout(Duration::from_millis(900), listener.accept()).await;
        assert!(early.is_err(), "{code:#x}: it came again without a wait");
        assert_eq!(daemon.outbox.stats().rows, 1);
        daemon.task.abort();
    });
    join_all(refusals).await;
}

/// Reason codes of the broker's DISCONNECT, and what is said.
const GOODBYES: [(u8, &str); 9] = [
    (0x81, "ended the connection: malformed packet, \"see the log\""),
    (0x87, "ended the connection: not authorized, \"see the log\""),
    (0x89, "ended the connection: server busy, \"see the log\""),
    (0x8b, "is shutting down"),
    (0x8e, "another client with the same id has taken over"),
    (0x97, "ended the connection: quota exceeded, \"see the log\""),
    (0x98, "ended the connection: administrative action, \"see the log\""),
    (0x9c, "wants its clients to use another server"),
    (0x9d, "wants its clients to use another server for good"),
];

#[tokio::test]
async fn every_goodbye_is_said_with_its_reason() {
    let goodbyes = GOODBYES.map(async |(code, words)| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
        daemon.append([1]).await;
        let mut peer = Peer::accept(&listener, &[]).await;
        peer.event().await;
        let text = b"see the log";
        peer.send(&[&[0xe0, 16, code, 14, 0x1f, 0, 11], &text[..]].concat()).await;
        let reason = daemon.failed().await;
        assert!(reason.contains(words), "{code:#x}: {reason}");
        // The event comes again, and nothing is lost.
        let mut peer = Peer::accept(&listener, &[]).await;
        let event = peer.event().await;
        assert_eq!((event.seq(), &event.payload["replayed"]), (Some(1), &true.into()));
        peer.acknowledge(event.packet).await;
        daemon.delivered().await;
        assert_eq!(daemon.outbox.stats().acked_total, 1, "{code:#x}");
        daemon.task.abort();
    });
    join_all(goodbyes).await;
}

#[tokio::test]
async fn a_broker_that_closes_after_connack_is_not_flooded() {
    let clock = Clock::system();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append([1]).await;
    let mut times = vec![];
    for _ in 0..4 {
        Peer::accept(&listener, &[]).await.hang_up();
        times.push(clock.now());
    }
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(waits[0] >= Duration::from_millis(950), "{waits:?}");
    assert!(waits[1] >= Duration::from_millis(1350), "{waits:?}");
    assert!(waits[2] >= Duration::from_millis(2750), "the waits grow although it connected: {waits:?}");
    let connection = daemon.until(|connection| connection.failures_total >= 4).await;
    assert_eq!((connection.connects_total, connection.failures_total), (4, 4));
    assert_eq!(daemon.outbox.stats().rows, 1);
    daemon.task.abort();
}

#[tokio::test]
async fn an_unasked_session_changes_nothing() {
    // Session present, although a clean start was asked for.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=20).await;
    let mut peer = Peer::greeted(&listener).await;
    peer.send(&[0x20, 3, 1, 0, 0]).await;
    let all = peer.drain_until_delivered(&daemon).await;
    assert!(all.iter().filter_map(Publish::seq).eq(1..=20));
    daemon.task.abort();
}

#[tokio::test]
async fn a_lost_session_loses_nothing() {
    // Half of what is on its way is acknowledged; then the broker is another one, which knows nothing of us.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=20).await;
    let mut peer = Peer::accept(&listener, &[]).await;
    for seq in 1..=10 {
        let event = peer.event().await;
        assert_eq!(event.seq(), Some(seq));
        peer.acknowledge(event.packet).await;
    }
    while daemon.outbox.stats().acked_total < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    peer.hang_up();
    let mut peer = Peer::accept(&listener, &[]).await;
    let all = peer.drain_until_delivered(&daemon).await;
    assert!(all.iter().filter_map(Publish::seq).eq(11..=20));
    // All retained state is said again.
    let said = |topic: &str| all.iter().any(|publish| publish.topic == format!("eyewitness/garage/{topic}"));
    assert!(said("status") && said("door/status") && said("door/description"));
    daemon.task.abort();
}
