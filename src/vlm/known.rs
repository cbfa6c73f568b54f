//! What the first start of a set on this device found out, kept for the next: that its parts belong together, how its keys and
//! values are kept, where its nodes run. A start that knows is ready at once and rehearses afterwards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::optimised;
use super::placement::Placement;
use crate::files;

/// What is written here has some hundred bytes; more is as if it were not there.
const LARGEST: u64 = 1 << 20;

/// Files of a set, besides its graphs, that decide whether it works.
const SIDE_FILES: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "chat_template.jinja",
    "chat_template.json",
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    /// Of vision, embed, decoder.
    pub placement: [Placement; 3],
    pub shared_buffers: bool,
    pub prompt_tokens: usize,
}

/// Where it is kept.
#[derive(Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    /// `keys` are those of the graphs, with runtime and provider in them.
    pub(super) fn new(cache: &Path, set: &Path, name: &str, edges: &[u32], keys: &[String]) -> io::Result<Self> {
        let mut parts = vec![env!("CARGO_PKG_VERSION").to_owned(), format!("{edges:?}")];
        parts.extend_from_slice(keys);
        for file in SIDE_FILES {
            let path = set.join(file);
            parts.push(if path.is_file() { optimised::hash(&path)? } else { String::new() });
        }
        let key = optimised::digest(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        let name: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        Ok(Self(cache.join("known").join(format!("{name}-{key}.json"))))
    }

    pub(super) fn read(&self) -> Option<Known> {
        serde_json::from_slice(&files::read(&self.0, LARGEST).ok()?).ok()
    }

    pub(super) fn write(&self, known: &Known) -> io::Result<()> {
        optimised::replace(&self.0, &serde_json::to_vec(known)?)
    }

    /// What turned out not to hold.
    pub(super) fn forget(&self) {
        // If it is gone already, that is what was wanted.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_set_is_not_known() {
        let (cache, set) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = |keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            Place::new(cache.path(), set.path(), "tiny", &[288], &keys).unwrap()
        };
        let known = Known { placement: Default::default(), shared_buffers: true, prompt_tokens: 95 };
        assert_eq!(place(&["a"]).read(), None);
        place(&["a"]).write(&known).unwrap();
        assert_eq!(place(&["a"]).read(), Some(known.clone()));
        assert_eq!(place(&["b"]).read(), None);
        fs::write(set.path().join("config.json"), "{}").unwrap();
        assert_eq!(place(&["a"]).read(), None, "the set's files count too");
        place(&["a"]).write(&known).unwrap();
        fs::write(&place(&["a"]).0, "{\"half").unwrap();
        assert_eq!(place(&["a"]).read(), None);
        place(&["a"]).forget();
        place(&["a"]).forget();
    }
}
