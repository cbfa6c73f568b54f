//! The program with cameras and a broker: `check --online`, `run`, `watch` and `demo`.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::files::{self, CAMERA, Folder};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::program::{Running, SOON, command, ended, run};
use crate::{refused, says};

/// A stop takes no longer, by contract.
const STOP: Duration = Duration::from_secs(5);

const SECRET: &str = "xyzzy-plugh-4711";

fn broker(port: u16) -> String {
    format!("[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n")
}

fn start(folder: &Folder, config: &str) -> Running {
    folder.write("run.toml", config);
    Running::start(command(folder.path(), &["run", "-c", "run.toml"]))
}

#[test]
fn checked_online_all_is_well() {
    let folder = Folder::new();
    let mosquitto = Mosquitto::open();
    let film = files::film().display();
    let film = format!("[[camera]]\nid = \"film\"\nurl = \"file://{film}\"\n");
    folder.write("good.toml", broker(mosquitto.port()) + CAMERA + &film);
    let ended = run(folder.path(), &["check", "--online", "-c", "good.toml"]);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{}", ended.out);
    says(&ended.out, &["ok      inference: tiny/int8@cpu answered a test picture in "]);
    says(&ended.out, &["ok      camera ball: 640x480 raw video", "ok      camera film: 640x360 h264, decoded by "]);
    says(&ended.out, &["ok      broker: the broker at `127.0.0.1:", "(MQTT 5, without TLS)"]);
}

