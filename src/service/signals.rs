//! What signals mean: the first SIGTERM or SIGINT asks to stop, a second one ends the process at once; SIGHUP asks to read the
//! config again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for the signals that ask a process to stop.
#[derive(Debug)]
pub struct StopSignals {
    term: Signal,
    int: Signal,
}

impl StopSignals {
    /// From now on these signals no longer end the process by themselves.
    ///
    /// # Errors
    /// If the kernel refuses the handlers.
    pub fn new() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// The next one, by name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

/// Waits for SIGHUP: the config is to be read again.
#[derive(Debug)]
pub struct ReloadSignal(Signal);

impl ReloadSignal {
    /// From now on the signal no longer ends the process.
    ///
    /// # Errors
    /// If the kernel refuses the handler.
    pub fn new() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// The next one. Several that come close together are one.
    pub async fn next(&mut self) {
        // `None` would say that no more can come.
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
