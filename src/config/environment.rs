//! `${NAME}` in strings: finding the places, and putting the environment's values in.

/// Looks up one variable of the environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Most bytes of a string with the environment's values in it. No address, password or prompt comes near it; a file that names a
/// large variable often enough would fill the memory.
const LONGEST: usize = 64 << 10;

/// Why a `${...}` stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvironmentError {
    #[error("the environment variable `{name}` is not set")]
    NotSet { name: String },
    #[error("`${{` without a closing `}}`")]
    Unclosed,
    #[error("`${{{name}}}` is no environment variable")]
    Name { name: String },
    #[error("with `{name}` put in, this is longer than {} KiB", LONGEST >> 10)]
    TooLong { name: String },
}

impl EnvironmentError {
    /// The text that is at fault, as it stands in the file.
    pub(super) fn typed(&self) -> String {
        match self {
            Self::NotSet { name } | Self::Name { name } | Self::TooLong { name } => format!("${{{name}}}"),
            Self::Unclosed => "${".to_owned(),
        }
    }

    pub(super) fn help(&self) -> String {
        match self {
            Self::NotSet { name } => {
                format!("set it before the start: `{name}=... eyewitness run`, or `Environment=` in the systemd unit")
            }
            Self::TooLong { .. } => "put a shorter value into the environment".to_owned(),
            Self::Unclosed | Self::Name { .. } => {
                "write `${NAME}` for a variable of the environment, `$${` for the characters themselves".to_owned()
            }
        }
    }
}

/// A string with its variables put in.
pub(super) struct Expanded {
    pub(super) text: String,
    /// Whether any of it came from the environment.
    pub(super) from_environment: bool,
}

/// Replaces each `${NAME}`; `$${` stands for `${`.
///
/// # Errors
/// All that are wrong, in order.
pub(super) fn expand(text: &str, lookup: Lookup<'_>) -> Result<Expanded, Vec<EnvironmentError>> {
    expand_with(text, lookup, |_, value| value)
}

/// The same for an address: what stands in its user information is escaped, so that a password may hold any letter.
///
/// # Errors
/// All that are wrong, in order.
pub(super) fn expand_url(text: &str, lookup: Lookup<'_>) -> Result<Expanded, Vec<EnvironmentError>> {
    let user_info = user_info(text).unwrap_or(0..0);
    expand_with(text, lookup, |at, value| if user_info.contains(&at) { escape(&value, true) } else { value })
}

/// Bytes between `://` and the last `@` before the path.
pub(super) fn user_info(url: &str) -> Option<std::ops::Range<usize>> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let at = url[start..end].rfind('@')?;
    Some(start..start + at)
}

/// Percent-encodes all that may not stand in a URL's user name or password. `keep_escapes` leaves what is encoded
/// already as it is.
pub(super) fn escape(text: &str, keep_escapes: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (i, &byte) in bytes.iter().enumerate() {
        let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let escaped = byte == b'%' && keep_escapes && is_hex(i + 1) && is_hex(i + 2);
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || escaped {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn expand_with(
    text: &str,
    lookup: Lookup<'_>,
    fit: impl Fn(usize, String) -> String,
) -> Result<Expanded, Vec<EnvironmentError>> {
    let mut expanded = Expanded { text: String::with_capacity(text.len()), from_environment: false };
    let mut errors = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("${").map(|at| from + at) {
        let (before, escaped) = match text[from..at].strip_suffix('$') {
            Some(before) => (before, true),
            None => (&text[from..at], false),
        };
        expanded.text.push_str(before);
        from = at + 2;
        if escaped {
            expanded.text.push_str("${");
            continue;
        }
        match variable(&text[from..], lookup) {
            Ok((value, length)) => {
                if expanded.text.len() + value.len() > LONGEST {
                    let name = text[from..from + length - 1].to_owned();
                    errors.push(EnvironmentError::TooLong { name });
                    break;
                }
                expanded.text.push_str(&fit(at, value));
                expanded.from_environment = true;
                from += length;
            }
            Err(error) => errors.push(error),
        }
    }
    expanded.text.push_str(&text[from..]);
    if errors.is_empty() { Ok(expanded) } else { Err(errors) }
}

/// The value of the variable whose name begins the text, and the bytes up to behind the `}`.
fn variable(text: &str, lookup: Lookup<'_>) -> Result<(String, usize), EnvironmentError> {
    let end = text.find('}').ok_or(EnvironmentError::Unclosed)?;
    let name = text[..end].to_owned();
    let first = name.chars().next();
    let valid =
        first.is_some_and(|c| !c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !valid {
        return Err(EnvironmentError::Name { name });
    }
    let value = lookup(&name).ok_or(EnvironmentError::NotSet { name })?;
    Ok((value, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "PW" => Some("p@ss/wörd%20".to_owned()),
            "URL" => Some("rtsp://host/a".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_put_in() {
        let expanded = |text| expand(text, &environment).map(|e| e.text);
        assert_eq!(expanded("a ${PW} b").unwrap(), "a p@ss/wörd%20 b");
        assert_eq!(expanded("$PW $${PW} $$${PW} $").unwrap(), "$PW ${PW} $${PW} $");
        assert_eq!(
            expanded("${NO} ${1A} ${").unwrap_err(),
            [
                EnvironmentError::NotSet { name: "NO".into() },
                EnvironmentError::Name { name: "1A".into() },
                EnvironmentError::Unclosed
            ]
        );
    }

    #[test]
    fn what_comes_of_large_variables_is_bounded() {
        let large = |name: &str| (name == "LARGE").then(|| "x".repeat(40 << 10));
        assert_eq!(expand("a${LARGE}b", &large).map(|e| e.text.len()).unwrap(), (40 << 10) + 2);
        let too_long = [EnvironmentError::TooLong { name: "LARGE".into() }];
        assert_eq!(expand(&"${LARGE}".repeat(1000), &large).err().unwrap(), too_long);
        assert_eq!(too_long[0].to_string(), "with `LARGE` put in, this is longer than 64 KiB");
    }

    #[test]
    fn a_password_from_the_environment_fits_into_an_address() {
        let expanded = |text| expand_url(text, &environment).unwrap().text;
        assert_eq!(expanded("rtsp://me:${PW}@host/${PW}"), "rtsp://me:p%40ss%2Fw%C3%B6rd%20@host/p@ss/wörd%20");
        assert_eq!(expanded("${URL}"), "rtsp://host/a");
    }
}
