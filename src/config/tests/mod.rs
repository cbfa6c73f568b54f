//! What a config means, and what is said about a wrong one. The wrong ones stand in files of their own by theme.

mod broken;
mod example;
mod meaning;
mod robust;
mod schema;
mod secrets;
mod wrong_camera;
mod wrong_values;

use super::*;

/// An environment with a few variables.
fn environment(name: &str) -> Option<String> {
    match name {
        "FRONT_DOOR" => Some("s3cret/with@signs".to_owned()),
        "HUNTER" => Some("hunter2".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn load(text: &str) -> Loaded {
    let loaded = Config::parse("eyewitness.toml", text, &environment)
        .unwrap_or_else(|error| panic!("{}", error.render(false, 100)));
    let misfit = super::schema::misfit(text);
    assert_eq!(misfit, None, "this is a config, and does not fit the schema:\n{text}");
    loaded
}

/// What people read about a config with problems.
fn report(text: &str) -> String {
    match Config::parse("eyewitness.toml", text, &environment) {
        Ok(loaded) => panic!("no problem was found: {:?}", loaded.notices),
        Err(error) => {
            by_the_schema_too(text, &error);
            error.render(false, 100)
        }
    }
}

/// What is wrong by itself does not fit the schema, where the file is TOML at all.
fn by_the_schema_too(text: &str, error: &ConfigError) {
    let ConfigError::Invalid { problems, .. } = error else { return };
    let plain = |problem: &Problem| matches!(problem.code, Code::UnknownKey | Code::WrongType | Code::Missing);
    if problems.iter().any(plain) && toml::from_str::<toml::Table>(text).is_ok() {
        assert!(super::schema::misfit(text).is_some(), "the schema takes this:\n{text}");
    }
}

/// The same with one good camera at the end, so that only what is in `text` is wrong.
fn report_with_camera(text: &str) -> String {
    report(&format!("{text}\n[[camera]]\nid = \"a\"\nurl = \"test://\"\n"))
}

/// One camera with these lines.
fn report_camera(lines: &str) -> String {
    report(&format!("[[camera]]\nid = \"door\"\nurl = \"rtsp://host/x\"\n{lines}"))
}

/// Puts the report of a wrong config under `src/config/snapshots`.
macro_rules! snapshot {
    ($name:expr, $report:expr) => {
        insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!($name, $report);
        });
    };
}
use snapshot;
