//! What can be set about the broker.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::ids::NodeId;

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
        let Self { node, host, port, tls, username, password, prefix, keep_alive, fallback } = self;
        let secret = |password: &Option<SecretString>| password.as_ref().map(|p| p.expose_secret().to_owned());
        (node, host, port, tls) == (&other.node, &other.host, &other.port, &other.tls)
            && (username, prefix, keep_alive, fallback)
                == (&other.username, &other.prefix, &other.keep_alive, &other.fallback)
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
