//! `eyewitness models optimize`, as a user types it, on a tiny set of the published kind.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ndarray::ArrayD;
use serde_json::Value;
use support::program::{Ended, Running, command, run};
use support::published::{self, Attention, Form};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    set: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let set = folder.path().join("set");
        fs::create_dir(&set).unwrap();
        Self { folder, set }
    }

    fn with_graphs() -> Self {
        let place = Self::new();
        published::write(&place.set, Form::PLAIN);
        place
    }

    fn optimize(&self, more: &[&str]) -> Ended {
        run(self.folder.path(), &[&["models", "optimize", "set"], more].concat())
    }

    /// What lies beside the set.
    fn beside(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "set")
            .collect();
        names.sort();
        names
    }
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

/// It ended so, without data and leaving nothing, and said this.
#[track_caller]
fn refused(place: &Place, ended: &Ended, status: i32, parts: &[&str]) {
    assert_eq!((ended.status, ended.out.as_str()), (status, ""), "{ended:?}");
    says(&ended.err, parts);
    assert_eq!(place.beside(), [""; 0]);
}

fn mark(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("eyewitness.json")).unwrap()).unwrap()
}

#[test]
fn all_precisions_of_a_published_set() {
    let place = Place::with_graphs();
    let ended = place.optimize(&["--precision", "fp32,fp16,int8", "--precision", "q4,q4f16", "--threads", "1"]);
    assert_eq!(ended.status, 0, "{}", ended.err);
    says(&ended.out, &["onnx/decoder_model_merged_q4f16.onnx", "verified against the set's own fp32 graphs:"]);
    says(&ended.out, &["  fp32   features rel. L2", "108 of 108 greedy tokens, first token in 9 of 9 questions"]);
    let fast = place.folder.path().join("set-fast");
    assert_eq!(fs::read_dir(fast.join("onnx")).unwrap().count(), 15);
    for name in ["config.json", "tokenizer.json", "chat_template.jinja", "preprocessor_config.json"] {
        assert_eq!(fs::read(fast.join(name)).unwrap(), fs::read(place.set.join(name)).unwrap(), "{name}");
    }
    let mark = mark(&fast);
    assert_eq!(mark["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(mark["made_from"]["vision_encoder.onnx"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(mark["verified"].as_array().unwrap().len(), 5);
    assert_eq!(place.beside(), ["set-fast"]);

    // What was written is a set like any other, and as good a source.
    let again = run(place.folder.path(), &["models", "optimize", "set-fast", "--out", "again"]);
    assert_eq!(again.status, 0, "{}", again.err);
    let int8 = |folder: &str| fs::read(place.folder.path().join(folder).join("onnx/vision_encoder_int8.onnx")).unwrap();
    assert!(int8("set-fast") == int8("again"), "the same weights give the same graph");
}

#[test]
fn halves_are_a_source_too() {
    let place = Place::new();
    published::write(&place.set, Form { halves: true, ..Form::PLAIN });
    let ended = place.optimize(&[]);
    assert_eq!(ended.status, 0, "{}", ended.err);
    says(&ended.out, &["onnx/vision_encoder_int8.onnx", "verified against the set's own fp16 graphs:"]);
    says(&ended.out, &["(made for this check only)"]);
    assert_eq!(fs::read_dir(place.folder.path().join("set-fast/onnx")).unwrap().count(), 3);
}

#[test]
fn without_graphs_the_weights_themselves_will_do() {
    let place = Place::new();
    published::write_small_files(&place.set);
    published::write_safetensors(&place.set, &published::weights(&published::architecture()));
    let ended = place.optimize(&["--precision", "int8"]);
    assert_eq!(ended.status, 0, "{}", ended.err);
    says(&ended.out, &["verified against new fp32 graphs of the same weights (the set has no graphs of its own"]);
    let fast = place.folder.path().join("set-fast");
    assert!(!fast.join("model.safetensors").exists() && !fast.join("onnx/vision_encoder.onnx").exists());
    assert_eq!(fs::read_dir(fast.join("onnx")).unwrap().count(), 3);
    assert!(fs::read_dir(&fast).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with("ref")));
}

/// The weights and the graphs are of two models: what comes out says something else than the graphs do.
#[test]
fn a_set_that_says_something_else_is_not_written() {
    let place = Place::with_graphs();
    let mut weights = published::weights(&published::architecture());
    let key = "model.text_model.layers.1.self_attn.k_proj.weight";
    let value = "model.text_model.layers.1.self_attn.v_proj.weight";
    let [k, v] = [key, value].map(|name| weights.get(name, &[32, 64]).unwrap().clone());
    weights.insert(key, v);
    weights.insert(value, k);
    published::write_safetensors(&place.set, &weights);
    for precision in ["fp32", "int8"] {
        let ended = place.optimize(&["--from", "safetensors", "--precision", precision]);
        // Rounding could hide what is wrong in one layer: graphs without it are always made for the check.
        let words = "the new fp32 graphs do not say what the set's own fp32 graphs say, so nothing was written:";
        refused(&place, &ended, 1, &[words, "the logits are 0.", "measured: features rel. L2"]);
    }
    let ended = place.optimize(&["--precision", "fp32"]);
    assert_eq!(ended.status, 0, "the graphs are what is read if nothing else is asked for: {}", ended.err);
}

#[test]
fn a_picture_that_the_encoder_sees_otherwise() {
    let place = Place::with_graphs();
    let mut weights = published::weights(&published::architecture());
    let name = "model.vision_model.embeddings.position_embedding.weight";
    let flat = ArrayD::zeros(weights.get(name, &[64, 32]).unwrap().raw_dim());
    weights.insert(name, flat);
    published::write_safetensors(&place.set, &weights);
    let ended = place.optimize(&["--from", "safetensors"]);
    refused(&place, &ended, 1, &["the features are 0."]);
}

#[test]
fn what_is_no_source_is_refused_in_words() {
    let nothing = Place::new();
    refused(&nothing, &nothing.optimize(&[]), 78, &["config.json: is missing"]);
    let elsewhere = run(nothing.folder.path(), &["models", "optimize", "nowhere"]);
    refused(&nothing, &elsewhere, 1, &["`nowhere`"]);

    let place = Place::with_graphs();
    let graph = |name: &str| place.set.join("onnx").join(name);
    fs::rename(graph("vision_encoder.onnx"), graph("vision_encoder_int8.onnx")).unwrap();
    refused(
        &place,
        &place.optimize(&[]),
        78,
        &["neither a complete set of graphs in fp32 or fp16 nor a model.safetensors"],
    );
    refused(&place, &place.optimize(&["--from", "safetensors"]), 78, &["has no model.safetensors"]);
    fs::write(graph("vision_encoder.onnx"), [0xff; 50]).unwrap();
    refused(&place, &place.optimize(&[]), 78, &["vision_encoder.onnx` is no ONNX file, or a damaged one"]);

    let config = fs::read_to_string(place.set.join("config.json")).unwrap();
    fs::write(place.set.join("config.json"), config.replace("idefics3", "llava")).unwrap();
    refused(&place, &place.optimize(&[]), 78, &["`model_type` is \"llava\"", "only SmolVLM"]);
}

#[test]
fn a_graph_that_cannot_be_read_names_the_node() {
    let place = Place::new();
    published::write(&place.set, Form { attention: Attention::Fused, swapped: true, ..Form::PLAIN });
    let ended = place.optimize(&[]);
    refused(
        &place,
        &ended,
        78,
        &["decoder_model_merged.onnx`: reading the decoder stopped at the node `/MatMul_", "--from safetensors"],
    );
}

#[test]
fn other_folders_are_left_alone() {
    let place = Place::with_graphs();
    let other = place.folder.path().join("set-fast");
    fs::create_dir(&other).unwrap();
    let ended = place.optimize(&[]);
    assert_eq!(ended.status, 64);
    says(&ended.err, &["set-fast` is there already and was not written by this command", "--out"]);
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
    let ended = place.optimize(&["--out", "set"]);
    says(&ended.err, &["cannot take the place of the one that it is made from"]);
    fs::remove_dir(&other).unwrap();
    let missing = place.optimize(&["--image", "nowhere.png"]);
    refused(&place, &missing, 1, &["there is no file `nowhere.png`"]);
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let place = Place::with_graphs();
    let args = ["models", "optimize", "set", "--precision", "fp32,fp16,int8,q4,q4f16"];
    let mut running = Running::start(command(place.folder.path(), &args));
    running.says("wrote onnx/vision_encoder.onnx");
    running.signal("INT");
    let ended = running.ends_within(Duration::from_secs(20));
    refused(&place, &ended, 1, &["stopped by SIGINT; nothing was written"]);
}
