//! A subscriber that asks for everything and never reads a byte.

use std::net::Ipv4Addr;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

/// MQTT 5: CONNECT as `stuck` with a clean start and no keep-alive, SUBSCRIBE to `#` with QoS 1.
const WORDS: [&[u8]; 2] =
    [b"\x10\x12\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x05stuck", b"\x82\x07\x00\x01\x00\x00\x01#\x01"];

/// Lives until it is dropped.
pub async fn subscribe(port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Little fits on the way, so that the broker has to keep it.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.unwrap();
    for words in WORDS {
        stream.write_all(words).await.unwrap();
    }
    stream
}
