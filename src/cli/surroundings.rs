//! What must stand in the environment before anything runs. The environment of a running process cannot be changed without unsafe
//! code, so the program starts itself anew, once, where it is missing. The unit has it, so a service does not.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

const VARIABLES: [(&str, &str); 2] = [
    // The published ONNX Runtime library (1.32) reports every start to its maker and keeps an identifier of the machine on
    // disk, before a program can call `DisableTelemetryEvents`. Only this keeps it from both.
    ("ORT_DISABLE_TELEMETRY", "1"),
    // Each connection to a camera has threads of its own, and glibc spreads what they leave behind over a heap per thread: forty
    // reconnects cost 16 MiB, with one heap nothing (docs/reliability.md).
    ("MALLOC_ARENA_MAX", "1"),
];

/// Starts the program anew in this process, with the variables set, unless they are: whatever one is set to then is
/// somebody's will.
///
/// # Errors
/// If it cannot be started; otherwise it returns only where nothing had to be done.
pub(super) fn prepare() -> io::Result<()> {
    let missing: Vec<_> = VARIABLES.into_iter().filter(|(name, _)| env::var_os(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let name = arguments.next();
    let mut anew = Command::new(env::current_exe()?);
    if let Some(name) = name {
        anew.arg0(name);
    }
    Err(anew.args(arguments).envs(missing).exec())
}
