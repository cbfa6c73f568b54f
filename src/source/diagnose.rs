//! Asks the files and the network what is wrong, where GStreamer only says that something is.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpStream;

use super::location::{Address, Location};
use super::problem::Problem;

/// How long a plain connection attempt may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is wrong with a file or device, before it is opened. May block.
pub(super) fn before(location: &Location) -> Result<(), Problem> {
    match location {
        Location::File { path, .. } => file(path),
        Location::V4l2 { device } => std::fs::metadata(device).map(drop).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Problem::Device(format!("there is no `{}`", device.display())),
            _ => Problem::Device(e.to_string()),
        }),
        _ => Ok(()),
    }
}

/// A better reason than `problem`, if a plain connection attempt fails too.
pub(super) async fn after(location: &Location, problem: Problem) -> Problem {
    let url = match location {
        Location::Rtsp { url, .. } | Location::Http { url } if problem.vague() => url,
        _ => return problem,
    };
    connect(url).await.unwrap_or(problem)
}

fn file(path: &Path) -> Result<(), Problem> {
    let unreadable = |why: String| Problem::FileUnreadable { path: path.to_owned(), why };
    let meta = std::fs::File::open(path).and_then(|f| f.metadata()).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Problem::FileAbsent { path: path.to_owned() },
        ErrorKind::PermissionDenied => unreadable("this user may not read it".to_owned()),
        _ => unreadable(e.to_string()),
    })?;
    if meta.is_dir() {
        return Err(unreadable("it is a folder".to_owned()));
    }
    if meta.is_file() && meta.len() == 0 {
        return Err(Problem::FileEmpty { path: path.to_owned() });
    }
    Ok(())
}

async fn connect(url: &SecretString) -> Option<Problem> {
    let Address { host, port, .. } = Address::split(url)?;
    let looked_up = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), port))).await;
    let addresses: Vec<_> = match looked_up {
        Ok(Ok(found)) => found.collect(),
        _ => return Some(Problem::HostUnknown { host: host.clone() }),
    };
    match tokio::time::timeout(PATIENCE, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(_)) => None,
        Ok(Err(e)) if e.kind() == ErrorKind::ConnectionRefused => Some(Problem::Refused { host: host.clone(), port }),
        Ok(Err(e)) => Some(Problem::Unreachable { host: host.clone(), why: e.to_string() }),
        Err(_) => Some(Problem::ConnectTimeout { host: host.clone(), port }),
    }
}
