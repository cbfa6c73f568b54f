//! `config.json` to the measures of an Idefics3 model. What a graph of ours could not do is refused here, in words.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::weights::{Architecture, Text, Vision};
use crate::files;

/// Published ones have some kilobytes.
const LARGEST: u64 = 1 << 20;

/// Why a `config.json` says nothing about a model that can be built here.
#[derive(Debug, thiserror::Error)]
pub enum ArchitectureError {
    #[error("`{}` cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` does not hold what the config.json of a SmolVLM holds", .path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("`{}`: {wrong}; only SmolVLM models (Idefics3: a SigLIP encoder and a Llama decoder) can be optimised", .path.display())]
    Other { path: PathBuf, wrong: String },
    #[error("`{}`: {wrong}", .path.display())]
    Measures { path: PathBuf, wrong: String },
}

/// What is not there has the default of the transformers library, which leaves such fields out when it writes the file.
#[derive(Debug, Deserialize)]
struct Config {
    model_type: String,
    #[serde(default = "two")]
    scale_factor: usize,
    text_config: TextConfig,
    vision_config: VisionConfig,
}

#[derive(Debug, Deserialize)]
struct TextConfig {
    model_type: Option<String>,
    hidden_act: Option<String>,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    rope_theta: Option<f64>,
    rope_parameters: Option<Rope>,
    rope_scaling: Option<Rope>,
    #[serde(default = "small")]
    rms_norm_eps: f32,
    #[serde(default)]
    rope_interleaved: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    qk_layer_norms: bool,
}

#[derive(Debug, Deserialize)]
struct Rope {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
    /// The older name of `rope_type`.
    r#type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct VisionConfig {
    model_type: Option<String>,
    hidden_act: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    num_channels: usize,
    image_size: usize,
    patch_size: usize,
    layer_norm_eps: f32,
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            model_type: None,
            hidden_act: "gelu_pytorch_tanh".into(),
            hidden_size: 1152,
            num_hidden_layers: 12,
            num_attention_heads: 16,
            intermediate_size: 4304,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            layer_norm_eps: small(),
        }
    }
}

fn two() -> usize {
    2
}

fn small() -> f32 {
    1e-6
}

/// What Llama has if its config says nothing.
const ROPE_THETA: f64 = 10_000.0;

impl Architecture {
    /// Reads a set's `config.json`.
    ///
    /// # Errors
    /// [`ArchitectureError`]
    pub fn read(folder: &Path) -> Result<Self, ArchitectureError> {
        let path = folder.join("config.json");
        let text = match files::read(&path, LARGEST) {
            Ok(text) => text,
            Err(source) => return Err(ArchitectureError::Read { path, source }),
        };
        let config: Config = match serde_json::from_slice(&text) {
            Ok(config) => config,
            // Another model may well have another shape: say that it is another model.
            Err(source) => {
                return Err(match model_type(&text).filter(|name| !known(name)) {
                    Some(name) => ArchitectureError::Other { path, wrong: format!("`model_type` is \"{name}\"") },
                    None => ArchitectureError::Json { path, source },
                });
            }
        };
        if let Some(wrong) = config.other() {
            return Err(ArchitectureError::Other { path, wrong });
        }
        let architecture = config.measures();
        match architecture.wrong() {
            None => Ok(architecture),
            Some(wrong) => Err(ArchitectureError::Measures { path, wrong }),
        }
    }

    /// Patches along an edge of the picture.
    #[must_use]
    pub fn side(&self) -> usize {
        self.vision.image / self.vision.patch
    }

    /// What cannot be, whatever the weights are.
    fn wrong(&self) -> Option<String> {
        let (t, v) = (&self.text, &self.vision);
        let sizes = [
            ("text_config.hidden_size", t.hidden),
            ("text_config.num_hidden_layers", t.layers),
            ("text_config.num_attention_heads", t.heads),
            ("text_config.num_key_value_heads", t.kv_heads),
            ("text_config.head_dim", t.head_dim),
            ("text_config.intermediate_size", t.mlp),
            ("text_config.vocab_size", t.vocabulary),
            ("text_config.max_position_embeddings", t.positions),
            ("vision_config.hidden_size", v.hidden),
            ("vision_config.num_hidden_layers", v.layers),
            ("vision_config.num_attention_heads", v.heads),
            ("vision_config.intermediate_size", v.mlp),
            ("vision_config.image_size", v.image),
            ("vision_config.patch_size", v.patch),
            ("scale_factor", self.scale),
        ];
        if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=1 << 24).contains(size)) {
            return Some(format!("`{name}` is {size}"));
        }
        let divides = [
            ("text_config.num_attention_heads", t.heads, "text_config.num_key_value_heads", t.kv_heads),
            ("text_config.head_dim", t.head_dim, "2", 2),
            ("vision_config.hidden_size", v.hidden, "vision_config.num_attention_heads", v.heads),
            ("vision_config.image_size", v.image, "vision_config.patch_size", v.patch),
            ("image_size / patch_size", self.side(), "scale_factor", self.scale),
        ];
        let (whole, size, part, of) = divides.into_iter().find(|(_, size, _, of)| size % of != 0)?;
        Some(format!("`{whole}` is {size}, which `{part}` ({of}) does not divide"))
    }
}

fn known(model_type: &str) -> bool {
    matches!(model_type, "idefics3" | "smolvlm")
}

fn model_type(text: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(text).ok()?;
    Some(value.get("model_type")?.as_str()?.to_owned())
}

