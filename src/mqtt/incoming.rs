//! What bytes of a broker come to, for tests that send arbitrary ones: the way through the client's parser and its state, and
//! the reason that is found for what goes wrong. Nothing here is used while the daemon runs.

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{ConnectionError, MqttState, StateError};

use super::client::{CLIENT_IN_FLIGHT, MAX_INCOMING};
use super::diagnosis::{self, Stage};
use super::settings::Settings;

/// Takes what a broker sent, until something is wrong with it, and says what. `None`: it all was right, or goes on.
#[doc(hidden)]
#[must_use]
pub fn incoming(bytes: &[u8], settings: &Settings, connected: bool) -> Option<String> {
    let stage = if connected { Stage::Connected } else { Stage::Connecting };
    let mut state = MqttState::new(CLIENT_IN_FLIGHT, false);
    let mut stream = BytesMut::from(bytes);
    let wrong = loop {
        match Packet::read(&mut stream, Some(MAX_INCOMING)) {
            Ok(packet) => match state.handle_incoming_packet(packet) {
                Ok(_) => state.events.clear(),
                Err(error) => break error,
            },
            Err(PacketError::InsufficientBytes(_)) => return None,
            Err(error) => break StateError::Deserialization(error),
        }
    };
    Some(diagnosis::of(&ConnectionError::MqttState(wrong), settings, stage).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    /// By its first bytes, before the rest of it has come.
    #[test]
    fn a_packet_over_the_bound_is_told_by_its_header() {
        let settings = Settings::new(NodeId::new("garage").unwrap(), "broker.lan", 1883);
        // A publication of 300,000 bytes; its length is written in sevens of bits.
        let said = incoming(&[0x30, 0xe0, 0xa7, 0x12], &settings, true).unwrap();
        assert!(said.contains("300000 bytes") && said.contains("no more than 262144"), "{said}");
        // One that fits goes on.
        assert_eq!(incoming(&[0x30, 0xa0, 0x8d, 0x06], &settings, true), None);
    }
}
