//! A model of two layers with seeded weights, small enough to compute by hand.

use eyewitness::onnx::{Architecture, Text, Vision, Weights};
use ndarray::ArrayD;

pub(crate) fn architecture() -> Architecture {
    let text = Text {
        hidden: 32,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        // No multiple of 32: the last block of 4-bit weights is not full.
        mlp: 80,
        vocabulary: 96,
        positions: 64,
        rope_theta: 10_000.0,
        epsilon: 1e-5,
    };
    let vision = Vision { hidden: 32, layers: 2, heads: 2, mlp: 64, image: 32, patch: 4, epsilon: 1e-6 };
    Architecture { text, vision, scale: 2 }
}

pub(crate) fn weights(architecture: &Architecture) -> Weights {
    let Architecture { text, vision, scale } = architecture;
    let mut maker = Maker { random: fastrand::Rng::with_seed(7), weights: Weights::default() };
    let (hidden, side) = (vision.hidden, vision.image / vision.patch);
    maker.spread(
        "model.vision_model.embeddings.patch_embedding.weight",
        &[hidden, 3, vision.patch, vision.patch],
        0.15,
    );
    maker.spread("model.vision_model.embeddings.patch_embedding.bias", &[hidden], 0.1);
    maker.spread("model.vision_model.embeddings.position_embedding.weight", &[side * side, hidden], 0.5);
    for layer in 0..vision.layers {
        let prefix = format!("model.vision_model.encoder.layers.{layer}.");
        for part in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"] {
            maker.linear(&format!("{prefix}{part}"), hidden, hidden, true);
        }
        maker.linear(&format!("{prefix}mlp.fc1"), hidden, vision.mlp, true);
        maker.linear(&format!("{prefix}mlp.fc2"), vision.mlp, hidden, true);
        maker.norm(&format!("{prefix}layer_norm1"), hidden, true);
        maker.norm(&format!("{prefix}layer_norm2"), hidden, true);
    }
    maker.norm("model.vision_model.post_layernorm", hidden, true);
    maker.linear("model.connector.modality_projection.proj", hidden * scale * scale, text.hidden, false);

    let (hidden, queries, keys) = (text.hidden, text.heads * text.head_dim, text.kv_heads * text.head_dim);
    maker.spread("model.text_model.embed_tokens.weight", &[text.vocabulary, hidden], 0.5);
    for layer in 0..text.layers {
        let prefix = format!("model.text_model.layers.{layer}.");
        maker.linear(&format!("{prefix}self_attn.q_proj"), hidden, queries, false);
        maker.linear(&format!("{prefix}self_attn.k_proj"), hidden, keys, false);
        maker.linear(&format!("{prefix}self_attn.v_proj"), hidden, keys, false);
        maker.linear(&format!("{prefix}self_attn.o_proj"), queries, hidden, false);
        maker.linear(&format!("{prefix}mlp.gate_proj"), hidden, text.mlp, false);
        maker.linear(&format!("{prefix}mlp.up_proj"), hidden, text.mlp, false);
        maker.linear(&format!("{prefix}mlp.down_proj"), text.mlp, hidden, false);
        maker.norm(&format!("{prefix}input_layernorm"), hidden, false);
        maker.norm(&format!("{prefix}post_attention_layernorm"), hidden, false);
    }
    maker.norm("model.text_model.norm", hidden, false);
    maker.linear("lm_head", hidden, text.vocabulary, false);
    maker.weights
}

/// Seeded numbers between -1 and 1.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| 2.0 * random.f32() - 1.0).collect()
}

struct Maker {
    random: fastrand::Rng,
    weights: Weights,
}

impl Maker {
    fn spread(&mut self, name: &str, shape: &[usize], most: f32) {
        self.around(0.0, name, shape, most);
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize, bias: bool) {
        self.spread(&format!("{name}.weight"), &[outputs, inputs], 2.0 / (inputs as f32).sqrt());
        if bias {
            self.spread(&format!("{name}.bias"), &[outputs], 0.3);
        }
    }

    fn norm(&mut self, name: &str, width: usize, bias: bool) {
        self.around(1.0, &format!("{name}.weight"), &[width], 0.3);
        if bias {
            self.spread(&format!("{name}.bias"), &[width], 0.2);
        }
    }

    fn around(&mut self, middle: f32, name: &str, shape: &[usize], most: f32) {
        let random = &mut self.random;
        let values = ArrayD::from_shape_simple_fn(shape, || middle + most * (2.0 * random.f32() - 1.0));
        self.weights.insert(name, values);
    }
}
