//! ONNX files as data: read, rewritten into faster graphs of the same contract, and written. Nothing here runs a graph.

mod architecture;
pub mod build;
pub mod extract;
mod file;
mod floats;
mod outline;
pub mod proto;
mod shards;
mod weights;

pub use architecture::ArchitectureError;
pub use file::{FileError, read, write};
pub use outline::{Outline, outline};
pub use shards::{Safetensors, SafetensorsError};
pub use weights::{Architecture, Text, Vision, WeightError, Weights};
