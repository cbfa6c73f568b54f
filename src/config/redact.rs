//! Takes the secrets out of a config's text before it is shown. It works on the letters, not on the parsed file: a
//! file that does not parse is shown too. In doubt it hides more.

use std::borrow::Cow;

/// The same text, byte for byte as long, with `*` for credentials: what stands behind a key such as `password` and
/// before the `@` of an address. `${NAME}` stays, since it is no secret.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hidden_until: Option<Closer> = None;
    for line in text.split_inclusive('\n') {
        if let Some(closer) = hidden_until {
            if closer.ends_in(line) {
                hidden_until = None;
            }
            hide(line, &mut out);
            continue;
        }
        // The address first: what its user information holds is not to be taken for a key.
        let line = hide_user_info(line);
        let start = hidden_from(&line);
        let (shown, secret) = line.split_at(start.unwrap_or(line.len()));
        out.push_str(shown);
        hide(secret, &mut out);
        hidden_until = start.and_then(|_| Closer::after(secret));
    }
    harmless(&out)
}

/// Question marks for control characters, which could confuse a terminal.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\r' | '\t') {
            out.extend(std::iter::repeat_n('?', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

/// What must come before text is shown again, where a secret's value goes on after its line.
#[derive(Clone, Copy)]
enum Closer {
    Any(&'static str),
    /// The value has not begun yet: hide whatever the next line with letters in it holds.
    Value,
}

impl Closer {
    fn after(secret: &str) -> Option<Self> {
        let value = secret.trim_start_matches([' ', '\t', '=', ':', '"', '\'']).trim();
        let opened = |closer: &'static str, opener: &str| {
            let start = secret.find(opener)? + opener.len();
            (!secret[start..].contains(closer)).then_some(Self::Any(closer))
        };
        opened("\"\"\"", "\"\"\"")
            .or_else(|| opened("'''", "'''"))
            .or_else(|| opened("]", "["))
            .or_else(|| opened("}", "{"))
            .or_else(|| (value.is_empty() && !secret.contains(['"', '\''])).then_some(Self::Value))
    }

    fn ends_in(self, line: &str) -> bool {
        match self {
            Self::Any(closer) => line.contains(closer),
            Self::Value => !line.trim().is_empty(),
        }
    }
}

/// Where the first value of a secret key may begin in this line.
fn hidden_from(line: &str) -> Option<usize> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut from = 0;
    while let Some(start) = line[from..].find(is_name).map(|at| from + at) {
        let end = line[start..].find(|c| !is_name(c)).map_or(line.len(), |at| start + at);
        // `${DOOR_PASSWORD}` is a name of a secret, not the secret.
        let placeholder = line[..start].ends_with("${");
        if !placeholder && names_a_secret(&line[start..end]) {
            return Some(end);
        }
        from = end;
    }
    None
}

fn names_a_secret(word: &str) -> bool {
    let word = word.to_lowercase();
    let hit = word.contains("pass") || word.contains("pwd") || word.contains("secret") || word.contains("credential");
    (hit || word == "pw" || word == "auth" || word.ends_with("token") || word.ends_with("api_key") || word == "apikey")
        && !word.ends_with("_file")
        && word != "credentials"
}

/// Hides what stands between `://`, or the first quotes, and the last `@`.
fn hide_user_info(line: &str) -> Cow<'_, str> {
    let Some(end) = line.rfind('@') else { return Cow::Borrowed(line) };
    let before = &line[..end];
    let scheme = before.find("://").map(|at| at + 3);
    let start = scheme.or_else(|| before.find(['"', '\'']).map(|at| at + 1));
    let start = start.or_else(|| before.find(['=', ':']).map(|at| at + 1)).unwrap_or(0);
    let mut out = line[..start].to_owned();
    hide(&line[start..end], &mut out);
    out.push_str(&line[end..]);
    Cow::Owned(out)
}

/// Stars for all letters but quotes, the sign before the value, line ends, and `${NAME}`.
fn hide(secret: &str, out: &mut String) {
    let lead = secret.len() - secret.trim_start_matches([' ', '\t', '=', ':']).len();
    out.push_str(&secret[..lead]);
    let mut rest = &secret[lead..];
    let mut previous = ' ';
    while let Some(c) = rest.chars().next() {
        let kept = if previous == '$' { None } else { placeholder(rest) };
        let taken = kept.map_or(c.len_utf8(), str::len);
        match (kept, c) {
            (Some(name), _) => out.push_str(name),
            (None, '"' | '\'' | '\n' | '\r') => out.push(c),
            (None, _) => out.extend(std::iter::repeat_n('*', taken)),
        }
        previous = c;
        rest = &rest[taken..];
    }
}

/// `${NAME}` at the start of the text.
fn placeholder(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?;
    let end = name.find('}')?;
    let valid = end > 0 && name[..end].chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then(|| &text[..end + 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_stars_of_the_same_length() {
        for (text, shown) in [
            ("password = \"hunter2\"", "password = \"*******\""),
            ("  mqtt.password='hunter2' # old: swordfish", "  mqtt.password='*******'***************** "),
            ("m = { url = \"x\", password = \"hunter2\" }", "m = { url = \"x\", password = \"*******\"**"),
            ("password = 12345", "password = *****"),
            ("passwort: hünter", "passwort: *******"),
            ("url = \"rtsp://me:hun@ter2@host/x\"", "url = \"rtsp://***********@host/x\""),
            ("url = \"rtsp://me:hun ter\"2@host/x\"", "url = \"rtsp://**********\"*@host/x\""),
            ("url = \"me:hunter2@host\"", "url = \"**********@host\""),
            ("url = \"rtsp://me:pass@host/x\"", "url = \"rtsp://*******@host/x\""),
            ("url = \"http://host/x?user=me&pwd=hunter2\"", "url = \"http://host/x?user=me&pwd=*******\""),
            ("url = \"rtsp://viewer:${FRONT_DOOR}@host/x\"", "url = \"rtsp://*******${FRONT_DOOR}@host/x\""),
            ("password = \"${MQTT_PASSWORD}\"", "password = \"${MQTT_PASSWORD}\""),
            ("password = \"$${MQTT}\"", "password = \"********\""),
            ("password_file = \"/run/x\"", "password_file = \"/run/x\""),
            ("max_tokens = 48", "max_tokens = 48"),
            ("id = \"\u{1b}[31m\u{9b}\"", "id = \"?[31m??\""),
        ] {
            assert_eq!(redact(text), shown.trim_end(), "{text}");
        }
    }

    #[test]
    fn a_secret_that_goes_on_stays_hidden() {
        for text in [
            "password = \"\"\"\nhunter2\n\"\"\"\nid = 1",
            "password = \nhunter2\nid = 1",
            "password =\n\n\"hunter2\"\nid = 1",
            "password = [\n  \"hunter2\",\n]\nid = 1",
            "password = '''hun\nhunter2'''\nid = 1",
        ] {
            let shown = redact(text);
            assert!(!shown.contains("hunter2") && shown.ends_with("id = 1"), "{shown}");
            assert_eq!(shown.len(), text.len());
        }
    }
}
