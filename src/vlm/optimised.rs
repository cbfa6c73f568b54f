//! Graphs as ONNX Runtime has optimised them, kept on disk, so that the next start need not do it again. An entry belongs to one
//! graph file (by its SHA-256), one runtime, one provider and one kind of processor; whatever is wrong with it, it is thrown away
//! and made anew.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

/// Folder under the cache for them.
const FOLDER: &str = "graphs";
/// Of the key, in hexadecimal digits.
const DIGITS: usize = 16;

/// SHA-256 of a file, in hexadecimal.
pub(super) fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => context.update(&buffer[..read]),
        }
    }
    Ok(hex(context.finish().as_ref()))
}

/// A graph's file and those that hold its weights beside it (`decoder.onnx_data`, ...): a kept graph has them all in it.
pub(super) fn files(graph: &Path) -> io::Result<Vec<PathBuf>> {
    let name = graph.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = graph.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|other| other.to_string_lossy().starts_with(&name)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a small file, whole or not at all. Others may read it: the daemon is another user than who tunes.
pub(super) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// One word for several.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    hex(context.finish().as_ref())[..DIGITS].to_owned()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The processor's name: optimised graphs hold choices that were made for it.
pub(super) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
    // ARM kernels name no model, but its parts.
    line("model name").or_else(|| line("CPU part")).unwrap_or_default() + &line("flags").unwrap_or_default()
}

/// Where one graph's optimised form is kept.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    path: PathBuf,
    /// Of the same graph file, whatever its content, runtime or provider were.
    family: String,
}

impl Entry {
    /// `set` names the model set, `key` everything that the result depends on.
    pub(super) fn new(cache: &Path, set: &str, graph: &Path, provider: &str, key: &str) -> Self {
        let stem = graph.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let plain = |text: &str| text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect::<String>();
        let family = format!("{}-{}-{provider}-", plain(set), plain(&stem));
        Self { path: cache.join(FOLDER).join(format!("{family}{key}.onnx")), family }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_file()
    }

    /// A place beside the entry to write it to, in a folder of its own that goes when it is dropped.
    pub(super) fn draft(&self) -> io::Result<Draft> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let folder = tempfile::Builder::new().prefix(".draft-").tempdir_in(folder)?;
        Ok(Draft { path: folder.path().join("graph.onnx"), _folder: folder })
    }

    /// Makes a written draft the entry, and removes what it replaces.
    pub(super) fn keep(&self, draft: &Draft) -> io::Result<()> {
        // What is renamed must be on the disk, or a power cut leaves an empty entry of a good name.
        File::open(&draft.path)?.sync_all()?;
        fs::rename(&draft.path, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        for other in fs::read_dir(folder)?.filter_map(Result::ok) {
            let name = other.file_name().to_string_lossy().into_owned();
            if name.starts_with(&self.family) && other.path() != self.path {
                fs::remove_file(other.path())?;
            }
        }
        Ok(())
    }

    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(file = %self.path.display(), %error, "a kept graph cannot be removed: remove it by hand");
        }
    }
}

/// An entry that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Draft {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_replaces_its_family_only() {
        let cache = tempfile::tempdir().unwrap();
        let entry = |set: &str, key: &str| Entry::new(cache.path(), set, Path::new("onnx/decoder.onnx"), "cpu", key);
        let write = |entry: &Entry| {
            let draft = entry.draft().unwrap();
            fs::write(draft.path(), "graph").unwrap();
            assert!(!entry.exists(), "nothing is there before it is whole");
            entry.keep(&draft).unwrap();
        };
        let (old, new, other) = (entry("tiny", "1111"), entry("tiny", "2222"), entry("large one/..", "3333"));
        write(&old);
        write(&other);
        write(&new);
        assert_eq!((old.exists(), new.exists(), other.exists()), (false, true, true));
        assert_eq!(fs::read_dir(cache.path().join(FOLDER)).unwrap().count(), 2, "no draft is left");
        new.remove();
        assert!(!new.exists());
    }

    #[test]
    fn weights_beside_a_graph_belong_to_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["decoder.onnx", "decoder.onnx_data", "decoder_int8.onnx", "embed.onnx"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let found = files(&folder.path().join("decoder.onnx")).unwrap();
        assert_eq!(found, ["decoder.onnx", "decoder.onnx_data"].map(|name| folder.path().join(name)));
    }

    #[test]
    fn the_hash_is_the_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(file.path()).unwrap(), known);
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
