//! The program itself, as a user starts it: in a folder of its own, with nothing of our environment in its way.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use eyewitness::clock::Clock;

/// For anything that should happen at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The program with these arguments, standing in `folder`.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eyewitness"));
    command.current_dir(folder).args(args).stdin(Stdio::null());
    for name in ["RUST_LOG", "RUST_BACKTRACE", "JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        command.env_remove(name);
    }
    command.env_remove("EYEWITNESS_PASSWORD").env("NO_COLOR", "1");
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/onnxruntime/libonnxruntime.so");
    command.env("ORT_DYLIB_PATH", runtime);
    // Neither the state nor the cache of whoever runs the tests.
    command.env_remove("STATE_DIRECTORY").env("XDG_STATE_HOME", folder.join("state"));
    command.env_remove("CACHE_DIRECTORY").env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    command
}

/// How it ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// Runs it to its end.
#[track_caller]
pub fn run(folder: &Path, args: &[&str]) -> Ended {
    ended(command(folder, args))
}

/// Runs it to its end; one that hangs is ended.
#[track_caller]
pub fn ended(command: Command) -> Ended {
    let output = assert_cmd::Command::from_std(command).timeout(SOON * 2).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let status = output.status.code().expect("it ends by itself, in time");
    Ended { status, out: text(output.stdout), err: text(output.stderr) }
}

/// A program that goes on. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    out: Option<JoinHandle<String>>,
    /// What it has said so far.
    pub err: String,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::sync_channel(1000);
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut stdout = child.stdout.take().unwrap();
        let out = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, out: Some(out), err: String::new() }
    }

    /// Returns once it has said `words` on stderr, now or before.
    #[track_caller]
    pub fn says(&mut self, words: &str) {
        let clock = Clock::system();
        let begun = clock.now();
        while !self.err.contains(words) {
            match self.lines.recv_timeout(SOON.saturating_sub(clock.now().since(begun))) {
                Ok(line) => self.err.extend([line.as_str(), "\n"]),
                Err(error) => panic!("`{words}` was not said ({error}):\n{}", self.err),
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").arg("-c").arg(kill).status().unwrap().success());
    }

    /// Waits for its end, at most for `bound`.
    #[track_caller]
    pub fn ends_within(mut self, bound: Duration) -> Ended {
        let clock = Clock::system();
        let begun = clock.now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(clock.now().since(begun) <= bound, "it has not ended within {bound:?}:\n{}", self.err);
            // It must not wait for us to read what it says.
            match self.lines.recv_timeout(LOOK_EVERY) {
                Ok(line) => self.err.extend([line.as_str(), "\n"]),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK_EVERY),
            }
        };
        let out = self.out.take().unwrap().join().unwrap();
        while let Ok(line) = self.lines.recv() {
            self.err.extend([line.as_str(), "\n"]);
        }
        let err = std::mem::take(&mut self.err);
        Ended { status: status.code().expect("it ends by itself"), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
