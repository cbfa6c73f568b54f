//! `[mqtt]`: the broker's address and how to prove who is who.

use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::password;
use crate::config::environment;
use crate::config::file;
use crate::config::problem::{Code, Problem};
use crate::config::raw::{Section, Text};
use crate::ids::NodeId;
use crate::mqtt::{ClientCertificate, Fallback, HomeAssistant, Settings, SnapshotSettings, Tls};

const PREFIX: &str = "eyewitness";
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// While the second broker serves, the first is tried so often.
const RETURN_AFTER: Duration = Duration::from_secs(180);

/// The shortest that the MQTT client takes, and the most whole hours that the protocol can say.
const KEEP_ALIVE_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(18 * 3600);

struct Broker {
    host: String,
    port: u16,
    tls: bool,
}

/// `None` without the table, or if the address is wrong.
pub(super) fn read(section: &Section<'_>, node: &NodeId) -> Option<Settings> {
    if !section.is_present() {
        section.reader.notice(None, "there is no `[mqtt]` table: events are logged, but reach nobody else.");
        return None;
    }
    section.require();
    let broker = section.url("url").and_then(|text| self::broker(section, "url", &text));
    let second = section.url("fallback_url").and_then(|text| self::broker(section, "fallback_url", &text));
    let tls = tls(section);
    let credentials = password::read(section);
    let prefix = topics(section, "prefix");
    let keep_alive = section.duration("keep_alive", KEEP_ALIVE_RANGE);
    let home_assistant = home_assistant(section);
    let snapshots = snapshots(section);
    let response_prefix = topics(section, "response_prefix");
    let prefix = prefix.unwrap_or_else(|| PREFIX.to_owned());
    if let Some(answers) = &response_prefix {
        refuse_answers_among(section, answers, &[&prefix, &home_assistant.prefix]);
    }
    let broker = broker?;
    if !broker.tls && !second.as_ref().is_some_and(|second| second.tls) {
        refuse_tls_keys(section);
    }
    let fallback = second.map(|second| Fallback {
        host: second.host,
        port: second.port,
        tls: second.tls.then(|| tls.clone()),
        return_after: RETURN_AFTER,
    });
    Some(Settings {
        node: node.clone(),
        host: broker.host,
        port: broker.port,
        tls: broker.tls.then_some(tls),
        username: credentials.username,
        password: credentials.password,
        prefix,
        keep_alive: keep_alive.map_or(KEEP_ALIVE, |found| found.value),
        fallback,
        home_assistant,
        snapshots,
        response_prefix,
    })
}

fn broker(section: &Section<'_>, key: &str, text: &Text) -> Option<Broker> {
    match address(key, text) {
        Ok(broker) => Some(broker),
        Err((message, help)) => {
            section.reader.report(Problem::new(Code::WrongValue, message, help).at(text.span.clone(), ""));
            None
        }
    }
}

/// The address taken apart, or what is wrong with it and what to write.
fn address(key: &str, text: &Text) -> Result<Broker, (String, String)> {
    let refuse = |message: String, help: String| Err((message, help));
    if environment::user_info(&text.value).is_some() || text.value.contains('@') {
        let help =
            "write the address without them, and `username` and `password_file` (or `password`) on lines of their own";
        return refuse(format!("`{key}` of the broker must not hold a user name or password"), help.to_owned());
    }
    let (tls, default_port) = scheme(key, text)?;
    let url = Url::parse(&text.value).map_err(|error| {
        let help = format!("write host and port, as in `{key} = \"mqtt://broker.lan:1883\"`");
        (format!("`{key}` of the broker is no address: {error}"), help)
    })?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        let help = format!(
            "end the address after host and port: `{key} = \"mqtt://broker.lan:1883\"`; topics begin with `prefix`"
        );
        return refuse(format!("`{key}` of the broker has something behind the host"), help);
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => {
            let help = format!("write `{key} = \"mqtt://HOST\"`, with the broker's name or IP address");
            return refuse(format!("`{key}` names no broker"), help);
        }
    };
    Ok(Broker { host, port: url.port().unwrap_or(default_port), tls })
}

/// Whether the address wants TLS, and the port that goes with it.
fn scheme(key: &str, text: &Text) -> Result<(bool, u16), (String, String)> {
    let scheme = text.value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("mqtt") => Ok((false, 1883)),
        Some("mqtts") => Ok((true, 8883)),
        _ => {
            let typed = text.value.split("://").last().unwrap_or_default();
            let host = if typed.is_empty() || text.from_environment { "broker.lan" } else { typed };
            let help = format!("write `{key} = \"mqtt://{host}\"`, or `mqtts://` for TLS");
            Err((format!("`{key}` of the broker must begin with `mqtt://` or `mqtts://`"), help))
        }
    }
}

