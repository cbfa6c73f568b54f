//! `eyewitness schema`: what the outside can rely on, for machines. The config and the event as JSON Schema, every topic as an
//! AsyncAPI document (`docs/asyncapi.json` is what it prints).

mod asyncapi;
mod channels;
mod payloads;

#[cfg(test)]
mod tests;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use super::args::SchemaOf;
use super::exit::Exit;
use super::failure::Failure;
use super::say;
use crate::config;
use crate::event::Event;

pub(super) fn schema(of: SchemaOf) -> Result<Exit, Failure> {
    let text = match of {
        SchemaOf::Config => pretty(&in_order(config::schema())),
        SchemaOf::Event => pretty(&event()),
        SchemaOf::Mqtt => pretty(&asyncapi::document()),
    };
    say::data(&text).map_err(|error| Failure::running("stdout", &error))?;
    Ok(Exit::Done)
}

fn event() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Event>()
}

/// The same with keywords in the order in which people read them.
fn in_order(schema: Value) -> Schema {
    schema.try_into().expect("a schema of an object is an object")
}

fn pretty(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).expect("a schema holds only strings, numbers and maps with string keys")
}
