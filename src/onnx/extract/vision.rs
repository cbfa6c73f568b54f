//! The picture encoder (SigLIP) and the connector after it.

use ndarray::{Array1, ArrayD};

use super::attention::{Attention, Widths};
use super::layers;
use super::linear::Linears;
use super::values::{Values, input, integer, kind};
use super::{ExtractError, Part, linears, norm, positions, put};
use crate::onnx::proto::{Model, Node};
use crate::onnx::weights::{Architecture, Weights};

const VISION: &str = "model.vision_model";

/// The weights of a `vision_encoder` graph.
///
/// # Errors
/// [`ExtractError`]
pub fn vision(model: &Model, architecture: &Architecture) -> Result<Weights, ExtractError> {
    let measures = &architecture.vision;
    let values = Values::new(Part::Vision, model)?;
    let linears = linears(&values, "pixel_values")?;
    let layers = layers::walk(&values, &linears, measures.layers, 1)?;
    let reader = Reader { values: &values, linears: &linears, hidden: measures.hidden };
    let mut weights = Weights::default();
    reader.embeddings(&mut weights, architecture)?;
    let widths = Widths { queries: measures.hidden, keys: measures.hidden };
    for (layer, block) in layers.blocks.iter().enumerate() {
        let prefix = format!("{VISION}.encoder.layers.{layer}");
        let projections = Attention::new(&values, &linears, block, widths).projections()?;
        for ((weight, bias), name) in projections.into_iter().zip(["q_proj", "k_proj", "v_proj"]) {
            let bias = bias.unwrap_or_else(|| Array1::zeros(weight.nrows()));
            put(&mut weights, &format!("{prefix}.self_attn.{name}"), weight, Some(bias));
        }
        reader.activation(block.inner[0], block.down)?;
        reader.norm(&mut weights, &format!("{prefix}.layer_norm1"), block.attention[0])?;
        reader.norm(&mut weights, &format!("{prefix}.layer_norm2"), block.inner[0])?;
        reader.linear(&mut weights, &format!("{prefix}.self_attn.out_proj"), block.out)?;
        reader.linear(&mut weights, &format!("{prefix}.mlp.fc1"), block.inner[0])?;
        reader.linear(&mut weights, &format!("{prefix}.mlp.fc2"), block.down)?;
    }
    reader.norm(&mut weights, &format!("{VISION}.post_layernorm"), layers.head)?;
    let head = &linears.all[layers.head];
    if head.bias(&values)?.is_some() || linears.only("image_features") != Some(layers.head) {
        return Err(values.stop(
            head.node,
            "the connector (one linear layer without bias, making `image_features`) was expected here",
        ));
    }
    put(&mut weights, "model.connector.modality_projection.proj", head.weight(&values)?, None);
    Ok(weights)
}

struct Reader<'w, 'a> {
    values: &'w Values<'a>,
    linears: &'w Linears<'a>,
    hidden: usize,
}

