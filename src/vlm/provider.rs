//! Which device runs the graphs. A provider that was asked for by name either runs or start fails with its reason; `auto`
//! tries and says what it took.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::logging::LogLevel;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::graph::GraphError;
use super::optimised::Entry;
use super::runtime::Runtime;
use super::settings::Provider;

/// The providers to try, in order. TensorRT is not among them: it builds engines for minutes before it answers.
pub(super) fn candidates(wanted: Provider) -> Vec<Provider> {
    if wanted != Provider::Auto {
        return vec![wanted];
    }
    let mut found = Vec::new();
    if ep::CUDA::is_available().unwrap_or(false) {
        found.push(Provider::Cuda);
    }
    if ep::OpenVINO::is_available().unwrap_or(false) {
        found.push(Provider::OpenVino);
    }
    found.push(Provider::Cpu);
    found
}

/// The name in labels, config and metrics.
pub(super) fn name(provider: Provider) -> &'static str {
    match provider {
        Provider::Auto => "auto",
        Provider::Cpu => "cpu",
        Provider::Cuda => "cuda",
        Provider::TensorRt => "tensorrt",
        Provider::OpenVino => "openvino",
    }
}

/// Where tensors live that never leave the device.
pub(super) fn device_memory(provider: Provider) -> ort::Result<MemoryInfo<'static>> {
    let device = match provider {
        Provider::Cuda | Provider::TensorRt => AllocationDevice::CUDA,
        Provider::Auto | Provider::Cpu | Provider::OpenVino => AllocationDevice::CPU,
    };
    MemoryInfo::new(device, 0, AllocatorType::Device, MemoryType::Default)
}

/// Cores that this process may use.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Threads of one operator, where none are asked for: one core in four is left to decoding where there are streams, never more
/// than one for four streams. With two or three cores the model gets all of them: it runs seldom, and then it should be quick.
pub(super) fn threads_beside(streams: usize, cores: usize) -> usize {
    cores.saturating_sub(streams.div_ceil(4).min(cores / 4)).max(1)
}

/// Whether optimised graphs of this provider can be written to a file: the others compile theirs and keep them themselves.
pub(super) fn writes_graphs(provider: Provider) -> bool {
    matches!(provider, Provider::Cpu | Provider::Cuda)
}

/// One graph to be loaded.
pub(super) struct Wanted<'a> {
    pub runtime: &'a Runtime,
    pub provider: Provider,
    pub threads: usize,
    pub file: &'a Path,
    /// Where its optimised form is kept.
    pub entry: Option<Entry>,
    /// Where the providers that compile graphs keep the result.
    pub engines: Option<PathBuf>,
    /// Where the first runs are recorded (see [`super::placement`]), a path without extension.
    pub record: Option<PathBuf>,
}

impl Wanted<'_> {
    /// Loads it, from its optimised form if there is one.
    pub(super) fn session(&self) -> Result<Session, GraphError> {
        let Some(entry) = &self.entry else { return self.original(None) };
        if entry.exists() {
            match self.optimised(entry) {
                Ok(session) => return Ok(session),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(file = %entry.path().display(), error, "a kept graph cannot be used: making it anew");
                    entry.remove();
                }
            }
        }
        self.made(entry)
    }

    /// Loads the original and keeps its optimised form, if that can be written: a full disk is no reason not to start.
    fn made(&self, entry: &Entry) -> Result<Session, GraphError> {
        let unkept = |error: &(dyn std::error::Error + 'static)| {
            let folder = entry.path().parent().unwrap_or(Path::new("."));
            tracing::warn!(
                folder = %folder.display(), error,
                "the optimised graph cannot be kept: every start will take as long as this one; is the disk full, or the \
                 folder not ours?"
            );
        };
        let draft = match entry.draft() {
            Ok(draft) => draft,
            Err(error) => {
                unkept(&error);
                return self.original(None);
            }
        };
        let session = match self.original(Some(draft.path())) {
            Ok(session) => session,
            Err(refused) => {
                // If it loads without being written, writing was the trouble.
                let session = self.original(None)?;
                unkept(&refused);
                return Ok(session);
            }
        };
        if let Err(error) = entry.keep(&draft) {
            unkept(&error);
        }
        Ok(session)
    }

    fn original(&self, optimised: Option<&Path>) -> Result<Session, GraphError> {
        let mut builder = self.builder()?;
        if let Some(path) = optimised {
            builder = builder.with_optimized_model_path(path).map_err(|e| self.failed(e.into()))?;
        }
        builder.commit_from_file(self.file).map_err(|source| self.failed(source))
    }

    fn optimised(&self, entry: &Entry) -> Result<Session, GraphError> {
        let builder = self.builder()?;
        let builder = builder.with_optimization_level(GraphOptimizationLevel::Disable);
        let mut builder = builder.map_err(|e| self.failed(e.into()))?;
        builder.commit_from_file(entry.path()).map_err(|source| self.failed(source))
    }

    fn builder(&self) -> Result<SessionBuilder, GraphError> {
        let option = |error: ort::Error<SessionBuilder>| self.failed(error.into());
        let builder = Session::builder(&self.runtime.environment).map_err(|source| self.failed(source))?;
        // Threads that wait for work sleep: a box with idle cameras should be idle.
        let builder = builder.with_intra_op_spinning(false).map_err(option)?;
        let builder = builder.with_intra_threads(self.threads).map_err(option)?;
        let mut builder = builder.with_log_level(LogLevel::Warning).map_err(option)?;
        if let Some(record) = &self.record {
            builder = builder.with_profiling(record).map_err(option)?;
        }
        match self.dispatch() {
            None => Ok(builder),
            Some(dispatch) => builder
                .with_execution_providers([dispatch.error_on_failure()])
                .map_err(|e| GraphError::Provider { provider: name(self.provider), source: e.into() }),
        }
    }

    fn dispatch(&self) -> Option<ExecutionProviderDispatch> {
        let engines = self.engines.as_ref().map(|folder| folder.to_string_lossy().into_owned());
        match self.provider {
            Provider::Auto | Provider::Cpu => None,
            Provider::Cuda => Some(ep::CUDA::default().build()),
            Provider::TensorRt => {
                let mut options = ep::TensorRT::default().with_fp16(true);
                if let Some(folder) = engines {
                    options = options
                        .with_engine_cache(true)
                        .with_engine_cache_path(&folder)
                        .with_timing_cache(true)
                        .with_timing_cache_path(folder);
                }
                Some(options.build())
            }
            Provider::OpenVino => {
                let mut options = ep::OpenVINO::default().with_num_threads(self.threads);
                if let Some(folder) = engines {
                    options = options.with_cache_dir(folder);
                }
                Some(options.build())
            }
        }
    }

    fn failed(&self, source: ort::Error) -> GraphError {
        GraphError::Load { file: self.file.to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_keeps_a_share_of_the_cores() {
        let cases = [(0, 8, 8), (1, 1, 1), (4, 2, 2), (1, 4, 3), (8, 4, 3), (8, 8, 6), (3, 8, 7), (64, 16, 12)];
        for (streams, cores, threads) in cases {
            assert_eq!(threads_beside(streams, cores), threads, "{streams} streams, {cores} cores");
        }
    }
}
