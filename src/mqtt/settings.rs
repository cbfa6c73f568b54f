//! What can be set about the broker.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

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
}

/// TLS, verified unless `verify` is false.
#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM; `None`: the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// PEM chain and key, for mutual TLS.
    pub client: Option<ClientCertificate>,
    pub verify: bool,
}

#[derive(Debug, Clone)]
pub struct ClientCertificate {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}
