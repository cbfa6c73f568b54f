//! What happened to one camera's pictures on the way to the mailbox. Read by whoever made it, written by `source`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::auto::Cause;

/// Totals since start, over reconnects. The frames that the mailbox replaced are counted there
/// ([`mailbox::Receiver::superseded`](super::mailbox::Receiver::superseded)).
#[derive(Debug, Default)]
pub struct Counters {
    delivered: AtomicU64,
    decode_skipped: AtomicU64,
    rate_limited: AtomicU64,
    reconnects: AtomicU64,
    wakings: [AtomicU64; 4],
}

impl Counters {
    /// Frames put into the mailbox: what the outcomes of a camera add up to, but for `decode_skipped`.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Access units that were never decoded (outcome `decode_skipped`). They never became frames.
    #[must_use]
    pub fn decode_skipped(&self) -> u64 {
        self.decode_skipped.load(Relaxed)
    }

    /// Decoded pictures above the frames per second of the settings. They never became frames.
    #[must_use]
    pub fn rate_limited(&self) -> u64 {
        self.rate_limited.load(Relaxed)
    }

    /// Tries after the first one.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Relaxed)
    }

    /// How often an idle camera was woken for this reason.
    #[must_use]
    pub fn wakings(&self, cause: Cause) -> u64 {
        self.wakings[cause as usize].load(Relaxed)
    }

    pub(super) fn count_waking(&self, cause: Cause) {
        self.wakings[cause as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_delivered(&self) {
        self.delivered.fetch_add(1, Relaxed);
    }

    pub(super) fn count_decode_skipped(&self, units: u64) {
        self.decode_skipped.fetch_add(units, Relaxed);
    }

    pub(super) fn count_rate_limited(&self) {
        self.rate_limited.fetch_add(1, Relaxed);
    }

    pub(super) fn count_reconnect(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }
}
