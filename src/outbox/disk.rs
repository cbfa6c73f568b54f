//! The database: four tables of `redb`, and nothing decided here. Everything that its library reports or panics over
//! comes out as a [`Trouble`].

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::index::RowId;
use super::keys::Keys;
use super::past::Record;
use super::queue::{Batch, Contents};
use super::row::{self, Listed};
use super::store::Trouble;
use crate::event::Event;

/// Goes up when an older program could not read the tables any more.
const VERSION: u64 = 1;
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Row number → what `index` holds of it: read whole at a start.
const LISTED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("index");
/// Row number → the row.
const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
const CAMERAS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("cameras");

/// Below this it is not worth the time to make a file smaller.
const SMALL_FILE: u64 = 16 << 20;
/// With more rows in it, it would take too long at a start.
const FEW_ROWS: u64 = 4096;

#[derive(Debug)]
pub(super) struct Disk {
    /// `None` only while it is dropped.
    db: Option<Database>,
}

impl Disk {
    /// Takes the database over, or sets it up if it is new.
    ///
    /// # Errors
    /// [`Trouble`]
    pub(super) fn new(db: Database) -> Result<Self, Trouble> {
        let disk = Self { db: Some(db) };
        let version = guarded(|| {
            let read = disk.db()?.begin_read()?;
            match read.open_table(META) {
                Ok(meta) => Ok(meta.get("version")?.map(|found| found.value())),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })?;
        match version {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => return Err(Trouble::Newer(newer)),
            Some(other) => return Err(Trouble::Damaged(format!("its format has the number {other}, which never was"))),
            None => disk.set_up()?,
        }
        Ok(disk)
    }

    fn set_up(&self) -> Result<(), Trouble> {
        guarded(|| {
            let write = self.db()?.begin_write()?;
            let foreign = write.list_tables()?.next().is_some();
            if foreign {
                return Err(redb::Error::Corrupted("it is a database of something else".into()));
            }
            write.open_table(LISTED)?;
            write.open_table(ROWS)?;
            write.open_table(CAMERAS)?;
            write.open_table(META)?.insert("version", VERSION)?;
            write.commit()?;
            Ok(())
        })
    }

    /// Everything but the events themselves.
    ///
    /// # Errors
    /// [`Trouble`]
    pub(super) fn load(&self, keys: &mut Keys, blind: bool) -> Result<Contents, Trouble> {
        let mut contents = guarded(|| {
            let read = self.db()?.begin_read()?;
            let mut contents = Contents::default();
            let listed = read.open_table(LISTED)?;
            // Hundreds of thousands of rows have a handful of names.
            let mut names = BTreeMap::new();
            for entry in listed.iter()? {
                let (id, bytes) = entry?;
                let id = RowId(id.value());
                match row::read_listed(id, bytes.value()) {
                    Some(mut listed) => {
                        listed.camera = names.entry(listed.camera).or_insert_with_key(Clone::clone).clone();
                        contents.rows.push(listed);
                    }
                    None => contents.unreadable.push(id),
                }
            }
            for entry in read.open_table(CAMERAS)?.iter()? {
                contents.records.extend(row::read_record(entry?.1.value()));
            }
            Ok(contents)
        })?;
        keys.learn(&mut contents, blind);
        Ok(contents)
    }

    /// Writes all of it or nothing. When this returns, it survives a loss of power.
    ///
    /// # Errors
    /// [`Trouble`]; whether it is on the disk is not known then.
    pub(super) fn commit(&self, batch: &Batch, keys: &Keys) -> Result<(), Trouble> {
        guarded(|| {
            let write = self.db()?.begin_write()?;
            {
                let (mut listed, mut rows) = (write.open_table(LISTED)?, write.open_table(ROWS)?);
                for (entry, event) in &batch.inserts {
                    let entry = Listed { id: keys.on_disk(entry.id), ..entry.clone() };
                    listed.insert(entry.id.0, row::write_listed(&entry).as_slice())?;
                    rows.insert(entry.id.0, row::write_row(entry.id, entry.added, event).as_slice())?;
                }
                for id in batch.removals.iter().map(|id| keys.on_disk(*id)) {
                    listed.remove(id.0)?;
                    rows.remove(id.0)?;
                }
                let mut cameras = write.open_table(CAMERAS)?;
                for record in &batch.records {
                    let (last_row, waiting_from) = (keys.on_disk(record.last_row), keys.on_disk(record.waiting_from));
                    let record = Record { last_row, waiting_from, ..record.clone() };
                    cameras.insert(record.past.camera.as_str(), row::write_record(&record).as_slice())?;
                }
            }
            write.commit()?;
            Ok(())
        })
    }

    /// The events of these rows; `None` for one that is damaged or not there.
    ///
    /// # Errors
    /// [`Trouble`]
    pub(super) fn read(&self, ids: &[RowId], keys: &Keys) -> Result<Vec<(RowId, Option<Event>)>, Trouble> {
        guarded(|| {
            let rows = self.db()?.begin_read()?.open_table(ROWS)?;
            let read = |id: &RowId| {
                let key = keys.on_disk(*id);
                let bytes = rows.get(key.0)?;
                let row = bytes.and_then(|bytes| row::read_row(bytes.value())).filter(|row| row.id == key);
                Ok((*id, row.map(|row| row.event)))
            };
            ids.iter().map(read).collect()
        })
    }

    /// Makes a large file with little in it small. `length`: of the file, in bytes.
    ///
    /// # Errors
    /// [`Trouble`]
    pub(super) fn compact(&mut self, length: u64) -> Result<(), Trouble> {
        if length <= SMALL_FILE {
            return Ok(());
        }
        let rows = guarded(|| Ok(self.db()?.begin_read()?.open_table(LISTED)?.len()?))?;
        if rows > FEW_ROWS {
            return Ok(());
        }
        let Some(db) = self.db.as_mut() else { return Ok(()) };
        guarded(|| Ok(db.compact()?)).map(|_| ())
    }

    fn db(&self) -> Result<&Database, redb::Error> {
        self.db.as_ref().ok_or(redb::Error::DatabaseClosed)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let db = self.db.take();
        // A damaged database may panic once more when it is closed.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }
}

/// What the library reports, and what it panics over: a file that was changed behind its back.
///
/// # Errors
/// [`Trouble`]
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => done.map_err(trouble),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(Trouble::Damaged(text.unwrap_or("it makes no sense").to_owned()))
        }
    }
}

fn trouble(error: redb::Error) -> Trouble {
    use redb::Error;
    match error {
        Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => Trouble::InUse,
        Error::Io(error) => match error.kind() {
            // The file is shorter than it says, or begins as no database does.
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Trouble::Damaged(error.to_string()),
            _ => Trouble::Failing(words(&error)),
        },
        Error::Backend(_) | Error::Unsupported | Error::PreviousIo | Error::DatabaseClosed => {
            Trouble::Failing(error.to_string())
        }
        other => Trouble::Damaged(other.to_string()),
    }
}

/// An I/O error, and what to do about it.
pub(super) fn words(error: &std::io::Error) -> String {
    let help = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on it",
        ErrorKind::FileTooLarge => "allow larger files, or lower `max_size` in [outbox]",
        ErrorKind::ReadOnlyFilesystem => "mount it writable; a worn SD card makes itself read-only",
        ErrorKind::PermissionDenied => "give the user that Eyewitness runs as the right to write there",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "`path` in [outbox] has to be a folder",
        _ => "look at the disk",
    };
    format!("{error}: {help}")
}
