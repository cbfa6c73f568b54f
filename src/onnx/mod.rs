//! ONNX files as data: read, rewritten into faster graphs of the same contract, and written. Nothing here runs a graph.

mod file;
mod outline;
pub mod proto;
mod weights;

pub use file::{FileError, read, write};
pub use outline::{Outline, outline};
pub use weights::{Architecture, Text, Vision, WeightError, Weights};
