//! The program itself, as `eyewitness run`, with its log.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{interval, timeout};

#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: watch::Receiver<Vec<String>>,
}

impl Daemon {
    /// Runs on this config; its log is collected line by line.
    pub fn run(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_eyewitness"))
            .arg("run")
            .arg("--config")
            .arg(config)
            .env_remove("RUST_LOG")
            // Not the state of whoever runs the tests, nor of the test before.
            .env_remove("STATE_DIRECTORY")
            .env("XDG_STATE_HOME", config.with_file_name("state"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, log) = watch::channel(Vec::new());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                lines.send_modify(|all| all.push(line));
            }
        });
        Self { child, log }
    }

    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Waits until the log is as wanted; panics with all of it after `bound`.
    pub async fn wait_for(&mut self, what: &str, bound: Duration, wanted: impl FnMut(&Vec<String>) -> bool) {
        let in_time = timeout(bound, self.log.wait_for(wanted)).await.is_ok_and(|seen| seen.is_ok());
        assert!(in_time, "not within {bound:?}: {what}. The log so far:\n{}", self.log().join("\n"));
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub async fn ended(&mut self, bound: Duration) -> ExitStatus {
        let ended = timeout(bound, async {
            let mut look = interval(Duration::from_millis(10));
            loop {
                look.tick().await;
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
            }
        });
        match ended.await {
            Ok(status) => status,
            Err(_) => panic!("it did not end within {bound:?}. The log:\n{}", self.log().join("\n")),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
