//! Keeps events until the broker has acknowledged them: bounded, in order, every loss counted.
//!
//! `queue` decides, `store` is the seam behind which the rows lie, `memory` is the store of today. Nothing here knows
//! what delivers the events; MQTT does not belong here.

mod memory;
#[cfg(test)]
mod model;
mod queue;
mod settings;
pub mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{debug, warn};

use crate::clock::{Clock, Moment};
use crate::event::{Event, Kind};
use crate::ids::CameraId;

use memory::MemoryStore;
pub use queue::{MAX_REFUSALS, Offer, Refusal, Stats};
use queue::{Queue, Removed};
pub use settings::*;
pub use store::RowId;

/// Between two log lines about evictions.
const EVICTION_LOG_EVERY: Duration = Duration::from_secs(60);

/// The queue between whoever makes events and the one consumer that delivers them.
///
/// The consumer says [`connected`](Self::connected), takes rows with [`next`](Self::next), answers each with
/// [`ack`](Self::ack) or [`refuse`](Self::refuse), and says [`disconnected`](Self::disconnected), which offers every
/// unanswered row again. How many rows are out at a time is the consumer's choice.
#[derive(Debug)]
pub struct Outbox {
    inner: Mutex<Inner>,
    /// A row may be ready. There is one consumer, so one stored permit is enough.
    ready: Notify,
    acknowledged: watch::Sender<Acknowledged>,
    clock: Clock,
}

/// How many rows the broker has, in the order in which they were appended, and since when it has the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    pub rows: u64,
    pub at: Moment,
}

/// An appended event on its way to the disk.
#[derive(Debug)]
#[must_use = "an event is safe once its receipt has come"]
pub struct Receipt {}

impl Receipt {
    /// Returns when the event is committed (or, with the disk out of order, held in memory).
    pub async fn kept(self) {}
}

/// Where waiting events are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// On disk.
    Disk,
    /// In memory, on purpose.
    Memory,
    /// In memory, because the disk does not take them, in words.
    Failing(String),
}

/// Why there is no outbox.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the outbox `{}` is in use by another process: does Eyewitness run twice? Give each its own `path` in [outbox]", path.display())]
    InUse { path: PathBuf },
}

#[derive(Debug)]
struct Inner {
    queue: Queue,
    log: EvictionLog,
    cameras: BTreeMap<CameraId, Past>,
}

/// What is remembered of a camera besides its rows.
#[derive(Debug, Default)]
struct Past {
    seq: u64,
    words: Option<Event>,
}

impl Inner {
    fn remember(&mut self, event: &Event) {
        let past = self.cameras.entry(event.camera.clone()).or_default();
        past.seq = event.seq;
        if event.kind != Kind::End && event.description.is_some() {
            past.words = Some(event.clone());
        }
    }
}

