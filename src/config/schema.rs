//! The config as JSON Schema (2020-12), for editors and for programs that write configs. Made of `keys`, so it knows types, words
//! and forms; what belongs together, bounds, and names that must differ are known to the reader alone (`eyewitness check`).

use serde_json::{Map, Value, json};

use super::keys::{FILE, Key, Kind, Table};

/// A text with `${NAME}` in it is whatever the environment makes of it.
const FROM_ENVIRONMENT: &str = r"\$\{";

/// A number with a decimal point or without.
const NUMBER: &str = r"(\d+\.?\d*|\.\d+)";

/// Texts that have a form of their own: table, key, and what they look like.
const FORMS: [(&str, &str, &str); 5] = [
    ("", "node", ID),
    ("[[camera]]", "id", ID),
    ("[[camera.rule]]", "id", ID),
    ("[[camera.rule]]", "when", r"^(event|always|\s*(\d+\.?\d*|\.\d+)\s*(ms|s|m|min|h|d)\s*)$"),
    ("[[camera.rule]]", "agree", r"^\s*\d+\s+of\s+\d+\s*$"),
];

/// Keys of which a file has both or none.
const TOGETHER: [(&str, &str, &str); 1] = [("[mqtt]", "client_cert_file", "client_key_file")];

const ID: &str = "^[a-z0-9_-]{1,64}$";

/// The schema of the whole file, as the file is in JSON.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(&FILE);
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "eyewitness.toml".into());
    let about = "The config of Eyewitness. It holds what is wrong by itself; `eyewitness check` says everything.";
    schema.insert("description".into(), about.into());
    Value::Object(schema)
}

fn object(table: &Table) -> Map<String, Value> {
    let keys = table.keys.iter().map(|key| (key.name.to_owned(), Value::Object(value(table, key))));
    let tables = table.tables.iter().map(|below| (below.name.to_owned(), nested(below)));
    let properties: Map<_, _> = keys.chain(tables).collect();
    let mut required: Vec<_> = table.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    if table.header.is_empty() {
        // Without a camera there is nothing to watch.
        required.push("camera");
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("description".into(), table.doc.into());
    schema.insert("properties".into(), properties.into());
    schema.insert("additionalProperties".into(), false.into());
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    for (_, one, other) in TOGETHER.iter().filter(|(header, ..)| *header == table.header) {
        schema.insert("dependentRequired".into(), json!({*one: [other], *other: [one]}));
    }
    schema
}

fn nested(table: &Table) -> Value {
    let one = Value::Object(object(table));
    if !table.many {
        return one;
    }
    let mut many = json!({"type": "array", "description": table.doc, "items": one});
    if table.name == "camera" {
        many["minItems"] = 1.into();
    }
    many
}

fn value(table: &Table, key: &Key) -> Map<String, Value> {
    let mut schema = shape(table, key);
    schema.insert("description".into(), key.doc.into());
    match key.default.and_then(literal) {
        Some(default) => _ = schema.insert("default".into(), default),
        None => schema.extend(literal(key.example).map(|example| ("examples".to_owned(), json!([example])))),
    }
    schema
}

fn shape(table: &Table, key: &Key) -> Map<String, Value> {
    let form = FORMS.iter().find(|(header, name, _)| (*header, *name) == (table.header, key.name));
    let schema = match key.kind {
        Kind::Text => match form {
            Some((_, _, form)) => text(form),
            None => json!({"type": "string"}),
        },
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Whole => json!({"type": "integer", "minimum": 0}),
        Kind::Number => json!({"type": "number"}),
        Kind::Duration => text(&format!(r"^\s*{NUMBER}\s*(ms|s|m|min|h|d)\s*$")),
        Kind::Size => text(&format!(r"^\s*{NUMBER}\s*(B|KiB|MiB|GiB|kB|MB|GB)\s*$")),
        Kind::Rate => text(&format!(r"^\s*\+?{NUMBER}([eE][+-]?\d+)?\s*/\s*(s|m|min|h)\s*$")),
        Kind::Choice(words) => {
            json!({"type": "string", "anyOf": [{"enum": words}, {"pattern": FROM_ENVIRONMENT}]})
        }
        Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Polygon => polygon(),
        Kind::Polygons => json!({"type": "array", "items": polygon()}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn text(form: &str) -> Value {
    json!({"type": "string", "pattern": format!("{form}|{FROM_ENVIRONMENT}")})
}

fn polygon() -> Value {
    let share = json!({"type": "number", "minimum": 0, "maximum": 1});
    json!({"type": "array", "minItems": 3, "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": share}})
}

/// A value as it is written in TOML.
fn literal(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    serde_json::to_value(table.get("value")?).ok()
}

/// Why a file that is TOML does not fit; `None`: it fits. What is no TOML is not asked about.
#[cfg(test)]
pub(super) fn misfit(text: &str) -> Option<String> {
    use std::sync::LazyLock;
    static SCHEMA: LazyLock<jsonschema::Validator> =
        LazyLock::new(|| jsonschema::draft202012::new(&schema()).expect("a schema of the draft"));
    let table: toml::Table = toml::from_str(text).ok()?;
    let file = serde_json::to_value(table).ok()?;
    SCHEMA.iter_errors(&file).next().map(|error| format!("{}: {error}", error.instance_path()))
}
