//! A broker for the demo: mosquitto on a free loopback port, gone when the demo ends.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

#[derive(Debug, thiserror::Error)]
pub(super) enum BrokerError {
    #[error("there is no mosquitto on this machine")]
    Absent,
    #[error("mosquitto could not be started")]
    Start(#[source] std::io::Error),
    #[error("mosquitto ended at once ({0})")]
    Ended(std::process::ExitStatus),
    #[error("mosquitto did not answer within {0:?}")]
    Silent(Duration),
}

/// A running mosquitto; dropping it ends it.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) port: u16,
    _child: Child,
    _config: tempfile::NamedTempFile,
}

impl Broker {
    /// Starts it and returns once it answers.
    pub(super) async fn start() -> Result<Self, BrokerError> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let program = find().ok_or(BrokerError::Absent)?;
        // Should somebody else take it in between, mosquitto says so and ends.
        let port = free_port().map_err(BrokerError::Start)?;
        let mut config = tempfile::NamedTempFile::new().map_err(BrokerError::Start)?;
        writeln!(config, "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false")
            .map_err(BrokerError::Start)?;
        let mut child = Command::new(program)
            .arg("-c")
            .arg(config.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for us: the broker has to stay until the last event is delivered.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(BrokerError::Start)?;
        timeout(PATIENCE, answers(&mut child, port)).await.map_err(|_| BrokerError::Silent(PATIENCE))??;
        Ok(Self { port, _child: child, _config: config })
    }
}

/// A port of the loopback that is free now.
pub(super) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

async fn answers(child: &mut Child, port: u16) -> Result<(), BrokerError> {
    let mut again = interval(Duration::from_millis(20));
    loop {
        again.tick().await;
        if let Some(status) = child.try_wait().map_err(BrokerError::Start)? {
            return Err(BrokerError::Ended(status));
        }
        if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.is_ok() {
            return Ok(());
        }
    }
}

/// Debian puts it into /usr/sbin, which is not on everybody's path.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.map(|folder| folder.join("mosquitto")).find(|program| program.is_file())
}
