//! What systemd is told. Outside of systemd nothing is told and nothing fails.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// The daemon is ready: from now on `systemctl start` returns.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The config is being read again; [`ready`] ends it. The time lets systemd tell this from an earlier reload.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "no monotonic time for systemd"),
    }
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
pub(crate) fn watchdog_interval() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    interval(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref(), std::process::id())
}

/// As sd_watchdog_enabled(3) has it: without a process id it is meant for whoever reads it. The crate wants one.
fn interval(micros: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    let ours = pid.is_none_or(|pid| pid.parse() == Ok(own_pid));
    let micros: u64 = micros?.parse().ok()?;
    (ours && micros > 0).then(|| Duration::from_micros(micros / 2))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        debug!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_in_half_of_its_time_by_the_process_that_is_meant() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(interval(Some("2000000"), None, 7), second);
        assert_eq!(interval(Some("2000000"), Some("7"), 7), second);
        for (micros, pid) in
            [(Some("2000000"), Some("8")), (Some("2000000"), Some("")), (Some("0"), None), (None, None)]
        {
            assert_eq!(interval(micros, pid, 7), None);
        }
    }
}