impl<'a> Reader<'_, 'a> {
    fn linear(&self, weights: &mut Weights, name: &str, linear: usize) -> Result<(), ExtractError> {
        let linear = &self.linears.all[linear];
        let weight = linear.weight(self.values)?;
        // An exporter may leave a bias out that is zero.
        let bias = linear.bias(self.values)?.unwrap_or_else(|| Array1::zeros(weight.nrows()));
        put(weights, name, weight, Some(bias));
        Ok(())
    }

    fn norm(&self, weights: &mut Weights, name: &str, reader: usize) -> Result<(), ExtractError> {
        let norm = norm::before(self.values, &self.linears.all[reader], self.hidden)?;
        let bias = norm.bias.unwrap_or_else(|| Array1::zeros(self.hidden));
        weights.insert(format!("{name}.weight"), norm.weight.into_dyn());
        weights.insert(format!("{name}.bias"), bias.into_dyn());
        Ok(())
    }

    /// Between both inner layers lies GELU by tanh; its exact form differs too little for the later comparison to see it.
    fn activation(&self, inner: usize, down: usize) -> Result<(), ExtractError> {
        let (inner, down) = (&self.linears.all[inner], &self.linears.all[down]);
        let mut next = vec![down.input];
        let mut seen = Vec::new();
        while let Some(value) = next.pop() {
            let Some(node) = self.values.maker(value).filter(|_| !seen.contains(&value)) else { continue };
            seen.push(value);
            let exact = match kind(node) {
                "Erf" | "BiasGelu" => true,
                "Gelu" => {
                    let form = super::values::attribute(node, "approximate").and_then(|form| form.s.as_deref());
                    form != Some(b"tanh".as_slice())
                }
                _ => false,
            };
            if exact {
                return Err(self.values.stop(node, "the published model has GELU by tanh here"));
            }
            if !std::ptr::eq(node, inner.node) {
                next.extend(node.input.iter().map(String::as_str));
            }
        }
        Ok(())
    }

    /// Patches and positions.
    fn embeddings(&self, weights: &mut Weights, architecture: &Architecture) -> Result<(), ExtractError> {
        let measures = &architecture.vision;
        let want = [measures.hidden, 3, measures.patch, measures.patch];
        let conv = self.conv()?;
        let weight = self.values.tensor(conv, input(conv, 1).unwrap_or_default())?;
        if weight.shape() != want {
            let why = format!("its weight measures {:?} where config.json asks for {want:?}", weight.shape());
            return Err(self.values.stop(conv, why));
        }
        let strides = super::values::attribute(conv, "strides").map(|strides| strides.ints.as_slice());
        if strides != Some(&[measures.patch as i64; 2]) || integer(conv, "group").is_some_and(|group| group != 1) {
            return Err(self.values.stop(conv, "it does not cut the picture into patches side by side"));
        }
        let mut bias = input(conv, 2).map(|bias| self.values.vector(conv, bias)).transpose()?;
        let (adder, position) = self.position(conv, &mut bias)?;
        let table = positions::table(self.values, adder, position, architecture.side(), measures.hidden)?;
        let bias: ArrayD<f32> = bias.unwrap_or_else(|| Array1::zeros(measures.hidden)).into_dyn();
        weights.insert(format!("{VISION}.embeddings.patch_embedding.weight"), weight);
        weights.insert(format!("{VISION}.embeddings.patch_embedding.bias"), bias);
        weights.insert(format!("{VISION}.embeddings.position_embedding.weight"), table.into_dyn());
        Ok(())
    }

    /// The convolution over the picture.
    fn conv(&self) -> Result<&'a Node, ExtractError> {
        let mut found = self
            .values
            .graph
            .node
            .iter()
            .filter(|node| kind(node) == "Conv" && input(node, 0).is_some_and(|from| self.linears.live(from)));
        match (found.next(), found.next()) {
            (Some(conv), None) => Ok(conv),
            (_, Some(second)) => {
                Err(self.values.stop(second, "a second convolution is not known in a model of this kind"))
            }
            (None, None) => {
                let why = "looking for the convolution that cuts `pixel_values` into patches".to_owned();
                Err(ExtractError::Structure { part: Part::Vision, why })
            }
        }
    }

    /// The node that adds positions to the patches, and what it adds. A bias on the way there is noted.
    fn position(&self, conv: &'a Node, bias: &mut Option<Array1<f32>>) -> Result<(&'a Node, &'a str), ExtractError> {
        let mut from = conv.output.first().map(String::as_str).unwrap_or_default();
        'next: loop {
            for value in self.values.ahead(from) {
                for user in
                    self.values.users(value).filter(|user| matches!(kind(user), "Add" | "SkipLayerNormalization"))
                {
                    let (Some(a), Some(b)) = (input(user, 0), input(user, 1)) else { continue };
                    let other = if a == value { b } else { a };
                    if self.values.numbers(other) == Some(self.hidden) {
                        *bias = Some(self.values.vector(user, other)?);
                        from = user.output.first().map(String::as_str).unwrap_or_default();
                        continue 'next;
                    }
                    return Ok((user, other));
                }
            }
            return Err(self.values.stop(conv, "nothing adds positions to its patches"));
        }
    }
}