impl Config {
    /// What makes this another model than the one that is built here.
    fn other(&self) -> Option<String> {
        let (t, v) = (&self.text_config, &self.vision_config);
        let named = |field: &str, value: &str| Some(format!("`{field}` is \"{value}\""));
        if !known(&self.model_type) {
            return named("model_type", &self.model_type);
        }
        if let Some(other) = t.model_type.as_deref().filter(|name| *name != "llama") {
            return named("text_config.model_type", other);
        }
        if let Some(other) = v.model_type.as_deref().filter(|name| {
            !matches!(*name, "idefics3" | "idefics3_vision" | "smolvlm" | "smolvlm_vision" | "siglip_vision_model")
        }) {
            return named("vision_config.model_type", other);
        }
        if let Some(other) = t.hidden_act.as_deref().filter(|name| !matches!(*name, "silu" | "swish")) {
            return named("text_config.hidden_act", other);
        }
        if v.hidden_act != "gelu_pytorch_tanh" {
            return named("vision_config.hidden_act", &v.hidden_act);
        }
        if v.num_channels != 3 {
            return Some(format!("`vision_config.num_channels` is {}", v.num_channels));
        }
        for rope in [&t.rope_parameters, &t.rope_scaling].into_iter().flatten() {
            let kind = rope.rope_type.as_deref().or(rope.r#type.as_deref());
            if let Some(kind) = kind.filter(|kind| *kind != "default") {
                return Some(format!("its rotary positions are scaled (\"{kind}\")"));
            }
        }
        let more = [
            ("rope_interleaved", t.rope_interleaved),
            ("attention_bias", t.attention_bias),
            ("mlp_bias", t.mlp_bias),
            ("qk_layer_norms", t.qk_layer_norms),
        ];
        more.iter().find(|(_, on)| *on).map(|(name, _)| format!("`text_config.{name}` is true"))
    }

    fn measures(&self) -> Architecture {
        let (t, v) = (&self.text_config, &self.vision_config);
        let theta = t.rope_parameters.as_ref().and_then(|rope| rope.rope_theta).or(t.rope_theta);
        Architecture {
            text: Text {
                hidden: t.hidden_size,
                layers: t.num_hidden_layers,
                heads: t.num_attention_heads,
                kv_heads: t.num_key_value_heads.unwrap_or(t.num_attention_heads),
                head_dim: t.head_dim.or_else(|| t.hidden_size.checked_div(t.num_attention_heads)).unwrap_or(0),
                mlp: t.intermediate_size,
                vocabulary: t.vocab_size,
                positions: t.max_position_embeddings,
                rope_theta: theta.unwrap_or(ROPE_THETA),
                epsilon: t.rms_norm_eps,
            },
            vision: Vision {
                hidden: v.hidden_size,
                layers: v.num_hidden_layers,
                heads: v.num_attention_heads,
                mlp: v.intermediate_size,
                image: v.image_size,
                patch: v.patch_size,
                epsilon: v.layer_norm_eps,
            },
            scale: self.scale_factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn published() -> Value {
        json!({
            "model_type": "idefics3", "scale_factor": 4,
            "text_config": {
                "model_type": "llama", "hidden_act": "silu", "hidden_size": 576, "num_hidden_layers": 30,
                "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49280,
                "max_position_embeddings": 8192, "rope_theta": 100_000, "rope_scaling": null, "rms_norm_eps": 1e-5,
            },
            "vision_config": {
                "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072, "image_size": 512,
                "patch_size": 16,
            },
        })
    }

    fn read(config: &Value) -> Result<Architecture, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        Architecture::read(folder.path()).map_err(|error| error.to_string())
    }

    fn with(path: &str, value: Value) -> Value {
        let mut config = published();
        let (parent, field) = path.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[field] = value;
        config
    }

    #[test]
    fn what_is_not_there_has_the_published_defaults() {
        let read = read(&published()).unwrap();
        assert_eq!((read.text.head_dim, read.vision.layers, read.scale, read.side()), (64, 12, 4, 32));
        assert_eq!((read.text.rope_theta, read.text.epsilon, read.vision.epsilon), (100_000.0, 1e-5, 1e-6));
    }

    #[test]
    fn newer_files_have_theta_elsewhere() {
        let mut config = with("/text_config/rope_parameters", json!({"rope_theta": 5000.0, "rope_type": "default"}));
        config["text_config"].as_object_mut().unwrap().remove("rope_theta");
        assert_eq!(read(&config).unwrap().text.rope_theta, 5000.0);
    }

    #[test]
    fn other_models_are_refused_in_words() {
        for (path, value, says) in [
            ("/model_type", json!("llava"), "`model_type` is \"llava\"; only SmolVLM"),
            ("/text_config/model_type", json!("qwen2"), "`text_config.model_type` is \"qwen2\""),
            ("/text_config/hidden_act", json!("gelu"), "`text_config.hidden_act` is \"gelu\""),
            ("/vision_config/hidden_act", json!("gelu"), "`vision_config.hidden_act` is \"gelu\""),
            ("/text_config/rope_scaling", json!({"rope_type": "yarn"}), "rotary positions are scaled (\"yarn\")"),
            ("/text_config/attention_bias", json!(true), "`text_config.attention_bias` is true"),
            ("/text_config/num_key_value_heads", json!(2), "is 9, which `text_config.num_key_value_heads` (2)"),
            ("/text_config/vocab_size", json!(0), "`text_config.vocab_size` is 0"),
            ("/text_config/hidden_size", json!("x"), "does not hold what the config.json of a SmolVLM holds"),
            ("/vision_config/image_size", json!(500), "`vision_config.image_size` is 500"),
        ] {
            let error = read(&with(path, value)).unwrap_err();
            assert!(error.contains(says), "{path}: {error}");
        }
        assert!(read(&json!({"model_type": "bert"})).unwrap_err().contains("`model_type` is \"bert\""));
    }
}
