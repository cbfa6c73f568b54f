//! Model folders that are wrong: each file is named, with what is wrong and what it should hold, and nothing panics.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::path::Path;

use eyewitness::clock::Clock;
use eyewitness::vlm::{GraphError, LoadError, Model, ModelSet, Precision, Provider, Settings};
use tempfile::TempDir;

const GRAPHS: [&str; 3] = [
    "onnx/vision_encoder_quantized.onnx",
    "onnx/embed_tokens_quantized.onnx",
    "onnx/decoder_model_merged_quantized.onnx",
];

/// A copy of the default set that a test may break: small files copied, graphs linked.
fn copy() -> TempDir {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("onnx")).unwrap();
    for entry in fs::read_dir(&source).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    for graph in GRAPHS {
        std::os::unix::fs::symlink(source.join(graph), folder.path().join(graph)).unwrap();
    }
    folder
}

fn replace(folder: &TempDir, file: &str, from: &str, to: &str) {
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn overwrite(folder: &TempDir, file: &str, bytes: &[u8]) {
    let path = folder.path().join(file);
    fs::remove_file(&path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn set_error(folder: &Path) -> String {
    ModelSet::open(folder, Precision::Auto).unwrap_err().to_string()
}

fn load_error(folder: &TempDir, provider: Provider) -> LoadError {
    let settings = Settings { provider, threads: 1, ..Settings::new(folder.path()) };
    Model::start(settings, Clock::system()).unwrap_err()
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn no_folder() {
    says(&set_error(Path::new("/nothing/here")), &["`/nothing/here`", "there is no such folder", "set `model.path`"]);
    says(&set_error(Path::new("/etc/hostname")), &["is not a folder"]);
}

#[test]
fn every_missing_file_is_named_at_once() {
    let empty = tempfile::tempdir().unwrap();
    says(
        &set_error(empty.path()),
        &[
            "config.json: is missing; it should hold the model's geometry",
            "preprocessor_config.json: is missing",
            "processor_config.json: is missing",
            "generation_config.json: is missing",
            "tokenizer.json: is missing",
            "chat_template.jinja: is missing",
            "onnx/vision_encoder_int8.onnx: is missing (nor is there onnx/vision_encoder_uint8.onnx",
            "onnx/embed_tokens_int8.onnx",
            "onnx/decoder_model_merged_int8.onnx",
        ],
    );
    let folder = copy();
    let error = ModelSet::open(folder.path(), Precision::Fp16).unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
    says(&error.to_string(), &["onnx/embed_tokens_fp16.onnx: is missing; it should hold the ONNX graph"]);
}

#[test]
fn wrong_json_is_shown_with_its_place() {
    let folder = copy();
    replace(&folder, "config.json", "\"text_config\": {", "\"text_config\": {{");
    replace(&folder, "processor_config.json", "image_seq_len", "image_length");
    replace(&folder, "preprocessor_config.json", "\"resample\": 2", "\"resample\": 9");
    fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    says(
        &set_error(folder.path()),
        &[
            "config.json: key must be a string at line",
            "processor_config.json: missing field `image_seq_len`",
            "preprocessor_config.json: `resample` is 9",
            "tokenizer.json: is no tokenizer",
        ],
    );
}

#[test]
fn a_tokenizer_of_another_set() {
    let folder = copy();
    replace(&folder, "config.json", "\"image_token_id\": 4", "\"image_token_id\": 49190");
    says(&set_error(folder.path()), &["`image_token_id` is 49190, but tokenizer.json has `<image>` as 4"]);
    let text = fs::read_to_string(folder.path().join("tokenizer.json")).unwrap();
    fs::write(folder.path().join("tokenizer.json"), text.replace("<global-img>", "<other>")).unwrap();
    says(&set_error(folder.path()), &["tokenizer.json: does not know `<global-img>`"]);
}

#[test]
fn pointers_and_empty_files_are_no_graphs() {
    let folder = copy();
    overwrite(&folder, GRAPHS[0], b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    overwrite(&folder, GRAPHS[1], b"");
    says(&set_error(folder.path()), &["is a Git LFS pointer", "git lfs pull", "embed_tokens_quantized.onnx: is empty"]);
}

#[test]
fn a_truncated_graph_is_named() {
    let folder = copy();
    let whole = fs::read(folder.path().join(GRAPHS[2])).unwrap();
    overwrite(&folder, GRAPHS[2], &whole[..whole.len() / 3]);
    let error = load_error(&folder, Provider::Cpu);
    assert!(matches!(error, LoadError::Graph(GraphError::Load { .. })), "{error:?}");
    says(&error.to_string(), &["decoder_model_merged_quantized.onnx", "truncated or damaged"]);
}

#[test]
fn swapped_graphs_are_told() {
    let folder = copy();
    let (a, b) = (folder.path().join(GRAPHS[0]), folder.path().join(GRAPHS[2]));
    let between = folder.path().join("between");
    for (from, to) in [(&a, &between), (&b, &a), (&between, &b)] {
        fs::rename(from, to).unwrap();
    }
    let error = load_error(&folder, Provider::Cpu).to_string();
    says(&error, &["vision_encoder_quantized.onnx", "no input `pixel_values`", "another part of the set"]);
}

#[test]
fn geometry_that_does_not_fit_the_graphs() {
    for (file, from, to, wrong) in [
        ("config.json", "\"num_hidden_layers\": 8", "\"num_hidden_layers\": 9", "no input `past_key_values.8.key`"),
        ("config.json", "\"num_hidden_layers\": 8", "\"num_hidden_layers\": 7", "more than the 7 layers"),
        ("config.json", "\"num_key_value_heads\": 3", "\"num_key_value_heads\": 5", "json files say 5"),
        ("config.json", "\"hidden_size\": 576", "\"hidden_size\": 512", "json files say 512"),
        (
            "config.json",
            "\"vocab_size\": 6144,\n    \"max",
            "\"vocab_size\": 49280,\n    \"max",
            "json files say 49280",
        ),
        ("processor_config.json", "81", "64", "64"),
        (
            "preprocessor_config.json",
            "\"max_image_size\": {\n    \"longest_edge\": 288",
            "\"max_image_size\": {\n    \"longest_edge\": 512",
            "512",
        ),
    ] {
        let folder = copy();
        replace(&folder, file, from, to);
        let error = load_error(&folder, Provider::Cpu);
        says(&chain(&error), &[wrong]);
        assert!(matches!(error, LoadError::Graph(_) | LoadError::Rehearsal { .. }), "{error:?}");
    }
}

#[test]
fn a_provider_that_is_not_there_fails_loudly() {
    let folder = copy();
    for (provider, name) in
        [(Provider::Cuda, "cuda"), (Provider::TensorRt, "tensorrt"), (Provider::OpenVino, "openvino")]
    {
        let error = load_error(&folder, provider);
        says(&error.to_string(), &[&format!("the provider `{name}` cannot be used"), "`provider = \"cpu\"`"]);
        println!("{}", chain(&error));
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!("\n  because: {error}");
        source = error.source();
    }
    text
}
