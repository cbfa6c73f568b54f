//! The norm that a linear layer reads through, as one operator or as the many that it is made of.

use ndarray::Array1;

use super::ExtractError;
use super::linear::Linear;
use super::values::{Values, input, kind};
use crate::onnx::proto::Node;

pub(super) struct Norm {
    pub weight: Array1<f32>,
    /// Of a layer norm.
    pub bias: Option<Array1<f32>>,
}

/// Operators that pick some of the positions.
const PICKS: [&str; 4] = ["Gather", "Slice", "GatherND", "GatherElements"];

/// How far a norm's own mean may lie behind its weight.
const DEPTH: usize = 10;

/// The norm of `width` numbers before `linear`.
pub(super) fn before<'a>(values: &Values<'a>, linear: &Linear<'a>, width: usize) -> Result<Norm, ExtractError> {
    let mut value = values.behind(linear.input);
    while let Some(node) = values.maker(value).filter(|node| PICKS.contains(&kind(node))) {
        value = node.input.first().map_or(value, |input| values.behind(input));
    }
    let Some(node) = values.maker(value) else {
        return Err(values.stop(linear.node, "a norm was expected before it"));
    };
    let whole = |weight: usize, bias: Option<usize>| -> Result<Norm, ExtractError> {
        let weight = input(node, weight).ok_or_else(|| values.stop(node, "it has no weight"))?;
        let bias = bias.and_then(|bias| input(node, bias)).map(|bias| values.vector(node, bias)).transpose()?;
        Ok(Norm { weight: values.vector(node, weight)?, bias })
    };
    let norm = match kind(node) {
        "LayerNormalization" => whole(1, Some(2))?,
        "SimplifiedLayerNormalization" | "RMSNormalization" => whole(1, None)?,
        "SkipLayerNormalization" => whole(2, Some(3))?,
        "SkipSimplifiedLayerNormalization" => whole(2, None)?,
        _ => parts(values, node, width)?,
    };
    if norm.weight.len() != width || norm.bias.as_ref().is_some_and(|bias| bias.len() != width) {
        return Err(values.stop(node, format!("a norm of {width} numbers was expected here")));
    }
    Ok(norm)
}

/// x / sqrt(mean(x²) + e) x weight + bias in single steps.
fn parts<'a>(values: &Values<'a>, node: &'a Node, width: usize) -> Result<Norm, ExtractError> {
    let mut scaled = node;
    let mut bias = None;
    if kind(node) == "Add"
        && let Some((constant, other)) = values.constant_and_other(node, width)
    {
        bias = Some(values.vector(node, constant)?);
        scaled = values.maker(values.behind(other)).unwrap_or(node);
    }
    let weight = (kind(scaled) == "Mul").then(|| values.constant_and_other(scaled, width)).flatten();
    match weight {
        Some((weight, other)) if averages(values, other, DEPTH) => {
            Ok(Norm { weight: values.vector(scaled, weight)?, bias })
        }
        _ => Err(values.stop(node, "a norm was expected here")),
    }
}

/// Whether a mean is taken within so many steps before this value.
fn averages(values: &Values<'_>, value: &str, depth: usize) -> bool {
    let Some(node) = values.maker(value).filter(|_| depth > 0) else { return false };
    match kind(node) {
        "ReduceMean" | "ReduceSum" | "ReduceSumSquare" | "ReduceL2" | "LpNormalization" => true,
        "MatMul" | "Gemm" | "Conv" => false,
        _ => node.input.iter().any(|input| averages(values, input, depth - 1)),
    }
}
