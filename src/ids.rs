//! Names of things: node, camera, rule and event ids. Only what makes an id valid belongs here.

use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id must not be empty")]
    Empty,
    #[error("an id has at most {MAX_LEN} characters, this one has {0}")]
    TooLong(usize),
    #[error("`{0}` is not allowed in an id: use lower-case letters, digits, `-` and `_`")]
    Character(char),
}

/// Longest id, in characters: ids become MQTT topic levels and metric labels.
pub const MAX_LEN: usize = 64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// [`IdError`] unless `text` is 1 to [`MAX_LEN`] characters out of `a-z`, `0-9`, `-` and `_`.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.into()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`{}`", self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Self::new(&String::deserialize(d)?).map_err(D::Error::custom)
            }
        }
    };
}

id!(
    /// This box, as it stands in topics.
    NodeId
);
id!(
    /// One configured source of frames.
    CameraId
);
id!(
    /// One yes/no question of a camera.
    RuleId
);

/// One stretch of activity before one camera; the same in all its messages. A ULID: sortable by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub ulid::Ulid);

impl EventId {
    /// An id for an event that began `at`; `random` fills the 80 bits behind the time.
    #[must_use]
    pub fn new(at: jiff::Timestamp, random: u128) -> Self {
        Self(ulid::Ulid::from_parts(u64::try_from(at.as_millisecond()).unwrap_or(0), random))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        ulid::Ulid::from_string(&text)
            .map(Self)
            .map_err(|_| D::Error::custom("an event's id is a ULID of 26 characters"))
    }
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    let count = text.chars().count();
    if count > MAX_LEN {
        return Err(IdError::TooLong(count));
    }
    match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')) {
        Some(c) => Err(IdError::Character(c)),
        None => Ok(()),
    }
}

/// Turns any text (a host name, say) into the nearest valid id.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase).take(MAX_LEN) {
        match c {
            'a'..='z' | '0'..='9' | '_' => out.push(c),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_topic_level() {
        assert_eq!(CameraId::new("front-door_2").unwrap().as_str(), "front-door_2");
        assert_eq!(CameraId::new(""), Err(IdError::Empty));
        assert_eq!(CameraId::new("a/b"), Err(IdError::Character('/')));
        assert_eq!(CameraId::new("Hof"), Err(IdError::Character('H')));
        assert_eq!(CameraId::new(&"x".repeat(65)), Err(IdError::TooLong(65)));
    }

    #[test]
    fn a_slug_is_an_id_or_empty() {
        assert_eq!(slug("Garage.Box 2!"), "garage-box-2");
        assert_eq!(slug("---"), "");
    }
}
