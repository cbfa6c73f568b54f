//! Where a camera's frames come from: its `url`, its credentials, and the keys that only some kinds of address have.

use secrecy::{ExposeSecret, SecretString};

use super::password::{self, Credentials};
use crate::config::environment;
use crate::config::problem::{Code, Problem};
use crate::config::raw::{Section, Text};
use crate::source::{Location, Pace, Transport};

/// `None` if the address is absent or wrong.
pub(super) fn read(section: &Section<'_>) -> Option<Location> {
    let transport = section.choice("transport", &[("tcp", Transport::Tcp), ("udp", Transport::Udp)]);
    let pace = section.choice("pace", &[("real-time", Pace::RealTime), ("fast", Pace::Fast)]);
    let repeat = section.switch("loop");
    let credentials = password::read(section);
    let text = section.url("url")?;
    notice_password(section);
    let mut location = parse(section, &text, &credentials)?;
    refuse_keys(section, &location);
    match &mut location {
        Location::Rtsp { transport: chosen, .. } => *chosen = transport.map_or(Transport::Tcp, |found| found.value),
        Location::File { path, pace: chosen, repeat: again } => {
            *path = section.reader.path(&*path);
            *chosen = pace.map_or(Pace::RealTime, |found| found.value);
            *again = repeat.is_some_and(|found| found.value);
        }
        _ => {}
    }
    Some(location)
}

fn parse(section: &Section<'_>, text: &Text, credentials: &Credentials) -> Option<Location> {
    let given = environment::user_info(&text.value).filter(|user| !user.is_empty());
    if let (Some(_), Some(span)) = (given.as_ref(), section.span("username")) {
        let message = "the user name stands both in `url` and in `username`";
        let problem = Problem::new(Code::Conflict, message, "remove what stands before the `@` in `url`");
        section.reader.report(problem.at(span, "the second"));
        return None;
    }
    match Location::parse(signed_in(&text.value, credentials).expose_secret()) {
        Ok(location) => Some(location),
        Err(error) => {
            let message = if text.from_environment { without_values(section) } else { error.to_string() };
            let password = given.and_then(|user| text.value[user].split_once(':').map(|(_, password)| password));
            section.reader.report(complaint(&message, password).at(text.span.clone(), ""));
            None
        }
    }
}

/// What is wrong with an address that took values from the environment, judged without them: they may be secret.
fn without_values(section: &Section<'_>) -> String {
    let stand_in = |_: &str| Some("value".to_owned());
    let error = environment::expand_url(typed(section), &stand_in).ok().and_then(|e| Location::parse(&e.text).err());
    error.map_or_else(|| "with what `${...}` stands for, this is no address".to_owned(), |error| error.to_string())
}

/// The error's words: behind a line end, or `: write`, they tell what to write instead.
fn complaint(message: &str, password: Option<&str>) -> Problem {
    const GENERAL: &str = "write, for example, \"rtsp://HOST/PATH\", \"http://HOST/PATH\", \"file:///clip.mp4\", \
                           \"v4l2:///dev/video0\", \"csi://0\" or \"test://\"";
    if password.is_some_and(|password| !password.is_empty() && message.contains(password)) {
        return Problem::new(Code::WrongValue, "`url`: this is not the address of a camera", GENERAL);
    }
    let instead = |(what, instead)| (what, format!("write {instead}"));
    let (what, help) = message
        .split_once('\n')
        .map(|(what, help)| (what, help.to_owned()))
        .or_else(|| message.split_once(": write ").map(instead))
        .unwrap_or((message, GENERAL.to_owned()));
    Problem::new(Code::WrongValue, format!("`url`: {what}"), help)
}

/// The `url` as it stands in the file.
fn typed<'a>(section: &Section<'a>) -> &'a str {
    section.value("url").and_then(|value| value.get_ref().as_str()).unwrap_or_default()
}

/// The address with the user name and password in it, escaped.
fn signed_in(url: &str, credentials: &Credentials) -> SecretString {
    let signed = credentials.username.as_ref().and_then(|username| {
        let (scheme, rest) = url.split_once("://")?;
        // Others take no credentials, which is reported on its own.
        if !["rtsp", "rtsps", "http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return None;
        }
        let username = environment::escape(username, false);
        let password =
            credentials.password.as_ref().map(|password| environment::escape(password.expose_secret(), false));
        let password = password.map_or_else(String::new, |password| format!(":{password}"));
        Some(format!("{scheme}://{username}{password}@{}", rest.trim_start_matches('@')))
    });
    SecretString::from(signed.unwrap_or_else(|| url.to_owned()))
}

/// A password in the address that does not come from the environment can be read by everybody.
fn notice_password(section: &Section<'_>) {
    let typed = typed(section);
    let password = environment::user_info(typed).and_then(|user| typed[user].split_once(':').map(|(_, p)| p));
    if password.is_some_and(|password| !password.is_empty() && !password.contains("${")) {
        password::notice_clear_text(section, "url");
    }
}

fn refuse_keys(section: &Section<'_>, location: &Location) {
    let is_rtsp = matches!(location, Location::Rtsp { .. });
    let is_network = is_rtsp || matches!(location, Location::Http { .. });
    let is_file = matches!(location, Location::File { .. });
    let rules = [
        ("transport", is_rtsp, "an rtsp camera"),
        ("username", is_network, "an rtsp or http camera"),
        ("password", is_network, "an rtsp or http camera"),
        ("password_file", is_network, "an rtsp or http camera"),
        ("loop", is_file, "a file"),
        ("pace", is_file, "a file"),
    ];
    for (name, fits, whose) in rules {
        if let (false, Some(span)) = (fits, section.span(name)) {
            let message = format!("`{name}` is for {whose}, but `url` is something else");
            section.reader.report(Problem::new(Code::Conflict, message, "remove this line").at(span, ""));
        }
    }
}
