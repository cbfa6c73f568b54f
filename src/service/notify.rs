//! What systemd is told. Outside of systemd nothing is told and nothing fails.

use sd_notify::NotifyState;
use tracing::debug;

/// The daemon is ready: from now on `systemctl start` returns.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The daemon ends.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub(crate) fn status(words: &str) {
    tell(&[NotifyState::Status(words)]);
}

/// Everything moves.
pub(crate) fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// How often systemd wants to hear from us, if at all: half of the unit's `WatchdogSec`.
pub(crate) fn watchdog_interval() -> Option<std::time::Duration> {
    let mut micros = 0;
    (sd_notify::watchdog_enabled(false, &mut micros) && micros > 0)
        .then(|| std::time::Duration::from_micros(micros / 2))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        debug!(%error, "systemd could not be told");
    }
}
