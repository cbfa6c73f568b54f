//! Which [`Reason`] lies behind an error of rumqttc. Pure.

use std::io;

use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError};

use super::reason::{Reason, address, words};
use super::settings::Settings;

/// How far the connection had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    Connected,
}

/// The reason behind rumqttc's error.
pub(super) fn of(error: &ConnectionError, settings: &Settings, stage: Stage) -> Reason {
    let address = address(settings);
    match error {
        ConnectionError::Timeout(_) => Reason::Timeout { address, seconds: super::client::CONNECT_TIMEOUT.as_secs() },
        ConnectionError::Io(error) => of_io(error, settings, stage),
        ConnectionError::Tls(rumqttc::TlsError::Io(error)) => of_tls_io(error, settings),
        ConnectionError::Tls(rumqttc::TlsError::TLS(error)) => of_tls(error, settings),
        ConnectionError::Tls(rumqttc::TlsError::DNSName(_)) => Reason::UnknownHost { host: settings.host.clone() },
        ConnectionError::Tls(error) => Reason::Tls { address, problem: error.to_string() },
        ConnectionError::ConnectionRefused(code) => of_connack(*code, settings),
        ConnectionError::NotConnAck(_) => Reason::NotMqtt { address, or_tls: or_tls(settings) },
        ConnectionError::MqttState(error) => of_state(error, settings, stage),
        ConnectionError::RequestsDone => Reason::Client { problem: "its request channel is closed".into() },
    }
}

fn of_state(error: &StateError, settings: &Settings, stage: Stage) -> Reason {
    let address = address(settings);
    match error {
        StateError::Io(error) | StateError::Deserialization(PacketError::Io(error)) => of_io(error, settings, stage),
        StateError::ConnectionAborted => closed(settings, stage),
        StateError::Deserialization(_) if stage == Stage::Connecting => {
            Reason::NotMqtt { address, or_tls: or_tls(settings) }
        }
        // mosquitto answers a message above its `message_size_limit` with a reason code that an acknowledgement must not
        // have, and rumqttc gives up on it.
        StateError::Deserialization(PacketError::InvalidReason(code) | PacketError::InvalidConnectReturnCode(code)) => {
            let problem = format!("it answered with the code {code:#04x}, as brokers do when a message is too large");
            Reason::Ended { address, problem, about_message: true }
        }
        StateError::Deserialization(PacketError::PayloadSizeLimitExceeded { pkt_size, max }) => {
            let problem = format!("it sent a packet of {pkt_size} bytes, and was told to send no more than {max}");
            Reason::Protocol { address, problem }
        }
        StateError::Deserialization(_) | StateError::WrongPacket => {
            Reason::Protocol { address, problem: "it sent something that is not MQTT 5".into() }
        }
        StateError::Unsolicited(packet) => {
            Reason::Protocol { address, problem: format!("it answered packet {packet}, which was not sent") }
        }
        StateError::ServerDisconnect { reason_code, reason_string } => {
            of_disconnect(*reason_code, reason_string.as_deref(), address)
        }
        StateError::AwaitPingResp | StateError::CollisionTimeout => {
            Reason::Silent { address, seconds: super::client::keep_alive(settings).as_secs() }
        }
        StateError::ConnFail { reason } => of_connack(*reason, settings),
        error => Reason::Client { problem: error.to_string() },
    }
}

fn closed(settings: &Settings, stage: Stage) -> Reason {
    let address = address(settings);
    match stage {
        Stage::Connecting => Reason::ClosedUnanswered { address, or_tls: or_tls(settings) },
        // rumqttc does not see a DISCONNECT in its short form, which is how mosquitto says that it stops or that
        // another client has the id now.
        Stage::Connected => {
            let node = &settings.node;
            let problem = format!(
                "the broker closed it: it was stopped, or another client took over the id `eyewitness-{node}`: is `node` the same on two machines?"
            );
            Reason::Lost { address, problem }
        }
    }
}

