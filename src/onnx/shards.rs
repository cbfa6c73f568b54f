//! `model.safetensors`, or the shards that `model.safetensors.index.json` lists. Only the tensors that are asked for are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;

use super::floats::Float;
use super::weights::Weights;

const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A header is some hundred bytes for each tensor.
const LARGEST_HEADER: u64 = 100 << 20;

/// An index has some hundred bytes for each tensor too; those of models of hundreds of billions have 10 MB.
const LARGEST_INDEX: u64 = 64 << 20;

const EMBED: &str = "model.text_model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

/// Why weights cannot be read from safetensors files.
#[derive(Debug, thiserror::Error)]
pub enum SafetensorsError {
    #[error("`{}` cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no safetensors file, or a damaged one: copy it again and compare its SHA-256 with the published one", .path.display())]
    Damaged { path: PathBuf },
    #[error("`{}` does not say in which files the weights are", .path.display())]
    Index { path: PathBuf },
    #[error("`{}`: the weight `{name}` is {dtype}, not F32, F16 or BF16: take the weights as published, not quantised", .path.display())]
    Type { path: PathBuf, name: String, dtype: String },
}

/// The files' tables of contents.
#[derive(Debug)]
pub struct Safetensors {
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    file: File,
    /// Where the numbers begin.
    at: u64,
    tensors: BTreeMap<String, TensorInfo>,
}

#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Safetensors {
    /// Whether the folder has such files.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        folder.join(WHOLE).is_file() || folder.join(INDEX).is_file()
    }

    /// Reads what is in the files of `folder`, not the weights themselves.
    ///
    /// # Errors
    /// [`SafetensorsError`]
    pub fn open(folder: &Path) -> Result<Self, SafetensorsError> {
        let shards = files(folder)?.iter().map(|path| Shard::open(path)).collect::<Result<_, _>>()?;
        Ok(Self { shards })
    }

    /// The files, for whoever wants to know what was read.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        self.shards.iter().map(|shard| shard.path.as_path()).collect()
    }

    /// The weights of the picture encoder and the connector.
    ///
    /// # Errors
    /// [`SafetensorsError`]
    pub fn vision(&self) -> Result<Weights, SafetensorsError> {
        self.select(|name| name.starts_with("model.vision_model.") || name.starts_with("model.connector."))
    }

    /// The token table.
    ///
    /// # Errors
    /// [`SafetensorsError`]
    pub fn embed(&self) -> Result<Weights, SafetensorsError> {
        self.select(|name| name == EMBED)
    }

    /// The weights of the decoder with its head; a head that is not there is tied to the token table.
    ///
    /// # Errors
    /// [`SafetensorsError`]
    pub fn decoder(&self) -> Result<Weights, SafetensorsError> {
        let mut weights =
            self.select(|name| name == HEAD || (name.starts_with("model.text_model.") && name != EMBED))?;
        if !weights.has(HEAD) {
            for shard in &self.shards {
                if let Some(info) = shard.tensors.get(EMBED) {
                    weights.insert(HEAD, shard.read(EMBED, info)?);
                }
            }
        }
        Ok(weights)
    }

    fn select(&self, wanted: impl Fn(&str) -> bool) -> Result<Weights, SafetensorsError> {
        let mut weights = Weights::default();
        for shard in &self.shards {
            for (name, info) in shard.tensors.iter().filter(|(name, _)| wanted(name)) {
                weights.insert(name.clone(), shard.read(name, info)?);
            }
        }
        Ok(weights)
    }
}

