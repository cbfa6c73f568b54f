//! The thread that owns the database: writes what came meanwhile as one transaction, reads ahead of the consumer, and
//! gets over whatever is wrong with the disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::disk::Disk;
use super::index::RowId;
use super::keys::Keys;
use super::queue::Batch;
use super::row::Listed;
use super::salvage::Saved;
use super::shared::{Keeping, Shared};
use super::store::{Medium, Trouble};
use crate::backoff::Backoff;
use crate::clock::Moment;

/// So many bytes of rows that were saved go into the new file at once.
const SALVAGE_AT_ONCE: usize = 4 << 20;
/// A disk that can neither be written nor read for that long may never come back: nobody waits for the rows on it.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);
/// A file that is damaged again within that time is no matter of one bad block.
const DAMAGED_AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    medium: Box<dyn Medium>,
    disk: Option<Disk>,
    keys: Keys,
    backoff: Backoff,
    /// The disk is out of order and tried again then, on the monotonic clock.
    retry_at: Option<Duration>,
    /// Since then, it cannot even be read.
    away_since: Option<Moment>,
    /// The file is to be set aside before anything else.
    damage: Option<Trouble>,
    damaged_at: Option<Moment>,
    /// What was done last was writing: reading has its turn.
    wrote: bool,
}

enum Step {
    Write,
    Read(Vec<RowId>),
    Retry,
    Stop,
}

impl Keeper {
    /// Opens the database and takes over what an earlier run left. `backoff`: between two tries of a disk that does not work.
    ///
    /// # Errors
    /// [`Trouble::InUse`] only; with any other trouble the outbox works in memory and it is tried again.
    pub(super) fn new(shared: Arc<Shared>, medium: Box<dyn Medium>, backoff: Backoff) -> Result<Self, Trouble> {
        let mut keeper = Self {
            shared,
            medium,
            disk: None,
            keys: Keys::default(),
            backoff,
            retry_at: None,
            away_since: None,
            damage: None,
            damaged_at: None,
            wrote: false,
        };
        match keeper.contact() {
            Ok(()) => {
                let mut inner = keeper.shared.lock();
                inner.unfinished = inner.queue.running();
                let waiting = inner.queue.stats();
                if waiting.rows > 0 {
                    info!(rows = waiting.rows, bytes = waiting.bytes, "events of an earlier run wait for the broker");
                }
                drop(inner);
            }
            Err(Trouble::InUse) => return Err(Trouble::InUse),
            Err(trouble) => keeper.fail(&trouble),
        }
        Ok(keeper)
    }

    pub(super) fn run(mut self) {
        loop {
            let step = self.wait();
            self.wrote = matches!(step, Step::Write);
            match step {
                Step::Write => self.write(),
                Step::Read(ids) => self.read(&ids),
                Step::Retry => self.retry(),
                Step::Stop => {
                    self.stop();
                    return;
                }
            }
        }
    }

    fn wait(&self) -> Step {
        let mut inner = self.shared.lock();
        loop {
            if inner.stopping {
                return Step::Stop;
            }
            let now = self.shared.clock.now().mono;
            let due = self.retry_at.or_else(|| inner.write_at());
            let is_due = due.is_some_and(|at| at <= now);
            if self.disk.is_some() && (self.wrote || !is_due) {
                let ids = inner.queue.wanted();
                if !ids.is_empty() {
                    return Step::Read(ids);
                }
            }
            if is_due {
                return if self.retry_at.is_some() { Step::Retry } else { Step::Write };
            }
            inner = self.shared.wait(inner, due.map(|at| at.saturating_sub(now)));
        }
    }

    fn write(&mut self) {
        let mut inner = self.shared.lock();
        let batch = inner.queue.batch(self.shared.clock.now());
        let tickets = inner.tickets.len();
        drop(inner);
        match self.commit(&batch) {
            Ok(()) => self.written(&batch, tickets),
            Err(trouble) => self.fail(&trouble),
        }
    }