fn tls(section: &Section<'_>) -> Tls {
    let [ca_file, cert_file, key_file] =
        ["ca_file", "client_cert_file", "client_key_file"].map(|name| readable_file(section, name));
    for (one, other) in [("client_cert_file", "client_key_file"), ("client_key_file", "client_cert_file")] {
        if let (Some(span), false) = (section.span(one), section.has(other)) {
            let help = format!("write `{other} = {}` too, or leave out both", section.shape.key(other).example);
            let problem = Problem::new(Code::Missing, format!("`{one}` needs `{other}`"), help);
            section.reader.report(problem.at(span, ""));
        }
    }
    let verify = section.switch("verify").is_none_or(|found| found.value);
    if !verify {
        let text = "the broker's certificate is NOT verified: whoever stands between can read and change everything, \
                    the password included; `ca_file` is the way to trust a broker of your own.";
        section.reader.notice(section.span("verify"), text);
    }
    let client = cert_file.zip(key_file).map(|(cert_file, key_file)| ClientCertificate { cert_file, key_file });
    Tls { ca_file, client, verify }
}

fn readable_file(section: &Section<'_>, name: &str) -> Option<PathBuf> {
    let path = section.path(name)?;
    match file::readable(&path.value) {
        Ok(()) => Some(path.value),
        Err(why) => {
            let message = format!("`{name}`: `{}` cannot be used: {why}", path.value.display());
            let help = "name a PEM file that the user that runs Eyewitness may read";
            section.reader.report(Problem::new(Code::File, message, help).at(path.span, ""));
            None
        }
    }
}

fn refuse_tls_keys(section: &Section<'_>) {
    for name in ["ca_file", "client_cert_file", "client_key_file", "verify"] {
        if let Some(span) = section.span(name) {
            let help = "write `mqtts://` in `url` for TLS, or remove this line";
            let problem = Problem::new(
                Code::Conflict,
                format!("`{name}` does nothing with `mqtt://`, which is not encrypted"),
                help,
            );
            section.reader.report(problem.at(span, ""));
        }
    }
}

/// First levels of topics that are published.
fn topics(section: &Section<'_>, key: &str) -> Option<String> {
    let text = section.text(key)?;
    let why = match text.value.as_str() {
        "" => "is empty",
        p if p.contains(['+', '#']) => "holds `+` or `#`, which are wildcards",
        p if p.starts_with('$') => "begins with `$`, which belongs to the broker",
        p if p.starts_with('/') || p.ends_with('/') || p.contains("//") => "has an empty level",
        p if p.chars().any(char::is_control) => "holds a control character",
        p if p.len() > 200 => "is longer than 200 bytes",
        _ => return Some(text.value),
    };
    let example = section.shape.key(key).example;
    let help =
        format!("write one or more names with `/` between them: `{key} = {example}` or `{key} = \"house/eyes\"`");
    let problem = Problem::new(Code::WrongValue, format!("`{key}` {why}: topics cannot begin with it"), help);
    section.reader.report(problem.at(text.span, ""));
    None
}

/// Whoever asks chooses the topic below it: it must not be one on which something else is said.
fn refuse_answers_among(section: &Section<'_>, answers: &str, taken: &[&str]) {
    let within = |topic: &str, prefix: &str| {
        topic.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let Some(other) = taken.iter().find(|other| within(answers, other) || within(other, answers)) else { return };
    let message = format!("`response_prefix`: answers below `{answers}` could land among the topics of `{other}`");
    let help = "write a topic of its own, such as `response_prefix = \"house/answers\"`; answers below the camera's own \
                topic `answer` are always allowed";
    let problem = Problem::new(Code::Conflict, message, help);
    section.reader.report(match section.span("response_prefix") {
        Some(span) => problem.at(span, ""),
        None => problem,
    });
}

fn home_assistant(section: &Section<'_>) -> HomeAssistant {
    let default = HomeAssistant::default();
    HomeAssistant {
        announce: section.switch("home_assistant").map_or(default.announce, |found| found.value),
        prefix: topics(section, "home_assistant_prefix").unwrap_or(default.prefix),
    }
}

fn snapshots(section: &Section<'_>) -> Option<SnapshotSettings> {
    let on = section.choice("snapshots", &[("off", false), ("event", true)]).is_some_and(|found| found.value);
    let default = SnapshotSettings::default();
    let width = section.whole("snapshot_width", 64..=3840).and_then(|found| u32::try_from(found.value).ok());
    let quality = section.whole("snapshot_quality", 1..=100).and_then(|found| u8::try_from(found.value).ok());
    if !on {
        for name in ["snapshot_width", "snapshot_quality"] {
            if let Some(span) = section.span(name) {
                let words = format!("`{name}` in `[mqtt]` does nothing without `snapshots = \"event\"`.");
                section.reader.notice(Some(span), words);
            }
        }
    }
    on.then_some(SnapshotSettings {
        width: width.unwrap_or(default.width),
        quality: quality.unwrap_or(default.quality),
    })
}