/// The whole file goes before the shards.
fn files(folder: &Path) -> Result<Vec<PathBuf>, SafetensorsError> {
    let (whole, path) = (folder.join(WHOLE), folder.join(INDEX));
    if whole.is_file() || !path.is_file() {
        return Ok(vec![whole]);
    }
    let text = crate::files::read(&path, LARGEST_INDEX)
        .map_err(|source| SafetensorsError::Read { path: path.clone(), source })?;
    let Ok(index) = serde_json::from_slice::<Index>(&text) else { return Err(SafetensorsError::Index { path }) };
    let names: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    // A name that leads out of the folder would read whatever its author likes.
    let inside = |name: &&str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if names.is_empty() || !names.iter().all(inside) {
        return Err(SafetensorsError::Index { path });
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

impl Shard {
    fn open(path: &Path) -> Result<Self, SafetensorsError> {
        let failed = |source| SafetensorsError::Read { path: path.to_owned(), source };
        let damaged = || SafetensorsError::Damaged { path: path.to_owned() };
        let mut file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut head = [0; 8];
        file.read_exact(&mut head).map_err(|_| damaged())?;
        let length = u64::from_le_bytes(head);
        if length > LARGEST_HEADER || length > size {
            return Err(damaged());
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(|_| damaged())?;
        let contents: Metadata = serde_json::from_slice(&header).map_err(|_| damaged())?;
        let at = 8 + length;
        if at + contents.data_len() as u64 != size {
            return Err(damaged());
        }
        let tensors = contents.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        Ok(Self { path: path.to_owned(), file, at, tensors })
    }

    fn read(&self, name: &str, info: &TensorInfo) -> Result<ArrayD<f32>, SafetensorsError> {
        let float = match info.dtype {
            Dtype::F32 => Float::F32,
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::Bf16,
            other => {
                let dtype = format!("{other:?}");
                return Err(SafetensorsError::Type { path: self.path.clone(), name: name.to_owned(), dtype });
            }
        };
        let damaged = || SafetensorsError::Damaged { path: self.path.clone() };
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to.checked_sub(from).ok_or_else(damaged)?];
        self.file.read_exact_at(&mut bytes, self.at + from as u64).map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => damaged(),
            _ => SafetensorsError::Read { path: self.path.clone(), source },
        })?;
        let values = float.read(&bytes).ok_or_else(damaged)?;
        ArrayD::from_shape_vec(IxDyn(&info.shape), values).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use safetensors::tensor::TensorView;

    use super::*;

    fn write(path: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            ((*name).to_owned(), TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
        });
        fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn parts_types_and_a_tied_head() {
        let folder = tempfile::tempdir().unwrap();
        write(
            &folder.path().join(WHOLE),
            &[
                (EMBED, Dtype::F32, &[2, 1], f32s(&[1.0, 2.0])),
                ("model.text_model.norm.weight", Dtype::BF16, &[1], vec![0x80, 0x3f]),
                ("model.connector.modality_projection.proj.weight", Dtype::F16, &[1, 1], vec![0, 0x3c]),
            ],
        );
        let read = Safetensors::open(folder.path()).unwrap();
        assert_eq!(read.vision().unwrap().names().count(), 1);
        assert_eq!(read.embed().unwrap().get(EMBED, &[2, 1]).unwrap()[[1, 0]], 2.0);
        let decoder = read.decoder().unwrap();
        assert_eq!(decoder.get("model.text_model.norm.weight", &[1]).unwrap()[[0]], 1.0);
        assert_eq!(decoder.get(HEAD, &[2, 1]).unwrap()[[0, 0]], 1.0);
        assert!(!decoder.has(EMBED));
    }

    #[test]
    fn shards_are_found_by_the_index() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("a.safetensors"), &[(EMBED, Dtype::F32, &[1, 1], f32s(&[3.0]))]);
        write(&folder.path().join("b.safetensors"), &[(HEAD, Dtype::F32, &[1, 1], f32s(&[4.0]))]);
        let index = |text: &str| fs::write(folder.path().join(INDEX), text).unwrap();
        index(r#"{"weight_map": {"x": "a.safetensors", "lm_head.weight": "b.safetensors"}}"#);
        assert!(Safetensors::exists(folder.path()));
        let read = Safetensors::open(folder.path()).unwrap();
        assert_eq!(read.paths().len(), 2);
        assert_eq!(read.decoder().unwrap().get(HEAD, &[1, 1]).unwrap()[[0, 0]], 4.0);
        index(r#"{"weight_map": {"x": "../a.safetensors"}}"#);
        assert!(matches!(Safetensors::open(folder.path()), Err(SafetensorsError::Index { .. })));
    }

    #[test]
    fn damage_and_quantised_weights_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(WHOLE);
        assert!(matches!(Safetensors::open(folder.path()), Err(SafetensorsError::Read { .. })));
        write(&path, &[(EMBED, Dtype::I8, &[2], vec![1, 2])]);
        let error = Safetensors::open(folder.path()).unwrap().embed().unwrap_err().to_string();
        assert!(error.contains("`model.text_model.embed_tokens.weight` is I8"), "{error}");
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..20], &[0xff; 40]] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(Safetensors::open(folder.path()), Err(SafetensorsError::Damaged { .. })));
        }
    }
}
