//! Brokers that fall silent, do not keep to the protocol, or send what nobody asked for.

use eyewitness::mqtt::ConnectionState;
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::peer::{Peer, Publish};
use crate::{Daemon, SOON, settings};

async fn start(events: u64) -> (Daemon, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=events).await;
    (daemon, listener)
}

/// The daemon comes again, and everything arrives.
async fn recovers(daemon: &Daemon, listener: &TcpListener, seqs: std::ops::RangeInclusive<u64>) {
    let mut peer = Peer::accept(listener, &[]).await;
    let all = timeout(SOON, peer.drain_until_delivered(daemon)).await.unwrap();
    assert!(all.iter().filter_map(Publish::seq).eq(seqs));
    daemon.task.abort();
}

#[tokio::test]
async fn a_broker_that_answers_connect_and_nothing_else_is_given_up() {
    let (mut daemon, listener) = start(3).await;
    let peer = Peer::accept(&listener, &[]).await;
    let deaf = tokio::spawn(peer.deaf());
    let reason = daemon.failed().await;
    // Two watches see it after the same time, and either may be first.
    assert!(
        reason.ends_with("has not answered for 5 s") || reason.ends_with("has acknowledged nothing for 10 s"),
        "{reason}"
    );
    deaf.abort();
    recovers(&daemon, &listener, 1..=3).await;
}

#[tokio::test]
async fn a_broker_that_stops_answering_pings_is_given_up() {
    // Everything is acknowledged, so that only the pings tell.
    let (mut daemon, listener) = start(3).await;
    let mut peer = Peer::accept(&listener, &[]).await;
    peer.drain_until_delivered(&daemon).await;
    let deaf = tokio::spawn(peer.deaf());
    let reason = daemon.failed().await;
    assert!(reason.ends_with("has not answered for 5 s"), "{reason}");
    deaf.abort();
    daemon.append([4]).await;
    recovers(&daemon, &listener, 4..=4).await;
}

#[tokio::test]
async fn a_broker_that_reads_nothing_is_given_up() {
    // More than the buffers between us hold: the client itself is stuck in writing and sends no pings any more.
    let (mut daemon, listener) = start(0).await;
    let held = Peer::accept(&listener, &[]).await;
    for seq in 1..=200 {
        let mut large = crate::event("door", seq, eyewitness::event::Kind::Update);
        large.reason = Some("x".repeat(100_000));
        daemon.outbox.append(large).await.kept().await;
    }
    let reason = daemon.failed().await;
    assert!(reason.ends_with("has acknowledged nothing for 10 s"), "{reason}");
    drop(held);
    recovers(&daemon, &listener, 1..=200).await;
}

#[tokio::test]
async fn a_half_closed_connection_is_left() {
    let (mut daemon, listener) = start(3).await;
    let mut peer = Peer::accept(&listener, &[]).await;
    peer.socket.shutdown().await.unwrap();
    let reason = daemon.failed().await;
    assert!(reason.contains("was lost"), "{reason}");
    recovers(&daemon, &listener, 1..=3).await;
}

#[tokio::test]
async fn a_goodbye_in_its_short_form_is_a_lost_connection() {
    let (mut daemon, listener) = start(1).await;
    let mut peer = Peer::accept(&listener, &[]).await;
    peer.send(&[0xe0, 0]).await;
    peer.hang_up();
    let reason = daemon.failed().await;
    assert!(!reason.is_empty(), "{reason}");
    recovers(&daemon, &listener, 1..=1).await;
}

/// What no broker should send, and what is said about it.
const GARBAGE: [(&str, &[u8], &str); 12] = [
    ("an answer to nothing", &[0x40, 2, 0x12, 0x67], "answered packet 4711, which was not sent"),
    ("an answer without a packet", &[0x40, 2, 0, 0], "answered packet 0, which was not sent"),
    ("an answer of QoS 2", &[0x50, 2, 0x12, 0x67], "answered packet 4711, which was not sent"),
    ("an end of QoS 2", &[0x70, 2, 0, 1], "answered packet 1, which was not sent"),
    ("our own CONNECT", &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 0], "not MQTT 5"),
    ("a packet of no type", &[0x00, 2, 1, 2], "not MQTT 5"),
    ("HTTP", b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request", "not MQTT 5"),
    ("a length without an end", &[0x30, 0xff, 0xff, 0xff, 0xff, 0xff], "not MQTT 5"),
    ("a topic longer than its packet", &[0x30, 4, 0xff, 0xff, b'a', b'b'], "not MQTT 5"),
    ("zeros", &[0; 64], "not MQTT 5"),
    ("200 MiB to come", &[0x30, 0x80, 0x80, 0x80, 0x64], "it sent a packet of 209715200 bytes"),
    ("half a packet and the end", &[0x40], "was lost"),
];

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let cases = GARBAGE.map(async |(name, bytes, words)| {
        let (mut daemon, listener) = start(3).await;
        let mut peer = Peer::accept(&listener, &[]).await;
        peer.event().await;
        peer.send(bytes).await;
        if words == "was lost" {
            peer.hang_up();
        }
        let reason = daemon.failed().await;
        assert!(reason.contains(words), "{name}: {reason}");
        recovers(&daemon, &listener, 1..=3).await;
    });
    join_all(cases).await;
}