fn of_io(error: &io::Error, settings: &Settings, stage: Stage) -> Reason {
    if rustls_of(error).is_some() {
        return of_tls_io(error, settings);
    }
    let address = address(settings);
    match (error.kind(), stage) {
        (io::ErrorKind::ConnectionRefused, _) => Reason::Refused { address },
        (io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof, _) => {
            closed(settings, stage)
        }
        // The standard library has no kind for a name that does not resolve.
        _ if error.to_string().contains("lookup address") => Reason::UnknownHost { host: settings.host.clone() },
        (_, Stage::Connecting) => Reason::Unreachable { address, problem: error.to_string() },
        (_, Stage::Connected) => Reason::Lost { address, problem: error.to_string() },
    }
}

/// An I/O error of the TLS handshake.
fn of_tls_io(error: &io::Error, settings: &Settings) -> Reason {
    match rustls_of(error) {
        Some(error) => of_tls(error, settings),
        // A plain MQTT port takes the TLS greeting for a broken packet and hangs up.
        None => Reason::NotTls { address: address(settings) },
    }
}

fn of_tls(error: &rustls::Error, settings: &Settings) -> Reason {
    use rustls::{AlertDescription as Alert, Error};
    let address = address(settings);
    match error {
        Error::InvalidCertificate(error) => of_certificate(error, settings),
        Error::InvalidMessage(_) => Reason::NotTls { address },
        Error::AlertReceived(
            alert @ (Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnknownCA
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::HandshakeFailure
            | Alert::AccessDenied),
        ) => Reason::ClientCertificate { address, problem: format!("{alert:?}") },
        error => Reason::Tls { address, problem: error.to_string() },
    }
}

fn of_certificate(error: &rustls::CertificateError, settings: &Settings) -> Reason {
    use rustls::CertificateError as E;
    let address = address(settings);
    let host = settings.host.clone();
    match error {
        E::NotValidForNameContext { presented, .. } => Reason::CertificateName { host, names: name_list(presented) },
        E::NotValidForName => Reason::CertificateName { host, names: "another name".into() },
        // An authority made anew under its old name knows the issuer by name, and not its signature.
        E::UnknownIssuer | E::BadSignature => {
            let file = settings.tls.as_ref().and_then(|tls| tls.ca_file.as_deref());
            let who = file.map_or("this system does".to_owned(), |path| format!("`{}` does", path.display()));
            Reason::UnknownAuthority { address, who }
        }
        E::Expired | E::ExpiredContext { .. } => Reason::Certificate { address, problem: "it has expired".into() },
        E::NotValidYet | E::NotValidYetContext { .. } => {
            Reason::Certificate { address, problem: "it is not valid yet: is the clock of this machine right?".into() }
        }
        error => Reason::Certificate { address, problem: error.to_string() },
    }
}

/// rustls writes a name as `DnsName("broker.lan")`; people read `broker.lan`.
fn name_list(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        format!("`{}`", inner.trim_matches('"'))
    };
    match presented {
        [] => "no name at all".to_owned(),
        names => names.iter().map(plain).collect::<Vec<_>>().join(" and "),
    }
}

fn of_connack(code: ConnectReturnCode, settings: &Settings) -> Reason {
    use ConnectReturnCode as Code;
    let address = address(settings);
    match code {
        Code::BadUserNamePassword | Code::NotAuthorized | Code::BadAuthenticationMethod => {
            let who = match settings.username {
                Some(_) => "this user name and password",
                None => "a client without a user name",
            };
            Reason::Credentials { address, who }
        }
        Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion => Reason::OldProtocol { address },
        Code::ServerUnavailable | Code::ServiceUnavailable | Code::ServerBusy => {
            Reason::Rejected { address, problem: "it is busy or not available".into() }
        }
        Code::Banned => Reason::Rejected { address, problem: "this client is banned".into() },
        Code::ClientIdentifierNotValid | Code::BadClientId => {
            Reason::Rejected { address, problem: "it does not accept the client id `eyewitness-NODE`".into() }
        }
        Code::QoSNotSupported => Reason::NoQos1 { address },
        Code::UseAnotherServer => Reason::Elsewhere { address, moved: false },
        Code::ServerMoved => Reason::Elsewhere { address, moved: true },
        Code::RetainNotSupported => {
            Reason::Rejected { address, problem: "it does not keep retained messages: allow them in the broker".into() }
        }
        code => Reason::Rejected { address, problem: words(&format!("{code:?}")) },
    }
}