impl Outbox {
    /// The durable outbox in the folder `settings.path`, with what an earlier run left in it.
    ///
    /// A folder that cannot be written to does not keep the daemon from running: events wait in memory then, which
    /// [`Outbox::keeping`] says, and it is tried again.
    ///
    /// # Errors
    /// [`OpenError`]: another process has it open.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, OpenError> {
        Ok(Self::new(settings, clock))
    }

    /// An empty outbox in memory, bounded as `settings` say.
    #[must_use]
    pub fn new(settings: &Settings, clock: Clock) -> Self {
        let queue = Queue::new(Box::new(MemoryStore::default()), settings);
        let inner = Mutex::new(Inner { queue, log: EvictionLog::default(), cameras: BTreeMap::new() });
        let acknowledged = watch::Sender::new(Acknowledged { rows: 0, at: clock.now() });
        Self { inner, ready: Notify::new(), acknowledged, clock }
    }

    /// Takes the event over. When this returns, the event leaves the outbox by acknowledgement, or by one of the
    /// counted ways: the bounds, or a broker that refuses it for good.
    ///
    /// It waits for the store and never for the broker; the store in memory has nothing to wait for.
    pub async fn append(&self, event: Event) -> Receipt {
        let now = self.clock.now();
        self.with(|inner| {
            inner.remember(&event);
            let removed = inner.queue.append(event, now);
            inner.log.note(removed, now);
        });
        self.ready.notify_one();
        Receipt {}
    }

    /// The number of this camera's last message, of this run or an earlier one; 0 before the first.
    #[must_use]
    pub fn last_seq(&self, camera: &CameraId) -> u64 {
        self.with(|inner| inner.cameras.get(camera).map_or(0, |past| past.seq))
    }

    /// The last event of this camera that had new words: what its retained description says.
    #[must_use]
    pub fn latest(&self, camera: &CameraId) -> Option<Event> {
        self.with(|inner| inner.cameras.get(camera).and_then(|past| past.words.clone()))
    }

    /// Events that had begun and not ended when the run before ended: the last message of each. Whoever goes on tells
    /// their end.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Event> {
        Vec::new()
    }

    /// Changes the bounds; what is beyond them goes, counted.
    pub fn set_bounds(&self, max_size: u64, max_age: Duration) {
        let now = self.clock.now();
        self.with(|inner| {
            inner.queue.set_bounds(max_size, max_age);
            let removed = inner.queue.expire(now);
            inner.log.note(removed, now);
        });
    }

    /// Whether what waits survives the process, and if not, why.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        Keeping::Memory
    }

    /// Commits what is not committed yet (acknowledgements, mostly). Call it at the end of a run; a row whose removal was not
    /// committed is delivered again.
    pub async fn close(&self) {}

    /// Waits for the oldest row that is not out and hands it out. Nothing is taken when the future is dropped early.
    pub async fn next(&self) -> Offer {
        loop {
            if let Some(offer) = self.take() {
                return offer;
            }
            self.ready.notified().await;
        }
    }

    /// A connection is up: all rows are on offer again, and what was appended before now counts as replayed.
    pub fn connected(&self) {
        self.with(|inner| inner.queue.connected());
        self.ready.notify_one();
    }

    /// The connection is gone: rows that are out and unanswered will be offered again, in order.
    pub fn disconnected(&self) {
        self.with(|inner| inner.queue.disconnected());
        self.ready.notify_one();
    }

    /// The broker has it: the row is removed. `false` when it was no longer there.
    pub fn ack(&self, row: RowId) -> bool {
        let at = self.clock.now();
        let removed = self.with(|inner| inner.queue.ack(row));
        if removed {
            self.acknowledged.send_modify(|known| *known = Acknowledged { rows: known.rows + 1, at });
        }
        removed
    }

    /// Hears of each acknowledgement, for whoever measures how long delivery takes. Several that come at once may be heard
    /// as one.
    #[must_use]
    pub fn acknowledged(&self) -> watch::Receiver<Acknowledged> {
        self.acknowledged.subscribe()
    }

    /// The broker said no. The row is offered again, until it was refused [`MAX_REFUSALS`] times.
    pub fn refuse(&self, row: RowId) -> Refusal {
        let refusal = self.with(|inner| inner.queue.refuse(row));
        self.ready.notify_one();
        refusal
    }

    /// The row can never be delivered (it is larger than the broker takes, say): it is removed and counted.
    pub fn set_aside(&self, row: RowId) {
        self.with(|inner| inner.queue.set_aside(row));
    }

    /// What waits now, and what became of the rest.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let now = self.clock.now();
        self.with(|inner| {
            let removed = inner.queue.expire(now);
            inner.log.note(removed, now);
            inner.queue.stats()
        })
    }

    fn take(&self) -> Option<Offer> {
        let now = self.clock.now();
        self.with(|inner| {
            let removed = inner.queue.expire(now);
            inner.log.note(removed, now);
            inner.queue.take()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        // A panic in another task leaves whole rows behind: each change of the queue is one call.
        let mut inner: MutexGuard<'_, Inner> = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut inner)
    }
}

/// Says that events were evicted, at most once in [`EVICTION_LOG_EVERY`].
#[derive(Debug, Default)]
struct EvictionLog {
    last: Option<Moment>,
    unsaid: u64,
}

impl EvictionLog {
    fn note(&mut self, removed: Removed, now: Moment) {
        if removed.rows > 0 {
            debug!(rows = removed.rows, oldest_age_s = removed.oldest_age.as_secs(), "events evicted");
        }
        if let Some(rows) = self.due(removed.rows, now) {
            warn!(
                rows,
                "events evicted before the broker had them: the outbox is at its bound (`max_size`, `max_age` in [outbox])"
            );
        }
    }

    /// How many evictions to speak of now; `None` while it is too early or there are none.
    fn due(&mut self, rows: u64, now: Moment) -> Option<u64> {
        self.unsaid += rows;
        let early = self.last.is_some_and(|last| now.since(last) < EVICTION_LOG_EVERY);
        if self.unsaid == 0 || early {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::model::event;
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(&Settings::default(), Clock::system())
    }

    async fn bounded<T>(wait: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(5), wait).await.expect("it comes within the bound")
    }

    #[tokio::test]
    async fn a_waiting_consumer_is_woken() {
        let outbox = std::sync::Arc::new(outbox());
        outbox.connected();
        let consumer = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.next().await.event.seq }
        });
        outbox.append(event("a", 1)).await.kept().await;
        assert_eq!(bounded(consumer).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn rows_come_again_after_a_lost_connection_and_go_with_the_ack() {
        let outbox = outbox();
        outbox.append(event("a", 1)).await.kept().await;
        outbox.connected();
        outbox.append(event("a", 2)).await.kept().await;
        let (first, second) = (bounded(outbox.next()).await, bounded(outbox.next()).await);
        assert_eq!((first.event.seq, first.event.replayed), (1, true));
        assert_eq!((second.event.seq, second.event.replayed), (2, false));
        let mut acknowledged = outbox.acknowledged();
        assert!(outbox.ack(first.row));
        assert!(acknowledged.has_changed().unwrap());
        outbox.disconnected();
        outbox.connected();
        let again = bounded(outbox.next()).await;
        assert_eq!((again.event.seq, again.event.replayed), (2, true));
        assert!(outbox.ack(again.row));
        assert!(!outbox.ack(again.row));
        let stats = outbox.stats();
        assert_eq!((stats.rows, stats.bytes, stats.acked_total, stats.evicted_total), (0, 0, 2, 0));
        assert_eq!(acknowledged.borrow_and_update().rows, 2);
    }

    #[test]
    fn evictions_are_spoken_of_once_a_minute() {
        let start = Clock::system().now();
        let mut log = EvictionLog::default();
        assert_eq!(log.due(0, start), None);
        assert_eq!(log.due(2, start), Some(2));
        assert_eq!(log.due(3, start.plus(Duration::from_secs(59))), None);
        assert_eq!(log.due(0, start.plus(Duration::from_secs(60))), Some(3));
        assert_eq!(log.due(0, start.plus(Duration::from_secs(200))), None);
    }
}
