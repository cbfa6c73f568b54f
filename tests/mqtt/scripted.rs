//! A broker of a few lines that acknowledges as no real one would.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{Daemon, SOON, settings};

/// After so long without a packet, the client is taken to wait for us.
const QUIET: Duration = Duration::from_millis(100);

/// A QoS 1 publication.
struct Publish {
    packet: u16,
    topic: String,
    payload: serde_json::Value,
}

/// The broker's end of one connection.
struct Peer {
    socket: TcpStream,
}

impl Peer {
    /// Takes the connection and answers CONNECT with these properties.
    async fn accept(listener: &TcpListener, properties: &[u8]) -> Self {
        let (socket, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
        let mut peer = Self { socket };
        let (kind, _) = peer.packet().await;
        assert_eq!(kind >> 4, 1, "CONNECT comes first");
        let length = u8::try_from(properties.len()).unwrap();
        peer.send(&[&[0x20, 3 + length, 0, 0, length], properties].concat()).await;
        peer
    }

    /// The next publication; pings are answered. `None` when it stays quiet.
    async fn publish(&mut self) -> Option<Publish> {
        loop {
            let there = timeout(QUIET, self.socket.peek(&mut [0])).await.ok()?.unwrap();
            assert_eq!(there, 1, "the client hung up");
            let (kind, body) = self.packet().await;
            match kind >> 4 {
                3 => return Some(parse(&body)),
                12 => self.send(&[0xd0, 0]).await,
                other => panic!("unexpected packet of type {other}"),
            }
        }
    }

    async fn acknowledge(&mut self, packet: u16) {
        let [high, low] = packet.to_be_bytes();
        self.send(&[0x40, 2, high, low]).await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// First byte and body of the next packet.
    async fn packet(&mut self) -> (u8, Vec<u8>) {
        let kind = self.byte().await;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.byte().await;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        timeout(SOON, self.socket.read_exact(&mut body)).await.unwrap().unwrap();
        (kind, body)
    }

    async fn byte(&mut self) -> u8 {
        timeout(SOON, self.socket.read_u8()).await.unwrap().unwrap()
    }
}

/// Topic, packet id, properties (none), payload.
fn parse(body: &[u8]) -> Publish {
    let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    Publish {
        topic: String::from_utf8(body[2..topic_end].to_vec()).unwrap(),
        packet: u16::from_be_bytes([body[topic_end], body[topic_end + 1]]),
        payload: serde_json::from_slice(&body[topic_end + 3..]).unwrap(),
    }
}

/// Starts a daemon with `count` events waiting, and a peer that has answered it.
async fn connect(count: u64, properties: &[u8]) -> (Daemon, Peer, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = Daemon::start(settings(listener.local_addr().unwrap().port()));
    daemon.append(1..=count).await;
    let peer = Peer::accept(&listener, properties).await;
    (daemon, peer, listener)
}

/// Sequence number, if it is an event.
fn seq(publish: &Publish) -> Option<u64> {
    publish.topic.ends_with("/event").then(|| publish.payload["seq"].as_u64().unwrap())
}

#[tokio::test]
async fn a_broker_may_ask_for_one_at_a_time() {
    // Receive maximum 1; and a keep-alive of 0, which must not become a flood of pings.
    let (daemon, mut peer, _listener) = connect(5, &[0x21, 0, 1, 0x13, 0, 0]).await;
    let mut seen = vec![];
    while seen.len() < 5 {
        let publish = peer.publish().await.expect("one more is on its way");
        assert!(peer.publish().await.is_none(), "two at a time");
        seen.extend(seq(&publish));
        peer.acknowledge(publish.packet).await;
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    daemon.task.abort();
}

#[tokio::test]
async fn acknowledgements_may_come_in_any_order() {
    let (daemon, mut peer, _listener) = connect(100, &[]).await;
    let mut seen = vec![];
    loop {
        let mut unanswered = vec![];
        while let Some(publish) = peer.publish().await {
            unanswered.push(publish);
        }
        if unanswered.is_empty() {
            break;
        }
        assert!(unanswered.len() <= 16, "{} at a time", unanswered.len());
        seen.extend(unanswered.iter().filter_map(seq));
        for publish in unanswered.iter().rev() {
            peer.acknowledge(publish.packet).await;
        }
    }
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    let stats = daemon.outbox.stats();
    assert_eq!((stats.rows, stats.acked_total), (0, 100));
    daemon.task.abort();
}

#[tokio::test]
async fn one_late_acknowledgement_costs_no_event() {
    // The first event stays unanswered until the packet ids have come round to its own.
    let (daemon, mut peer, _listener) = connect(100, &[]).await;
    let mut seen = vec![];
    let mut held = None;
    let mut late = VecDeque::new();
    loop {
        match peer.publish().await {
            Some(publish) => {
                seen.extend(seq(&publish));
                if seq(&publish) == Some(1) {
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
    assert!(late[0] > 1 && late[0] < 100, "it was held while others went on: {late:?}");
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    let stats = daemon.outbox.stats();
    assert_eq!((stats.rows, stats.acked_total), (0, 100));
    daemon.task.abort();
}

#[tokio::test]
async fn a_broker_that_hangs_up_over_an_event_is_not_asked_for_ever() {
    let (daemon, mut peer, listener) = connect(1, &[]).await;
    for _ in 0..3 {
        loop {
            let publish = peer.publish().await.expect("the event comes");
            if seq(&publish).is_some() {
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
        if let Some(seq) = seq(&publish) {
            assert_eq!(publish.payload["replayed"], true);
            seen.push(seq);
        }
        peer.acknowledge(publish.packet).await;
    }
    assert_eq!(seen, [1, 2, 3]);
    daemon.task.abort();
}
