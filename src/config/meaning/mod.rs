//! What the typed values mean together. Everything is read even after a problem, so that all are reported; where a
//! value is wrong, its default stands in, and nobody sees it, since a config with problems is not handed out.

mod address;
mod camera;
mod model;
mod mqtt;
mod password;
mod probe;
mod regions;
mod rule;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

pub use model::{cache_folder, default_model_path};

use super::problem::{Code, Problem};
use super::raw::{Section, Text};
use super::{Config, HttpSettings, LogSettings};
use crate::ids::{self, IdError, NodeId};
use crate::journal;
use crate::outbox;
use crate::telemetry::LogFormat;

const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The config as far as it is right; the section's reader knows what is wrong.
pub(super) fn build(file: &Section<'_>) -> Config {
    let node = node(file);
    let stop_timeout = file.duration("stop_timeout", Duration::from_millis(100)..=10 * MINUTE);
    let mut model = model::read(&file.section("model"));
    model.settings.things = probe::read_all(file);
    let cameras = camera::read_all(file, &model.prompt);
    let state = state_folder_of(&|name| file.reader.variable(name));
    model.settings.state.clone_from(&state);
    model.settings.streams = cameras.iter().filter(|camera| camera.enabled).count();
    Config {
        log: log(&file.section("log")),
        mqtt: mqtt::read(&file.section("mqtt"), &node),
        outbox: outbox(&file.section("outbox")),
        http: http(&file.section("http")),
        explain: explain(&file.section("explain")),
        state,
        cameras,
        model,
        stop_timeout: stop_timeout.map_or(STOP_TIMEOUT, |found| found.value),
        node,
    }
}

fn node(file: &Section<'_>) -> NodeId {
    file.text("node").and_then(|text| id(file, "node", &text, NodeId::new)).unwrap_or_else(host_name)
}

fn host_name() -> NodeId {
    let slug = ids::slug(&gethostname::gethostname().to_string_lossy());
    NodeId::new(&slug).unwrap_or_else(|_| NodeId::new("eyewitness").expect("this is a valid id"))
}

fn log(section: &Section<'_>) -> LogSettings {
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("journal", LogFormat::Journal)];
    let format = section.choice("format", &formats).map_or_else(LogFormat::default, |found| found.value);
    let filter = section.filled_text("filter").and_then(|text| match EnvFilter::builder().parse(&text.value) {
        Ok(_) => Some(text.value),
        Err(_) => {
            let message = format!("`filter`: {} is no list of log levels", text.shown());
            let help = "write `error`, `warn`, `info`, `debug` or `trace`, and for single modules \
                        `module=level`, such as \"info,eyewitness::source=debug\"";
            section.reader.report(Problem::new(Code::WrongValue, message, help).at(text.span, ""));
            None
        }
    });
    LogSettings { filter, format }
}

fn outbox(section: &Section<'_>) -> outbox::Settings {
    let default = outbox::Settings::default();
    outbox::Settings {
        path: outbox_path(section).unwrap_or(default.path),
        max_size: section
            .size("max_size", 64 << 10, "at least \"64KiB\", room for some events")
            .map_or(default.max_size, |found| found.value),
        max_age: section.duration("max_age", MINUTE..=365 * DAY).map_or(default.max_age, |found| found.value),
    }
}

/// As the config says, `off` being no folder; otherwise where this user's programs keep what they know.
fn outbox_path(section: &Section<'_>) -> Option<PathBuf> {
    match section.filled_text("path") {
        Some(text) if text.value.trim() == "off" => Some("off".into()),
        Some(text) => Some(section.reader.path(&text.value)),
        None => state_folder_of(&|name| section.reader.variable(name)).map(|folder| folder.join("outbox")),
    }
}

