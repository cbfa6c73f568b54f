//! ONNX files as data: read, rewritten into faster graphs of the same contract, and written. Nothing here runs a graph.

mod file;
pub mod proto;
mod weights;

pub use file::{FileError, read, write};
pub use weights::{Architecture, Text, Vision, WeightError, Weights};
