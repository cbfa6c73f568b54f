//! The AsyncAPI document (3.0.0) of every topic, with bindings of MQTT 5 (0.2.0). Schemas in it are of draft 7, which all tools read.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::channels::{Action, CHANNELS, Channel, PARAMETERS};
use super::payloads::{self, Message};

const BINDING: &str = "0.2.0";

const ABOUT: &str = "What a box with Eyewitness says over MQTT, and what it listens to. Events come at least once, in order per \
                     camera; retained messages are said again on every connect. Times are UTC, probabilities and parts of \
                     a picture 0 to 1. Fields may be added; a field that changes its meaning changes `schema`.";

pub(super) fn document() -> Value {
    let settings =
        SchemaSettings::draft07().for_serialize().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let messages: Map<_, _> =
        payloads::messages(&mut generator).into_iter().map(|m| (m.name.to_owned(), message(m))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Eyewitness",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": {"host": "broker.lan:1883", "protocol": "mqtt", "protocolVersion": "5"}},
        "channels": of_all(channel),
        "operations": of_all(operation),
        "components": {
            "messages": messages,
            "parameters": parameters(),
            "schemas": generator.take_definitions(true),
        },
    })
}

fn of_all(part: impl Fn(&Channel) -> Value) -> Map<String, Value> {
    CHANNELS.iter().map(|channel| (channel.name.to_owned(), part(channel))).collect()
}

fn channel(channel: &Channel) -> Value {
    let in_it = PARAMETERS.iter().filter(|(name, ..)| channel.address.contains(&format!("{{{name}}}")));
    let parameters: Map<_, _> = in_it.map(|(name, ..)| ((*name).to_owned(), reference("parameters", name))).collect();
    let messages: Map<_, _> =
        channel.messages.iter().map(|name| ((*name).to_owned(), reference("messages", name))).collect();
    json!({
        "address": channel.address,
        "description": channel.doc,
        "parameters": parameters,
        "messages": messages,
    })
}

fn operation(channel: &Channel) -> Value {
    let action = match channel.action {
        Action::Send => "send",
        Action::Receive => "receive",
    };
    let mut operation = json!({
        "action": action,
        "channel": {"$ref": format!("#/channels/{}", channel.name)},
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": BINDING}},
    });
    if channel.name == "ask" {
        operation["reply"] = json!({"channel": {"$ref": "#/channels/answer"}});
    }
    operation
}

fn message(message: Message) -> Value {
    let Message { name, title, content_type, payload, headers, answered } = message;
    let mut made = json!({"name": name, "title": title, "contentType": content_type, "payload": payload});
    if let Some(headers) = headers {
        made["headers"] = headers;
    }
    if answered {
        let text = json!({"type": "string"});
        made["bindings"] = json!({"mqtt": {"responseTopic": text, "correlationData": text, "bindingVersion": BINDING}});
    }
    made
}

fn parameters() -> Map<String, Value> {
    let made = |doc: &str, example: &str| json!({"description": doc, "examples": [example]});
    PARAMETERS.iter().map(|(name, doc, example)| ((*name).to_owned(), made(doc, example))).collect()
}

fn reference(what: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{what}/{name}")})
}
