//! The decoder: a Llama with a key/value cache.

use ndarray::{Array2, Axis, Slice};

use super::attention::{Attention, Projections, Widths};
use super::layers::{self, Block};
use super::linear::{Linear, Linears};
use super::values::{Values, input, kind};
use super::{ExtractError, Part, linears, norm, put};
use crate::onnx::proto::{Model, Node};
use crate::onnx::weights::{Architecture, Weights};

/// SiLU is one product of a value with its own sigmoid, and the gate is another.
const MOST_PRODUCTS: usize = 4;

const BIASES: &str = "a decoder whose linear layers have biases is not known here";

/// The weights of a `decoder_model_merged` graph.
///
/// # Errors
/// [`ExtractError`]
pub fn decoder(model: &Model, architecture: &Architecture) -> Result<Weights, ExtractError> {
    let text = &architecture.text;
    let values = Values::new(Part::Decoder, model)?;
    let linears = linears(&values, "inputs_embeds")?;
    let layers = layers::walk(&values, &linears, text.layers, 2)?;
    let widths = Widths { queries: text.heads * text.head_dim, keys: text.kv_heads * text.head_dim };
    let reader = Reader { values: &values, linears: &linears, hidden: text.hidden };
    let mut weights = Weights::default();
    for (layer, block) in layers.blocks.iter().enumerate() {
        let prefix = format!("model.text_model.layers.{layer}");
        let attention = Attention::new(&values, &linears, block, widths);
        reader.cache(layer, block, &attention)?;
        let projections = attention.projections()?;
        reader.attention(&mut weights, &format!("{prefix}.self_attn"), projections, block)?;
        reader.norm(&mut weights, &format!("{prefix}.input_layernorm"), block.attention[0])?;
        let [gate, up] = reader.gate_and_up(block)?;
        reader.linear(&mut weights, &format!("{prefix}.self_attn.o_proj"), block.out)?;
        put(&mut weights, &format!("{prefix}.mlp.gate_proj"), gate, None);
        put(&mut weights, &format!("{prefix}.mlp.up_proj"), up, None);
        reader.linear(&mut weights, &format!("{prefix}.mlp.down_proj"), block.down)?;
        reader.norm(&mut weights, &format!("{prefix}.post_attention_layernorm"), block.inner[0])?;
    }
    reader.norm(&mut weights, "model.text_model.norm", layers.head)?;
    reader.linear(&mut weights, "lm_head", layers.head)?;
    if linears.only("logits") != Some(layers.head) {
        return Err(values.stop(linears.all[layers.head].node, "`logits` was expected to come from here"));
    }
    Ok(weights)
}

struct Reader<'w, 'a> {
    values: &'w Values<'a>,
    linears: &'w Linears<'a>,
    hidden: usize,
}

