//! The weights of a SmolVLM (Idefics3) model by their published names, wherever they were read from, and the measures that
//! they must have.

use std::collections::BTreeMap;

use ndarray::ArrayD;

/// The measures of an Idefics3 model, from its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    pub text: Text,
    pub vision: Vision,
    /// Side of the square of patches that becomes one image token.
    pub scale: usize,
}

/// The decoder: a Llama.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    /// Inner width of the gated part.
    pub mlp: usize,
    pub vocabulary: usize,
    /// Longest sequence.
    pub positions: usize,
    pub rope_theta: f64,
    pub epsilon: f32,
}

/// The picture encoder: a SigLIP.
#[derive(Debug, Clone, PartialEq)]
pub struct Vision {
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub mlp: usize,
    /// Edge of the picture in pixels.
    pub image: usize,
    /// Edge of a patch in pixels.
    pub patch: usize,
    pub epsilon: f32,
}

/// All weights as f32, under the names of `model.safetensors`
/// (`model.vision_model.encoder.layers.0.self_attn.q_proj.weight`); linear layers are [out, in].
#[derive(Debug, Clone, Default)]
pub struct Weights {
    tensors: BTreeMap<String, ArrayD<f32>>,
}

/// A weight is missing or has the wrong measures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    #[error("the weight `{name}` is missing")]
    Missing { name: String },
    #[error("the weight `{name}` measures {have:?}, and config.json asks for {want:?}")]
    Shape { name: String, have: Vec<usize>, want: Vec<usize> },
}

impl Weights {
    /// Puts a weight in, in place of one of the same name.
    pub fn insert(&mut self, name: impl Into<String>, values: ArrayD<f32>) {
        self.tensors.insert(name.into(), values);
    }

    /// # Errors
    /// [`WeightError`]
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&ArrayD<f32>, WeightError> {
        let values = self.tensors.get(name).ok_or_else(|| WeightError::Missing { name: name.to_owned() })?;
        if values.shape() == shape {
            return Ok(values);
        }
        Err(WeightError::Shape { name: name.to_owned(), have: values.shape().to_vec(), want: shape.to_vec() })
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// In alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// By name, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ArrayD<f32>)> {
        self.tensors.iter().map(|(name, values)| (name.as_str(), values))
    }
}
