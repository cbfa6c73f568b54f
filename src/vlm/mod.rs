//! Asks the model. ONNX Runtime (ort) lives here and nowhere else.

mod settings;

pub use settings::*;
