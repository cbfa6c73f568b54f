//! What a camera's address may look like. Pure: nothing is opened here.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Where frames come from. The addresses of network cameras may hold credentials, so they are secret:
/// [`Location::shown`] is what logs and errors may say.
#[derive(Debug, Clone)]
pub enum Location {
    Rtsp { url: SecretString, transport: Transport },
    Http { url: SecretString },
    File { path: PathBuf, pace: Pace, repeat: bool },
    V4l2 { device: PathBuf },
    Csi { sensor: u32 },
    Test { pattern: String },
}

/// Two addresses are the same with the same credentials only.
impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
        match (self, other) {
            (Self::Rtsp { url: a, transport: s }, Self::Rtsp { url: b, transport: t }) => same(a, b) && s == t,
            (Self::Http { url: a }, Self::Http { url: b }) => same(a, b),
            (Self::File { path: a, pace: s, repeat: q }, Self::File { path: b, pace: t, repeat: r }) => {
                a == b && s == t && q == r
            }
            (Self::V4l2 { device: a }, Self::V4l2 { device: b }) => a == b,
            (Self::Csi { sensor: a }, Self::Csi { sensor: b }) => a == b,
            (Self::Test { pattern: a }, Self::Test { pattern: b }) => a == b,
            _ => false,
        }
    }
}

/// How RTP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    #[default]
    Tcp,
    Udp,
}

/// How fast a file plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As a camera would deliver it; frame times are the clock's.
    #[default]
    RealTime,
    /// As fast as the consumer takes frames; none is dropped, and frame times are the clip's own, counted from the start.
    Fast,
}

/// Why a text is no camera address. Never repeats what may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    #[error("the address is empty: write one such as \"rtsp://10.0.0.20/stream1\"")]
    Empty,
    #[error("`{scheme}://` is no kind of camera address{}\nknown are rtsp, rtsps, http, https, file, v4l2, csi and test", hint(.near))]
    Scheme { scheme: String, near: Option<&'static str> },
    #[error("the address does not say what kind it is: write `rtsp://` or `http://` in front of it")]
    NoScheme,
    #[error("`{scheme}:` must be followed by two slashes: write `{scheme}://…`")]
    Slashes { scheme: &'static str },
    #[error("the address names no host: write it as `{scheme}://HOST/path`")]
    Host { scheme: &'static str },
    #[error(
        "the user name or password holds a character that an address cannot: write `@` as `%40`, `/` as `%2F`, `#` as `%23`, `?` as `%3F`, `:` as `%3A`, `%` as `%25` and a space as `%20`"
    )]
    Credentials,
    #[error("the address holds a space or a control character: write a space as `%20`")]
    Space,
    #[error("the address cannot be read: {0}")]
    Url(url::ParseError),
    #[error("a file address is `file:///an/absolute/path`, `file:a/relative/path` or only the path")]
    File,
    #[error("the path holds bytes that are no text (check its `%` signs)")]
    Encoding,
    #[error("a device address is `v4l2:///dev/video0`")]
    Device,
    #[error("a sensor address is `csi://` and a small number, such as `csi://0`")]
    Sensor,
    #[error("`{pattern}` is no test pattern{}\nknown are {}", hint_word(.near), PATTERNS.join(", "))]
    Pattern { pattern: String, near: Option<&'static str> },
}

fn hint(near: &Option<&'static str>) -> String {
    near.map(|n| format!(": did you mean `{n}://`?")).unwrap_or_default()
}

fn hint_word(near: &Option<&'static str>) -> String {
    near.map(|n| format!(": did you mean `{n}`?")).unwrap_or_default()
}

const SCHEMES: [&str; 8] = ["rtsp", "rtsps", "http", "https", "file", "v4l2", "csi", "test"];

/// Of GStreamer's `videotestsrc`, what is of use here.
const PATTERNS: [&str; 12] =
    ["smpte", "snow", "black", "white", "red", "green", "blue", "checkers-8", "circular", "ball", "gradient", "colors"];

impl Location {
    /// Reads an address: `rtsp://`, `rtsps://`, `http://`, `https://`, `file:///abs/path`, `file:rel/path`, a bare path,
    /// `v4l2:///dev/video0`, `csi://0`, `test://` or `test://ball`. RTP travels over TCP and a file plays as a camera
    /// would, over and over, until the fields say otherwise.
    ///
    /// # Errors
    /// [`LocationError`], in words for whoever wrote the address.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LocationError::Empty);
        }
        let Some((scheme, rest)) = text.split_once(':') else { return Ok(file(PathBuf::from(text))) };
        let lower = scheme.to_ascii_lowercase();
        let known = SCHEMES.into_iter().find(|s| *s == lower);
        match (known, rest.strip_prefix("//")) {
            (Some("file"), slashes) => parse_file(rest, slashes),
            (Some(scheme), None) => Err(LocationError::Slashes { scheme }),
            (Some("v4l2"), Some(path)) => parse_device(path),
            (Some("csi"), Some(sensor)) => {
                let sensor = sensor.trim_end_matches('/').parse::<u8>().map_err(|_| LocationError::Sensor)?;
                Ok(Self::Csi { sensor: sensor.into() })
            }
            (Some("test"), Some(pattern)) => parse_pattern(pattern.trim_end_matches('/')),
            (Some(scheme), Some(_)) => parse_network(scheme, text),
            (None, Some(_)) => Err(LocationError::Scheme { near: nearest(&lower, &SCHEMES), scheme: lower }),
            (None, None) if looks_remote(rest) => Err(LocationError::NoScheme),
            // A colon in a file name is only odd.
            (None, None) => Ok(file(PathBuf::from(text))),
        }
    }

    /// The address as logs and people may see it: without user name, password and the values of a query.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Rtsp { url, .. } | Self::Http { url } => shown_url(url.expose_secret()),
            Self::File { path, .. } => path.display().to_string(),
            Self::V4l2 { device } => format!("v4l2://{}", device.display()),
            Self::Csi { sensor } => format!("csi://{sensor}"),
            Self::Test { pattern } => format!("test://{pattern}"),
        }
    }
}

