//! An AsyncAPI document, asked whether a message is in it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::subscriber::Message;

pub(crate) struct Document {
    channels: Vec<Channel>,
}

struct Channel {
    name: String,
    levels: Vec<String>,
    retained: bool,
    kinds: Vec<Kind>,
}

struct Kind {
    name: String,
    content_type: String,
    payload: jsonschema::Validator,
    headers: Option<jsonschema::Validator>,
}

impl Document {
    /// `known`: parameters of addresses with the values that they have here.
    pub(crate) fn new(document: &Value, known: &[(&str, &str)]) -> Self {
        let document = closed(document.clone());
        let operations = document["operations"].as_object().unwrap();
        let channel = |(name, of): (&String, &Value)| {
            let mut address = of["address"].as_str().unwrap().to_owned();
            for (parameter, value) in known {
                address = address.replace(&format!("{{{parameter}}}"), value);
            }
            let here = json!({"$ref": format!("#/channels/{name}")});
            let operation = operations.values().find(|operation| operation["channel"] == here).unwrap();
            let messages = of["messages"].as_object().unwrap();
            Channel {
                name: name.clone(),
                levels: address.split('/').map(str::to_owned).collect(),
                retained: operation["bindings"]["mqtt"]["retain"].as_bool().unwrap(),
                kinds: messages.keys().map(|kind| Kind::new(&document, kind)).collect(),
            }
        };
        Self { channels: document["channels"].as_object().unwrap().iter().map(channel).collect() }
    }

    /// Every kind of message on every channel.
    pub(crate) fn kinds(&self) -> BTreeSet<(String, String)> {
        let kinds = |channel: &Channel| {
            channel.kinds.iter().map(|kind| (channel.name.clone(), kind.name.clone())).collect::<Vec<_>>()
        };
        self.channels.iter().flat_map(kinds).collect()
    }

    /// Channels on which something is retained.
    pub(crate) fn retained(&self) -> BTreeSet<String> {
        self.channels.iter().filter(|channel| channel.retained).map(|channel| channel.name.clone()).collect()
    }

    /// The channel and the kind that a message is of, or what is wrong with it.
    pub(crate) fn check(&self, message: &Message) -> Result<(String, String), String> {
        let fitting: Vec<&Channel> = self.channels.iter().filter(|channel| channel.takes(&message.topic)).collect();
        let [channel] = fitting.as_slice() else { return Err(format!("{} channels have its topic", fitting.len())) };
        let tried: Vec<_> = channel.kinds.iter().map(|kind| (kind, kind.check(message))).collect();
        match tried.iter().find(|(_, result)| result.is_ok()) {
            Some((kind, _)) => Ok((channel.name.clone(), kind.name.clone())),
            None => Err(tried.into_iter().filter_map(|(_, result)| result.err()).collect::<Vec<_>>().join("; ")),
        }
    }
}

impl Channel {
    fn takes(&self, topic: &str) -> bool {
        let mut levels = topic.split('/');
        for (at, wanted) in self.levels.iter().enumerate() {
            if wanted == "{rest}" && at + 1 == self.levels.len() {
                return levels.next().is_some();
            }
            if !levels.next().is_some_and(|level| fits(wanted, level)) {
                return false;
            }
        }
        levels.next().is_none()
    }
}

/// Whether a level is this one, in which something may stand in braces.
fn fits(wanted: &str, level: &str) -> bool {
    let Some((before, rest)) = wanted.split_once('{') else { return wanted == level };
    let after = rest.split_once('}').unwrap().1;
    let between = level.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    between.is_some_and(|id| !id.is_empty() && id.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')))
}

impl Kind {
    fn new(document: &Value, name: &str) -> Self {
        let message = &document["components"]["messages"][name];
        let validator = |part: &Value| {
            // References in it lead into the document.
            let schema = json!({"allOf": [part], "components": document["components"]});
            jsonschema::draft7::new(&schema).unwrap()
        };
        Self {
            name: name.to_owned(),
            content_type: message["contentType"].as_str().unwrap().to_owned(),
            payload: validator(&message["payload"]),
            headers: message.get("headers").map(validator),
        }
    }

    fn check(&self, message: &Message) -> Result<(), String> {
        let said = message.properties.content_type.as_ref();
        if said.is_some_and(|said| *said != self.content_type) {
            return Err(format!("it says that it is {said:?}"));
        }
        let payload = self.read(&message.payload)?;
        valid(&self.payload, &payload)?;
        let headers = &message.properties.user_properties;
        match &self.headers {
            Some(schema) => valid(schema, &headers.iter().map(|(key, value)| (key.clone(), json!(value))).collect()),
            None if headers.is_empty() => Ok(()),
            None => Err(format!("nobody knows of {headers:?}")),
        }
    }

    fn read(&self, payload: &[u8]) -> Result<Value, String> {
        match self.content_type.as_str() {
            "application/json" => serde_json::from_slice(payload).map_err(|error| error.to_string()),
            "text/plain" => String::from_utf8(payload.to_vec()).map(Value::String).map_err(|error| error.to_string()),
            "image/jpeg" if payload.starts_with(&[0xff, 0xd8]) => Ok(json!("")),
            other => Err(format!("this is no {other}")),
        }
    }
}

fn valid(schema: &jsonschema::Validator, value: &Value) -> Result<(), String> {
    let wrong: Vec<_> = schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join(", ")) }
}

/// The same schema, which takes no field that it does not name: what is said is to be written down.
pub(crate) fn closed(mut schema: Value) -> Value {
    close(&mut schema);
    schema
}

fn close(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("properties").is_some_and(Value::is_object)
                && map.get("type").is_some_and(|kind| kind == "object")
            {
                map.entry("additionalProperties").or_insert(false.into());
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
