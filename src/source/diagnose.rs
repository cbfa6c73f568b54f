//! Asks the files and the network what is wrong, where GStreamer only says that something is.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

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

/// A better reason than `problem`, if a plain connection attempt has one. For a camera that never came online.
pub(super) async fn after(location: &Location, problem: Problem) -> Problem {
    let url = match location {
        // `parsebin` may swallow the error of a demuxer that fails while it is being plugged in.
        Location::File { .. } if matches!(problem, Problem::NoAnswer { .. }) => {
            return Problem::Damaged("no picture comes out of the file".to_owned());
        }
        Location::Rtsp { url, .. } | Location::Http { url } if problem.vague() => url,
        _ => return problem,
    };
    let Some(Address { host, port, .. }) = Address::split(url) else { return problem };
    match (connect(&host, port).await, problem) {
        (Some(better), _) => better,
        (None, Problem::Other(why) | Problem::Damaged(why)) => Problem::Nonsense { host, port, why },
        (None, problem) => problem,
    }
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

/// What keeps a plain connection from being made; `None`: nothing does.
async fn connect(host: &str, port: u16) -> Option<Problem> {
    let looked_up = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
    let host = host.to_owned();
    let addresses: Vec<_> = match looked_up {
        Ok(Ok(found)) => found.collect(),
        _ => return Some(Problem::HostUnknown { host }),
    };
    match tokio::time::timeout(PATIENCE, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(_)) => None,
        Ok(Err(e)) if e.kind() == ErrorKind::ConnectionRefused => Some(Problem::Refused { host, port }),
        Ok(Err(e)) => Some(Problem::Unreachable { host, why: e.to_string() }),
        Err(_) => Some(Problem::ConnectTimeout { host, port }),
    }
}
