//! Sockets: listening, accepting, and how long each may stay.

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::View;
use super::limits::Limits;
use super::routes::{Shared, router};

/// What a connection that is one too many hears, as far as it listens.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Cache-Control: no-store\r\nContent-Length: 44\r\nConnection: close\r\n\r\n\
    too many connections at once: try again soon";

/// Serves the page at this address until `cancel`, then ends within [`Limits::closing`]. If it cannot listen, that is
/// said once and tried again.
pub async fn serve(listen: SocketAddr, view: Arc<dyn View>, cancel: CancellationToken) {
    serve_with(listen, view, Limits::default(), cancel).await;
}

/// [`serve`] within other limits.
pub async fn serve_with(listen: SocketAddr, view: Arc<dyn View>, limits: Limits, cancel: CancellationToken) {
    if let Some(listener) = bind(listen, limits, &cancel).await {
        serve_on(listener, view, limits, cancel).await;
    }
}

/// [`serve`] on a socket that listens already.
pub async fn serve_on(listener: TcpListener, view: Arc<dyn View>, limits: Limits, cancel: CancellationToken) {
    let listening = match listener.local_addr() {
        Ok(address) => address,
        Err(error) => {
            error!(%error, "the status page's socket is of no use");
            return;
        }
    };
    info!("status page at http://{listening}/");
    let router = router(Arc::new(Shared::new(Arc::clone(&view), listening, limits)));
    let mut open = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        while open.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) if open.len() >= limits.connections => {
                view.turned_away();
                turn_away(stream);
            }
            Ok((stream, _)) => {
                failing = false;
                open.spawn(connection(stream, router.clone(), limits, cancel.clone()));
            }
            // The client was gone before we came to it.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                if !failing {
                    warn!(%error, "the status page cannot accept connections; trying again");
                }
                failing = true;
                tokio::select! { () = cancel.cancelled() => break, () = sleep(limits.pause) => {} }
            }
        }
    }
    drop(listener);
    // Each ends by itself within this time; what does not is dropped with the set.
    let _ = timeout(2 * limits.closing, async { while open.join_next().await.is_some() {} }).await;
}

async fn bind(listen: SocketAddr, limits: Limits, cancel: &CancellationToken) -> Option<TcpListener> {
    let mut said = None;
    loop {
        let error = match TcpListener::bind(listen).await {
            Ok(listener) => return Some(listener),
            Err(error) => error,
        };
        if said != Some(error.kind()) {
            let again_in_s = limits.retry.as_secs();
            error!(address = %listen, %error, again_in_s, "no status page: {}; all else goes on", advice(&error));
            said = Some(error.kind());
        }
        tokio::select! { () = cancel.cancelled() => return None, () = sleep(limits.retry) => {} }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "another program listens there; end it, or choose another port as `listen` in `[http]`",
        ErrorKind::AddrNotAvailable => "this machine does not have that address (yet); see `listen` in `[http]`",
        ErrorKind::PermissionDenied => "ports below 1024 are not for everybody; choose another as `listen` in `[http]`",
        _ => "its address cannot be listened at; see `listen` in `[http]`",
    }
}

/// Says why, if the kernel takes it at once, and closes.
fn turn_away(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(FULL);
    }
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, cancel: CancellationToken) {
    // An answer is one write; without this its end may wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_header_size(limits.header_bytes)
        // What is read ahead; the library wants 8 KiB at least.
        .max_buf_size(limits.header_bytes.max(8 << 10));
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = async { tokio::select! { () = cancel.cancelled() => {}, () = sleep(limits.lifetime) => {} } } => {
            served.as_mut().graceful_shutdown();
            match timeout(limits.closing, served).await {
                Ok(ended) => ended,
                Err(_) => return debug!("a connection of the status page was cut off"),
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection of the status page ended badly");
    }
}
