//! The program as a service manager runs it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use eyewitness::clock::{Clock, Moment};

use super::ledger::Key;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a service manager was told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub ready: u64,
    pub ready_at: Option<Moment>,
    pub reloading: u64,
    pub status: String,
    pub watchdog: u64,
    last_watchdog: Option<Moment>,
    pub longest_silence: Duration,
}

/// The program that EYEWITNESS_BINARY names, or the one of this build.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("EYEWITNESS_BINARY").filter(|path| !path.is_empty());
    let path = named.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_eyewitness")), PathBuf::from);
    assert!(path.is_file(), "no program at {}: `make build`", path.display());
    path
}

#[derive(Debug)]
pub struct Daemon {
    child: Child,
    told: Arc<Mutex<Told>>,
    log: PathBuf,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Daemon {
    /// Runs `binary` with this priority (`nice`); its log is appended to a file in `out`.
    pub fn start(binary: &Path, nice: u32, config: &Path, out: &Path, clock: Clock) -> Self {
        let folder = config.parent().unwrap();
        let path = folder.join("notify");
        fs::remove_file(&path).ok();
        let socket = UnixDatagram::bind(&path).unwrap();
        let told = Arc::<Mutex<Told>>::default();
        let hearing = Arc::clone(&told);
        thread::spawn(move || hear(&socket, &hearing, clock));
        let log = out.join("daemon.log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/onnxruntime/libonnxruntime.so");
        let runtime = std::env::var_os("ORT_DYLIB_PATH").unwrap_or_else(|| runtime.into());
        let child = Command::new("nice")
            .args(["-n", &nice.to_string()])
            .arg(binary)
            .args(["run", "--config"])
            .arg(config)
            .env_remove("RUST_LOG")
            .env("NO_COLOR", "1")
            .env("ORT_DYLIB_PATH", runtime)
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "20000000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, told, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }

    /// Waits for it to have said something; panics with its log if it does not.
    pub async fn told_until(&mut self, clock: Clock, wanted: impl Fn(&Told) -> bool) -> Told {
        let begun = clock.now();
        loop {
            let told = self.told();
            if wanted(&told) {
                return told;
            }
            let late = clock.now().since(begun) > Duration::from_secs(30);
            assert!(!late && self.ended().is_none(), "{told:?}:\n{}", self.log_end());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether it has a handler for SIGHUP: without one the signal would end it.
    pub fn reloads(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
    }

    pub fn signal(&self, name: &str) {
        let kill = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.pid())).status().unwrap();
        assert!(kill.success(), "{name}");
    }

    /// Its end, if it has come.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to stop: how, and after what time it ended.
    pub fn stop(&mut self, clock: Clock) -> Option<(ExitStatus, Duration)> {
        let begun = clock.now();
        self.signal("TERM");
        loop {
            let took = clock.now().since(begun);
            if let Some(status) = self.ended() {
                return Some((status, took));
            }
            if took > Duration::from_secs(20) {
                return None;
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends it at this instant, whatever it does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What the log says was kept: lines with the camera, the number and the id of an event.
    pub fn announced(&self) -> BTreeMap<Key, String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(announced_in).collect()
    }

    /// Waits for words in its log that were not there before; panics with its end if they do not come.
    pub async fn says(&mut self, words: &str, clock: Clock) {
        let said = |log: &Path| fs::read_to_string(log).unwrap_or_default().matches(words).count();
        let (begun, before) = (clock.now(), said(&self.log));
        while said(&self.log) <= before {
            let late = clock.now().since(begun) > Duration::from_secs(60);
            assert!(!late && self.ended().is_none(), "`{words}` was not said:\n{}", self.log_end());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub fn log_end(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// `... camera="door" seq=7 id=01J... ...`
fn announced_in(line: &str) -> Option<(Key, String)> {
    let field = |name: &str| {
        let (_, rest) = line.split_once(name)?;
        Some(rest.split(' ').next()?.trim_matches('"').to_owned())
    };
    Some(((field(" camera=")?, field(" seq=")?.parse().ok()?), field(" id=")?))
}

fn hear(socket: &UnixDatagram, told: &Mutex<Told>, clock: Clock) {
    let mut buffer = [0; 4096];
    while let Ok(count) = socket.recv(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let mut told = told.lock().unwrap();
        for line in text.lines() {
            match line.split_once('=') {
                Some(("READY", _)) => {
                    told.ready += 1;
                    told.ready_at.get_or_insert_with(|| clock.now());
                }
                Some(("RELOADING", _)) => told.reloading += 1,
                Some(("STATUS", words)) => words.clone_into(&mut told.status),
                Some(("WATCHDOG", _)) => {
                    let now = clock.now();
                    if let Some(last) = told.last_watchdog {
                        told.longest_silence = told.longest_silence.max(now.since(last));
                    }
                    (told.watchdog, told.last_watchdog) = (told.watchdog + 1, Some(now));
                }
                _ => {}
            }
        }
    }
}

mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_read_from_the_log() {
        let line = r#"2026-01-01T00:00:00Z  INFO camera="door" seq=7 id=01JD type="end" A man."#;
        assert_eq!(announced_in(line), Some((("door".to_owned(), 7), "01JD".to_owned())));
        assert_eq!(announced_in("INFO ready"), None);
    }
}
