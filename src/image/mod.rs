//! Pictures: reading files, and the way from a picture to the numbers that a model eats. Pure but for `read_file`.
//! No model, no camera: what a number means to a network is decided by the settings that are passed in.

mod colour;
mod file;
mod jpeg;
mod mask;
mod snapshot;
mod tensor;
mod thumbnail;
mod webp;

pub use file::{ReadError, read_file};
pub use snapshot::{SnapshotSettings, snapshot};
pub use tensor::{Filter, Geometry, Preprocessor};
pub use thumbnail::thumbnail;
