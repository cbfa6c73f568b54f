//! Which files a model was loaded from, as one hash: two measurements with the same are of the same model.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use crate::vlm::ModelSet;

/// What a set's answer depends on besides its graphs.
const FILES: [&str; 5] =
    ["config.json", "preprocessor_config.json", "processor_config.json", "generation_config.json", "tokenizer.json"];

/// SHA-256 in hexadecimal over the set's settings, its tokenizer and the three graphs that it loads, weights beside them
/// included. Reads them all: seconds for a large set.
///
/// # Errors
/// A file cannot be read; the error's text names it.
pub fn fingerprint(set: &ModelSet) -> io::Result<String> {
    let graphs = set.graphs.iter().flat_map(|graph| [Some(graph.path.clone()), weights(&graph.path)]).flatten();
    of(FILES.map(|file| set.folder.join(file)).into_iter().chain(graphs))
}

/// The file that holds a graph's weights where they are not in the graph itself.
fn weights(graph: &Path) -> Option<PathBuf> {
    let beside = PathBuf::from(format!("{}_data", graph.display()));
    beside.is_file().then_some(beside)
}

fn of(files: impl Iterator<Item = PathBuf>) -> io::Result<String> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    for path in files {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
        let mut file = File::open(&path).map_err(named)?;
        // With its length, the end of one file and the beginning of the next cannot be taken for each other.
        context.update(&file.metadata().map_err(named)?.len().to_le_bytes());
        loop {
            match file.read(&mut buffer).map_err(named)? {
                0 => break,
                read => context.update(&buffer[..read]),
            }
        }
    }
    let mut text = String::with_capacity(64);
    for byte in context.finish().as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vlm::Precision;

    #[test]
    fn other_contents_other_hash() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (a, b, ab) = (write("a", "a"), write("b", "b"), write("ab", "ab"));
        let hash = |files: &[&PathBuf]| of(files.iter().map(|path| (*path).clone())).unwrap();
        assert_eq!(hash(&[&a, &b]), hash(&[&a, &b]));
        assert_ne!(hash(&[&a, &b]), hash(&[&b, &a]));
        assert_ne!(hash(&[&a, &b]), hash(&[&ab]));
        let graph = write("x.onnx", "graph");
        assert_eq!(weights(&graph), None);
        let beside = write("x.onnx_data", "weights");
        assert_eq!(weights(&graph), Some(beside));
        let missing = of([folder.path().join("c")].into_iter()).unwrap_err();
        assert!(missing.to_string().contains("/c`: "), "{missing}");
    }

    #[test]
    fn the_default_set_has_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
        let set = ModelSet::open(&folder, Precision::Auto).unwrap();
        let hash = fingerprint(&set).unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    }
}
