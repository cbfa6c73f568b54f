//! The three graphs of a SmolVLM (Idefics3) set made from its weights: the published contract, in the operators that ONNX
//! Runtime is quickest at. Pure: the same weights give the same bytes. `docs/performance.md` has what each choice was worth.

mod decoder;
mod embed;
mod graph;
mod linear;
mod quantise;
mod vision;

use super::proto::Model;
use super::weights::{Architecture, WeightError, Weights};
use linear::Form;

/// What the weights of a set become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    Fp32,
    /// Weights and tensors, inputs and outputs included, are f16: for GPUs.
    Fp16,
    /// Weights of 8 bits with a scale per output channel, activations of 8 bits with a scale per call.
    Int8,
    /// Weights of 4 bits with a scale per 32 in the decoder. Its prefill is slower than that of [`Self::Int8`], its tokens are
    /// quicker. The picture encoder and the embeddings are those of [`Self::Int8`]: in 4 bits it would take longer.
    Q4,
    /// Like [`Self::Q4`] in the decoder, with f16 for everything else: for GPUs.
    Q4f16,
}

/// `vision_encoder`: `pixel_values` [batch, images, 3, h, w] to `image_features` [batch * images, tokens, hidden of the text].
///
/// h and w may be any multiple of `patch * scale` up to `image`; tokens are `h * w / (patch * scale)^2`. There is no
/// `pixel_attention_mask`: every picture is one whole view without padding, and attention without a mask is what ONNX Runtime
/// has its fastest kernel for.
///
/// # Errors
/// [`WeightError`]
pub fn vision(architecture: &Architecture, weights: &Weights, precision: Precision) -> Result<Model, WeightError> {
    let form = match precision {
        Precision::Fp32 => Form::F32,
        Precision::Fp16 | Precision::Q4f16 => Form::F16,
        Precision::Int8 | Precision::Q4 => Form::Int8,
    };
    vision::build(architecture, weights, form)
}

/// `embed_tokens`: `input_ids` i64 [batch, n] to `inputs_embeds` [batch, n, hidden].
///
/// # Errors
/// [`WeightError`]
pub fn embed(architecture: &Architecture, weights: &Weights, precision: Precision) -> Result<Model, WeightError> {
    let form = match precision {
        Precision::Fp32 => Form::F32,
        Precision::Fp16 | Precision::Q4f16 => Form::F16,
        Precision::Int8 | Precision::Q4 => Form::Int8,
    };
    embed::build(&architecture.text, weights, form)
}

/// `decoder_model_merged`: `inputs_embeds` [batch, n, hidden], `attention_mask` i64 [batch, past + n] and
/// `past_key_values.{i}.{key,value}` [batch, kv_heads, past, head_dim] to `logits` [batch, 1, vocabulary] of the last position
/// and `present.{i}.{key,value}`.
///
/// The positions follow from the mask, so there is no `position_ids`. How long the past is follows from the mask too, never
/// from the measures of the past: past and present may be one buffer of a fixed capacity, which is then written in place.
///
/// Its attention in f32 needs ONNX Runtime 1.18 and runs on processors only; on GPUs it knows f16.
///
/// # Errors
/// [`WeightError`]
pub fn decoder(architecture: &Architecture, weights: &Weights, precision: Precision) -> Result<Model, WeightError> {
    let form = match precision {
        Precision::Fp32 => Form::F32,
        Precision::Fp16 => Form::F16,
        Precision::Int8 => Form::Int8,
        Precision::Q4 => Form::Q4,
        Precision::Q4f16 => Form::Q4f16,
    };
    decoder::build(&architecture.text, weights, form)
}
