//! Which graph file of each part is taken. The parts of a set may differ in precision.

use std::path::{Path, PathBuf};

use super::settings::Precision;

/// A set's three graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Vision,
    Embed,
    Decoder,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Vision, Self::Embed, Self::Decoder];

    /// In messages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Vision => "vision encoder",
            Self::Embed => "token embedding",
            Self::Decoder => "decoder",
        }
    }

    /// The file name without suffix.
    #[must_use]
    pub fn stem(self) -> &'static str {
        match self {
            Self::Vision => "vision_encoder",
            Self::Embed => "embed_tokens",
            Self::Decoder => "decoder_model_merged",
        }
    }
}

/// One suffix of the published file names.
struct Suffix {
    suffix: &'static str,
    label: &'static str,
    precision: Option<Precision>,
}

/// In the order that `auto` prefers on a CPU. To be replaced by measuring on the device: int8 is not always faster.
const SUFFIXES: [Suffix; 8] = [
    Suffix { suffix: "_int8", label: "int8", precision: Some(Precision::Int8) },
    Suffix { suffix: "_uint8", label: "int8", precision: Some(Precision::Int8) },
    Suffix { suffix: "_quantized", label: "int8", precision: Some(Precision::Int8) },
    Suffix { suffix: "", label: "fp32", precision: Some(Precision::Fp32) },
    Suffix { suffix: "_fp16", label: "fp16", precision: Some(Precision::Fp16) },
    Suffix { suffix: "_q4", label: "q4", precision: Some(Precision::Q4) },
    Suffix { suffix: "_q4f16", label: "q4f16", precision: Some(Precision::Q4f16) },
    Suffix { suffix: "_bnb4", label: "bnb4", precision: None },
];

/// The file of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphFile {
    pub path: PathBuf,
    /// "int8", "fp32", ...
    pub precision: &'static str,
}

/// The first file of `part` that exists under `folder`/onnx and fits `precision`; if none does, the names it could have had.
pub(super) fn find(folder: &Path, part: Part, precision: Precision) -> Result<GraphFile, Vec<String>> {
    let fitting = || SUFFIXES.iter().filter(|s| precision == Precision::Auto || s.precision == Some(precision));
    let name = |s: &Suffix| format!("onnx/{}{}.onnx", part.stem(), s.suffix);
    fitting()
        .map(|s| GraphFile { path: folder.join(name(s)), precision: s.label })
        .find(|file| file.path.is_file())
        .ok_or_else(|| fitting().map(name).collect())
}

/// The precisions in which the set in `folder` has a graph, the highest first, and the bytes of its files: of vision, of embed,
/// of the decoder. Nothing is read.
#[must_use]
pub fn available(folder: &Path) -> [Vec<(Precision, u64)>; 3] {
    let all = [Precision::Fp32, Precision::Fp16, Precision::Int8, Precision::Q4f16, Precision::Q4];
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
    Part::ALL.map(|part| {
        let files = all.into_iter().filter_map(|precision| Some((precision, find(folder, part, precision).ok()?.path)));
        files
            .map(|(precision, path)| {
                // Where weights are too large for the graph's own file.
                let beside = PathBuf::from(format!("{}_data", path.display()));
                (precision, bytes(&path) + bytes(&beside))
            })
            .collect()
    })
}

/// One word for the whole set: "int8", or "fp16+q4" if the parts differ.
pub(super) fn label(files: &[GraphFile; 3]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for file in files {
        if !words.contains(&file.precision) {
            words.push(file.precision);
        }
    }
    words.join("+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_what_each_part_has() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        for name in ["vision_encoder_fp16", "vision_encoder_q4", "embed_tokens", "decoder_model_merged_uint8"] {
            std::fs::write(folder.path().join(format!("onnx/{name}.onnx")), "x").unwrap();
        }
        let found = Part::ALL.map(|part| find(folder.path(), part, Precision::Auto).unwrap());
        assert_eq!(label(&found), "fp16+fp32+int8");
        assert_eq!(find(folder.path(), Part::Vision, Precision::Q4).unwrap().precision, "q4");
        let [vision, embed, decoder] = available(folder.path());
        assert_eq!(vision, [(Precision::Fp16, 1), (Precision::Q4, 1)]);
        assert_eq!((embed, decoder), (vec![(Precision::Fp32, 1)], vec![(Precision::Int8, 1)]));
        let missing = find(folder.path(), Part::Embed, Precision::Int8).unwrap_err();
        assert_eq!(
            missing,
            ["onnx/embed_tokens_int8.onnx", "onnx/embed_tokens_uint8.onnx", "onnx/embed_tokens_quantized.onnx"]
        );
    }
}
