//! What can be set about the broker.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::ids::NodeId;
pub use crate::image::SnapshotSettings;

#[derive(Debug, Clone)]
pub struct Settings {
    pub node: NodeId,
    pub host: String,
    pub port: u16,
    pub tls: Option<Tls>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// First level of every topic.
    pub prefix: String,
    pub keep_alive: Duration,
    /// A second broker, for when the first does not work.
    pub fallback: Option<Fallback>,
    pub home_assistant: HomeAssistant,
    /// Pictures of what was described; `None`: none leaves the box.
    pub snapshots: Option<SnapshotSettings>,
    /// Answers may also go below this topic, if whoever asks wants them there.
    pub response_prefix: Option<String>,
}

/// Whether the cameras are announced to Home Assistant, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeAssistant {
    pub announce: bool,
    /// First level of its discovery topics. Also used when nothing is announced, to take back what was.
    pub prefix: String,
}

impl Default for HomeAssistant {
    fn default() -> Self {
        Self { announce: false, prefix: "homeassistant".to_owned() }
    }
}

/// The second broker. Everything but its address is as with the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    pub host: String,
    pub port: u16,
    pub tls: Option<Tls>,
    /// While the second broker serves, the first is tried again each time this long has passed.
    pub return_after: Duration,
}

impl Settings {
    /// A broker without TLS that lets everybody in, and everything else as it is without a word in the config.
    #[must_use]
    pub fn new(node: NodeId, host: impl Into<String>, port: u16) -> Self {
        Self {
            node,
            host: host.into(),
            port,
            tls: None,
            username: None,
            password: None,
            prefix: "eyewitness".to_owned(),
            keep_alive: Duration::from_secs(30),
            fallback: None,
            home_assistant: HomeAssistant::default(),
            snapshots: None,
            response_prefix: None,
        }
    }

    /// The settings of each broker, the preferred one first, with what messages call it.
    #[must_use]
    pub fn brokers(&self) -> Vec<(&'static str, Self)> {
        let first = Self { fallback: None, ..self.clone() };
        match self.fallback.clone() {
            None => vec![("broker", first)],
            Some(Fallback { host, port, tls, .. }) => {
                let second = Self { host, port, tls, ..first.clone() };
                vec![("broker", first), ("second broker", second)]
            }
        }
    }
}

/// The same broker in the same words, password included.
impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        // Taken apart, so that a new field cannot be forgotten here.
        let Self {
            node,
            host,
            port,
            tls,
            username,
            password,
            prefix,
            keep_alive,
            fallback,
            home_assistant,
            snapshots,
            response_prefix,
        } = self;
        let secret = |password: &Option<SecretString>| password.as_ref().map(|p| p.expose_secret().to_owned());
        (node, host, port, tls) == (&other.node, &other.host, &other.port, &other.tls)
            && (username, prefix, keep_alive, fallback)
                == (&other.username, &other.prefix, &other.keep_alive, &other.fallback)
            && (home_assistant, snapshots, response_prefix)
                == (&other.home_assistant, &other.snapshots, &other.response_prefix)
            && secret(password) == secret(&other.password)
    }
}

/// TLS, verified unless `verify` is false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM; `None`: the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// PEM chain and key, for mutual TLS.
    pub client: Option<ClientCertificate>,
    pub verify: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}
