//! What can be set about the model.

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The model set's folder.
    pub path: PathBuf,
    /// The ONNX Runtime library; `None`: `ORT_DYLIB_PATH`, beside the binary, the system's library path.
    pub runtime: Option<PathBuf>,
    pub provider: Provider,
    pub precision: Precision,
    /// Threads of one operator; 0: all cores.
    pub threads: usize,
}

/// ONNX Runtime execution provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    #[default]
    Auto,
    Cpu,
    Cuda,
    TensorRt,
    OpenVino,
}

/// Which of the set's graphs to load. `Int8` takes `_int8`, `_uint8` or `_quantized`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    #[default]
    Auto,
    Fp32,
    Fp16,
    Int8,
    Q4,
    Q4f16,
}