#[test]
fn checked_online_each_part_answers_for_itself() {
    let folder = Folder::new();
    let (camera, port) = (free_port(), free_port());
    let dead = format!("[[camera]]\nid = \"dead\"\nurl = \"rtsp://127.0.0.1:{camera}/x\"\n");
    folder.write("bad.toml", broker(port) + CAMERA + &dead);
    let ended = run(folder.path(), &["check", "--online", "-c", "bad.toml"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    says(&ended.out, &["ok      camera ball: ", "ok      inference: "]);
    says(&ended.out, &["failed  camera dead: connection refused: nothing listens on port"]);
    says(&ended.out, &["failed  broker: nothing listens at `127.0.0.1:", "is the broker running"]);
    assert_eq!(ended.err, "2 of these failed; `run` would go on trying.\n");
}

#[test]
fn a_signal_stops_it_in_time() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        let mut running = start(&folder, CAMERA);
        running.says("INFO ready");
        running.signal(signal);
        let ended = running.ends_within(STOP);
        assert_eq!((ended.status, ended.out.as_str()), (0, ""), "{}", ended.err);
        says(&ended.err, &[&format!("SIG{signal}: stopping; a second signal ends it at once"), "stopped\n"]);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mosquitto = Mosquitto::open();
    let folder = Folder::new();
    let mut running = start(&folder, &(broker(mosquitto.port()) + CAMERA));
    running.says("INFO ready");
    running.says("type=\"start\"");
    // From now on nothing is acknowledged, so that stopping takes its whole time.
    mosquitto.freeze();
    running.signal("TERM");
    running.says("SIGTERM: stopping");
    running.signal("TERM");
    let ended = running.ends_within(Duration::from_secs(2));
    mosquitto.thaw();
    assert_eq!(ended.status, 1, "{}", ended.err);
    says(&ended.err, &["SIGTERM again: ending at once"]);
}

#[test]
fn systemd_is_told() {
    let folder = Folder::new();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut told = String::new();
    let mut hear = |words: &str| {
        while !told.contains(words) {
            // The watchdog's messages keep coming: waiting for a word that never comes has to end all the same.
            assert!(told.lines().count() < 50, "no `{words}` in {told:?}");
            let mut buffer = [0; 1024];
            let read = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no `{words}` in {told:?}: {error}"));
            told.extend([std::str::from_utf8(&buffer[..read]).unwrap(), "\n"]);
        }
    };
    folder.write("run.toml", CAMERA);
    let mut command = command(folder.path(), &["run", "-c", "run.toml"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000");
    let running = Running::start(command);
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("STATUS=1 of 1 camera online; no broker in the config");
    running.signal("TERM");
    hear("STOPPING=1");
    assert_eq!(running.ends_within(STOP).status, 0);
}

#[test]
fn watch_goes_on_trying() {
    let folder = Folder::new();
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let mut running = Running::start(command(folder.path(), &["watch", "--url", &url]));
    running.says("no connection to the broker; trying again in ");
    says(&running.err, &["Listening at 127.0.0.1:", "nothing listens at `127.0.0.1:", "is the broker running"]);
    running.signal("TERM");
    let ended = running.ends_within(STOP);
    assert_eq!((ended.status, ended.out.as_str()), (0, ""));
}

#[test]
fn the_demo_tells_a_film() {
    let folder = Folder::new();
    let film = files::film().to_str().unwrap();
    let ended = Running::start(command(folder.path(), &["demo", "--once", "--clip", film])).ends_within(SOON);
    assert_eq!(ended.status, 0, "{ended:?}");
    let start = ended.out.lines().find(|line| line.contains("  street ") && line.contains("  start ")).unwrap();
    let sentence = start.split("  start ").nth(1).unwrap().trim();
    assert!(sentence.contains('.') && sentence.contains(" %, "), "{start}");
    says(&ended.out, &["  street       end     "]);
    says(&ended.err, &["as camera `street`, in real time", "In 1", "reached the gate:", "nothing moved", "\nNext:"]);
}

#[test]
fn a_clip_that_is_none_is_no_demo() {
    let folder = Folder::new();
    folder.write("text.mp4", "Dear diary, today I was not a film.\n".repeat(20));
    let ended = run(folder.path(), &["demo", "--once", "--clip", "text.mp4"]);
    refused(&ended, 1, &["a text or a web page, no video", "`text.mp4` gave no picture", "help: give a video"]);
}

/// Not in a report, not in a check, not in the log, however much is logged.
#[test]
fn secrets_are_kept() {
    let folder = Folder::new();
    let port = free_port();
    let camera = |id: &str, url: &str| format!("[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\n");
    let good = broker(port)
        + &format!("username = \"me\"\npassword = \"{SECRET}\"\n")
        + &camera("rtsp", &format!("rtsp://me:{SECRET}@127.0.0.1:{port}/x?token={SECRET}"))
        + &camera("http", &format!("http://me:${{CAMERA_PASSWORD}}@127.0.0.1:{port}/x"));
    folder.write("good.toml", &good);
    folder.write("bad.toml", good.replace("[mqtt]", "[mqt]").replace("id = \"http\"", "id = \"http"));
    folder.write("secret", SECRET);
    let at_broker = format!("mqtt://me:{SECRET}@127.0.0.1:{port}");
    let with_secret = |args: &[&str]| {
        let mut command = command(folder.path(), args);
        command.env("CAMERA_PASSWORD", SECRET).env("RUST_LOG", "trace");
        command
    };
    for (status, args) in [
        (78, &["check", "-c", "bad.toml"][..]),
        (1, &["check", "-c", "good.toml", "--online"]),
        (64, &["watch", "--url", &at_broker]),
        (64, &["demo", "--once", "--clip", files::film().to_str().unwrap(), "--broker", &at_broker]),
    ] {
        let ended = ended(with_secret(args));
        assert_eq!(ended.status, status, "{args:?}");
        assert!(!format!("{ended:?}").contains(SECRET), "{args:?}:\n{}\n{}", ended.out, ended.err);
    }
    let url = format!("mqtt://127.0.0.1:{port}");
    let watch = ["watch", "--url", &url, "--username", "me", "--password-file", "secret"];
    for (args, words) in [(&["run", "-c", "good.toml"][..], "ready"), (&watch, "no connection to the broker")] {
        let mut running = Running::start(with_secret(args));
        running.says(words);
        running.signal("TERM");
        let ended = running.ends_within(STOP);
        assert_eq!(ended.status, 0, "{}", ended.err);
        assert!(!ended.err.contains(SECRET), "{args:?}:\n{}", ended.err);
    }
}
