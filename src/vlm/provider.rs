//! Which device runs the graphs. A provider that was asked for by name either runs or start fails with its reason; `auto`
//! tries and says what it took.

use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::logging::LogLevel;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;

use super::graph::GraphError;
use super::runtime::Runtime;
use super::settings::Provider;

/// The providers to try, in order.
pub(super) fn candidates(wanted: Provider) -> Vec<Provider> {
    match wanted {
        Provider::Auto if ep::CUDA::is_available().unwrap_or(false) => vec![Provider::Cuda, Provider::Cpu],
        Provider::Auto => vec![Provider::Cpu],
        named => vec![named],
    }
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

/// Threads of one operator: 0 means all cores.
pub(super) fn threads(wanted: usize) -> usize {
    if wanted > 0 { wanted } else { thread::available_parallelism().map_or(1, NonZeroUsize::get) }
}

/// Loads one graph.
pub(super) fn session(
    runtime: &Runtime,
    provider: Provider,
    threads: usize,
    file: &Path,
) -> Result<Session, GraphError> {
    let option = |source: ort::Error| GraphError::Load { file: file.to_owned(), source };
    let builder = Session::builder(&runtime.environment).map_err(option)?;
    // Threads that wait for work sleep: a box with idle cameras should be idle.
    let builder = builder.with_intra_op_spinning(false).map_err(|e| option(e.into()))?;
    let builder = builder.with_intra_threads(threads).map_err(|e| option(e.into()))?;
    let builder = builder.with_log_level(LogLevel::Warning).map_err(|e| option(e.into()))?;
    let mut builder = match dispatch(provider) {
        None => builder,
        Some(dispatch) => builder
            .with_execution_providers([dispatch.error_on_failure()])
            .map_err(|e| GraphError::Provider { provider: name(provider), source: e.into() })?,
    };
    builder.commit_from_file(file).map_err(option)
}

fn dispatch(provider: Provider) -> Option<ExecutionProviderDispatch> {
    match provider {
        Provider::Auto | Provider::Cpu => None,
        Provider::Cuda => Some(ep::CUDA::default().build()),
        Provider::TensorRt => Some(ep::TensorRT::default().build()),
        Provider::OpenVino => Some(ep::OpenVINO::default().build()),
    }
}
