//! A SmolVLM set as published, but tiny and with random weights: small files, graphs, and the weights themselves. Its graphs
//! come in the forms that exporters give them; the plain one (standard operators only) also runs.

mod decoder;
mod sketch;
mod vision;

use std::fs;
use std::path::Path;

use eyewitness::onnx::proto::Model;
use eyewitness::onnx::{self, Architecture, Text, Vision, Weights};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};

pub use decoder::decoder;
pub use vision::vision;

use sketch::Sketch;

/// How an exporter writes attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// In standard operators.
    Plain,
    /// One operator that takes queries, keys and values.
    Fused,
    /// One operator that takes all three from one linear layer.
    Packed,
}

/// How an exporter writes linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linear {
    MatMul,
    /// The weight [out, in] behind a Transpose.
    Turned,
    /// `Gemm` with transB and the bias inside.
    Gemm,
}

/// The ways in which exporters differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub attention: Attention,
    pub linear: Linear,
    /// Norms and activations as one operator, sums and biases inside.
    pub fused: bool,
    /// Weights in f16, cast where they are used.
    pub halves: bool,
    /// The whole table of positions with a lookup, not the rows that were looked up.
    pub table: bool,
    /// The decoder's outputs for keys and values have changed places, as in a graph that was put together wrongly.
    pub swapped: bool,
}

impl Form {
    pub const PLAIN: Self = Self {
        attention: Attention::Plain,
        linear: Linear::MatMul,
        fused: false,
        halves: false,
        table: false,
        swapped: false,
    };
}

pub const IMAGE: usize = 64;

pub fn architecture() -> Architecture {
    Architecture {
        text: Text {
            hidden: 64,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 16,
            mlp: 96,
            vocabulary: 6144,
            positions: 2048,
            rope_theta: 100_000.0,
            epsilon: 1e-5,
        },
        vision: Vision { hidden: 32, layers: 2, heads: 2, mlp: 64, image: IMAGE, patch: 8, epsilon: 1e-6 },
        scale: 4,
    }
}

/// Random weights of every part, the same each time.
pub fn weights(architecture: &Architecture) -> Weights {
    let mut random = Random { weights: Weights::default(), rng: fastrand::Rng::with_seed(7) };
    let (v, t) = (&architecture.vision, &architecture.text);
    let p = "model.vision_model.";
    random.put(&format!("{p}embeddings.patch_embedding.weight"), &[v.hidden, 3, v.patch, v.patch], 0.1, 0.0);
    random.put(&format!("{p}embeddings.patch_embedding.bias"), &[v.hidden], 0.1, 0.0);
    let side = architecture.side();
    random.put(&format!("{p}embeddings.position_embedding.weight"), &[side * side, v.hidden], 0.3, 0.0);
    for layer in 0..v.layers {
        let p = format!("{p}encoder.layers.{layer}.");
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            random.linear(&format!("{p}self_attn.{name}"), v.hidden, v.hidden, true);
        }
        random.linear(&format!("{p}mlp.fc1"), v.mlp, v.hidden, true);
        random.linear(&format!("{p}mlp.fc2"), v.hidden, v.mlp, true);
        random.norm(&format!("{p}layer_norm1"), v.hidden, true);
        random.norm(&format!("{p}layer_norm2"), v.hidden, true);
    }
    random.norm(&format!("{p}post_layernorm"), v.hidden, true);
    let unshuffled = v.hidden * architecture.scale * architecture.scale;
    random.linear("model.connector.modality_projection.proj", t.hidden, unshuffled, false);

    let p = "model.text_model.";
    random.put(&format!("{p}embed_tokens.weight"), &[t.vocabulary, t.hidden], 1.0, 0.0);
    for layer in 0..t.layers {
        let p = format!("{p}layers.{layer}.");
        random.linear(&format!("{p}self_attn.q_proj"), t.heads * t.head_dim, t.hidden, false);
        random.linear(&format!("{p}self_attn.k_proj"), t.kv_heads * t.head_dim, t.hidden, false);
        random.linear(&format!("{p}self_attn.v_proj"), t.kv_heads * t.head_dim, t.hidden, false);
        random.linear(&format!("{p}self_attn.o_proj"), t.hidden, t.heads * t.head_dim, false);
        random.linear(&format!("{p}mlp.gate_proj"), t.mlp, t.hidden, false);
        random.linear(&format!("{p}mlp.up_proj"), t.mlp, t.hidden, false);
        random.linear(&format!("{p}mlp.down_proj"), t.hidden, t.mlp, false);
        random.norm(&format!("{p}input_layernorm"), t.hidden, false);
        random.norm(&format!("{p}post_attention_layernorm"), t.hidden, false);
    }
    random.norm(&format!("{p}norm"), t.hidden, false);
    random.put("lm_head.weight", &[t.vocabulary, t.hidden], 0.4, 0.0);
    random.weights
}

