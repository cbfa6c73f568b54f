//! Which operators a graph is made of, without reading its weights: a file may have gigabytes, its nodes have kilobytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use prost::Message;
use prost::encoding::{WireType, decode_varint};

use super::file::FileError;
use super::proto::Node;

/// A node without weights is far smaller.
const LARGEST_NODE: u64 = 1 << 20;
/// Field numbers of onnx.proto.
const MODEL_GRAPH: u64 = 7;
const GRAPH_NODE: u64 = 1;

/// The operators of one graph.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// How often each kind of operator occurs, such as "MatMul".
    pub operators: BTreeMap<String, usize>,
}

impl Outline {
    #[must_use]
    pub fn has(&self, operator: &str) -> bool {
        self.operators.contains_key(operator)
    }

    #[must_use]
    pub fn nodes(&self) -> usize {
        self.operators.values().sum()
    }
}

/// Reads the nodes of the graph in `path` and skips everything else. Nodes of more than 1 MiB (they carry weights) are left out.
///
/// # Errors
/// [`FileError::Read`]; also if the file ends too early or is no protobuf message.
pub fn outline(path: &Path) -> Result<Outline, FileError> {
    let read = || -> io::Result<Outline> {
        let file = File::open(path)?;
        let end = file.metadata()?.len();
        let mut walk = Walk { file: BufReader::new(file), at: 0 };
        let mut outline = Outline::default();
        while walk.at < end {
            match walk.field()? {
                (MODEL_GRAPH, Some(length)) => walk.graph(walk.at.saturating_add(length).min(end), &mut outline)?,
                (_, Some(length)) => walk.skip(length)?,
                (_, None) => {}
            }
        }
        Ok(outline)
    };
    read().map_err(|source| FileError::Read { path: path.to_owned(), source })
}

struct Walk {
    file: BufReader<File>,
    /// Bytes from the beginning.
    at: u64,
}

impl Walk {
    fn graph(&mut self, end: u64, outline: &mut Outline) -> io::Result<()> {
        while self.at < end {
            match self.field()? {
                (GRAPH_NODE, Some(length)) if length <= LARGEST_NODE => {
                    let mut bytes = vec![0; length as usize];
                    self.file.read_exact(&mut bytes)?;
                    self.at += length;
                    let node = Node::decode(bytes.as_slice()).map_err(io::Error::other)?;
                    *outline.operators.entry(node.op_type.unwrap_or_default()).or_insert(0) += 1;
                }
                (_, Some(length)) => self.skip(length)?,
                (_, None) => {}
            }
        }
        Ok(())
    }

    /// Number of the next field, and how many bytes of it follow; a number's value is passed over.
    fn field(&mut self) -> io::Result<(u64, Option<u64>)> {
        let key = self.varint()?;
        let wire = WireType::try_from(key & 7).map_err(io::Error::other)?;
        let length = match wire {
            WireType::LengthDelimited => Some(self.varint()?),
            WireType::Varint => {
                self.varint()?;
                None
            }
            WireType::ThirtyTwoBit => Some(4),
            WireType::SixtyFourBit => Some(8),
            WireType::StartGroup | WireType::EndGroup => return Err(io::Error::other("groups do not occur in ONNX")),
        };
        // A number of fixed size is skipped like bytes, whatever its field.
        if wire != WireType::LengthDelimited
            && let Some(size) = length
        {
            self.skip(size)?;
            return Ok((key >> 3, None));
        }
        Ok((key >> 3, length))
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 10];
        for count in 0..bytes.len() {
            self.file.read_exact(&mut bytes[count..=count])?;
            self.at += 1;
            if bytes[count] < 0x80 {
                return decode_varint(&mut &bytes[..=count]).map_err(io::Error::other);
            }
        }
        Err(io::Error::other("a number without an end: this is no ONNX file"))
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let by = i64::try_from(length).map_err(io::Error::other)?;
        self.file.seek_relative(by).or_else(|_| self.file.seek(SeekFrom::Current(by)).map(drop))?;
        self.at += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{proto, read, write};
    use super::*;

    #[test]
    fn the_operators_are_those_of_the_whole_file() {
        let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny/onnx");
        for part in ["vision_encoder_quantized", "embed_tokens_quantized", "decoder_model_merged_quantized"] {
            let path = set.join(format!("{part}.onnx"));
            let outline = outline(&path).unwrap();
            let graph = read(&path).unwrap().graph.unwrap();
            assert_eq!(outline.nodes(), graph.node.len(), "{part}");
            assert_eq!(outline.has("GroupQueryAttention"), part.starts_with("decoder"), "{part}");
        }
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.onnx");
        let node = proto::Node { op_type: Some("MatMul".into()), ..proto::Node::default() };
        let graph = proto::Graph { node: vec![node; 3], ..proto::Graph::default() };
        write(&path, &proto::Model { ir_version: Some(9), graph: Some(graph), ..proto::Model::default() }).unwrap();
        assert_eq!(outline(&path).unwrap().nodes(), 3);
        let whole = std::fs::read(&path).unwrap();
        for length in 3..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            // Cut between two nodes there is nothing to see; anywhere else it ends too early.
            assert!(outline(&path).map_or(true, |outline| outline.nodes() < 3), "cut at {length}");
        }
        std::fs::write(&path, [0xff; 64]).unwrap();
        assert!(outline(&path).is_err());
        assert!(outline(&folder.path().join("absent")).is_err());
    }
}
