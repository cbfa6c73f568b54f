//! A real mosquitto on a free loopback port.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use eyewitness::clock::Clock;
use tempfile::TempDir;

/// For the broker to listen, and to end.
const BOUND: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// PEM files of the broker.
#[derive(Debug, Clone)]
pub struct ServerTls {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
    pub require_client_certificate: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names and passwords; without any, everybody is let in.
    pub users: Vec<(&'static str, &'static str)>,
    pub tls: Option<ServerTls>,
    /// More lines of the config file.
    pub extra: String,
    /// Lines of an access control file.
    pub acl: Option<String>,
}

/// Ends with the value.
#[derive(Debug)]
pub struct Mosquitto {
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

impl Mosquitto {
    /// Listens when this returns.
    pub fn start(options: &Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        fs::write(folder.path().join("mosquitto.conf"), config(options, port, folder.path())).unwrap();
        let mut broker = Self { port, child: None, folder };
        broker.restart();
        broker
    }

    /// Everybody is let in, no TLS.
    pub fn open() -> Self {
        Self::start(&Options::default())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Listens again, on the same port, with the sessions and retained messages of before if it was ended by `stop`.
    pub fn restart(&mut self) {
        self.kill();
        let clock = Clock::system();
        let begun = clock.now();
        let config = self.folder.path().join("mosquitto.conf");
        let log = fs::File::create(self.folder.path().join("mosquitto.log")).unwrap();
        let child = Command::new(binary("mosquitto"))
            .arg("-v")
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            let late = clock.now().since(begun) > BOUND;
            assert!(ended.is_none() && !late, "mosquitto does not listen:\n{}", self.log());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends it in order: clients are told, sessions and retained messages are kept.
    pub fn stop(&mut self) {
        self.signal("TERM");
        self.wait();
    }

    /// What it would know after a restart is gone: sessions, queues, retained messages. For a broker that was ended.
    pub fn forget(&mut self) {
        fs::remove_file(self.folder.path().join("mosquitto.db")).ok();
    }

    /// From the next start on it runs with these options, on the same port.
    pub fn reconfigure(&mut self, options: &Options) {
        let text = config(options, self.port, self.folder.path());
        fs::write(self.folder.path().join("mosquitto.conf"), text).unwrap();
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
        }
        self.wait();
    }

    /// It keeps its sockets and does nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("mosquitto.log")).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("the broker runs").id();
        let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
        assert!(status.success());
    }

    fn wait(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let clock = Clock::system();
        let begun = clock.now();
        while child.try_wait().unwrap().is_none() {
            if clock.now().since(begun) > BOUND {
                child.kill().ok();
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port on which nothing listens at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Debian puts the broker where the path of an ordinary user does not lead.
fn binary(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not installed: apt install mosquitto mosquitto-clients"))
}

fn config(options: &Options, port: u16, folder: &Path) -> String {
    let place = folder.display();
    // As root it would become the user `mosquitto`, who may not read this folder.
    let mut text = format!("user root\npersistence true\npersistence_location {place}/\nlistener {port} 127.0.0.1\n");
    if options.users.is_empty() {
        text.push_str("allow_anonymous true\n");
    } else {
        let file = folder.join("passwords");
        fs::write(&file, "").unwrap();
        for (name, password) in &options.users {
            let status =
                Command::new(binary("mosquitto_passwd")).arg("-b").arg(&file).args([name, password]).status().unwrap();
            assert!(status.success());
        }
        writeln!(text, "allow_anonymous false\npassword_file {}", file.display()).unwrap();
    }
    if let Some(tls) = &options.tls {
        let (ca, cert, key) = (tls.ca.display(), tls.cert.display(), tls.key.display());
        writeln!(text, "cafile {ca}\ncertfile {cert}\nkeyfile {key}").unwrap();
        writeln!(text, "require_certificate {}", tls.require_client_certificate).unwrap();
    }
    if let Some(acl) = &options.acl {
        let file = folder.join("acl");
        fs::write(&file, acl).unwrap();
        writeln!(text, "acl_file {}", file.display()).unwrap();
    }
    text.push_str(&options.extra);
    text
}
