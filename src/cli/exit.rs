//! How the process ends. All exit statuses stand here.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    /// It failed while running.
    Failed,
    /// The command line is wrong (`EX_USAGE`).
    Usage,
    /// The config or the model set is wrong (`EX_CONFIG`); systemd does not restart on it.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 64,
            Exit::Config => 78,
        })
    }
}
