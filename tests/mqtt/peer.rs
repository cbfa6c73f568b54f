//! The broker's end of one connection, for brokers of a few lines that behave as no real one would.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{Daemon, SOON};

/// After so long without a packet, the client is taken to wait for us.
const QUIET: Duration = Duration::from_millis(100);

/// A publication.
pub(crate) struct Publish {
    /// 0 with QoS 0, which nobody acknowledges.
    pub(crate) packet: u16,
    pub(crate) topic: String,
    /// `Null` if it is empty.
    pub(crate) payload: serde_json::Value,
}

/// The broker's end of one connection.
pub(crate) struct Peer {
    pub(crate) socket: TcpStream,
}

impl Peer {
    /// Takes the connection and answers CONNECT with these properties.
    pub(crate) async fn accept(listener: &TcpListener, properties: &[u8]) -> Self {
        let mut peer = Self::greeted(listener).await;
        peer.answer(0, properties).await;
        peer
    }

    /// Takes the connection and does not answer CONNECT.
    pub(crate) async fn greeted(listener: &TcpListener) -> Self {
        let (socket, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
        let mut peer = Self { socket };
        let (kind, _) = peer.packet().await;
        assert_eq!(kind >> 4, 1, "CONNECT comes first");
        peer
    }

    /// Answers CONNECT with this reason code and these properties.
    pub(crate) async fn answer(&mut self, code: u8, properties: &[u8]) {
        let length = u8::try_from(properties.len()).unwrap();
        self.send(&[&[0x20, 3 + length, 0, code, length], properties].concat()).await;
    }

    /// The socket closes when this returns.
    pub(crate) fn hang_up(self) {}

    /// Until the daemon hangs up; what it says is read and not answered.
    pub(crate) async fn deaf(mut self) {
        let mut rest = [0; 4096];
        while timeout(SOON, self.socket.read(&mut rest)).await.unwrap().is_ok_and(|read| read > 0) {}
    }

    /// The next publication; pings are answered. `None` when it stays quiet.
    pub(crate) async fn publish(&mut self) -> Option<Publish> {
        loop {
            let there = timeout(QUIET, self.socket.peek(&mut [0])).await.ok()?.unwrap();
            assert_eq!(there, 1, "the client hung up");
            let (kind, body) = self.packet().await;
            match kind >> 4 {
                3 => return Some(parse(kind, &body)),
                8 => self.granted(&body).await,
                12 => self.send(&[0xd0, 0]).await,
                other => panic!("unexpected packet of type {other}"),
            }
        }
    }

    /// SUBACK for the subscriptions that the daemon makes.
    pub(crate) async fn granted(&mut self, subscribe: &[u8]) {
        let mut granted = vec![];
        // Packet id and no properties; then topics, each with its options.
        let mut filters = &subscribe[3..];
        while let [high, low, rest @ ..] = filters {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            granted.push(rest[length] & 0x03);
            filters = &rest[length + 1..];
        }
        let length = u8::try_from(3 + granted.len()).unwrap();
        self.send(&[&[0x90, length, subscribe[0], subscribe[1], 0], &granted[..]].concat()).await;
    }

    /// The next event; what comes before it is acknowledged.
    pub(crate) async fn event(&mut self) -> Publish {
        loop {
            let publish = self.publish().await.expect("an event comes");
            if publish.seq().is_some() {
                return publish;
            }
            self.acknowledge(publish.packet).await;
        }
    }

    /// Acknowledges all that comes until it is quiet; returns it.
    pub(crate) async fn drain(&mut self) -> Vec<Publish> {
        let mut all = vec![];
        while let Some(publish) = self.publish().await {
            self.acknowledge(publish.packet).await;
            all.push(publish);
        }
        all
    }

    /// Acknowledges all that comes until the outbox is empty and it is quiet.
    pub(crate) async fn drain_until_delivered(&mut self, daemon: &Daemon) -> Vec<Publish> {
        let mut all = self.drain().await;
        while daemon.outbox.stats().rows > 0 {
            all.extend(self.drain().await);
        }
        all
    }

    pub(crate) async fn acknowledge(&mut self, packet: u16) {
        if packet == 0 {
            return;
        }
        let [high, low] = packet.to_be_bytes();
        self.send(&[0x40, 2, high, low]).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// First byte and body of the next packet.
    pub(crate) async fn packet(&mut self) -> (u8, Vec<u8>) {
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

    pub(crate) async fn byte(&mut self) -> u8 {
        timeout(SOON, self.socket.read_u8()).await.unwrap().unwrap()
    }
}

/// Topic, packet id unless it is QoS 0, properties (fewer than 128 bytes, passed over), payload.
fn parse(kind: u8, body: &[u8]) -> Publish {
    let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let acknowledged = kind & 0x06 != 0;
    let packet = if acknowledged { u16::from_be_bytes([body[topic_end], body[topic_end + 1]]) } else { 0 };
    let properties = if acknowledged { topic_end + 2 } else { topic_end };
    Publish {
        topic: String::from_utf8(body[2..topic_end].to_vec()).unwrap(),
        packet,
        payload: serde_json::from_slice(&body[properties + 1 + usize::from(body[properties])..]).unwrap_or_default(),
    }
}

impl Publish {
    /// Sequence number, if it is an event.
    pub(crate) fn seq(&self) -> Option<u64> {
        self.topic.ends_with("/event").then(|| self.payload["seq"].as_u64().unwrap())
    }
}
