//! A changed config on a daemon that runs.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::files::Folder;
use crate::says;
use crate::support::mosquitto::Mosquitto;
use crate::support::program::{Running, SOON, command};

const STOP: Duration = Duration::from_secs(5);

fn camera(id: &str, more: &str) -> String {
    format!("[[camera]]\nid = \"{id}\"\nurl = \"test://ball\"\n{more}")
}

fn broker(mosquitto: &Mosquitto) -> String {
    format!("node = \"box\"\n[mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n", mosquitto.port())
}

/// Stands in for systemd.
struct Systemd {
    socket: UnixDatagram,
    heard: String,
}

impl Systemd {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self { socket, heard: String::new() }
    }

    /// Waits for these words, and forgets what came before them.
    #[track_caller]
    fn hears(&mut self, words: &str) {
        let mut buffer = [0; 4096];
        while !self.heard.contains(words) {
            let read = self.socket.recv(&mut buffer);
            assert!(read.is_ok(), "`{words}` was not told: {read:?}, but {}", self.heard);
            let read = read.unwrap();
            self.heard.extend([std::str::from_utf8(&buffer[..read]).unwrap(), "\n"]);
        }
        self.heard = self.heard.split_once(words).unwrap().1.to_owned();
    }
}

#[test]
fn what_changed_is_changed_and_the_rest_goes_on() {
    let (folder, mosquitto) = (Folder::new(), Mosquitto::open());
    let write = |cameras: &[String]| folder.write("run.toml", broker(&mosquitto) + &cameras.concat());
    write(&[camera("stays", ""), camera("goes", ""), camera("turns", "")]);
    let socket = folder.path().join("notify");
    let mut systemd = Systemd::new(&socket);
    let mut command = command(folder.path(), &["run", "-c", "run.toml"]);
    command.env("NOTIFY_SOCKET", &socket);
    let mut running = Running::start(command);
    systemd.hears("READY=1");
    for id in ["stays", "goes", "turns"] {
        running.says(&format!("source{{camera={id}}}: online"));
    }

    let off = "enabled = false\n";
    write(&[camera("comes", ""), camera("stays", "prompt = \"What moves?\"\n"), camera("turns", off)]);
    running.signal("HUP");
    systemd.hears("RELOADING=1");
    systemd.hears("MONOTONIC_USEC=");
    systemd.hears("READY=1");
    for words in
        ["camera `comes` is new", "camera `goes` is gone", "camera `stays`: its prompt", "camera `turns`: disabled"]
    {
        running.says(&format!("changed: {words}"));
    }
    running.says("source{camera=comes}: online");
    systemd.hears("2 of 2 cameras online");
    assert_eq!(running.err.matches("source{camera=stays}: online").count(), 1, "{}", running.err);

    // Nobody to watch is no reason to end.
    write(&[camera("turns", off)]);
    running.signal("HUP");
    systemd.hears("READY=1");
    systemd.hears("0 of 0 cameras online");
    write(&[camera("turns", "")]);
    running.signal("HUP");
    running.says("changed: camera `turns`: enabled");
    systemd.hears("1 of 1 camera online");
    running.signal("TERM");
    assert_eq!(running.ends_within(STOP).status, 0);
}

#[test]
fn a_wrong_config_changes_nothing_and_says_why() {
    let folder = Folder::new();
    folder.write("run.toml", camera("ball", ""));
    let mut running = Running::start(command(folder.path(), &["run", "-c", "run.toml"]));
    running.says("INFO ready");
    folder.write("run.toml", camera("ball", "fsp = 3\n"));
    running.signal("HUP");
    running.says("1 problem in run.toml; nothing was changed.");
    says(&running.err, &["the changed config is wrong, so the old one goes on:", "there is no `fsp` in `[[camera]]`"]);
    folder.write("run.toml", "node = \"other\"\n".to_owned() + &camera("ball", ""));
    running.signal("HUP");
    running.says("take effect at the next start (`systemctl restart eyewitness`): node");
    running.signal("HUP");
    running.says("SIGHUP: reading the config again");
    running.signal("TERM");
    let ended = running.ends_within(STOP);
    assert_eq!((ended.status, ended.err.contains("changed: ")), (0, false), "{}", ended.err);
}

#[test]
fn the_broker_is_changed_for_another() {
    let (folder, first, second) = (Folder::new(), Mosquitto::open(), Mosquitto::open());
    folder.write("run.toml", broker(&first) + &camera("ball", ""));
    let mut running = Running::start(command(folder.path(), &["run", "-c", "run.toml"]));
    running.says(&format!("connected to the broker address=\"127.0.0.1:{}\"", first.port()));
    folder.write("run.toml", broker(&second) + &camera("ball", ""));
    running.signal("HUP");
    running.says("changed: the broker");
    running.says(&format!("connected to the broker address=\"127.0.0.1:{}\"", second.port()));
    running.signal("TERM");
    assert_eq!(running.ends_within(STOP).status, 0);
}
