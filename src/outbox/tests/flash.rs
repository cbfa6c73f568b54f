//! A disk in memory that does what disks do: forgets what was not synced when the power goes, in pieces; fails on the
//! way; gets damaged; is slow. What is left out: a disk that lies about a sync.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use redb::{Database, StorageBackend};

use crate::outbox::folder::database;
use crate::outbox::store::{Medium, Trouble};

/// What a disk writes at once.
const SECTOR: usize = 512;

#[derive(Debug, Clone, Default)]
pub(crate) struct Flash(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// What is read.
    now: Vec<u8>,
    /// What is left when the power goes.
    pub(crate) synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// The power went so often: whoever opened the disk before that has nothing in hand.
    power: u64,
    open: bool,
    /// So many more writes and syncs work; then so many fail.
    pub(crate) works: u32,
    pub(crate) fails: u32,
    pub(crate) reads_fail: bool,
    pub(crate) sync_takes: Duration,
    pub(crate) aside: Vec<Vec<u8>>,
    pub(crate) syncs: u64,
    pub(crate) written: u64,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Flash {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// For a process that begins now, and ends when the power goes.
    pub(crate) fn plug(&self) -> Socket {
        Socket { flash: self.clone(), power: self.state().power }
    }

    /// From here on, `works` writes and syncs work and `fails` do not.
    pub(crate) fn break_after(&self, works: u32, fails: u32) {
        let mut state = self.state();
        (state.works, state.fails) = (works, fails);
    }

    pub(crate) fn heal(&self) {
        self.state().fails = 0;
    }

    /// The power goes: of what was not synced, any part may be there, whatever its order; of a write, any sectors.
    pub(crate) fn cut_power(&self, random: &mut fastrand::Rng) {
        let mut state = self.state();
        let mut left = std::mem::take(&mut state.synced);
        for change in std::mem::take(&mut state.unsynced) {
            match change {
                _ if random.u8(..4) == 0 => {}
                Change::Write(offset, data) => {
                    let whole = random.bool();
                    for (at, sector) in data.chunks(SECTOR).enumerate() {
                        if whole || random.bool() {
                            write(&mut left, offset + at * SECTOR, sector);
                        }
                    }
                }
                Change::Length(length) => left.resize(length, 0),
            }
        }
        state.now = left.clone();
        state.synced = left;
        state.power += 1;
        (state.open, state.fails) = (false, 0);
    }

    /// Changes what is on the disk behind the back of whoever has it open.
    pub(crate) fn damage(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let mut now = std::mem::take(&mut state.now);
        change(&mut now);
        state.synced = now.clone();
        state.now = now;
        state.unsynced.clear();
    }
}

/// A length that was lost does not lose what was written behind it: file systems write the length with the data.
fn write(file: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(data);
}

impl State {
    pub(crate) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// A write or sync.
    fn try_it(&mut self) -> io::Result<()> {
        if self.fails == 0 {
            return Ok(());
        }
        if self.works > 0 {
            self.works -= 1;
            return Ok(());
        }
        self.fails -= 1;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }
}

/// The disk as one process sees it.
#[derive(Debug)]
pub(crate) struct Socket {
    flash: Flash,
    power: u64,
}

impl Medium for Socket {
    fn open(&mut self) -> Result<Database, Trouble> {
        {
            let mut state = self.flash.state();
            if state.power != self.power {
                return Err(Trouble::Failing("the power is gone".into()));
            }
            if std::mem::replace(&mut state.open, true) {
                return Err(Trouble::InUse);
            }
        }
        let opened = database(|| Ok(Plugged { flash: self.flash.clone(), power: self.power }));
        let mut state = self.flash.state();
        if opened.is_err() && state.power == self.power {
            state.open = false;
        }
        drop(state);
        opened
    }

    fn set_aside(&mut self, _: &Trouble, _: Timestamp) -> io::Result<String> {
        let mut state = self.flash.state();
        if state.power != self.power {
            return Err(io::Error::other("the power is gone"));
        }
        let aside = std::mem::take(&mut state.now);
        state.aside.push(aside);
        state.synced.clear();
        state.unsynced.clear();
        Ok("a shelf".into())
    }

    fn aside(&self) -> io::Result<Box<dyn io::Read>> {
        Ok(Box::new(io::Cursor::new(self.flash.state().aside.last().cloned().unwrap_or_default())))
    }

    fn length(&self) -> u64 {
        self.flash.state().now.len() as u64
    }

    fn name(&self) -> String {
        "a disk in memory".into()
    }
}

/// The disk as the database sees it.
#[derive(Debug)]
struct Plugged {
    flash: Flash,
    power: u64,
}

impl Plugged {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.flash.state();
        if state.power == self.power { Ok(state) } else { Err(io::Error::other("the power is gone")) }
    }
}

impl StorageBackend for Plugged {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state()?;
        if state.reads_fail {
            return Err(io::Error::other("a bad block"));
        }
        let offset = usize::try_from(offset).unwrap();
        let found = state.now.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.try_it()?;
        let length = usize::try_from(len).unwrap();
        state.now.resize(length, 0);
        state.unsynced.push(Change::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let takes = self.state()?.sync_takes;
        std::thread::sleep(takes);
        let mut state = self.state()?;
        state.try_it()?;
        state.syncs += 1;
        let state = &mut *state;
        for change in state.unsynced.drain(..) {
            match change {
                Change::Write(offset, data) => write(&mut state.synced, offset, &data),
                Change::Length(length) => state.synced.resize(length, 0),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        state.try_it()?;
        let offset = usize::try_from(offset).unwrap();
        state.written += data.len() as u64;
        write(&mut state.now, offset, data);
        state.unsynced.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.state()?.open = false;
        Ok(())
    }
}