/// systemd's place for a service comes first. Root has no folder of its own: the system's is root's.
fn state_folder_of(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let service = variable("STATE_DIRECTORY").and_then(|folders| folders.split(':').next().map(PathBuf::from));
    let home = || absolute("HOME").filter(|home| home != Path::new("/root") && home != Path::new("/"));
    service
        .filter(|folder| folder.is_absolute())
        .or_else(|| absolute("XDG_STATE_HOME").map(|folder| folder.join("eyewitness")))
        .or_else(|| home().map(|folder| folder.join(".local/state/eyewitness")))
}

fn explain(section: &Section<'_>) -> journal::Settings {
    let default = journal::Settings::default();
    journal::Settings {
        path: section.path("path").map(|found| found.value).or_else(|| state_folder(section)),
        max_size: section
            .size("max_size", 64 << 10, "at least \"64KiB\", room for some hours")
            .map_or(default.max_size, |found| found.value),
    }
}

/// Where a service keeps what it knows: systemd says it, perhaps several, separated by colons.
fn state_folder(section: &Section<'_>) -> Option<PathBuf> {
    let folders = section.reader.variable("STATE_DIRECTORY")?;
    let first = folders.split(':').next().filter(|folder| !folder.is_empty())?;
    Some(Path::new(first).join("decisions"))
}

fn http(section: &Section<'_>) -> HttpSettings {
    let ask = section.switch("ask");
    let asked = ask.as_ref().map(|found| found.value);
    let default = HttpSettings { ask: asked.unwrap_or(true), ..HttpSettings::default() };
    let Some(text) = section.text("listen") else { return default };
    if text.value == "off" {
        return HttpSettings { listen: None, ask: false };
    }
    let Ok(listen) = text.value.parse::<SocketAddr>() else {
        let message = format!("`listen`: {} is not an address with a port", text.shown());
        let help = "write \"127.0.0.1:8089\" for this machine only, \"0.0.0.0:8089\" for the whole network, \
                    \"off\" for no status page";
        section.reader.report(Problem::new(Code::WrongValue, message, help).at(text.span, ""));
        return default;
    };
    if listen.ip().to_canonical().is_loopback() {
        return HttpSettings { listen: Some(listen), ..default };
    }
    let words = "`listen` in `[http]` is not for this machine only: whoever reaches it can read, without a password, \
                 the cameras' names, whether they deliver, and all counters (no pictures, no words, no secrets).";
    section.reader.notice(Some(text.span), words);
    // Words about pictures are for nobody else unless it is said.
    let asks = asked.unwrap_or(false);
    if let Some(ask) = ask.filter(|_| asks) {
        let words = "`ask` in `[http]`: whoever reaches `listen` can ask, without a password, what the cameras see now. \
                     Let a firewall or a proxy with a password stand before it.";
        section.reader.notice(Some(ask.span), words);
    }
    HttpSettings { listen: Some(listen), ask: asks }
}

/// An id, or a problem that proposes the nearest one.
fn id<T>(section: &Section<'_>, name: &str, text: &Text, make: fn(&str) -> Result<T, IdError>) -> Option<T> {
    let error = match make(&text.value) {
        Ok(id) => return Some(id),
        Err(error) => error,
    };
    let slug = ids::slug(&text.value);
    let help = if slug.is_empty() || text.from_environment {
        format!("write, for example, `{name} = {}`", section.shape.key(name).example)
    } else {
        format!("write `{name} = \"{slug}\"`")
    };
    section.reader.report(Problem::new(Code::WrongValue, format!("`{name}`: {error}"), help).at(text.span.clone(), ""));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_lies_where_the_service_or_the_user_has_its_place() {
        let of = |pairs: &[(&str, &str)]| {
            state_folder_of(&|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
        };
        let all = [("STATE_DIRECTORY", "/var/lib/eyewitness:/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/home/ann")];
        assert_eq!(of(&all), Some("/var/lib/eyewitness".into()));
        assert_eq!(of(&all[1..]), Some("/x/eyewitness".into()));
        assert_eq!(of(&all[2..]), Some("/home/ann/.local/state/eyewitness".into()));
        assert_eq!((of(&[("HOME", "/root")]), of(&[])), (None, None));
    }
}
