//! What messages to us mean: questions, where their answers may go, and the two words of a switch. Pure. Everything in here
//! comes from whoever may publish to the broker, and is bounded before it is looked at.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use crate::ask::{MAX_PAYLOAD, Refusal, Request};
use crate::ids::{self, CameraId};

use super::message;
use super::settings::Settings;
use super::topics::Topics;

/// Longest topic for an answer, in bytes.
const MAX_TOPIC: usize = 256;
/// Most that is given back to whoever asked, in bytes: they know their question by it, and some bytes are enough for that.
const MAX_CORRELATION: usize = 1024;
/// Of a question that is said again in a refusal.
const SHOWN_CHARACTERS: usize = 120;

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReturnAddress {
    pub topic: String,
    pub correlation: Option<Bytes>,
}

/// A question that cannot be asked, and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub to: ReturnAddress,
    /// The question as far as it could be read, shortened.
    pub ask: Option<String>,
    pub words: String,
}

/// What came with a question's payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// The level of the topic that names the camera.
    pub camera: &'a str,
    pub response_topic: Option<&'a str>,
    pub correlation: Option<&'a Bytes>,
}

/// What is asked, and where the answer goes.
///
/// # Errors
/// [`Refused`]: why it cannot be asked. The words go to a topic of ours, if the one that was named is not allowed.
pub(super) fn question(
    payload: &[u8],
    envelope: Envelope<'_>,
    topics: &Topics,
    settings: &Settings,
) -> Result<(Request, ReturnAddress), Refused> {
    let read = read(payload);
    let ask = read.as_ref().ok().map(|asked| shortened(&asked.ask, SHOWN_CHARACTERS));
    let refused = |to, words| Refused { to, ask: ask.clone(), words };
    let to = address(envelope, topics, settings).map_err(|(to, words)| refused(to, words))?;
    let request = read.and_then(|asked| {
        let camera =
            CameraId::new(envelope.camera).map_err(|_| Refusal::NoCamera(shortened(envelope.camera, ids::MAX_LEN)))?;
        let request = Request { camera, ask: asked.ask.into(), max_tokens: asked.max_tokens };
        request.check().map(|()| request)
    });
    request.map(|request| (request, to.clone())).map_err(|refusal| refused(to, refusal.to_string()))
}

/// Where the answer goes, or where it goes that this is not allowed, and why.
fn address(
    envelope: Envelope<'_>,
    topics: &Topics,
    settings: &Settings,
) -> Result<ReturnAddress, (ReturnAddress, String)> {
    let own = topics.answer(envelope.camera);
    let fits = |data: &&Bytes| data.len() <= MAX_CORRELATION;
    let correlation = envelope.correlation.filter(fits).cloned();
    let refuse = |words: String| Err((ReturnAddress { topic: own.clone(), correlation: correlation.clone() }, words));
    if envelope.correlation.is_some() != correlation.is_some() {
        return refuse(format!("the correlation data has more than {MAX_CORRELATION} bytes"));
    }
    match envelope.response_topic {
        None => Ok(ReturnAddress { topic: own, correlation }),
        Some(topic) => match forbidden(topic, &own, settings) {
            None => Ok(ReturnAddress { topic: topic.to_owned(), correlation }),
            Some(why) => {
                let below = settings.response_prefix.as_ref().map_or_else(String::new, |p| format!(" or below `{p}/`"));
                refuse(format!("the response topic {why}: use `{own}`, one below `{own}/`{below}, or none"))
            }
        },
    }
}

/// Why no answer goes to this topic. `None`: it may.
fn forbidden(topic: &str, own: &str, settings: &Settings) -> Option<String> {
    let below = |prefix: &str| topic.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    if topic.len() > MAX_TOPIC {
        return Some(format!("has more than {MAX_TOPIC} bytes"));
    }
    let why = match topic {
        "" => "is empty",
        t if t.contains(['+', '#']) => "holds a wildcard",
        t if t.starts_with('$') => "belongs to the broker",
        t if t.chars().any(is_refused) => "holds a character that brokers refuse",
        t if t == own || below(own) => return None,
        // Whatever the config allows: nobody speaks through us on topics that we and others speak on.
        _ if below(&settings.prefix) || below(&settings.home_assistant.prefix) => "is not allowed",
        _ if settings.response_prefix.as_deref().is_some_and(below) => return None,
        _ => "is not allowed",
    };
    Some(why.to_owned())
}

/// Brokers may hang up over these: control characters and what Unicode says is no character.
fn is_refused(c: char) -> bool {
    c.is_control() || u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    ask: String,
    max_tokens: Option<usize>,
}