/// A network address taken apart, for sources that take the credentials on their own: so no message of theirs that
/// names the address names the password.
pub(super) struct Address {
    /// Without user information. May still hold secrets in its query.
    pub(super) bare: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// `None` for what [`Location::parse`] would not have let through.
    pub(super) fn split(url: &SecretString) -> Option<Self> {
        let text = url.expose_secret();
        let url = Url::parse(text).ok()?;
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let decode = |s: &str| percent_decode_str(s).decode_utf8_lossy().into_owned();
        let default = match url.scheme() {
            "rtsp" => 554,
            "rtsps" => 322,
            "https" => 443,
            _ => 80,
        };
        Some(Self {
            bare: format!("{scheme}://{host_port}{path}"),
            user: (!url.username().is_empty()).then(|| decode(url.username())),
            password: url.password().map(decode),
            host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(default),
        })
    }
}

fn file(path: PathBuf) -> Location {
    Location::File { path, pace: Pace::RealTime, repeat: true }
}

/// Whether the text behind a first `:` goes on like `password@host` or `554/path`: no file name, and not to be shown as one.
fn looks_remote(rest: &str) -> bool {
    let port = rest.split('/').next().unwrap_or("");
    rest.contains('@') || (!port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn parse_file(rest: &str, slashes: Option<&str>) -> Result<Location, LocationError> {
    let path = match slashes {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(LocationError::File),
        None => rest,
    };
    if path.is_empty() {
        return Err(LocationError::File);
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| LocationError::Encoding)?;
    Ok(file(PathBuf::from(path.as_ref())))
}

fn parse_device(path: &str) -> Result<Location, LocationError> {
    if path.starts_with("/dev/") && path.len() > "/dev/".len() {
        Ok(Location::V4l2 { device: PathBuf::from(path) })
    } else {
        Err(LocationError::Device)
    }
}

fn parse_pattern(pattern: &str) -> Result<Location, LocationError> {
    let pattern = if pattern.is_empty() { PATTERNS[0] } else { pattern };
    if PATTERNS.contains(&pattern) {
        Ok(Location::Test { pattern: pattern.to_owned() })
    } else {
        Err(LocationError::Pattern { near: nearest(pattern, &PATTERNS), pattern: pattern.to_owned() })
    }
}

fn parse_network(scheme: &'static str, text: &str) -> Result<Location, LocationError> {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // Only a password that broke the address leaves a `:` with no port behind it and an `@` further on.
    let broken = rest[authority.len()..].contains('@') && !ends_in_port(authority) && !authority.contains('@');
    if broken || authority.matches('@').count() > 1 {
        return Err(LocationError::Credentials);
    }
    let user_info = authority.rsplit_once('@').map_or("", |(user, _)| user);
    if user_info.chars().any(char::is_whitespace) || user_info.matches(':').count() > 1 {
        return Err(LocationError::Credentials);
    }
    if !valid_percent(user_info) {
        return Err(LocationError::Credentials);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(LocationError::Space);
    }
    // `http:///path` would otherwise be read as the host `path`.
    if authority.rsplit_once('@').map_or(authority, |(_, host)| host).split(':').next().is_none_or(str::is_empty) {
        return Err(LocationError::Host { scheme });
    }
    Url::parse(text).map_err(|e| match e {
        url::ParseError::EmptyHost => LocationError::Host { scheme },
        other => LocationError::Url(other),
    })?;
    let url = SecretString::from(text);
    match scheme {
        "rtsp" | "rtsps" => Ok(Location::Rtsp { url, transport: Transport::Tcp }),
        _ => Ok(Location::Http { url }),
    }
}

/// Whether `host`, `host:554` or `[::1]:554`: a host without a user in front.
fn ends_in_port(authority: &str) -> bool {
    let after_v6 = authority.rsplit(']').next().unwrap_or("");
    after_v6.split_once(':').is_none_or(|(_, port)| port.chars().all(|c| c.is_ascii_digit()))
}

fn valid_percent(text: &str) -> bool {
    text.split('%').skip(1).all(|part| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let (distance, best) = known.iter().map(|k| (strsim::damerau_levenshtein(word, k), *k)).min()?;
    (distance <= 2 && distance < word.len()).then_some(best)
}

fn shown_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return "…".to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split('#').next().unwrap_or("");
    let Some((path, query)) = path.split_once('?') else { return format!("{scheme}://{host}{path}") };
    let keys: Vec<String> = query
        .split('&')
        .map(|pair| pair.split_once('=').map_or_else(|| "…".to_owned(), |(key, _)| format!("{key}=…")))
        .collect();
    format!("{scheme}://{host}{path}?{}", keys.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Location::parse(text).unwrap().shown()
    }

    fn wrong(text: &str) -> String {
        Location::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_of_address_is_read() {
        assert!(matches!(
            Location::parse("rtsp://10.0.0.20/stream1"),
            Ok(Location::Rtsp { transport: Transport::Tcp, .. })
        ));
        assert!(matches!(Location::parse("RTSPS://cam.lan:322/a?b=c"), Ok(Location::Rtsp { .. })));
        assert!(matches!(Location::parse("https://cam.lan/live.m3u8"), Ok(Location::Http { .. })));
        assert!(matches!(Location::parse("rtsp://[fe80::1]:554/a"), Ok(Location::Rtsp { .. })));
        for (text, expected) in [
            ("file:///x/a%20b.mp4", "/x/a b.mp4"),
            ("file:rel/y.mp4", "rel/y.mp4"),
            ("clip.mp4", "clip.mp4"),
            ("/x/y.mp4", "/x/y.mp4"),
            ("odd:name.mp4", "odd:name.mp4"),
            ("v4l2:///dev/video0", "v4l2:///dev/video0"),
            ("csi://1", "csi://1"),
            ("test://", "test://smpte"),
            ("test://ball", "test://ball"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn what_is_shown_and_debugged_holds_no_secret() {
        let text = "rtsp://viewer:s3cret@cam.lan:8554/live?token=s3cret&x";
        let location = Location::parse(text).unwrap();
        assert_eq!(location.shown(), "rtsp://cam.lan:8554/live?token=…&…");
        assert!(!format!("{location:?}").contains("s3cret"));
    }

    #[test]
    fn a_mistyped_scheme_gets_a_hint() {
        assert!(wrong("rtps://cam/1").contains("did you mean `rtsp://`"));
        assert!(wrong("htp://cam/1").contains("did you mean `http://`"));
        assert!(!wrong("gopher://cam/1").contains("did you mean"));
        assert!(wrong("rtsp:/cam/1").contains("two slashes"));
        assert!(wrong("test://bal").contains("did you mean `ball`"));
    }

    #[test]
    fn broken_addresses_are_explained_without_their_secret() {
        for text in [
            "rtsp://viewer:s3/cret@cam/1",
            "rtsp://viewer:s3#cret@cam/1",
            "rtsp://viewer:s3?cret@cam/1",
            "rtsp://viewer:s3@cret@cam/1",
            "rtsp://viewer:s3 cret@cam/1",
            "rtsp://viewer:s3:cret@cam/1",
            "rtsp://viewer:s3%cret@cam/1",
        ] {
            let words = wrong(text);
            assert!(words.contains("%40") && !words.contains("s3"), "{text}: {words}");
        }
        assert!(wrong("rtsp://cam/a b").contains("%20"));
        for text in ["rtsp://", "rtsp:///live", "http:///live", "rtsp://user:pw@/live", "http://:80/"] {
            assert!(wrong(text).contains("names no host"), "{text}: {}", wrong(text));
        }
        assert!(wrong("rtsp://cam:99999/1").contains("cannot be read"));
        assert!(wrong("  ").contains("empty"));
        assert!(wrong("file://rel/a.mp4").contains("file:///"));
        assert!(wrong("v4l2://video0").contains("/dev/video0"));
        for text in ["viewer:s3cret@cam/1", "cam.lan:554/1"] {
            assert!(wrong(text).contains("in front of it"), "{text}");
        }
        assert!(wrong("csi://left").contains("csi://0"));
    }

    #[test]
    fn an_at_sign_in_the_path_is_no_password() {
        assert_eq!(shown("http://cam.lan:80/a@b"), "http://cam.lan:80/a@b");
    }

    #[test]
    fn credentials_are_split_off_and_decoded() {
        let address = Address::split(&SecretString::from("rtsp://us%40er:p%2Fw@[::1]/a?b=%20c")).unwrap();
        assert_eq!(address.bare, "rtsp://[::1]/a?b=%20c");
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("us@er"), Some("p/w")));
        assert_eq!((address.host.as_str(), address.port), ("::1", 554));
    }
}
