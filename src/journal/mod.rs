//! The decision journal: why each frame went no further, kept in a few small files, so that `explain` can answer later.
//!
//! `record` says what a line holds, `coalesce` makes few lines of many frames, `files` keeps them within bounds, `writer`
//! is the thread between the pipeline and the disk. `read` gives the records of a stretch of time back, `explain` puts
//! them into sentences. Nothing here decides about frames, and nothing that is wrong with the disk reaches the pipeline.

mod coalesce;
mod explain;
mod files;
mod read;
mod record;
mod settings;
mod writer;

pub use coalesce::Coalescer;
pub use explain::{Window, explain, meaning};
pub use read::{Read, ReadError, read};
pub use record::{Frames, Record, Spread, Told, Why};
pub use settings::Settings;
pub use writer::Journal;