/// A text, or JSON.
fn read(payload: &[u8]) -> Result<Asked, Refusal> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Refusal::Unreadable(format!(
            "this has {} bytes, and at most {MAX_PAYLOAD} are read",
            payload.len()
        )));
    }
    let text = std::str::from_utf8(payload)
        .map_err(|error| Refusal::Unreadable(format!("this is no UTF-8 from byte {} on", error.valid_up_to())))?;
    let text = text.trim();
    let asked = if text.starts_with('{') {
        // The words of an error name keys that may be as long as the payload.
        let unreadable =
            |error: serde_json::Error| Refusal::Unreadable(shortened(&error.to_string(), SHOWN_CHARACTERS));
        serde_json::from_str(text).map_err(unreadable)?
    } else {
        Asked { ask: text.to_owned(), max_tokens: None }
    };
    // A line break would be another line to the model.
    let ask: String = asked.ask.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Ok(Asked { ask, ..asked })
}

/// Whether a switch is to be on. `None`: it says neither.
pub(super) fn switch(payload: &[u8]) -> Option<bool> {
    match payload {
        message::ON => Some(true),
        message::OFF => Some(false),
        _ => None,
    }
}

/// At most so many characters, and none that steers a terminal.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(most).collect();
    if text.chars().count() > most {
        shown.push('…');
    }
    shown
}

