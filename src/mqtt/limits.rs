//! What a broker's answer to CONNECT allows. Pure.

use rumqttc::v5::mqttbytes::v5::ConnAck;

use super::client::CLIENT_IN_FLIGHT;
use super::reason::{self, Reason};
use super::settings::Settings;

/// Publications on their way at a time, if the broker asks for no less; below the client's own limit, so that its packet
/// ids do not meet themselves.
const WINDOW: u16 = CLIENT_IN_FLIGHT / 2;

/// What the broker's answer to CONNECT allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Publications that may be on their way.
    pub window: usize,
    /// Bytes of the largest packet that the broker takes.
    pub max_packet: usize,
}

impl Limits {
    /// # Errors
    /// Why nothing can be delivered to this broker.
    pub(super) fn of(answer: &ConnAck, settings: &Settings) -> Result<Self, Reason> {
        let properties = answer.properties.as_ref();
        if properties.and_then(|p| p.max_qos) == Some(0) {
            return Err(Reason::NoQos1 { address: reason::address(settings) });
        }
        if properties.and_then(|p| p.retain_available) == Some(0) {
            let problem = "it does not keep retained messages: allow them in the broker".into();
            return Err(Reason::Rejected { address: reason::address(settings), problem });
        }
        // Without its word a broker takes 65,535.
        let receive_max = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        let max_packet = properties.and_then(|p| p.max_packet_size).unwrap_or(u32::MAX);
        Ok(Self { window: usize::from(WINDOW.min(receive_max)), max_packet: max_packet as usize })
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::v5::{ConnAckProperties, ConnectReturnCode};

    use super::*;
    use crate::ids::NodeId;

    fn limits(properties: Option<ConnAckProperties>) -> Result<Limits, Reason> {
        let settings = Settings::new(NodeId::new("n").unwrap(), "h", 1);
        let answer = ConnAck { session_present: false, code: ConnectReturnCode::Success, properties };
        Limits::of(&answer, &settings)
    }

    fn nothing_said() -> ConnAckProperties {
        ConnAckProperties {
            session_expiry_interval: None,
            receive_max: None,
            max_qos: None,
            retain_available: None,
            max_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: vec![],
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }

    #[test]
    fn the_broker_sets_the_limits() {
        let free = Limits { window: 128, max_packet: u32::MAX as usize };
        assert_eq!(limits(None), Ok(free));
        let narrow = ConnAckProperties { receive_max: Some(3), max_packet_size: Some(2000), ..nothing_said() };
        assert_eq!(limits(Some(narrow)), Ok(Limits { window: 3, max_packet: 2000 }));
        let lossy = ConnAckProperties { max_qos: Some(0), ..nothing_said() };
        assert!(matches!(limits(Some(lossy)), Err(Reason::NoQos1 { .. })));
        let forgetful = ConnAckProperties { retain_available: Some(0), ..nothing_said() };
        assert!(matches!(limits(Some(forgetful)), Err(Reason::Rejected { .. })));
    }
}
