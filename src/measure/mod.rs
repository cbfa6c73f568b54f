//! Measures what a model costs on this machine: time per stage, memory, allocations, and what machine it was. What is done
//! with the figures (a table, a choice of precision) is decided elsewhere.
//!
//! [`combination`] loads a model, asks it again and again, and sums up; `stages` names the parts of an answer's time,
//! `statistics` has medians, `memory`, `allocations` and `machine` read the process and the box, `fingerprint` says which
//! files were loaded.

mod allocations;
mod combination;
mod fingerprint;
mod machine;
mod memory;
mod stages;
mod statistics;

pub use allocations::{Allocations, CountingAllocator};
pub use combination::{Instruments, MeasureError, Placement, Rounds, Step, Summary, ask_rounds, combination};
pub use fingerprint::fingerprint;
pub use machine::Machine;
pub use memory::Memory;
pub use stages::{Round, STAGES, Stage, StageTimes};
pub use statistics::Spread;
