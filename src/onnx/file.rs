//! ONNX files on disk: read whole, checked for what cannot be carried over, written beside and renamed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;

use super::proto::{Model, Tensor};

/// Protobuf messages end at 2 GiB, and so does what is read here.
const LARGEST: u64 = i32::MAX as u64;

/// Why a file cannot be read or written as an ONNX graph.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("`{}` cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` has {size} bytes, more than the 2 GiB that an ONNX file may have", .path.display())]
    TooLarge { path: PathBuf, size: u64 },
    #[error("`{}` is no ONNX file, or a damaged one: copy it again and compare its SHA-256 with the published one", .path.display())]
    Damaged { path: PathBuf, source: prost::DecodeError },
    #[error("`{}` holds {what}, which is not supported here", .path.display())]
    Unsupported { path: PathBuf, what: String },
    #[error("`{}` cannot be written: is the disk full, or the folder read-only?", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Reads a graph with its weights. Weights in a file beside it (external data) are read too and become part of the model.
///
/// # Errors
/// [`FileError`]
pub fn read(path: &Path) -> Result<Model, FileError> {
    let bytes = read_bytes(path)?;
    let mut model = Model::decode(bytes).map_err(|source| FileError::Damaged { path: path.to_owned(), source })?;
    let unsupported = |what: &str| FileError::Unsupported { path: path.to_owned(), what: what.to_owned() };
    if !model.functions.is_empty() {
        return Err(unsupported("functions of its own"));
    }
    let graph = model.graph.as_mut().ok_or_else(|| unsupported("no graph"))?;
    if !graph.sparse_initializer.is_empty() {
        return Err(unsupported("sparse weights"));
    }
    let mut beside = BTreeMap::new();
    for tensor in &mut graph.initializer {
        if tensor.data_location == Some(1) {
            bring_in(path, tensor, &mut beside)?;
        }
    }
    Ok(model)
}

fn read_bytes(path: &Path) -> Result<Bytes, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > LARGEST {
        return Err(FileError::TooLarge { path: path.to_owned(), size });
    }
    fs::read(path).map(Bytes::from).map_err(failed)
}

/// Puts a tensor's external data into the tensor. `read` has the files beside the graph so far: each is read once, however many
/// weights it holds.
fn bring_in(path: &Path, tensor: &mut Tensor, read: &mut BTreeMap<PathBuf, Bytes>) -> Result<(), FileError> {
    let unsupported = |what: String| FileError::Unsupported { path: path.to_owned(), what };
    let value = |key: &str| {
        let property = tensor.external_data.iter().find(|property| property.key.as_deref() == Some(key));
        property.and_then(|property| property.value.as_deref())
    };
    let name = tensor.name.as_deref().unwrap_or_default();
    let location = value("location").ok_or_else(|| unsupported(format!("the weight `{name}` in no file")))?;
    // A name that leads out of the folder would read whatever its author likes.
    if Path::new(location).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Err(unsupported(format!("the weight `{name}` in `{location}`, outside its own folder")));
    }
    let number = |key: &str| value(key).map(str::parse::<usize>).transpose();
    let (Ok(offset), Ok(length)) = (number("offset"), number("length")) else {
        return Err(unsupported(format!("the weight `{name}` at no place in `{location}`")));
    };
    let beside = path.with_file_name(location);
    let bytes = match read.entry(beside) {
        Entry::Occupied(known) => known.get().clone(),
        Entry::Vacant(new) => {
            let bytes = read_bytes(new.key())?;
            new.insert(bytes).clone()
        }
    };
    let offset = offset.unwrap_or(0);
    let end = length.map_or(Some(bytes.len()), |length| offset.checked_add(length));
    let range = end.filter(|end| *end <= bytes.len() && offset <= *end).map(|end| offset..end);
    let range = range.ok_or_else(|| unsupported(format!("the weight `{name}` beyond the end of `{location}`")))?;
    tensor.raw_data = Some(bytes.slice(range));
    tensor.external_data.clear();
    tensor.data_location = None;
    Ok(())
}

/// Writes a graph. The name appears only when the whole file is on the disk.
///
/// # Errors
/// [`FileError::TooLarge`], [`FileError::Write`]
pub fn write(path: &Path, model: &Model) -> Result<(), FileError> {
    let size = model.encoded_len() as u64;
    if size > LARGEST {
        return Err(FileError::TooLarge { path: path.to_owned(), size });
    }
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(&model.encode_to_vec()).map_err(failed)?;
    // A temporary file is its owner's alone, but the daemon that will read it is another user.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default model's graphs come from the published tools: what is read and written again must be the same bytes' worth.
    #[test]
    fn what_is_written_is_what_was_read() {
        let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny/onnx");
        let folder = tempfile::tempdir().unwrap();
        for part in ["vision_encoder_quantized", "embed_tokens_quantized", "decoder_model_merged_quantized"] {
            let original = set.join(format!("{part}.onnx"));
            let model = read(&original).unwrap();
            assert!(model.graph.as_ref().unwrap().node.len() > 1, "{part}");
            let copy = folder.path().join("copy.onnx");
            write(&copy, &model).unwrap();
            assert_eq!(read(&copy).unwrap(), model, "{part}");
            let (had, have) = (fs::metadata(&original).unwrap().len(), fs::metadata(&copy).unwrap().len());
            assert!(had.abs_diff(have) < 64, "{part}: {had} bytes became {have}: something was lost");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half written stays");
    }

    #[test]
    fn external_data_stays_inside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("weights.bin"), [1, 2, 3, 4, 5, 6]).unwrap();
        let property =
            |key: &str, value: &str| super::super::proto::Property { key: Some(key.into()), value: Some(value.into()) };
        let model = |location: &str, length: &str| {
            let external_data =
                vec![property("location", location), property("offset", "2"), property("length", length)];
            let tensor = Tensor { name: Some("w".into()), data_location: Some(1), external_data, ..Tensor::default() };
            let graph = super::super::proto::Graph { initializer: vec![tensor], ..Default::default() };
            Model { graph: Some(graph), ..Model::default() }
        };
        let path = folder.path().join("graph.onnx");
        let read_back = |location: &str, length: &str| {
            write(&path, &model(location, length)).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        let tensor = read_back("weights.bin", "4").unwrap().graph.unwrap().initializer.remove(0);
        assert_eq!(tensor.raw_data.as_deref(), Some(&[3, 4, 5, 6][..]));
        assert!(read_back("weights.bin", "5").unwrap_err().contains("beyond the end"));
        assert!(read_back("../secret", "4").unwrap_err().contains("outside its own folder"));
        assert!(read_back("/etc/passwd", "4").unwrap_err().contains("outside its own folder"));
    }

    #[test]
    fn damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.onnx");
        assert!(matches!(read(&path), Err(FileError::Read { .. })));
        fs::write(&path, [0xff; 100]).unwrap();
        assert!(matches!(read(&path), Err(FileError::Damaged { .. })));
        fs::write(&path, "").unwrap();
        assert!(matches!(read(&path), Err(FileError::Unsupported { .. })));
    }
}