/// What a question of anybody comes to, for tests that send arbitrary ones: the topic and the words of a refusal, or the topic of
/// the answer and the question. Nothing here is used while the daemon runs.
#[doc(hidden)]
pub fn asked(
    payload: &[u8],
    camera: &str,
    response_topic: Option<&str>,
    correlation: &[u8],
    settings: &Settings,
) -> (String, Result<Arc<str>, String>) {
    let topics = Topics::new(&settings.prefix, &settings.node);
    let correlation = (!correlation.is_empty()).then(|| Bytes::copy_from_slice(correlation));
    let envelope = Envelope { camera, response_topic, correlation: correlation.as_ref() };
    match question(payload, envelope, &topics, settings) {
        Ok((request, to)) => (to.topic, Ok(request.ask)),
        Err(refused) => (refused.to.topic, Err(refused.words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn settings() -> Settings {
        Settings::new(NodeId::new("garage").unwrap(), "broker.lan", 1883)
    }

    fn ask(payload: &[u8], envelope: Envelope<'_>, settings: &Settings) -> Result<(Request, ReturnAddress), Refused> {
        question(payload, envelope, &Topics::new(&settings.prefix, &settings.node), settings)
    }

    fn plain(response_topic: Option<&str>) -> Envelope<'_> {
        Envelope { camera: "door", response_topic, correlation: None }
    }

    #[test]
    fn a_question_is_text_or_json() {
        for (payload, wanted, tokens) in [
            ("Is there a dog?", "Is there a dog?", None),
            ("  Is there\na dog?\r\n", "Is there a dog?", None),
            (r#"{"ask":"Is there a dog?"}"#, "Is there a dog?", None),
            (r#" {"ask":" Is there a dog? ","max_tokens":7} "#, "Is there a dog?", Some(7)),
            (r#"{"ask":"Is there a dog?","max_tokens":null}"#, "Is there a dog?", None),
            ("Gibt es einen Bären? 🐻", "Gibt es einen Bären? 🐻", None),
        ] {
            let (request, to) = ask(payload.as_bytes(), plain(None), &settings()).unwrap();
            assert_eq!((&*request.ask, request.max_tokens, request.camera.as_str()), (wanted, tokens, "door"));
            assert_eq!(to.topic, "eyewitness/garage/door/answer");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_said_in_words() {
        let long = "x".repeat(501);
        let wide = "x".repeat(MAX_PAYLOAD + 1);
        let key = format!("{{\"{}\":1}}", "k".repeat(8000));
        let deep = format!("{}{}", "{\"ask\":".repeat(1000), "}".repeat(1000));
        for (payload, wanted) in [
            (&b""[..], "the question is empty"),
            (b" \n\t", "the question is empty"),
            (br#"{"ask":"  "}"#, "the question is empty"),
            (b"Is there \xff a dog?", "this is no UTF-8 from byte 9 on"),
            (long.as_bytes(), "the question has 501 characters; at most 500 are read"),
            (wide.as_bytes(), "this has 8193 bytes, and at most 8192 are read"),
            (br#"{"ask":"#, "EOF while parsing a value"),
            (br#"{"question":"Is there a dog?"}"#, "unknown field `question`"),
            (br#"{"ask":"a","ask":"b"}"#, "duplicate field `ask`"),
            (key.as_bytes(), "unknown field `kkk"),
            (br#"{"ask":7}"#, "invalid type: integer `7`, expected a string"),
            (br#"{"ask":"a","max_tokens":0}"#, "`max_tokens` is from 1 to 128"),
            (br#"{"ask":"a","max_tokens":129}"#, "`max_tokens` is from 1 to 128"),
            (br#"{"ask":"a","max_tokens":-1}"#, "invalid value: integer `-1`"),
            (br#"{"ask":"a","max_tokens":1e3}"#, "invalid type: floating point"),
            (deep.as_bytes(), "invalid type: map, expected a string"),
        ] {
            let refused = ask(payload, plain(None), &settings()).unwrap_err();
            assert!(refused.words.contains(wanted), "{} {wanted}", refused.words);
            assert!(refused.words.len() < 300, "{}", refused.words);
            assert_eq!(refused.to.topic, "eyewitness/garage/door/answer");
            assert!(refused.ask.is_none_or(|ask| ask.chars().count() <= SHOWN_CHARACTERS + 1));
        }
    }

    #[test]
    fn a_camera_of_no_such_name_is_said() {
        let long = "x".repeat(1000);
        for (camera, shown) in [("Front Door", "Front Door"), ("a\u{1b}[2Jb", "a[2Jb"), (&long, &"x".repeat(64))] {
            let refused = ask(b"Is there a dog?", Envelope { camera, ..plain(None) }, &settings()).unwrap_err();
            assert!(refused.words.starts_with(&format!("there is no camera `{shown}")), "{}", refused.words);
        }
    }

    #[test]
    fn answers_go_only_where_they_may() {
        let open = Settings { response_prefix: Some("flows/answers".into()), ..settings() };
        let careless = Settings { response_prefix: Some("eyewitness".into()), ..settings() };
        let discovery = Settings { response_prefix: Some("homeassistant".into()), ..settings() };
        let goes = |settings: &Settings, topic: &str| match ask(b"Is there a dog?", plain(Some(topic)), settings) {
            Ok((_, to)) => {
                assert_eq!(to.topic, topic);
                true
            }
            Err(refused) => {
                assert_eq!(refused.to.topic, "eyewitness/garage/door/answer", "never to the forbidden topic");
                assert_eq!(refused.ask.as_deref(), Some("Is there a dog?"));
                assert!(refused.words.starts_with("the response topic "), "{}", refused.words);
                false
            }
        };
        for topic in
            ["eyewitness/garage/door/answer", "eyewitness/garage/door/answer/me", "eyewitness/garage/door/answer/a/b"]
        {
            assert!([&settings(), &open, &careless].iter().all(|settings| goes(settings, topic)), "{topic}");
        }
        for topic in ["flows/answers/me", "flows/answers/a/b"] {
            assert!(goes(&open, topic) && !goes(&settings(), topic), "{topic}");
        }
        let long = format!("eyewitness/garage/door/answer/{}", "x".repeat(MAX_TOPIC));
        for topic in [
            "",
            "flows/answers",
            "flows/answersx/me",
            "flows/answers/+",
            "flows/answers/#",
            "flows/answers/a\nb",
            "flows/answers/\u{ffff}",
            "flows/answers/\u{1fffe}",
            "flows/answers/\u{fdd0}",
            "$SYS/broker",
            "$share/x/flows/answers/me",
            "eyewitness/garage/door/status",
            "eyewitness/garage/door/answers",
            "eyewitness/garage/door/answer/#",
            "eyewitness/garage/yard/answer",
            "eyewitness/other/door/answer",
            "eyewitness/garage/door/ask",
            "homeassistant/device/x/config",
            "anywhere",
            &long,
        ] {
            assert!(
                ![&settings(), &open, &careless, &discovery].iter().any(|settings| goes(settings, topic)),
                "{topic}"
            );
        }
    }

    #[test]
    fn correlation_data_comes_back_unless_it_is_too_long() {
        for (bytes, comes_back) in [(0, true), (1, true), (MAX_CORRELATION, true), (MAX_CORRELATION + 1, false)] {
            let data = Bytes::from(vec![0xff; bytes]);
            let envelope = Envelope { correlation: Some(&data), ..plain(None) };
            match ask(b"Is there a dog?", envelope, &settings()) {
                Ok((_, to)) => assert_eq!((to.correlation, comes_back), (Some(data), true)),
                Err(refused) => {
                    assert!(!comes_back && refused.to.correlation.is_none());
                    assert!(refused.words.contains("correlation data"), "{}", refused.words);
                }
            }
        }
    }

    #[test]
    fn a_switch_knows_two_words() {
        assert_eq!((switch(b"ON"), switch(b"OFF")), (Some(true), Some(false)));
        for other in [&b"on"[..], b"off", b"ON ", b"", b"1", b"true", b"\xff", b"ONOFF"] {
            assert_eq!(switch(other), None);
        }
    }
}
