//! No planted secret leaves the process, however it is asked: not in the log, on topics, in the numbers, on the status page,
//! in what systemd is told, in arguments, nor in files that it keeps.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rumqttc::v5::MqttOptions;

use crate::files::Folder;
use crate::says;
use crate::support::mosquitto::{Mosquitto, Options, free_port};
use crate::support::program::{Running, SOON, command};
use crate::support::rtsp_server::{RtspServer, Stream};
use crate::support::subscriber::Subscriber;

const BROKER: &str = "planted-broker-5b1f";
const CAMERA: &str = "planted-camera-77aa";
const WRONG: &str = "planted-wrong-0c3d";
const TOKEN: &str = "planted-token-9e42";
const FILE: &str = "planted-file-31d8";
const ALL: [&str; 5] = [BROKER, CAMERA, WRONG, TOKEN, FILE];

#[track_caller]
fn holds_none(what: &str, text: &str) {
    // As it stands, and as an address or base64 would carry it.
    for secret in ALL {
        let coded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, secret);
        let percent = secret.replace('-', "%2D");
        for form in [secret, &coded, &percent] {
            let at = text.find(form);
            assert!(
                at.is_none(),
                "{what} holds `{form}`: {}",
                &text[at.unwrap().saturating_sub(200)..][..200.min(text.len())]
            );
        }
    }
}

fn get(port: u16, path: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

fn of_process(running: &Running, name: &str) -> String {
    let text = fs::read(format!("/proc/{}/{name}", running.id())).unwrap();
    String::from_utf8_lossy(&text).replace('\0', " ")
}

/// Every file below the folder but those of the config.
fn kept(folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            kept(&path, texts);
        } else if path.is_file() && !["run.toml", "broker", "camera"].contains(&name.as_str()) {
            texts.push((path.display().to_string(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
        }
    }
}

fn heard(socket: &UnixDatagram) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    socket.set_nonblocking(true).unwrap();
    while let Ok(read) = socket.recv(&mut buffer) {
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        text.push('\n');
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves_a_full_run() {
    let folder = Folder::new();
    let users = vec![("eyewitness", BROKER), ("reader", "reader")];
    let mut mosquitto = Mosquitto::start(&Options { users, ..Options::default() });
    let mut options = MqttOptions::new("reader", "127.0.0.1", mosquitto.port());
    options.set_credentials("reader", "reader");
    let subscriber = Subscriber::with_options(options).await;
    let server = RtspServer::start_on(0, &Stream::ball(), Some(("viewer", CAMERA)));
    let (rtsp, page, dead) = (server.port(), free_port(), free_port());
    folder.write("broker", BROKER);
    folder.write("camera", FILE);
    let port = mosquitto.port();
    let config = format!(
        r#"node = "box"
[mqtt]
url = "mqtt://127.0.0.1:{port}"
username = "eyewitness"
password_file = "broker"
[http]
listen = "127.0.0.1:{page}"
[outbox]
path = "outbox"
[explain]
path = "decisions"
[[camera]]
id = "good"
url = "rtsp://viewer:${{CAMERA_PASSWORD}}@127.0.0.1:{rtsp}/stream"
[[camera]]
id = "refused"
url = "rtsp://viewer:{WRONG}@127.0.0.1:{rtsp}/stream"
[[camera]]
id = "dead"
url = "http://u:{WRONG}@127.0.0.1:{dead}/x?token={TOKEN}"
[[camera]]
id = "filed"
url = "rtsp://127.0.0.1:{dead}/x"
username = "viewer"
password_file = "camera"
"#
    );
    folder.write("run.toml", &config);
    let told = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    let mut command = command(folder.path(), &["run", "-c", "run.toml"]);
    command.env("CAMERA_PASSWORD", CAMERA).env("RUST_LOG", "trace").env("NOTIFY_SOCKET", folder.path().join("notify"));
    let mut running = Running::start(command);
    running.says("connected to the broker");
    running.says("source{camera=good}: online");
    running.says("type=\"start\"");
    running.says("source{camera=refused}: offline");
    running.says("source{camera=dead}: offline");
    running.says("source{camera=filed}: offline");

    // A broker that does not know the password any more, and a config that is wrong.
    let other = vec![("eyewitness", "another"), ("reader", "reader")];
    mosquitto.reconfigure(&Options { users: other, ..Options::default() });
    mosquitto.stop();
    mosquitto.restart();
    running.says("does not accept this user name and password");
    folder.write("run.toml", config.replace("[http]", "[htp]"));
    running.signal("HUP");
    running.says("the changed config is wrong, so the old one goes on");

    let pages: Vec<_> = ["/", "/healthz", "/readyz", "/metrics"].map(|path| get(page, path)).into();
    says(&pages[2], &["camera refused", "camera dead"]);
    says(&pages[3], &["eyewitness_outbox_rows"]);
    let process = of_process(&running, "cmdline");
    says(&process, &["run -c run.toml"]);
    running.signal("TERM");
    let ended = running.ends_within(Duration::from_secs(8));
    holds_none("the log", &ended.err);
    holds_none("stdout", &ended.out);
    for page in &pages {
        holds_none("the status page", page);
    }
    holds_none("the command line", &process);
    let told = heard(&told);
    says(&told, &["READY=1", "no broker: "]);
    holds_none("what systemd was told", &told);
    let messages = subscriber.messages();
    assert!(messages.iter().any(|message| message.topic == "eyewitness/box/good/event"), "{messages:?}");
    holds_none("a message", &format!("{messages:?}"));
    let mut files = Vec::new();
    kept(folder.path(), &mut files);
    assert!(
        files.iter().any(|(name, _)| name.ends_with("events.redb")),
        "{:?}",
        files.iter().map(|f| &f.0).collect::<Vec<_>>()
    );
    for (name, text) in &files {
        holds_none(name, text);
    }
    drop(server);
}
