//! Why there is no connection, in words that say what to do. No secrets here: a reason is logged, and stands in the
//! status and on the status page. Which reason lies behind an error is `diagnosis`'s.

use std::path::PathBuf;

use super::Settings;

/// Why there is no connection to the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("nothing listens at `{address}`: is the broker running, and is the port right?")]
    Refused { address: String },
    #[error("the name `{host}` cannot be resolved: is it spelled right, and does DNS work here?")]
    UnknownHost { host: String },
    #[error("`{address}` cannot be reached ({problem}): is the network up, and the address right?")]
    Unreachable { address: String, problem: String },
    #[error(
        "`{address}` did not answer within {seconds} s: is the address right, is a firewall in between, or is the broker frozen?"
    )]
    Timeout { address: String, seconds: u64 },
    #[error(
        "the broker at `{address}` does not accept {who}: set `username` and `password` (or `password_file`) in [mqtt] as the broker knows them"
    )]
    Credentials { address: String, who: &'static str },
    #[error("`{address}` speaks only MQTT 3.1.1; Eyewitness needs MQTT 5: mosquitto 1.6 or newer")]
    OldProtocol { address: String },
    #[error(
        "`{address}` closed the connection instead of answering: most likely it speaks only MQTT 3.1.1, and Eyewitness needs MQTT 5 (mosquitto 1.6 or newer){or_tls}"
    )]
    ClosedUnanswered { address: String, or_tls: &'static str },
    #[error("`{address}` answered with something that is not MQTT 5{or_tls}")]
    NotMqtt { address: String, or_tls: &'static str },
    #[error("the broker at `{address}` refused the connection: {problem}")]
    Rejected { address: String, problem: String },
    #[error(
        "the certificate is for {names}, not for `{host}`: write the certificate's name in the url, or get the broker a certificate for `{host}`"
    )]
    CertificateName { host: String, names: String },
    #[error(
        "the certificate of `{address}` is signed by an authority that {who} not know: set `ca_file` in [mqtt] to the PEM of the authority that signed it"
    )]
    UnknownAuthority { address: String, who: String },
    #[error("the certificate of `{address}` is not valid: {problem}")]
    Certificate { address: String, problem: String },
    #[error(
        "`{address}` does not speak TLS: is it the plain port (write `mqtt://`), or is TLS on another port (often 8883)?"
    )]
    NotTls { address: String },
    #[error(
        "the broker at `{address}` wants a client certificate that it knows ({problem}): set `client_cert_file` and `client_key_file` in [mqtt]"
    )]
    ClientCertificate { address: String, problem: String },
    #[error("TLS with `{address}` failed: {problem}")]
    Tls { address: String, problem: String },
    #[error("`{}` ({role}) {problem}", path.display())]
    File { path: PathBuf, role: &'static str, problem: String },
    #[error("another client with the same id has taken over at `{address}`: is `node` the same on two machines?")]
    TakenOver { address: String },
    #[error("the broker at `{address}` is shutting down")]
    ShuttingDown { address: String },
    #[error("the broker at `{address}` wants its clients to use another server{}: `fallback_url` in [mqtt] names one, or change `url`", if *.moved { " for good" } else { "" })]
    Elsewhere { address: String, moved: bool },
    #[error("the broker at `{address}` ended the connection: {problem}")]
    Ended { address: String, problem: String, about_message: bool },
    #[error("the broker at `{address}` does not keep to the protocol: {problem}")]
    Protocol { address: String, problem: String },
    #[error("the connection to `{address}` was lost ({problem})")]
    Lost { address: String, problem: String },
    #[error("the broker at `{address}` has not answered for {seconds} s")]
    Silent { address: String, seconds: u64 },
    #[error("the broker at `{address}` has acknowledged nothing for {seconds} s")]
    Stalled { address: String, seconds: u64 },
    #[error(
        "the broker at `{address}` refuses QoS 1, without which nothing can be delivered reliably: allow it in the broker"
    )]
    NoQos1 { address: String },
    #[error("the MQTT client cannot go on: {problem}")]
    Client { problem: String },
}

impl Reason {
    /// Whether the broker ended the connection over something that was published, so that publishing it again ends the
    /// next connection too.
    pub(super) fn blames_message(&self) -> bool {
        matches!(self, Self::Ended { about_message: true, .. })
    }

    /// Whether the broker hung up, with a reason or without, rather than falling silent.
    pub(super) fn hung_up(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Ended { .. } | Self::Protocol { .. })
    }

    /// Whether another broker is to be used at once.
    pub(super) fn redirects(&self) -> bool {
        matches!(self, Self::Elsewhere { .. })
    }
}

/// `host:port`, as it stands in reasons.
pub(super) fn address(settings: &Settings) -> String {
    if settings.host.contains(':') {
        format!("[{}]:{}", settings.host.trim_matches(['[', ']']), settings.port)
    } else {
        format!("{}:{}", settings.host, settings.port)
    }
}

/// `MessageRateTooHigh` → `message rate too high`
pub(super) fn words(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    out
}
