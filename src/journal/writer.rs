//! The thread between the pipeline and the disk. Who tells it something never waits: lines gather in memory, within
//! bounds, and are written every [`EVERY`] or when there are many. A disk that does not take them costs lines, counted
//! and said once, and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::coalesce::Coalescer;
use super::files::Files;
use super::record::Record;
use super::settings::Settings;
use crate::clock::{Clock, Moment};
use crate::event::Event;
use crate::gate::{Outcome, Settled};
use crate::ids::CameraId;

/// Few writes are kind to a memory card.
const EVERY: Duration = Duration::from_secs(10);

/// So many bytes are written at once.
const MANY: usize = 64 << 10;

/// Beyond so many that wait for the disk, further lines are lost.
const MOST: usize = 4 * MANY;

/// A stretch in which nothing happens becomes one line a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// How long an end waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running journal. Tell it how frames end; [`Journal::close`] writes what is left.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    /// Answers when the thread has ended.
    over: Mutex<Receiver<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Rung when there is much to write, or it is time to end.
    bell: Condvar,
}

#[derive(Debug)]
struct State {
    coalescer: Coalescer,
    /// When each camera's last frame was taken.
    latest: BTreeMap<CameraId, Moment>,
    waiting: Vec<u8>,
    lost: u64,
    closing: bool,
}

impl Journal {
    /// Starts the thread that writes into `path`; nothing there is opened before there is something to write.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(path: PathBuf, settings: &Settings, clock: Clock) -> io::Result<Self> {
        let state = State {
            coalescer: Coalescer::new(LONGEST),
            latest: BTreeMap::new(),
            waiting: Vec::new(),
            lost: 0,
            closing: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), bell: Condvar::new() });
        let (ended, over) = sync_channel(1);
        let (theirs, max_size) = (shared.clone(), settings.max_size);
        std::thread::Builder::new().name("journal".into()).spawn(move || {
            let mut disk = Disk { files: Files::new(path.clone(), max_size), path, failing: false, lost: 0 };
            while theirs.round(&mut disk, clock) {}
            // Nobody may wait for it.
            let _ = ended.send(());
        })?;
        Ok(Self { shared, over: Mutex::new(over) })
    }

    pub fn settled(&self, camera: &CameraId, settled: &Settled) {
        self.shared.tell(|state| {
            state.latest.insert(camera.clone(), settled.at);
            state.coalescer.settled(camera, settled)
        });
    }

    /// So many frames ended before the gate saw them.
    pub fn dropped(&self, camera: &CameraId, outcome: Outcome, frames: u64) {
        self.shared.tell(|state| {
            // Before the first frame there is no telling when they were.
            let at = *state.latest.get(camera)?;
            state.coalescer.unnumbered(camera, outcome, frames, at)
        });
    }

    pub fn event(&self, event: &Event) {
        self.shared.tell(|_| Some(Coalescer::event(event)));
    }

    /// Writes what is left. Waits a bounded time for it.
    pub fn close(&self) {
        self.shared.state().closing = true;
        self.shared.bell.notify_all();
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if over.recv_timeout(PATIENCE).is_err() {
            warn!("the decision journal could not be written to its end in time");
        }
    }
}

impl Drop for Journal {
    /// The thread ends by itself soon after.
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.bell.notify_all();
    }
}

impl Shared {
    fn tell(&self, tell: impl FnOnce(&mut State) -> Option<Record>) {
        let mut state = self.state();
        if let Some(record) = tell(&mut state) {
            state.push(&record);
        }
        if state.waiting.len() >= MANY {
            self.bell.notify_all();
        }
    }