fn of_disconnect(code: DisconnectReasonCode, text: Option<&str>, address: String) -> Reason {
    use DisconnectReasonCode as Code;
    match code {
        Code::SessionTakenOver => Reason::TakenOver { address },
        Code::ServerShuttingDown => Reason::ShuttingDown { address },
        Code::UseAnotherServer => Reason::Elsewhere { address, moved: false },
        Code::ServerMoved => Reason::Elsewhere { address, moved: true },
        code => {
            let code_words = words(&format!("{code:?}"));
            let problem = text.map_or(code_words.clone(), |text| format!("{code_words}, \"{text}\""));
            let about_message = matches!(
                code,
                Code::MalformedPacket
                    | Code::ProtocolError
                    | Code::TopicNameInvalid
                    | Code::PacketTooLarge
                    | Code::PayloadFormatInvalid
            );
            Reason::Ended { address, problem, about_message }
        }
    }
}

fn or_tls(settings: &Settings) -> &'static str {
    if settings.tls.is_none() { "; or the port expects TLS: then write `mqtts://`" } else { "" }
}

fn rustls_of(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::super::Tls;
    use super::*;
    use crate::ids::NodeId;

    fn settings() -> Settings {
        Settings {
            password: Some("hunter2".into()),
            ..Settings::new(NodeId::new("garage").unwrap(), "broker.lan", 1883)
        }
    }

    fn with_tls() -> Settings {
        Settings { tls: Some(Tls { ca_file: Some("/etc/ca.pem".into()), client: None, verify: true }), ..settings() }
    }

    fn text(error: &ConnectionError, settings: &Settings, stage: Stage) -> String {
        of(error, settings, stage).to_string()
    }

    fn certificate(error: rustls::CertificateError) -> ConnectionError {
        let error = rustls::Error::InvalidCertificate(error);
        ConnectionError::Tls(rumqttc::TlsError::Io(io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    #[test]
    fn what_goes_wrong_while_connecting() {
        let cases: [(ConnectionError, &str); 8] = [
            (
                ConnectionError::Io(io::ErrorKind::ConnectionRefused.into()),
                "nothing listens at `broker.lan:1883`: is the broker running, and is the port right?",
            ),
            (
                ConnectionError::Io(io::Error::other(
                    "failed to lookup address information: Name or service not known",
                )),
                "the name `broker.lan` cannot be resolved: is it spelled right, and does DNS work here?",
            ),
            (
                ConnectionError::Io(io::Error::other("No route to host")),
                "`broker.lan:1883` cannot be reached (No route to host): is the network up, and the address right?",
            ),
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized),
                "the broker at `broker.lan:1883` does not accept a client without a user name: set `username` and `password` (or `password_file`) in [mqtt] as the broker knows them",
            ),
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::UnsupportedProtocolVersion),
                "`broker.lan:1883` speaks only MQTT 3.1.1; Eyewitness needs MQTT 5: mosquitto 1.6 or newer",
            ),
            (
                ConnectionError::MqttState(StateError::ConnectionAborted),
                "`broker.lan:1883` closed the connection instead of answering: most likely it speaks only MQTT 3.1.1, and Eyewitness needs MQTT 5 (mosquitto 1.6 or newer); or the port expects TLS: then write `mqtts://`",
            ),
            (
                ConnectionError::MqttState(StateError::Deserialization(PacketError::InvalidProtocol)),
                "`broker.lan:1883` answered with something that is not MQTT 5; or the port expects TLS: then write `mqtts://`",
            ),
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::ConnectionRateExceeded),
                "the broker at `broker.lan:1883` refused the connection: connection rate exceeded",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(text(&error, &settings(), Stage::Connecting), expected);
        }
    }

    #[test]
    fn what_goes_wrong_with_tls() {
        let cases: [(ConnectionError, &str); 4] = [
            (
                certificate(rustls::CertificateError::NotValidForNameContext {
                    expected: "broker.lan".try_into().unwrap(),
                    presented: vec!["DnsName(\"other.lan\")".into(), "IpAddress(10.0.0.1)".into()],
                }),
                "the certificate is for `other.lan` and `10.0.0.1`, not for `broker.lan`: write the certificate's name in the url, or get the broker a certificate for `broker.lan`",
            ),
            (
                certificate(rustls::CertificateError::UnknownIssuer),
                "the certificate of `broker.lan:1883` is signed by an authority that `/etc/ca.pem` does not know: set `ca_file` in [mqtt] to the PEM of the authority that signed it",
            ),
            (
                certificate(rustls::CertificateError::NotValidYet),
                "the certificate of `broker.lan:1883` is not valid: it is not valid yet: is the clock of this machine right?",
            ),
            (
                ConnectionError::Tls(rumqttc::TlsError::Io(io::ErrorKind::UnexpectedEof.into())),
                "`broker.lan:1883` does not speak TLS: is it the plain port (write `mqtt://`), or is TLS on another port (often 8883)?",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(text(&error, &with_tls(), Stage::Connecting), expected);
        }
    }

    #[test]
    fn what_ends_a_connection() {
        let ended = |reason_code, reason_string: Option<&str>| {
            let reason_string = reason_string.map(str::to_owned);
            of(
                &ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }),
                &settings(),
                Stage::Connected,
            )
        };
        assert_eq!(
            ended(DisconnectReasonCode::SessionTakenOver, None),
            Reason::TakenOver { address: "broker.lan:1883".into() }
        );
        let large = ended(DisconnectReasonCode::PacketTooLarge, Some("no"));
        assert_eq!(large.to_string(), "the broker at `broker.lan:1883` ended the connection: packet too large, \"no\"");
        assert!(large.blames_message());
        assert!(!ended(DisconnectReasonCode::ServerShuttingDown, None).blames_message());
        assert!(ended(DisconnectReasonCode::ServerMoved, None).redirects());
        assert_eq!(
            ended(DisconnectReasonCode::UseAnotherServer, None).to_string(),
            "the broker at `broker.lan:1883` wants its clients to use another server: `fallback_url` in [mqtt] names one, or change `url`"
        );
        assert_eq!(
            text(&ConnectionError::MqttState(StateError::Unsolicited(7)), &settings(), Stage::Connected),
            "the broker at `broker.lan:1883` does not keep to the protocol: it answered packet 7, which was not sent"
        );
        assert_eq!(
            text(&ConnectionError::MqttState(StateError::ConnectionAborted), &settings(), Stage::Connected),
            "the connection to `broker.lan:1883` was lost (the broker closed it: it was stopped, or another client took over the id `eyewitness-garage`: is `node` the same on two machines?)"
        );
        assert_eq!(
            text(&ConnectionError::MqttState(StateError::AwaitPingResp), &settings(), Stage::Connected),
            "the broker at `broker.lan:1883` has not answered for 30 s"
        );
    }

    #[test]
    fn no_reason_holds_the_password() {
        let mut named = settings();
        named.username = Some("eve".into());
        let error = ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword);
        let reason = of(&error, &named, Stage::Connecting);
        assert!(reason.to_string().contains("this user name and password"));
        assert!(!format!("{reason} {reason:?}").contains("hunter2"));
    }
}