    fn commit(&self, batch: &Batch) -> Result<(), Trouble> {
        let disk = self.disk.as_ref().ok_or_else(|| Trouble::Failing("the outbox is not open".into()))?;
        if batch.is_empty() { Ok(()) } else { disk.commit(batch, &self.keys) }
    }

    fn written(&mut self, batch: &Batch, tickets: usize) {
        let mut inner = self.shared.lock();
        inner.queue.written(batch);
        inner.settle(tickets);
        let again = std::mem::replace(&mut inner.keeping, Keeping::Disk) != Keeping::Disk;
        drop(inner);
        if again && self.retry_at.take().is_some() {
            self.backoff.reset();
            info!(path = self.medium.name(), "the outbox is on disk again");
        }
        self.shared.ready.notify_one();
    }

    fn read(&mut self, ids: &[RowId]) {
        let Some(disk) = &self.disk else { return };
        match disk.read(ids, &self.keys) {
            Ok(rows) => {
                let now = self.shared.clock.now();
                let mut inner = self.shared.lock();
                for (id, event) in rows {
                    inner.queue.read(id, event, now);
                }
                inner.note(Default::default(), now);
                drop(inner);
                self.shared.ready.notify_one();
            }
            Err(trouble) => self.fail(&trouble),
        }
    }

    fn retry(&mut self) {
        if self.disk.is_none()
            && let Err(trouble) = self.contact()
        {
            self.again_later(&trouble);
            return;
        }
        // Removals make room for rows on a full disk.
        let removals = self.shared.lock().queue.removals_only();
        if let Err(trouble) = self.commit(&removals) {
            self.fail(&trouble);
            return;
        }
        self.write();
    }

    /// The disk is out of order: everything goes on from memory.
    fn fail(&mut self, trouble: &Trouble) {
        self.disk = None;
        let now = self.shared.clock.now();
        let known = matches!(self.shared.lock().keeping, Keeping::Failing(_));
        let words = self.words(trouble);
        if !known {
            error!(
                path = self.medium.name(),
                reason = words,
                "the outbox cannot write: events wait in memory, and would be lost with the process"
            );
        }
        self.shared.lock().fail(words, now);
        self.shared.ready.notify_one();
        // What lies on it may still be read. A damaged file is set aside and a new one takes its place; once more shortly
        // after, it is not a matter of one bad block.
        if is_damage(trouble) {
            self.damage = Some(trouble.clone());
            if self.damaged_at.replace(now).is_some_and(|last| now.since(last) < DAMAGED_AGAIN) {
                self.again_later(trouble);
                return;
            }
        }
        match self.contact() {
            Ok(()) if is_damage(trouble) => self.retry_at = Some(now.mono),
            Ok(()) => self.retry_at = Some(now.mono + self.backoff.wait()),
            Err(trouble) => self.again_later(&trouble),
        }
    }

    fn again_later(&mut self, trouble: &Trouble) {
        let (wait, now) = (self.backoff.wait(), self.shared.clock.now());
        self.retry_at = Some(now.mono + wait);
        let words = self.words(trouble);
        debug!(reason = words, wait_s = wait.as_secs(), "the outbox is tried again");
        let given_up = now.since(*self.away_since.get_or_insert(now)) > GIVEN_UP_AFTER;
        let mut inner = self.shared.lock();
        inner.keeping = Keeping::Failing(words);
        if given_up {
            inner.queue.strand();
            drop(inner);
            self.shared.ready.notify_one();
        }
    }

    fn words(&self, trouble: &Trouble) -> String {
        match trouble {
            Trouble::InUse => "another process has the file open: does Eyewitness run twice?".into(),
            Trouble::Damaged(what) => format!("the file is damaged ({what})"),
            Trouble::Newer(version) => format!("the file has the format {version} of a later version"),
            Trouble::Failing(words) => words.clone(),
        }
    }

