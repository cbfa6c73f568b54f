//! Keeps events until the broker has acknowledged them: on disk, bounded, in order, every loss counted.
//!
//! `queue` decides, with `index`, `lanes`, `events` and `past` as its parts; all of them are pure. `keeper` is the thread
//! that writes and reads, `disk` the database, `row` the bytes, `folder` the place, `salvage` what is done for a damaged
//! file. Nothing here knows what delivers the events; MQTT does not belong here.

mod disk;
mod events;
mod folder;
mod index;
mod keeper;
mod keys;
mod lanes;
#[cfg(test)]
mod model;
mod past;
mod queue;
mod row;
mod salvage;
mod settings;
mod shared;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};

use crate::backoff::Backoff;
use crate::clock::{Clock, Moment};
use crate::event::Event;
use crate::ids::CameraId;

use folder::Folder;
pub use index::RowId;
use keeper::Keeper;
pub use queue::{MAX_REFUSALS, Offer, Refusal, Stats};
use queue::{Place, Queue};
pub use settings::*;
pub use shared::Keeping;
use shared::{Inner, Shared, Ticket};
use store::{Medium, Trouble};

/// So many rows may be on their way to the disk; they are written together.
const MAX_ON_THE_WAY: usize = 256;
/// Between two tries of a disk that does not work.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// An outbox that was not closed has so long to write what is left.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// The queue between whoever makes events and the one consumer that delivers them.
///
/// The consumer says [`connected`](Self::connected), takes rows with [`next`](Self::next), answers each with
/// [`ack`](Self::ack) or [`refuse`](Self::refuse), and says [`disconnected`](Self::disconnected), which offers every
/// unanswered row again. How many rows are out at a time is the consumer's choice.
#[derive(Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
    /// Room on the way to the disk.
    room: Arc<Semaphore>,
    acknowledged: watch::Sender<Acknowledged>,
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
pub struct Receipt {
    done: Option<oneshot::Receiver<()>>,
}

impl Receipt {
    /// Returns when the event is committed (or, with the disk out of order, held in memory). Receipts come in the order
    /// in which events were appended.
    pub async fn kept(self) {
        if let Some(done) = self.done {
            // Nobody left to answer: the outbox is closed, and the event is in memory.
            let _ = done.await;
        }
    }
}

/// Why there is no outbox.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the outbox `{}` is in use by another process: does Eyewitness run twice? Give each its own `path` in [outbox]", path.display())]
    InUse { path: PathBuf },
}

