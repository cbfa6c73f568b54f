//! How often our own code asks for memory. ONNX Runtime has an allocator of its own, which is not counted.

use serde::{Deserialize, Serialize};
/// The system's allocator, which counts only while it is told to; otherwise it costs one look at a flag. The program
/// installs it and hands it down.
pub use taktora_bounded_alloc::CountingAllocator;

use super::statistics::Spread;

/// Allocations of the whole process, ONNX Runtime's own left out, during one description.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Allocations {
    /// Calls of the allocator that may give new memory.
    pub count: Spread,
    /// So many descriptions were counted; they are not among those that were timed.
    pub rounds: usize,
}

/// Counts while it lives.
pub(super) struct Count(&'static CountingAllocator);

impl Count {
    pub(super) fn start(allocator: &'static CountingAllocator) -> Self {
        allocator.reset();
        allocator.set_tracking(true);
        Self(allocator)
    }

    pub(super) fn so_far(&self) -> usize {
        self.0.alloc_count()
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.set_tracking(false);
    }
}
