//! Graphs that are valid ONNX and yet not what a set needs: numbers that are none, types that nobody feeds, answers without an end.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::image::read_file;
use eyewitness::onnx::proto::{self, attribute, element};
use eyewitness::onnx::{read, write};
use eyewitness::units::Region;
use eyewitness::vlm::{AskError, LoadError, Model, Question, Settings};
use tempfile::TempDir;

const VISION: &str = "onnx/vision_encoder_quantized.onnx";
const DECODER: &str = "onnx/decoder_model_merged_quantized.onnx";

/// The default set, with links to what a test does not change.
fn copy() -> TempDir {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("onnx")).unwrap();
    for under in ["", "onnx"] {
        for file in fs::read_dir(source.join(under)).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                let name = Path::new(under).join(file.file_name().unwrap());
                std::os::unix::fs::symlink(&file, folder.path().join(name)).unwrap();
            }
        }
    }
    folder
}

/// Puts a changed graph in place of a link.
fn change(set: &TempDir, graph: &str, edit: impl FnOnce(&mut proto::Graph)) {
    let path = set.path().join(graph);
    let mut model = read(&path).unwrap();
    edit(model.graph.as_mut().unwrap());
    fs::remove_file(&path).unwrap();
    write(&path, &model).unwrap();
}

fn start(set: &TempDir) -> Result<Model, LoadError> {
    Model::start(Settings { threads: 1, ..Settings::new(set.path()) }, Clock::system())
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    text
}

#[track_caller]
fn refused(set: &TempDir, words: &[&str]) {
    let error = start(set).unwrap_err();
    let text = chain(&error);
    for words in words {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
}

#[test]
fn numbers_that_are_none() {
    let set = copy();
    change(&set, DECODER, |graph| {
        let norm = graph.initializer.iter_mut().find(|tensor| tensor.name.as_deref() == Some("l0.n1")).unwrap();
        let length = norm.raw_data.as_ref().unwrap().len();
        norm.raw_data = Some(f32::NAN.to_le_bytes().repeat(length / 4).into());
    });
    let folder = set.path().display().to_string();
    refused(&set, &[&folder, "loads but does not run", "not finite after 0 tokens", "try another `precision`"]);
}

#[test]
fn types_that_nobody_feeds() {
    let set = copy();
    change(&set, VISION, |graph| {
        let dimension = |length| proto::Dimension { value: Some(proto::Extent::Value(length)) };
        let value = |name: &str, kind: i32| proto::ValueInfo {
            name: Some(name.into()),
            r#type: Some(proto::Type {
                tensor_type: Some(proto::TensorType {
                    elem_type: Some(kind),
                    shape: Some(proto::Shape { dim: [1, 1, 3, 288, 288].map(dimension).into() }),
                }),
            }),
            doc_string: None,
        };
        let to = proto::Attribute {
            name: Some("to".into()),
            i: Some(element::FLOAT.into()),
            r#type: Some(attribute::INT),
            ..proto::Attribute::default()
        };
        *graph = proto::Graph {
            name: graph.name.take(),
            node: vec![proto::Node {
                op_type: Some("Cast".into()),
                input: vec!["pixel_values".into()],
                output: vec!["image_features".into()],
                attribute: vec![to],
                ..proto::Node::default()
            }],
            input: vec![value("pixel_values", element::UINT8)],
            output: vec![value("image_features", element::FLOAT)],
            ..proto::Graph::default()
        };
    });
    refused(&set, &["vision_encoder_quantized.onnx", "`pixel_values` is u8, not f32 or f16"]);
}

#[test]
fn a_decoder_of_another_depth() {
    for (depth, words) in [(7, "it has more than the 7 layers that config.json says"), (9, "past_key_values.8.key")] {
        let set = copy();
        let path = set.path().join("config.json");
        let text = fs::read_to_string(&path).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
        config["text_config"]["num_hidden_layers"] = depth.into();
        fs::remove_file(&path).unwrap();
        fs::write(&path, config.to_string()).unwrap();
        refused(&set, &["decoder_model_merged_quantized.onnx", words]);
    }
}

/// Nothing that the model says ends this answer: the limit does.
#[tokio::test]
async fn an_answer_without_an_end() {
    let set = copy();
    for file in ["generation_config.json", "config.json"] {
        let path = set.path().join(file);
        let mut config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        config["eos_token_id"] = 6143.into();
        fs::remove_file(&path).unwrap();
        fs::write(&path, config.to_string()).unwrap();
    }
    let clock = Clock::system();
    let model = start(&set).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let question = |max_tokens: usize, patience: Duration| Question {
        picture: read_file(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/tiny/fixtures/rocket.jpg"))).unwrap(),
        view: Region::WHOLE,
        masks: Arc::new([]),
        prompt: "Describe the scene.".into(),
        asks: Vec::new(),
        max_tokens,
        deadline: clock.now().plus(patience),
        describe: true,
        recall: None,
        check: false,
    };
    let answer = model.ask(question(200, Duration::from_secs(120))).await.unwrap();
    assert_eq!(answer.tokens, 200, "the limit, and room made for it: {:?}", answer.text);
    // The deadline ends it too, within about a token.
    let began = clock.now();
    let late = model.ask(question(1900, Duration::from_millis(700))).await;
    assert!(matches!(late, Err(AskError::Expired)), "{late:?}");
    assert!(clock.now().since(began) < Duration::from_secs(5));
    assert_eq!(model.ask(question(3, Duration::from_secs(120))).await.unwrap().tokens, 3, "and it goes on");
}
