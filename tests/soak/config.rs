//! A config that changes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the config says at the moment.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub broker: u16,
    pub http: u16,
    pub film: PathBuf,
    pub film_url: String,
    pub ball_url: String,
    /// A fourth camera that comes and goes.
    pub extra: bool,
    /// A third one that is switched on and off.
    pub enabled: bool,
    pub prompt: u64,
    pub sensitivity: f64,
}

impl Wanted {
    pub fn text(&self, folder: &Path) -> String {
        let Self { broker, http, film, film_url, ball_url, extra, enabled, prompt, sensitivity } = self;
        let (outbox, decisions) = (folder.join("outbox"), folder.join("decisions"));
        let mut text = format!(
            r#"node = "box"

[log]
filter = "info,eyewitness::pipeline::announce=debug"

[mqtt]
url = "mqtt://127.0.0.1:{broker}"
keep_alive = "10s"
home_assistant = true
snapshots = "event"

[outbox]
path = "{}"

[model]
threads = 1
budget = "40/min"

[http]
listen = "127.0.0.1:{http}"

[explain]
path = "{}"
max_size = "1MiB"

[[camera]]
id = "film"
url = "{film_url}"
timeout = "5s"
fps = 4
prompt = "Describe the scene, take {prompt}."

[[camera]]
id = "ball"
url = "{ball_url}"
timeout = "5s"
fps = 2
[camera.gate]
sensitivity = {sensitivity:.2}

[[camera]]
id = "loop"
enabled = {enabled}
url = "file://{}"
loop = true
fps = 4
[[camera.rule]]
id = "cat"
ask = "Is there a cat?"
[[camera.rule]]
id = "cup"
ask = "Is there a cup?"
when = "always"
every = "5s"
agree = "2 of 3"
hold = "20s"
alert = true
"#,
            outbox.display(),
            decisions.display(),
            film.display()
        );
        if *extra {
            write!(text, "\n[[camera]]\nid = \"extra\"\nurl = \"{film_url}\"\ntimeout = \"5s\"\nfps = 2\n").unwrap();
        }
        text
    }
}