    /// Waits until it is time, then writes. Returns whether there will be another round.
    fn round(&self, disk: &mut Disk, clock: Clock) -> bool {
        let early = |state: &mut State| !state.closing && state.waiting.len() < MANY;
        let state = self.bell.wait_timeout_while(self.state(), EVERY, early);
        let (mut state, _) = state.unwrap_or_else(PoisonError::into_inner);
        let closing = state.closing;
        let ripe = if closing { state.coalescer.finish() } else { state.coalescer.ripe(clock.now().wall) };
        ripe.iter().for_each(|record| state.push(record));
        let lines = std::mem::take(&mut state.waiting);
        disk.lost += std::mem::take(&mut state.lost);
        drop(state);
        disk.write(&lines);
        !closing
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole lines behind: each change is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, record: &Record) {
        let line = record.line();
        if self.waiting.len() + line.len() > MOST {
            self.lost += 1;
            return;
        }
        self.waiting.extend_from_slice(line.as_bytes());
    }
}

/// The files, and whether they take what is written.
#[derive(Debug)]
struct Disk {
    files: Files,
    path: PathBuf,
    failing: bool,
    /// Lines that nobody will read.
    lost: u64,
}

impl Disk {
    fn write(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let (path, count) = (self.path.display(), lines.iter().filter(|byte| **byte == b'\n').count() as u64);
        match self.files.append(lines) {
            Ok(()) => {
                if self.lost > 0 {
                    info!(%path, lost = self.lost, "the decision journal is written again; some lines of it are lost");
                }
                (self.failing, self.lost) = (false, 0);
            }
            Err(error) => {
                self.lost += count;
                if !self.failing {
                    warn!(%path, %error, "the decision journal cannot be written; `explain` will know less, all else goes on");
                }
                self.failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn camera() -> CameraId {
        CameraId::new("door").unwrap()
    }

    fn settled(frame: u64, outcome: Outcome) -> Settled {
        let wall = Timestamp::from_second(i64::try_from(frame).unwrap()).unwrap();
        Settled { frame, at: Moment { mono: Duration::from_secs(frame), wall }, outcome, because: None }
    }

    fn written(folder: &std::path::Path) -> String {
        super::super::files::list(folder)
            .unwrap()
            .into_iter()
            .map(|(_, path)| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    #[test]
    fn what_was_told_is_on_the_disk_after_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/decisions");
        let journal = Journal::start(path.clone(), &Settings::default(), Clock::system()).unwrap();
        journal.dropped(&camera(), Outcome::DecodeSkipped, 7);
        for frame in 1..=5 {
            journal.settled(&camera(), &settled(frame, Outcome::NoMotion));
            journal.dropped(&camera(), Outcome::DecodeSkipped, 9);
        }
        journal.settled(&camera(), &settled(6, Outcome::Described));
        journal.close();
        let text = written(&path);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for part in ["\"count\":5", "\"count\":45", "\"described\""] {
            assert!(lines.iter().filter(|line| line.contains(part)).count() == 1, "{part}: {text}");
        }
    }

    #[test]
    fn much_is_written_before_it_is_time_and_a_flood_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { max_size: 64 << 10, ..Settings::default() };
        let journal = Journal::start(folder.path().to_owned(), &settings, Clock::system()).unwrap();
        for frame in 0..20_000 {
            let outcome = if frame % 2 == 0 { Outcome::NoMotion } else { Outcome::Lighting };
            journal.settled(&camera(), &settled(frame, outcome));
            assert!(journal.shared.state().waiting.len() <= MOST);
        }
        journal.close();
        assert!(!written(folder.path()).is_empty());
    }

    #[test]
    fn a_disk_that_does_not_take_it_is_no_reason_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "in the way").unwrap();
        let journal = Journal::start(path.clone(), &Settings::default(), Clock::system()).unwrap();
        journal.settled(&camera(), &settled(1, Outcome::Described));
        journal.close();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "in the way");
    }

    #[test]
    fn a_failure_is_said_once_and_lost_lines_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "in the way").unwrap();
        let mut disk = Disk { files: Files::new(path.clone(), 4000), path: path.clone(), failing: false, lost: 0 };
        disk.write(b"1\n2\n");
        disk.write(b"3\n");
        assert_eq!((disk.failing, disk.lost), (true, 3));
        std::fs::remove_file(&path).unwrap();
        disk.write(b"4\n");
        assert_eq!((disk.failing, disk.lost, written(&path).as_str()), (false, 0, "4\n"));
    }
}