struct Random {
    weights: Weights,
    rng: fastrand::Rng,
}

impl Random {
    /// Numbers that f16 has exactly, so that a set in halves holds the same weights.
    fn put(&mut self, name: &str, shape: &[usize], spread: f32, around: f32) {
        let mut draw = || {
            let sum: f32 = (0..4).map(|_| self.rng.f32()).sum();
            half::f16::from_f32(around + (sum - 2.0) * spread * 1.7).to_f32()
        };
        let values = (0..shape.iter().product()).map(|_| draw()).collect();
        self.weights.insert(name, ArrayD::from_shape_vec(IxDyn(shape), values).unwrap());
    }

    fn linear(&mut self, name: &str, outs: usize, ins: usize, bias: bool) {
        self.put(&format!("{name}.weight"), &[outs, ins], 1.0 / (ins as f32).sqrt(), 0.0);
        if bias {
            self.put(&format!("{name}.bias"), &[outs], 0.1, 0.0);
        }
    }

    fn norm(&mut self, name: &str, width: usize, bias: bool) {
        self.put(&format!("{name}.weight"), &[width], 0.1, 1.0);
        if bias {
            self.put(&format!("{name}.bias"), &[width], 0.1, 0.0);
        }
    }
}

pub fn embed(weights: &Weights, form: Form) -> Model {
    let mut g = Sketch::new(weights, form);
    let table = g.weight("model.text_model.embed_tokens.weight");
    g.op_to("Gather", &[&table, "input_ids"], "inputs_embeds", &[("axis", 0)]);
    g.model(&[("input_ids", sketch::INT64, 2)], &[("inputs_embeds", sketch::FLOAT, 3)])
}

/// Row of the position table of each patch, as the published implementation finds it.
pub fn position_ids(side: usize) -> Vec<usize> {
    let fraction = |at: usize| at as f32 / side as f32 * (1.0 - 1e-6);
    let bucket = |at: usize| (1..side).filter(|edge| *edge as f32 / side as f32 <= fraction(at)).count();
    (0..side * side).map(|patch| bucket(patch / side) * side + bucket(patch % side)).collect()
}

/// Writes the small files into `folder`.
pub fn write_small_files(folder: &Path) {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    for name in ["tokenizer.json", "chat_template.jinja", "generation_config.json"] {
        fs::copy(tiny.join(name), folder.join(name)).unwrap();
    }
    let mut preprocessor: Value =
        serde_json::from_slice(&fs::read(tiny.join("preprocessor_config.json")).unwrap()).unwrap();
    preprocessor["max_image_size"] = json!({"longest_edge": IMAGE});
    fs::write(folder.join("preprocessor_config.json"), preprocessor.to_string()).unwrap();
    let Architecture { text, vision, scale } = architecture();
    let tokens = (IMAGE / vision.patch / scale).pow(2);
    fs::write(folder.join("processor_config.json"), json!({"image_seq_len": tokens}).to_string()).unwrap();
    let config = json!({
        "model_type": "idefics3", "image_token_id": 4, "scale_factor": scale,
        "text_config": {
            "model_type": "llama", "hidden_act": "silu", "hidden_size": text.hidden, "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads, "num_key_value_heads": text.kv_heads, "head_dim": text.head_dim,
            "intermediate_size": text.mlp, "vocab_size": text.vocabulary, "max_position_embeddings": text.positions,
            "rope_theta": text.rope_theta, "rms_norm_eps": 1e-5,
        },
        "vision_config": {
            "hidden_act": "gelu_pytorch_tanh", "hidden_size": vision.hidden, "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.heads, "intermediate_size": vision.mlp, "image_size": vision.image,
            "patch_size": vision.patch,
        },
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

/// Writes a whole set with graphs into `folder`.
pub fn write(folder: &Path, form: Form) {
    let (architecture, suffix) = (architecture(), if form.halves { "_fp16" } else { "" });
    let weights = weights(&architecture);
    write_small_files(folder);
    fs::create_dir_all(folder.join("onnx")).unwrap();
    let graph = |name: &str, model: &Model| {
        onnx::write(&folder.join(format!("onnx/{name}{suffix}.onnx")), model).unwrap();
    };
    graph("vision_encoder", &vision(&architecture, &weights, form));
    graph("embed_tokens", &embed(&weights, form));
    graph("decoder_model_merged", &decoder(&architecture, &weights, form));
}

/// Writes model.safetensors into `folder`.
pub fn write_safetensors(folder: &Path, weights: &Weights) {
    use safetensors::tensor::{Dtype, TensorView};
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, values)| {
            (name.to_owned(), values.shape().to_vec(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
}
