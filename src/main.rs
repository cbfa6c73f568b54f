//! The process: everything else is in the library.

use std::process::ExitCode;

use eyewitness::measure::CountingAllocator;

/// The system's allocator; it counts while `eyewitness bench` asks it to.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

fn main() -> ExitCode {
    eyewitness::cli::main(&ALLOCATOR)
}