/// Whether events could wait on disk as `settings` say: what `check` tells. Leaves nothing behind.
///
/// # Errors
/// What is wrong, and what to do, in words.
pub fn probe(settings: &Settings) -> Result<String, String> {
    if settings.is_off() { Ok("in memory only".to_owned()) } else { folder::probe(&settings.path) }
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
        if settings.is_off() {
            return Ok(Self::new(settings, clock));
        }
        Self::start(Box::new(Folder::new(&settings.path)), settings, clock, Backoff::new(RETRY_MIN, RETRY_MAX))
            .map_err(|_| OpenError::InUse { path: settings.path.clone() })
    }

    /// An empty outbox in memory, bounded as `settings` say.
    #[must_use]
    pub fn new(settings: &Settings, clock: Clock) -> Self {
        Self::with_shared(Shared::new(Queue::new(Place::Memory, settings), Keeping::Memory, clock))
    }

    fn with_shared(shared: Shared) -> Self {
        let acknowledged = watch::Sender::new(Acknowledged { rows: 0, at: shared.clock.now() });
        Self { shared: Arc::new(shared), room: Arc::new(Semaphore::new(MAX_ON_THE_WAY)), acknowledged }
    }

    fn start(medium: Box<dyn Medium>, settings: &Settings, clock: Clock, backoff: Backoff) -> Result<Self, Trouble> {
        let outbox = Self::with_shared(Shared::new(Queue::new(Place::Disk, settings), Keeping::Disk, clock));
        let keeper = Keeper::new(outbox.shared.clone(), medium, backoff)?;
        // Without the thread, the keeper is dropped, which leaves the outbox in memory and says so.
        let _ = thread::Builder::new().name("outbox".into()).spawn(move || keeper.run());
        Ok(outbox)
    }

    /// Takes the event over. Once its receipt has come, the event leaves the outbox by acknowledgement, or by one of the
    /// counted ways: the bounds, a broker that refuses it for good, a disk that loses it.
    ///
    /// It waits for room on the way to the disk, and never for the broker.
    pub async fn append(&self, event: Event) -> Receipt {
        let bytes = event.to_json().len();
        let durable = self.with(|inner| inner.is_durable());
        let room = if durable { self.room.clone().acquire_owned().await.ok() } else { None };
        let now = self.shared.clock.now();
        let done = self.with(|inner| {
            let (_, removed) = inner.queue.append(event, bytes, now);
            inner.note(removed, now);
            if !inner.is_durable() {
                return None;
            }
            let (done, comes) = oneshot::channel();
            inner.tickets.push_back(Ticket { done, room });
            Some(comes)
        });
        match done {
            Some(_) => self.shared.work.notify_one(),
            None => self.shared.ready.notify_one(),
        }
        Receipt { done }
    }

    /// The number of this camera's last message, of this run or an earlier one; 0 before the first.
    #[must_use]
    pub fn last_seq(&self, camera: &CameraId) -> u64 {
        self.with(|inner| inner.queue.past(camera).map_or(0, |past| past.seq))
    }

    /// The last event of this camera that had new words: what its retained description says.
    #[must_use]
    pub fn latest(&self, camera: &CameraId) -> Option<Event> {
        self.with(|inner| inner.queue.past(camera)?.words.as_deref().cloned())
    }

    /// Events that had begun and not ended when the run before ended: the last message of each. Whoever goes on tells
    /// their end. They are handed out once.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Event> {
        self.with(|inner| std::mem::take(&mut inner.unfinished))
    }

    /// Changes the bounds; what is beyond them goes, counted.
    pub fn set_bounds(&self, max_size: u64, max_age: Duration) {
        let now = self.shared.clock.now();
        self.with(|inner| {
            inner.queue.set_bounds(max_size, max_age);
            let removed = inner.queue.trim(now);
            inner.note(removed, now);
        });
    }

    /// Whether what waits survives the process, and if not, why.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        self.with(|inner| inner.keeping.clone())
    }

    /// Commits what is not committed yet (acknowledgements, mostly). Call it at the end of a run; a row whose removal was not
    /// committed is delivered again. What is appended later stays in memory.
    pub async fn close(&self) {
        let mut ended = self.shared.ended.subscribe();
        if self.stop() {
            // The sender is ours: it cannot be gone.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Tells the thread to end; whether there is one.
    fn stop(&self) -> bool {
        let durable = self.with(|inner| {
            inner.stopping = true;
            inner.keeping != Keeping::Memory
        });
        self.shared.work.notify_all();
        durable
    }

    /// Waits for the oldest row that is not out and hands it out. Nothing is taken when the future is dropped early.
    pub async fn next(&self) -> Offer {
        loop {
            if let Some(offer) = self.take() {
                return offer;
            }
            self.shared.ready.notified().await;
        }
    }

    /// A connection is up: all rows are on offer again, and what was appended before now counts as replayed.
    pub fn connected(&self) {
        self.with(|inner| inner.queue.connected());
        self.shared.ready.notify_one();
    }

    /// The connection is gone: rows that are out and unanswered will be offered again, in order.
    pub fn disconnected(&self) {
        self.with(|inner| inner.queue.disconnected());
        self.shared.ready.notify_one();
    }

    /// The broker has it: the row is removed. `false` when it was no longer there.
    pub fn ack(&self, row: RowId) -> bool {
        let at = self.shared.clock.now();
        let removed = self.with(|inner| inner.queue.ack(row, at));
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
        let now = self.shared.clock.now();
        let refusal = self.with(|inner| inner.queue.refuse(row, now));
        self.shared.ready.notify_one();
        refusal
    }

    /// The row can never be delivered (it is larger than the broker takes, say): it is removed and counted.
    pub fn set_aside(&self, row: RowId) {
        let now = self.shared.clock.now();
        self.with(|inner| inner.queue.set_aside(row, now));
    }

    /// What waits now, and what became of the rest.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let now = self.shared.clock.now();
        self.with(|inner| {
            let removed = inner.queue.expire(now);
            inner.note(removed, now);
            inner.queue.stats()
        })
    }

    fn take(&self) -> Option<Offer> {
        let now = self.shared.clock.now();
        let (offer, hungry) = self.with(|inner| {
            let removed = inner.queue.expire(now);
            inner.note(removed, now);
            (inner.queue.take(), inner.queue.is_hungry())
        });
        if hungry {
            self.shared.work.notify_one();
        }
        offer
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.shared.lock();
        let result = act(&mut inner);
        let news = inner.queue.take_news();
        drop(inner);
        if news {
            self.shared.work.notify_one();
        }
        result
    }
}

impl Drop for Outbox {
    /// Writes what is left, as `close` does, but does not wait for a disk that hangs.
    fn drop(&mut self) {
        if !self.stop() {
            return;
        }
        let start = self.shared.clock.now();
        let mut inner = self.shared.lock();
        while !*self.shared.ended.borrow() && self.shared.clock.now().since(start) < LEAVE_WITHIN {
            inner = self.shared.wait(inner, Some(Duration::from_millis(50)));
        }
    }
}

#[cfg(test)]
mod tests;
