//! `eyewitness watch`: what all boxes at a broker say, as readable lines.

use std::path::Path;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::args::{BrokerArgs, WatchArgs};
use super::exit::Exit;
use super::failure::Failure;
use super::lines::Line;
use super::run::report;
use super::say;
use crate::config::Config;
use crate::mqtt;
use crate::service::StopSignals;
use crate::telemetry;

/// Holds the password where no file does.
const PASSWORD: &str = "EYEWITNESS_PASSWORD";

pub(super) async fn watch(args: WatchArgs) -> Result<Exit, Failure> {
    telemetry::init("warn", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    let settings = settings(&args.url, &args.broker)?;
    say::talk(&format!("Listening at {}:{}; Ctrl-C ends it.", settings.host, settings.port));
    let mut signals = StopSignals::new().map_err(|error| Failure::running("signals", &error))?;
    let cancel = CancellationToken::new();
    let zone = TimeZone::system();
    let closed = cancel.clone();
    let print = move |topic: &str, payload: &[u8]| {
        // Whoever read our output is gone: end.
        if let Some(line) = line(topic, payload, args.json, &zone)
            && say::data(&line).is_err()
        {
            closed.cancel();
        }
    };
    let watching = mqtt::watch(settings, print, cancel.clone());
    tokio::pin!(watching);
    tokio::select! {
        () = &mut watching => {}
        _ = signals.next() => {
            cancel.cancel();
            watching.await;
        }
    }
    Ok(Exit::Done)
}

/// What is printed of a message.
fn line(topic: &str, payload: &[u8], json: bool, zone: &TimeZone) -> Option<String> {
    if json {
        return topic.ends_with("/event").then(|| String::from_utf8_lossy(payload).into_owned());
    }
    if topic.ends_with("/event") {
        return Line::of_message(payload).map(|line| line.show(zone));
    }
    Line::of_status(topic, payload)
}

/// The line of a message, for tests that send arbitrary ones.
#[doc(hidden)]
#[must_use]
pub fn watched(topic: &str, payload: &[u8]) -> Option<String> {
    line(topic, payload, false, &TimeZone::UTC)
}

/// The arguments go the way of a config, so that the same checks say the same words.
pub(super) fn settings(url: &str, args: &BrokerArgs) -> Result<mqtt::Settings, Failure> {
    let mut text = String::from("[mqtt]\n");
    let mut set = |key: &str, value: &str| {
        // A JSON string is a TOML string too.
        text.push_str(&format!("{key} = {}\n", serde_json::Value::from(value)));
    };
    let literal = |text: &str| text.replace("${", "$${");
    let path = |path: &Path| literal(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy());
    set("url", &literal(url));
    set("prefix", &literal(&args.prefix));
    if let Some(name) = &args.username {
        set("username", &literal(name));
        match &args.password_file {
            Some(file) => set("password_file", &path(file)),
            None if std::env::var_os(PASSWORD).is_some() => set("password", &format!("${{{PASSWORD}}}")),
            None => {}
        }
    }
    if let Some(file) = &args.ca_file {
        set("ca_file", &path(file));
    }
    // A config needs a camera; nothing opens it.
    text.push_str("\n[[camera]]\nid = \"none\"\nurl = \"test://\"\n");
    let loaded = Config::parse("the command line", &text, &|name| std::env::var(name).ok())
        .map_err(|error| Failure::report(Exit::Usage, report(&error)))?;
    Ok(loaded.config.mqtt.expect("the text has an [mqtt] table"))
}
