//! The config that made a run, and in which settings two configs differ.

use std::collections::{BTreeMap, BTreeSet};

use super::super::record::Run;
use super::format::text;

/// The config, to be unfolded.
pub(super) fn config(run: &Run) -> String {
    let shown = match run.about.config_text.trim() {
        "" => r#"<p class="note">Nothing was set: every value is the default.</p>"#.to_owned(),
        typed => format!("<pre tabindex=\"0\">{}</pre>", text(typed)),
    };
    format!(
        r#"<details class="config"><summary>The config that made it: <b>{}</b></summary>{shown}</details>"#,
        match run.about.config.as_str() {
            "" => "the defaults".to_owned(),
            name => text(name),
        }
    )
}

/// The settings that differ between two configs.
pub(super) fn differing(a: &Run, b: &Run) -> String {
    let (Some(left), Some(right)) = (settings(&a.about.config_text), settings(&b.about.config_text)) else {
        return r#"<p class="note">The configs could not be compared line by line; both are below.</p>"#.to_owned();
    };
    let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    let shown = |settings: &BTreeMap<String, String>, key: &String| match settings.get(key) {
        Some(value) => format!("<code>{}</code>", text(value)),
        None => r#"<span class="unset">default</span>"#.to_owned(),
    };
    let lines: String = keys
        .into_iter()
        .filter(|key| left.get(*key) != right.get(*key))
        .map(|key| {
            let (left, right) = (shown(&left, key), shown(&right, key));
            format!(r#"<tr><th scope="row"><code>{}</code></th><td>{left}</td><td>{right}</td></tr>"#, text(key))
        })
        .collect();
    if lines.is_empty() {
        return r#"<p class="note">Both configs set the same values.</p>"#.to_owned();
    }
    format!(
        r#"<table class="differing"><caption>What differs between the configs</caption><thead><tr><th scope="col">setting</th><th scope="col">{}</th><th scope="col">{}</th></tr></thead><tbody>{lines}</tbody></table>"#,
        text(&a.about.config),
        text(&b.about.config)
    )
}

/// Every value that was typed, by its path. `None`: the text, with its secrets taken out, is no TOML any more.
fn settings(config: &str) -> Option<BTreeMap<String, String>> {
    let table: toml::Table = toml::from_str(config).ok()?;
    let mut settings = BTreeMap::new();
    flatten("", &toml::Value::Table(table), &mut settings);
    Some(settings)
}

fn flatten(path: &str, value: &toml::Value, out: &mut BTreeMap<String, String>) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| flatten(&join(key), value, out)),
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for (place, item) in items.iter().enumerate() {
                let id = item.get("id").and_then(toml::Value::as_str).map_or_else(|| place.to_string(), str::to_owned);
                flatten(&format!("{path}[{id}]"), item, out);
            }
        }
        value => _ = out.insert(path.to_owned(), plain(value)),
    }
}

fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("\"{text}\""),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(yes) => yes.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        // A table stands in lines of its own.
        toml::Value::Table(_) => "{...}".to_owned(),
    }
}
