//! The small files of a published set, as far as they matter here. Unknown fields are none of our business.

use serde::Deserialize;

/// `config.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub image_token_id: u32,
    pub text_config: TextConfig,
    pub eos_token_id: Option<OneOrMany>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TextConfig {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
}

/// `preprocessor_config.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Preprocessor {
    pub max_image_size: Edge,
    pub resample: u32,
    #[serde(default = "yes")]
    pub do_rescale: bool,
    pub rescale_factor: f32,
    #[serde(default = "yes")]
    pub do_normalize: bool,
    pub image_mean: [f32; 3],
    pub image_std: [f32; 3],
}

#[derive(Debug, Deserialize)]
pub(super) struct Edge {
    pub longest_edge: u32,
}

fn yes() -> bool {
    true
}

/// `processor_config.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Processor {
    pub image_seq_len: usize,
}

/// `generation_config.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Generation {
    pub eos_token_id: Option<OneOrMany>,
}

/// `chat_template.json`, and the same field of `tokenizer_config.json` in older sets.
#[derive(Debug, Deserialize)]
pub(super) struct Template {
    pub chat_template: Option<String>,
}

/// A token id or a list of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(super) struct OneOrMany(pub Vec<u32>);

impl From<serde_json::Value> for OneOrMany {
    fn from(value: serde_json::Value) -> Self {
        let id = |v: &serde_json::Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
        Self(match &value {
            serde_json::Value::Array(ids) => ids.iter().filter_map(id).collect(),
            one => id(one).into_iter().collect(),
        })
    }
}