    /// Opens the database and compares what is in it with what is known. A file that is damaged is set aside once.
    fn contact(&mut self) -> Result<(), Trouble> {
        let opened = match self.damage.take() {
            Some(damage) => Err(damage),
            None => self.open(),
        };
        let disk = match opened {
            Err(trouble) if is_damage(&trouble) => {
                self.damaged_at = Some(self.shared.clock.now());
                let replaced = self.replace(&trouble);
                if replaced.is_err() {
                    self.damage = Some(trouble);
                }
                replaced?
            }
            opened => opened?,
        };
        let contents = disk.load(&mut self.keys, self.shared.lock().queue.is_blind())?;
        let now = self.shared.clock.now();
        let mut inner = self.shared.lock();
        let removed = inner.queue.contact(contents, now);
        inner.note(removed, now);
        drop(inner);
        self.disk = Some(disk);
        self.away_since = None;
        self.shared.ready.notify_one();
        Ok(())
    }

    fn open(&mut self) -> Result<Disk, Trouble> {
        let mut disk = Disk::new(self.medium.open()?)?;
        // Not in the middle of trouble: it writes.
        if self.retry_at.is_none() && self.away_since.is_none() {
            disk.compact(self.medium.length())?;
        }
        Ok(disk)
    }

    /// Sets the file aside and begins a new one with what can be saved of it.
    fn replace(&mut self, trouble: &Trouble) -> Result<Disk, Trouble> {
        let now = self.shared.clock.now();
        let length = self.medium.length();
        let aside =
            self.medium.set_aside(trouble, now.wall).map_err(|error| Trouble::Failing(super::disk::words(&error)))?;
        let disk = Disk::new(self.medium.open()?)?;
        let (rows, cameras) = self.salvage(&disk, matches!(trouble, Trouble::Damaged(_)))?;
        let reason = self.words(trouble);
        match trouble {
            Trouble::Newer(_) => warn!(
                reason,
                aside,
                "the outbox was written by a later version and is set aside unharmed: run that version again and give the \
                 file its name back to have its events delivered"
            ),
            _ => warn!(
                reason,
                aside,
                length,
                rows,
                cameras,
                "the outbox was damaged and is set aside; a new one holds what could be read of it. Nothing needs to be done; \
                 if this happens again, the disk is worn"
            ),
        }
        Ok(disk)
    }

    /// Puts what can be read of the file that was set aside into the new one, and says how many rows and cameras that was.
    /// Without `rows`, only the cameras' numbers go on.
    fn salvage(&self, disk: &Disk, rows: bool) -> Result<(usize, usize), Trouble> {
        // What cannot be read is lost, which the log says.
        let Ok(mut saved) = self.medium.aside().and_then(Saved::read) else { return Ok((0, 0)) };
        let known = Keys::default();
        disk.commit(&Batch { records: saved.records(), ..Batch::default() }, &known)?;
        let Some(file) = self.medium.aside().ok().filter(|_| rows) else { return Ok((0, saved.records().len())) };
        let (mut batch, mut bytes, mut result) = (Batch::default(), 0, Ok(()));
        let mut seen = BTreeSet::new();
        // A bad block ends the reading there; what came before it is saved.
        let _ = saved.rows(file, |row| {
            if result.is_err() || !seen.insert(row.id) {
                return;
            }
            let listed = Listed::of(&row);
            bytes += listed.bytes as usize;
            batch.inserts.push((listed, Arc::new(row.event)));
            if bytes > SALVAGE_AT_ONCE {
                result = disk.commit(&std::mem::take(&mut batch), &known);
                bytes = 0;
            }
        });
        result?;
        batch.records = saved.records();
        disk.commit(&batch, &known)?;
        Ok((seen.len(), batch.records.len()))
    }

    /// The last transaction.
    fn stop(&mut self) {
        if self.disk.is_none() {
            // Perhaps just now it works.
            let _ = self.contact();
        }
        self.write();
        if let Keeping::Failing(reason) = &self.shared.lock().keeping {
            warn!(reason, "waiting events are lost with the process: the disk does not take them");
        }
    }
}

fn is_damage(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Damaged(_) | Trouble::Newer(_))
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.disk = None;
        let now = self.shared.clock.now();
        let mut inner = self.shared.lock();
        inner.fail("the outbox is closed".into(), now);
        drop(inner);
        self.shared.ready.notify_one();
        self.shared.ended.send_replace(true);
        self.shared.work.notify_all();
    }
}
