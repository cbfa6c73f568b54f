//! What the outbox, its consumer and the thread that writes share.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot, watch};
use tracing::{debug, warn};

use super::queue::{Place, Queue, Removed};
use crate::clock::{Clock, Moment};
use crate::event::Event;

/// Between two log lines about rows that are gone.
const LOSS_LOG_EVERY: Duration = Duration::from_secs(60);

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

#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// There may be something to be written or read.
    pub(super) work: Condvar,
    /// A row may be ready. There is one consumer, so one stored permit is enough.
    pub(super) ready: Notify,
    /// The thread that writes has ended.
    pub(super) ended: watch::Sender<bool>,
    pub(super) clock: Clock,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) queue: Queue,
    pub(super) keeping: Keeping,
    pub(super) tickets: VecDeque<Ticket>,
    /// The thread is to write what is left, and to end.
    pub(super) stopping: bool,
    pub(super) unfinished: Vec<Event>,
    evictions: Seldom,
    losses: Seldom,
    lost: u64,
}

/// Whoever appended a row waits for it to be safe; until then it takes room on the way to the disk.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) done: oneshot::Sender<()>,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    fn settle(self) {
        drop(self.room);
        // Whoever does not wait for it does not mind.
        let _ = self.done.send(());
    }
}

impl Shared {
    pub(super) fn new(queue: Queue, keeping: Keeping, clock: Clock) -> Self {
        let inner = Inner {
            queue,
            keeping,
            tickets: VecDeque::new(),
            stopping: false,
            unfinished: Vec::new(),
            evictions: Seldom::default(),
            losses: Seldom::default(),
            lost: 0,
        };
        Self {
            inner: Mutex::new(inner),
            work: Condvar::new(),
            ready: Notify::new(),
            ended: watch::Sender::new(false),
            clock,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in another task leaves whole rows behind: each change of the queue is one call.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work, at most so long.
    pub(super) fn wait<'a>(&self, inner: MutexGuard<'a, Inner>, most: Option<Duration>) -> MutexGuard<'a, Inner> {
        match most {
            Some(most) => self.work.wait_timeout(inner, most).unwrap_or_else(PoisonError::into_inner).0,
            None => self.work.wait(inner).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Inner {
    /// When there is something to be written, on the monotonic clock.
    pub(super) fn write_at(&self) -> Option<Duration> {
        if self.tickets.is_empty() { self.queue.write_at() } else { Some(Duration::ZERO) }
    }

    /// The first so many tickets are done.
    pub(super) fn settle(&mut self, tickets: usize) {
        self.tickets.drain(..tickets).for_each(Ticket::settle);
    }

    /// Writes waiting rows down, and says what the bounds took and the disk lost.
    pub(super) fn note(&mut self, removed: Removed, now: Moment) {
        if removed.rows > 0 {
            debug!(rows = removed.rows, oldest_age_s = removed.oldest_age.as_secs(), "events evicted");
        }
        if let Some(rows) = self.evictions.due(removed.rows, now) {
            warn!(
                rows,
                "events evicted before the broker had them: the outbox is at its bound (`max_size`, `max_age` in [outbox])"
            );
        }
        let lost = self.queue.stats().unreadable_total;
        let news = lost - std::mem::replace(&mut self.lost, lost);
        if let Some(rows) = self.losses.due(news, now) {
            warn!(rows, "waiting events are lost: the disk gave back something else than was written; is it worn?");
        }
    }

    /// The disk is out of order, or works no longer; nobody has to wait for it.
    pub(super) fn fail(&mut self, words: String, now: Moment) {
        let removed = self.queue.failing(now);
        self.keeping = Keeping::Failing(words);
        self.settle(self.tickets.len());
        self.note(removed, now);
    }

    pub(super) fn is_durable(&self) -> bool {
        self.queue.place() == Place::Disk
    }
}

/// Says what happens again and again at most once in [`LOSS_LOG_EVERY`].
#[derive(Debug, Default)]
struct Seldom {
    last: Option<Moment>,
    unsaid: u64,
}

impl Seldom {
    /// How many to speak of now; `None` while it is too early or there are none.
    fn due(&mut self, rows: u64, now: Moment) -> Option<u64> {
        self.unsaid += rows;
        let early = self.last.is_some_and(|last| now.since(last) < LOSS_LOG_EVERY);
        if self.unsaid == 0 || early {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_spoken_of_once_a_minute() {
        let start = Clock::system().now();
        let mut log = Seldom::default();
        assert_eq!(log.due(0, start), None);
        assert_eq!(log.due(2, start), Some(2));
        assert_eq!(log.due(3, start.plus(Duration::from_secs(59))), None);
        assert_eq!(log.due(0, start.plus(Duration::from_secs(60))), Some(3));
        assert_eq!(log.due(0, start.plus(Duration::from_secs(200))), None);
    }
}