impl<'a> Reader<'_, 'a> {
    fn at(&self, linear: usize) -> &Linear<'a> {
        &self.linears.all[linear]
    }

    fn linear(&self, weights: &mut Weights, name: &str, linear: usize) -> Result<(), ExtractError> {
        put(weights, name, self.weight(linear)?, None);
        Ok(())
    }

    /// [out, in]
    fn weight(&self, linear: usize) -> Result<Array2<f32>, ExtractError> {
        let linear = self.at(linear);
        if linear.bias(self.values)?.is_some_and(|bias| bias.iter().any(|value| *value != 0.0)) {
            return Err(self.values.stop(linear.node, BIASES));
        }
        linear.weight(self.values)
    }

    fn attention(
        &self,
        weights: &mut Weights,
        prefix: &str,
        projections: Projections,
        block: &Block,
    ) -> Result<(), ExtractError> {
        for ((weight, bias), name) in projections.into_iter().zip(["q_proj", "k_proj", "v_proj"]) {
            if bias.is_some_and(|bias| bias.iter().any(|value| *value != 0.0)) {
                let node = self.at(block.attention[0]).node;
                return Err(self.values.stop(node, BIASES));
            }
            put(weights, &format!("{prefix}.{name}"), weight, None);
        }
        Ok(())
    }

    fn norm(&self, weights: &mut Weights, name: &str, reader: usize) -> Result<(), ExtractError> {
        let reader = self.at(reader);
        let norm = norm::before(self.values, reader, self.hidden)?;
        if norm.bias.is_some() {
            return Err(self.values.stop(reader.node, "a norm without bias was expected before it"));
        }
        weights.insert(format!("{name}.weight"), norm.weight.into_dyn());
        Ok(())
    }

    /// What the layer keeps for later must be keys and values of this layer, in this order.
    fn cache(&self, layer: usize, block: &Block, attention: &Attention<'_, 'a>) -> Result<(), ExtractError> {
        let core = attention.core()?;
        for (place, name) in [(1, "key"), (2, "value")] {
            let output = format!("present.{layer}.{name}");
            let Some(output) =
                self.values.graph.output.iter().filter_map(|out| out.name.as_deref()).find(|out| *out == output)
            else {
                return Err(ExtractError::Structure {
                    part: self.values.part,
                    why: format!("looking for the output `{output}`"),
                });
            };
            let from = self.values.behind(output);
            let fused = self.values.maker(from).is_some_and(|maker| std::ptr::eq(maker, core));
            let fits = if fused {
                core.output.get(place).is_some_and(|made| made == from)
            } else {
                self.linears.only(output) == Some(attention.place(place)?)
            };
            if !fits {
                let node = self.at(block.attention[0]).node;
                return Err(self
                    .values
                    .stop(node, format!("`{output}` does not come from what the attention takes as its {name}s")));
            }
        }
        Ok(())
    }

    /// Weights [out, in] of gate and up. The gate is the one that goes through SiLU.
    fn gate_and_up(&self, block: &Block) -> Result<[Array2<f32>; 2], ExtractError> {
        let down = self.at(block.down);
        let unclear = || {
            let why =
                "gate and up cannot be told apart before it: one goes through SiLU (a sigmoid), the other does not";
            self.values.stop(down.node, why)
        };
        let product = self.values.maker(self.values.behind(down.input)).filter(|node| kind(node) == "Mul");
        let (a, b) = product.and_then(|node| input(node, 0).zip(input(node, 1))).ok_or_else(unclear)?;
        let (node, gate, up) = match (self.activation(a, MOST_PRODUCTS), self.activation(b, MOST_PRODUCTS)) {
            (Some(node), None) => (node, a, b),
            (None, Some(node)) => (node, b, a),
            _ => return Err(unclear()),
        };
        if !matches!(kind(node), "Sigmoid" | "Silu" | "SiLU" | "Swish" | "QuickGelu") {
            return Err(self.values.stop(node, "SiLU was expected here"));
        }
        if let [both] = block.inner[..] {
            let gate = input(node, 0).ok_or_else(unclear)?;
            return self.halves(both, gate, up).ok_or_else(unclear)?;
        }
        let (gate, up) = (self.linears.only(gate), self.linears.only(up));
        let (gate, up) = gate.zip(up).filter(|(gate, up)| gate != up).ok_or_else(unclear)?;
        Ok([self.weight(gate)?, self.weight(up)?])
    }

    /// One linear layer for gate and up, split into halves; `None` if these values are not its halves.
    fn halves(&self, both: usize, gate: &'a str, up: &'a str) -> Option<Result<[Array2<f32>; 2], ExtractError>> {
        let (gate, up) = (self.values.behind(gate), self.values.behind(up));
        let split = self.values.maker(gate).filter(|node| kind(node) == "Split")?;
        let place = |value: &str| split.output.iter().position(|out| out == value);
        let (gate, up) = (place(gate)?, place(up)?);
        if self.values.behind(input(split, 0)?) != self.at(both).output || gate + up != 1 {
            return None;
        }
        let weight = match self.weight(both) {
            Ok(weight) => weight,
            Err(error) => return Some(Err(error)),
        };
        let half = weight.nrows() / 2;
        let rows = |place: usize| weight.slice_axis(Axis(0), Slice::from(place * half..(place + 1) * half)).to_owned();
        Some(Ok([rows(gate), rows(up)]))
    }

    /// The function between a linear layer and this value, behind so many products at most.
    fn activation(&self, value: &'a str, products: usize) -> Option<&'a Node> {
        let node = self.values.maker(self.values.behind(value))?;
        if kind(node) == "Split" || self.linears.all.iter().any(|linear| std::ptr::eq(linear.node, node)) {
            return None;
        }
        match kind(node) {
            "Mul" if products == 0 => None,
            "Mul" => node.input.iter().find_map(|input| self.activation(input, products - 1)),
            _ => Some(node),
        }
    }
}
