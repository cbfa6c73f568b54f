//! What can be set about the model.

use std::path::PathBuf;

use super::check::{Checking, Thing};

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The model set's folder.
    pub path: PathBuf,
    /// The ONNX Runtime library; `None`: `ORT_DYLIB_PATH`, beside the binary, the package's, the system's.
    pub runtime: Option<PathBuf>,
    pub provider: Provider,
    pub precision: Precision,
    /// Of vision, embed and decoder, each for itself; `None`: `precision` for all of them.
    pub parts: Option<[Precision; 3]>,
    /// Threads of one operator; 0: the cores that decoding leaves.
    pub threads: usize,
    /// Video streams that are decoded beside it.
    pub streams: usize,
    /// Edges of the pictures that the set may be shown, in pixels; empty: its own size. A view gets the smallest that shows all
    /// there is to see. Only sets whose vision graph takes any size have a choice here.
    pub edges: Vec<u32>,
    /// Where what was found out about graphs on this device is kept from one start to the next; `None`: nowhere.
    pub cache: Option<PathBuf>,
    /// Where what was measured here is kept (`calibration.json`); it wins over the set's. `None`: nowhere.
    pub state: Option<PathBuf>,
    /// Whether what sentences name is asked back.
    pub check: Checking,
    /// Things to ask about beside those of the set; one with the name of another takes its place.
    pub things: Vec<Thing>,
}

impl Settings {
    /// The set in the folder `path`, everything else left to the device, nothing kept.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            runtime: None,
            provider: Provider::Auto,
            precision: Precision::Auto,
            parts: None,
            threads: 0,
            streams: 0,
            edges: Vec::new(),
            cache: None,
            state: None,
            check: Checking::Auto,
            things: Vec::new(),
        }
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    Auto,
    Fp32,
    Fp16,
    Int8,
    Q4,
    Q4f16,
}

impl Precision {
    /// As in the config, in labels and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
            Self::Q4 => "q4",
            Self::Q4f16 => "q4f16",
        }
    }
}
