//! In which settings two configs differ, of those that change what comes of a camera's pictures. What they are called,
//! and their defaults, come from `keys`.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::keys::{FILE, Table};
use super::redact::redact;
use super::syntax;
use crate::ids::CameraId;

/// Tables whose settings matter to a recording.
const TABLES: [&str; 1] = ["model"];

/// Keys of a camera that do not: where its pictures come from.
const ADDRESS: [&str; 9] =
    ["id", "url", "enabled", "username", "password", "password_file", "transport", "loop", "pace"];

/// One setting that differs, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Such as `camera.gate.settle`.
    pub key: String,
    pub first: String,
    pub other: String,
}

/// What differs between one camera of a config's text and one of another's. An empty text is a config of defaults.
#[must_use]
pub fn differing(first: (&str, &CameraId), other: (&str, &CameraId)) -> Vec<Difference> {
    let (first, other) = (settings(first.0, first.1), settings(other.0, other.1));
    let keys: std::collections::BTreeSet<_> = first.keys().chain(other.keys()).cloned().collect();
    let shown = |settings: &BTreeMap<String, String>, key: &str| {
        settings.get(key).cloned().or_else(|| default(key)).unwrap_or_else(|| "(default)".to_owned())
    };
    keys.into_iter()
        .map(|key| Difference { first: shown(&first, &key), other: shown(&other, &key), key })
        .filter(|difference| difference.first != difference.other)
        .collect()
}

/// Each setting as it was typed, by its name.
fn settings(text: &str, camera: &CameraId) -> BTreeMap<String, String> {
    let text = redact(text);
    let tree = syntax::tree(&text);
    let mut found = BTreeMap::new();
    for name in TABLES {
        if let Some(DeValue::Table(table)) = tree.get(name).map(|value| value.get_ref()) {
            collect(&text, name, table, &mut found);
        }
    }
    let cameras = match tree.get("camera").map(|value| value.get_ref()) {
        Some(DeValue::Array(cameras)) => cameras.iter().collect(),
        _ => Vec::new(),
    };
    for table in cameras.into_iter().filter_map(|value| as_table(value.get_ref())) {
        if table.get("id").and_then(|id| id.get_ref().as_str()) == Some(camera.as_str()) {
            collect(&text, "camera", table, &mut found);
        }
    }
    found.retain(|key, _| !ADDRESS.iter().any(|name| *key == format!("camera.{name}")));
    found
}

fn collect(text: &str, name: &str, table: &DeTable<'_>, found: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = format!("{name}.{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => collect(text, &key, inner, found),
            // Tables in a list: rules, each by its id.
            DeValue::Array(items) if items.iter().any(|item| as_table(item.get_ref()).is_some()) => {
                for inner in items.iter().filter_map(|item| as_table(item.get_ref())) {
                    let id = inner.get("id").and_then(|id| id.get_ref().as_str()).unwrap_or_default();
                    collect(text, &format!("{key}.{id}"), inner, found);
                }
            }
            _ => {
                let typed = text.get(value.span()).unwrap_or_default();
                found.insert(key, typed.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
    }
}

fn as_table<'a>(value: &'a DeValue<'a>) -> Option<&'a DeTable<'a>> {
    match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// The declared default of `table.key`.
fn default(key: &str) -> Option<String> {
    let (path, key) = key.rsplit_once('.')?;
    let table = path
        .split('.')
        .try_fold(&FILE, |table: &Table, name| table.tables.iter().copied().find(|inner| inner.name == name))?;
    table.keys.iter().find(|known| known.name == key)?.default.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_and_differs_is_named() {
        let camera = |id: &str| CameraId::new(id).unwrap();
        let first = "[mqtt]\nurl = \"mqtt://a\"\n[model]\nthreads = 0\n[[camera]]\nid = \"door\"\nurl = \"rtsp://a\"\n\
                     [camera.gate]\nsettle = \"2s\"\n[[camera.rule]]\nid = \"cat\"\nask = \"A cat?\"\n\
                     [[camera]]\nid = \"yard\"\nfps = 1\n";
        let other = "[model]\nprompt = \"Say.\"\n[[camera]]\nid = \"door\"\nurl = \"rtsp://b\"\npassword = \"x\"\nfps = 10\n\
                     masks = [[[0, 0],\n  [1, 0], [1, 1]]]\n[camera.gate]\nsettle = \"5s\"\n";
        let found = differing((first, &camera("door")), (other, &camera("door")));
        let found: Vec<_> = found.iter().map(|d| (d.key.as_str(), d.first.as_str(), d.other.as_str())).collect();
        assert_eq!(
            found,
            [
                ("camera.fps", "5", "10"),
                ("camera.gate.settle", "\"2s\"", "\"5s\""),
                ("camera.masks", "[]", "[[[0, 0], [1, 0], [1, 1]]]"),
                ("camera.rule.cat.ask", "\"A cat?\"", "(default)"),
                ("camera.rule.cat.id", "\"cat\"", "(default)"),
                ("model.prompt", "\"Describe the scene.\"", "\"Say.\""),
            ]
        );
        assert_eq!(differing(("", &camera("clip")), ("[[camera]]\nid = \"x\"\n", &camera("x"))), []);
    }
}
