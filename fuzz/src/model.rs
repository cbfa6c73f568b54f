//! The small files of a model set, and a prompt made with them.

use std::fs;

use eyewitness::onnx::Architecture;
use eyewitness::vlm::{ModelSet, Precision};

use super::files;
use super::input::Input;

/// In the order in which an input holds them.
const FILES: [&str; 7] = [
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "chat_template.jinja",
    "tokenizer.json",
    "probes.json",
];

pub(crate) fn run(data: &[u8]) {
    let folder = files::folder();
    let path = folder.path();
    for (name, part) in FILES.iter().zip(Input(data).parts()) {
        files::write(path, name, part);
    }
    fs::create_dir(path.join("onnx")).expect("a folder in the folder that was just made");
    // Graphs are looked at when they are loaded.
    for graph in ["vision_encoder", "embed_tokens", "decoder_model_merged"] {
        files::write(path, &format!("onnx/{graph}.onnx"), b"graph");
    }
    if let Err(error) = Architecture::read(path) {
        assert!(error.to_string().contains("config.json"), "the file is named: {error}");
    }
    match ModelSet::open(path, Precision::Auto) {
        Err(error) => assert!(!error.problems.is_empty(), "an error says what is wrong"),
        Ok(set) => {
            let picture = set.picture;
            assert!((1..=4096).contains(&picture.width) && (1..=4096).contains(&set.image_tokens));
            assert!(!set.stop.is_empty());
            for text in ["Describe the scene.", "Is there a dog?\nCafé, 雨", "<image>", "{{ messages }}"] {
                if let Err(error) = set.prompt_tokens(text) {
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}
