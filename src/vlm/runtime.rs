//! Finds and loads the ONNX Runtime library, once per process. One binary serves the CPU, CUDA, TensorRT and OpenVINO builds.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

/// The library that is loaded.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    pub environment: Environment,
    pub path: PathBuf,
}

/// Why there is no ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error(
        "no usable ONNX Runtime library was found; looked at:{}\n  In a checkout, `make setup` fetches it. Elsewhere install the \
         PyPI package onnxruntime (the library is onnxruntime/capi/libonnxruntime.so.*) or a release of \
         github.com/microsoft/onnxruntime, version 1.{oldest} or newer, and name the file in ORT_DYLIB_PATH or in the \
         config as `runtime` under `[model]`",
        lines(.tried), oldest = ort::MINOR_VERSION
    )]
    NotFound { tried: Vec<Tried> },
    #[error("the ONNX Runtime library `{}` was loaded but does not start", .path.display())]
    Start { path: PathBuf, source: ort::Error },
}

/// One place where the library could have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub path: PathBuf,
    /// What names this place: "config", "ORT_DYLIB_PATH", "beside the binary", "of the package", "system".
    pub from: &'static str,
    pub why_not: String,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.path.display(), self.from, self.why_not)
    }
}

fn lines(tried: &[Tried]) -> String {
    tried.iter().map(|t| format!("\n  {t}")).collect()
}

/// ONNX Runtime allows one environment per process, for good.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// The library named in the config and nothing else, or the first that works of `ORT_DYLIB_PATH`, beside the binary, where
/// packages put it (`../lib/eyewitness` from the binary) and the system's library path. The first call of a process decides; later ones get the same library.
pub(super) fn load(configured: Option<&Path>) -> Result<Runtime, RuntimeError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = loaded.as_ref() {
        return Ok(runtime.clone());
    }
    let mut tried = Vec::new();
    for (path, from) in candidates(configured) {
        match ort::init_from(&path) {
            Ok(builder) => {
                let runtime = start(builder, path)?;
                tracing::info!(library = %runtime.path.display(), build = ort::info(), "ONNX Runtime loaded");
                return Ok(loaded.insert(runtime).clone());
            }
            Err(error) => tried.push(Tried { why_not: reason(&path, error), path, from }),
        }
    }
    Err(RuntimeError::NotFound { tried })
}

fn start(builder: ort::environment::EnvironmentBuilder, path: PathBuf) -> Result<Runtime, RuntimeError> {
    match builder.with_name("eyewitness").with_telemetry(false).with_logger(Arc::new(log)).build() {
        Ok(environment) => {
            environment.set_log_level(LogLevel::Warning);
            Ok(Runtime { environment, path })
        }
        Err(source) => Err(RuntimeError::Start { path, source }),
    }
}

fn log(level: LogLevel, category: &str, _id: &str, _place: &str, message: &str) {
    // A kept graph is keyed by the very environment that this warns of.
    if message.starts_with("Serializing optimized model with Graph Optimization level") {
        tracing::debug!(target: "onnxruntime", category, "{message}");
        return;
    }
    match level {
        LogLevel::Fatal | LogLevel::Error => tracing::error!(target: "onnxruntime", category, "{message}"),
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", category, "{message}"),
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(target: "onnxruntime", category, "{message}"),
    }
}

fn candidates(configured: Option<&Path>) -> Vec<(PathBuf, &'static str)> {
    const NAMES: [&str; 2] = ["libonnxruntime.so", "libonnxruntime.so.1"];
    if let Some(path) = configured {
        return vec![(absolute(path), "config")];
    }
    let named = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty());
    let mut found: Vec<_> = named.map(|path| (absolute(Path::new(&path)), "ORT_DYLIB_PATH")).into_iter().collect();
    if let Some(folder) = env::current_exe().ok().as_deref().and_then(Path::parent) {
        found.extend(NAMES.map(|name| (folder.join(name), "beside the binary")));
        // A folder of our own: another program must not get our library, nor we one that the system updates under us.
        if let Some(prefix) = folder.parent() {
            found.push((prefix.join("lib/eyewitness").join(NAMES[0]), "of the package"));
        }
    }
    found.extend(NAMES.map(|name| (PathBuf::from(name), "system")));
    found
}

/// A relative path means the working directory to the person who wrote it; the loader would take it otherwise.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn reason(path: &Path, error: LoadDynamicError) -> String {
    match error {
        LoadDynamicError::Dlopen { .. } if path.is_absolute() && !path.exists() => "there is no such file".into(),
        // What the loader says stands in the cause: "invalid ELF header", "no such file or directory".
        LoadDynamicError::Dlopen { error, .. } => match std::error::Error::source(&error) {
            Some(cause) => format!("cannot be loaded as a library ({cause})"),
            None => format!("cannot be loaded as a library ({error})"),
        },
        LoadDynamicError::MissingApi { .. } => "is a library, but not ONNX Runtime".into(),
        LoadDynamicError::InvalidVersionString => "does not say its version".into(),
        LoadDynamicError::BadVersion { version_str, .. } => {
            format!("is ONNX Runtime {version_str}, too old: 1.{} or newer is needed", ort::MINOR_VERSION)
        }
    }
}