#[tokio::test]
async fn random_bytes_end_the_connection_and_nothing_else() {
    let mut random = fastrand::Rng::with_seed(5);
    let cases: Vec<Vec<u8>> = (0..40).map(|_| (0..random.usize(2..300)).map(|_| random.u8(..)).collect()).collect();
    let cases = cases.into_iter().map(async |bytes| {
        let (mut daemon, listener) = start(1).await;
        let mut peer = Peer::accept(&listener, &[]).await;
        peer.send(&bytes).await;
        peer.hang_up();
        let reason = daemon.failed().await;
        assert!(!reason.contains("its task has ended"), "{bytes:?}: {reason}");
        recovers(&daemon, &listener, 1..=1).await;
    });
    join_all(cases).await;
}

#[tokio::test]
async fn publications_on_topics_never_asked_for_are_none_of_ours() {
    let (daemon, listener) = start(0).await;
    let mut peer = Peer::accept(&listener, &[]).await;
    peer.drain().await;
    // QoS 0, retained QoS 1 with the packet id 7, QoS 2 with 8, and one whose topic is no text.
    peer.send(&[0x30, 6, 0, 2, b'a', b'b', 0, b'x']).await;
    peer.send(&[0x33, 8, 0, 2, b'a', b'b', 0, 7, 0, b'x']).await;
    peer.send(&[0x34, 8, 0, 2, b'a', b'b', 0, 8, 0, b'x']).await;
    peer.send(&[0x30, 6, 0, 2, 0xff, 0xfe, 0, b'x']).await;
    let mut answers = vec![];
    for _ in 0..2 {
        let (kind, body) = peer.packet().await;
        answers.push((kind, u16::from_be_bytes([body[0], body[1]])));
    }
    assert_eq!(answers, [(0x40, 7), (0x50, 8)], "PUBACK and PUBREC");
    daemon.append(1..=3).await;
    assert!(peer.drain_until_delivered(&daemon).await.iter().filter_map(Publish::seq).eq(1..=3));
    assert_eq!(daemon.connection.borrow().state, ConnectionState::Connected);
    daemon.task.abort();
}

#[tokio::test]
async fn a_flood_of_retained_messages_is_held() {
    // What looks like the leftovers of 20,000 cameras: answered as far as there is room for it, and events still go.
    let (daemon, listener) = start(0).await;
    let mut peer = Peer::accept(&listener, &[]).await;
    peer.drain().await;
    let mut flood = vec![];
    for camera in 0..20_000 {
        let topic = format!("eyewitness/garage/c{camera:05}/status");
        let payload = br#"{"state":"online","since":"x","reason":"x"}"#;
        let length = 2 + topic.len() + 1 + payload.len();
        assert!(length < 128);
        flood.extend([0x31, u8::try_from(length).unwrap(), 0, u8::try_from(topic.len()).unwrap()]);
        flood.extend(topic.as_bytes());
        flood.push(0);
        flood.extend(payload);
    }
    let (mut reader, mut writer) = peer.socket.into_split();
    let flooding = tokio::spawn(async move {
        writer.write_all(&flood).await.unwrap();
        writer
    });
    // Nothing is acknowledged meanwhile: the window is full, and the rest has to wait or to go.
    let writer = {
        let mut sink = [0; 4096];
        let reading = async {
            loop {
                tokio::io::AsyncReadExt::read(&mut reader, &mut sink).await.unwrap();
            }
        };
        tokio::select! {
            writer = flooding => writer.unwrap(),
            () = reading => unreachable!(),
        }
    };
    assert_eq!(daemon.connection.borrow().state, ConnectionState::Connected);
    drop((reader, writer));
    daemon.append([1]).await;
    recovers(&daemon, &listener, 1..=1).await;
}
