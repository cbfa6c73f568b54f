//! The published ONNX Runtime library (1.32) reports every start to its maker and keeps an identifier of the machine on
//! disk, before a program can call `DisableTelemetryEvents`. Only `ORT_DISABLE_TELEMETRY` in the environment keeps it from both.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Starts the program anew in this process, with the variable set, unless it is set already (as in the unit): whatever it is
/// set to then is somebody's will. The environment of a running process cannot be changed without unsafe code.
///
/// # Errors
/// If it cannot be started; otherwise it returns only where nothing had to be done.
pub(super) fn switch_off() -> io::Result<()> {
    if env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let name = arguments.next();
    let mut anew = Command::new(env::current_exe()?);
    if let Some(name) = name {
        anew.arg0(name);
    }
    Err(anew.args(arguments).env(VARIABLE, "1").exec())
}
