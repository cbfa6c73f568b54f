//! Stands between the sender and the broker, passes every byte on, and writes down what the broker acknowledged: what a
//! broker takes with it when it is killed is not the sender's loss.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes, BytesMut};
use eyewitness::clock::{Clock, Moment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::ledger::{Arrival, Key};

/// What became of one event on its way to the broker.
#[derive(Debug)]
pub struct Sent {
    pub first: Moment,
    pub times: u64,
    /// When the broker acknowledged it first, and which of the broker's lives that was.
    pub acknowledged: Option<(Moment, u32)>,
}

/// All that went through.
#[derive(Debug, Default)]
pub struct Record {
    pub sent: BTreeMap<Key, Sent>,
    /// The broker's life, counted by whoever ends it.
    pub life: u32,
    pub connections: u64,
    /// Connections that are open now.
    pub open: u64,
    /// When the broker last acknowledged anything.
    pub acknowledged_at: Option<Moment>,
    /// Events that the broker refused.
    pub refusals: u64,
    /// Against the promises: see [`Record::sent`].
    pub faults: Vec<String>,
}

impl Record {
    /// Sent again, it says that it waited; and within a connection the numbers only grow.
    fn sent(&mut self, arrival: &Arrival, before: &mut BTreeMap<String, u64>, now: Moment) {
        let key = &arrival.key;
        let last = before.insert(key.0.clone(), key.1).unwrap_or(0);
        if key.1 <= last {
            self.faults.push(format!("{} {} was sent after {last} on the same connection", key.0, key.1));
        }
        let sent = self.sent.entry(key.clone()).or_insert(Sent { first: now, times: 0, acknowledged: None });
        sent.times += 1;
        if sent.times > 1 && !arrival.replayed {
            self.faults.push(format!("{} {} was sent again without saying so", key.0, key.1));
        }
    }

    fn answered(&mut self, key: &Key, accepted: bool, now: Moment, life: u32) {
        if !accepted {
            self.refusals += 1;
            return;
        }
        self.acknowledged_at = Some(now);
        if let Some(sent) = self.sent.get_mut(key) {
            sent.acknowledged.get_or_insert((now, life));
        }
    }

    /// The life of the broker that acknowledged it.
    pub fn life_of(&self, key: &Key) -> Option<u32> {
        self.sent.get(key)?.acknowledged.map(|(_, life)| life)
    }

    pub fn unanswered(&self) -> usize {
        self.sent.values().filter(|sent| sent.acknowledged.is_none()).count()
    }
}

#[derive(Debug)]
pub struct Proxy {
    port: u16,
    gate: watch::Sender<bool>,
    record: Arc<Mutex<Record>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Leads to the broker on `broker`; open.
    pub async fn start(broker: u16, clock: Clock) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (gate, opened) = watch::channel(true);
        let record = Arc::<Mutex<Record>>::default();
        let task = tokio::spawn(serve(listener, broker, opened, Arc::clone(&record), clock));
        Self { port, gate, record, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on new connections are held before the broker until [`open`](Self::open): who sends before the
    /// subscriber is back would be heard by nobody.
    pub fn close(&self) {
        self.gate.send_replace(false);
    }

    pub fn open(&self) {
        self.gate.send_replace(true);
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Record) -> T) -> T {
        look(&mut self.record.lock().unwrap())
    }
}

async fn serve(
    listener: TcpListener,
    broker: u16,
    opened: watch::Receiver<bool>,
    record: Arc<Mutex<Record>>,
    clock: Clock,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let mut opened = opened.clone();
                let record = Arc::clone(&record);
                connections.spawn(async move {
                    if opened.wait_for(|open| *open).await.is_ok()
                        && let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)).await
                    {
                        connection(client, server, &record, clock).await;
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Both ways, until one of them ends; then both do.
async fn connection(client: TcpStream, server: TcpStream, record: &Mutex<Record>, clock: Clock) {
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let open = Mutex::new(BTreeMap::<u16, Key>::new());
    let life = with(record, |record| {
        record.connections += 1;
        record.open += 1;
        record.life
    });
    let up = async {
        let (mut packets, mut before) = (BytesMut::new(), BTreeMap::new());
        while let Some(read) = read(&mut from_client).await {
            packets.extend_from_slice(&read);
            while let Some(packet) = split(&mut packets) {
                if let Some((id, arrival)) = event_in(packet) {
                    with(record, |record| record.sent(&arrival, &mut before, clock.now()));
                    open.lock().unwrap().insert(id, arrival.key);
                }
            }
            if to_server.write_all(&read).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut packets = BytesMut::new();
        while let Some(read) = read(&mut from_server).await {
            packets.extend_from_slice(&read);
            while let Some(packet) = split(&mut packets) {
                if let Some((id, accepted)) = answer_in(packet)
                    && let Some(key) = open.lock().unwrap().remove(&id)
                {
                    with(record, |record| record.answered(&key, accepted, clock.now(), life));
                }
            }
            if to_client.write_all(&read).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
    with(record, |record| record.open -= 1);
}

fn with<T>(record: &Mutex<Record>, act: impl FnOnce(&mut Record) -> T) -> T {
    act(&mut record.lock().unwrap())
}

async fn read(from: &mut (impl AsyncReadExt + Unpin)) -> Option<Bytes> {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    let count = from.read_buf(&mut buffer).await.ok()?;
    (count > 0).then(|| buffer.freeze())
}

/// The next whole packet: its first byte and what follows its length.
fn split(packets: &mut BytesMut) -> Option<(u8, Bytes)> {
    let (length, size) = number(packets.get(1..)?)?;
    if packets.len() < 1 + size + length {
        return None;
    }
    let first = packets[0];
    packets.advance(1 + size);
    Some((first, packets.split_to(length).freeze()))
}

/// A number as MQTT writes it, and in how many bytes.
fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// The packet id and the event of a PUBLISH with QoS 1.
fn event_in((first, mut body): (u8, Bytes)) -> Option<(u16, Arrival)> {
    if first >> 4 != 3 || (first >> 1) & 3 != 1 {
        return None;
    }
    let topic_length = usize::from(body.get_u16());
    let topic = body.split_to(topic_length);
    let id = body.get_u16();
    let (properties, size) = number(&body)?;
    body.advance(size + properties);
    topic.ends_with(b"/event").then(|| (id, Arrival::of(&body).expect("an event")))
}

/// The packet id of a PUBACK, and whether it says yes.
fn answer_in((first, mut body): (u8, Bytes)) -> Option<(u16, bool)> {
    (first >> 4 == 4).then(|| (body.get_u16(), body.first().is_none_or(|reason| *reason < 0x80)))
}

mod tests {
    use super::*;

    #[test]
    fn packets_are_found_in_whatever_pieces_they_come() {
        let json = br#"{"id":"X","camera":"a","seq":7,"replayed":false,"description":"a long one, for two bytes of length, a long one, for two bytes"}"#;
        let mut packet = vec![0x32, 0x92, 0x01, 0, 9];
        packet.extend_from_slice(b"p/n/event");
        packet.extend_from_slice(&[0, 3, 2, 1, 0]);
        packet.extend_from_slice(json);
        let length = packet.len() - 3;
        (packet[1], packet[2]) = ((length & 0x7f) as u8 | 0x80, (length >> 7) as u8);
        packet.extend_from_slice(&[0x40, 2, 0, 3, 0x40, 3, 0, 4, 0x97]);
        let (mut buffer, mut found, mut answers) = (BytesMut::new(), Vec::new(), Vec::new());
        for byte in packet {
            buffer.extend_from_slice(&[byte]);
            while let Some(packet) = split(&mut buffer) {
                answers.extend(answer_in(packet.clone()));
                found.extend(event_in(packet).map(|(id, arrival)| (id, arrival.key)));
            }
        }
        assert_eq!(found, [(3, ("a".to_owned(), 7))]);
        assert_eq!(answers, [(3, true), (4, false)]);
    }
}
