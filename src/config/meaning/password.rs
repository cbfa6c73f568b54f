//! A user name and a password, wherever the password comes from.

use secrecy::SecretString;

use crate::config::file;
use crate::config::problem::{Code, Problem};
use crate::config::raw::{Section, Text};

/// Bytes of a user name or password. Tokens that are used as passwords have some kilobytes; MQTT counts in 16 bits.
const LONGEST: usize = 16 << 10;

/// Who we are to a broker or a camera.
pub(super) struct Credentials {
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
}

/// Reads `username`, `password` and `password_file`.
pub(super) fn read(section: &Section<'_>) -> Credentials {
    let username = short(section, "username").map(|text| text.value);
    let typed = typed(section);
    let filed = filed(section);
    let given = ["password", "password_file"].into_iter().find_map(|name| Some((name, section.span(name)?)));
    if let (Some((name, span)), false) = (given, section.has("username")) {
        let help = "write `username = \"...\"` too";
        section.reader.report(Problem::new(Code::Missing, format!("`{name}` needs a `username`"), help).at(span, ""));
    }
    if let (true, Some(span)) = (section.has("password"), section.span("password_file")) {
        let message = "`password` and `password_file` are both given";
        section.reader.report(Problem::new(Code::Conflict, message, "keep `password_file`").at(span, "the second"));
    }
    Credentials { username, password: typed.or(filed) }
}

/// Tells the author that a password can be read by all who can read the file.
pub(super) fn notice_clear_text(section: &Section<'_>, name: &str) {
    let text = format!(
        "`{name}` {} holds a password, which everybody can read who can read this file; \
         `password_file` or `${{NAME}}` keeps it out.",
        section.shape.place()
    );
    section.reader.notice(section.span(name), text);
}

/// A text that fits into what it is sent in.
fn short(section: &Section<'_>, name: &str) -> Option<Text> {
    let text = section.filled_text(name)?;
    if text.value.len() <= LONGEST {
        return Some(text);
    }
    // Its beginning is enough to find it.
    let start = text.span.start..text.span.start + 1;
    section.out_of_range(name, &start, &format!("at most {} KiB long", LONGEST >> 10));
    None
}

fn typed(section: &Section<'_>) -> Option<SecretString> {
    let text = short(section, "password")?;
    if !text.from_environment {
        notice_clear_text(section, "password");
    }
    Some(SecretString::from(text.value))
}

fn filed(section: &Section<'_>) -> Option<SecretString> {
    let path = section.path("password_file")?;
    match file::secret(&path.value) {
        Ok(secret) => Some(SecretString::from(secret)),
        Err(why) => {
            let message = format!("`password_file`: `{}` gives no password: {why}", path.value.display());
            let help = "write the password into this file, readable only for the user that runs Eyewitness; \
                        systemd's `LoadCredential=` does it for a service";
            section.reader.report(Problem::new(Code::File, message, help).at(path.span, ""));
            None
        }
    }
}
