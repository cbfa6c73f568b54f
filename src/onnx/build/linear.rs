//! Linear layers in any precision.

use ndarray::{Array1, Array2, ArrayD, Axis, Ix1, Ix2, concatenate};

use super::graph::{Float, Graph, Op};
use super::quantise::{self, BLOCK, Q4};
use crate::onnx::proto::element;
use crate::onnx::weights::{WeightError, Weights};

/// What the weights of linear layers are, and what everything else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    F32,
    F16,
    Int8,
    Q4,
    Q4f16,
}

impl Form {
    pub(super) fn float(self) -> Float {
        match self {
            Self::F32 | Self::Int8 | Self::Q4 => Float::F32,
            Self::F16 | Self::Q4f16 => Float::F16,
        }
    }
}

/// A linear layer, or several side by side with the same input.
pub(super) struct Linear {
    name: String,
    /// [out, in]
    matrix: Array2<f32>,
    bias: Option<Array1<f32>>,
}

impl Linear {
    /// The layers `prefix + name` of `parts` (name, outputs) as one; its outputs stand in that order.
    pub(super) fn read(
        weights: &Weights,
        prefix: &str,
        parts: &[(&str, usize)],
        inputs: usize,
        with_bias: bool,
    ) -> Result<Self, WeightError> {
        let (mut matrices, mut biases) = (Vec::new(), Vec::new());
        for (part, outputs) in parts {
            let name = format!("{prefix}{part}.weight");
            matrices.push(of::<Ix2>(weights.get(&name, &[*outputs, inputs])?));
            if with_bias {
                biases.push(of::<Ix1>(weights.get(&format!("{prefix}{part}.bias"), &[*outputs])?));
            }
        }
        let matrix = concatenate(Axis(0), &matrices).expect("all have the same inputs");
        let bias = with_bias.then(|| concatenate(Axis(0), &biases).expect("one dimension each"));
        let names: Vec<&str> = parts.iter().map(|(part, _)| *part).collect();
        Ok(Self { name: format!("{prefix}{}", names.join("+")), matrix, bias })
    }
}

fn of<D: ndarray::Dimension>(values: &ArrayD<f32>) -> ndarray::ArrayView<'_, f32, D> {
    values.view().into_dimensionality().expect("`get` has checked the measures")
}

/// The layer's output for `input`.
pub(super) fn linear(graph: &mut Graph, input: &str, layer: &Linear, form: Form) -> String {
    let (op, inputs) = applied(graph, input, layer, form);
    graph.op(op, &inputs.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Like [`linear`], as the output `name` of the graph.
pub(super) fn linear_into(graph: &mut Graph, input: &str, layer: &Linear, form: Form, name: &str) {
    let (op, inputs) = applied(graph, input, layer, form);
    graph.op_into(op, &inputs.iter().map(String::as_str).collect::<Vec<_>>(), &[name]);
}

/// Several layers of the same input, which is quantised once for all of them.
pub(super) fn linears<const N: usize>(graph: &mut Graph, input: &str, layers: &[Linear; N], form: Form) -> [String; N] {
    if form != Form::Int8 {
        return layers.each_ref().map(|layer| linear(graph, input, layer, form));
    }
    let [values, scale, zero] = graph.ops(Op::onnx("DynamicQuantizeLinear"), &[input]);
    layers.each_ref().map(|layer| {
        let [matrix, scales, bias] = int8(graph, layer);
        let inputs = [&*values, &*matrix, &*scale, &*scales, &*zero, "", &*bias];
        graph.op(Op::microsoft("MatMulIntegerToFloat"), &inputs)
    })
}

/// The last node of a layer and its inputs.
fn applied(graph: &mut Graph, input: &str, layer: &Linear, form: Form) -> (Op, Vec<String>) {
    let input = input.to_owned();
    match form {
        Form::F32 | Form::F16 => {
            let matrix = graph.weights(&layer.name, &layer.matrix.t().to_owned().into_dyn());
            if layer.bias.is_none() {
                return (Op::onnx("MatMul"), vec![input, matrix]);
            }
            let product = graph.op(Op::onnx("MatMul"), &[&input, &matrix]);
            let bias = bias(graph, layer);
            (Op::onnx("Add"), vec![product, bias])
        }
        Form::Int8 => {
            let [matrix, scales, bias] = int8(graph, layer);
            (Op::microsoft("DynamicQuantizeMatMul"), vec![input, matrix, scales, String::new(), bias])
        }
        Form::Q4 | Form::Q4f16 => {
            let Q4 { values, scales, blocks } = quantise::q4(&layer.matrix.view());
            let (outputs, inputs) = layer.matrix.dim();
            let matrix = graph.tensor(&layer.name, element::UINT8, &[outputs, blocks, BLOCK / 2], values);
            let scales = graph.weights(&format!("{}.scales", layer.name), &Array1::from(scales).into_dyn());
            let bias = bias(graph, layer);
            // Level 4: activations of 8 bits.
            let op = Op::microsoft("MatMulNBits")
                .int("K", inputs)
                .int("N", outputs)
                .int("bits", 4)
                .int("block_size", BLOCK)
                .int("accuracy_level", 4);
            (op, vec![input, matrix, scales, String::new(), String::new(), bias])
        }
    }
}

/// Matrix [in, out], scales [out], bias [out] or "". Symmetric, so that there is no zero point.
///
/// Signed, because with unsigned weights the same product takes ONNX Runtime more than twice as long. All 8 bits: an x86
/// processor without VNNI adds products of these in pairs that saturate, but rarely, and 7 bits, which never do, lose more.
/// There the session option `session.x64quantprecision` = 1 makes it exact and slower.
fn int8(graph: &mut Graph, layer: &Linear) -> [String; 3] {
    let quantised = quantise::int8(&layer.matrix.view());
    let (outputs, inputs) = layer.matrix.dim();
    let bytes = quantised.values.t().iter().map(|v| *v as u8).collect::<Vec<_>>();
    let matrix = graph.tensor(&layer.name, element::INT8, &[inputs, outputs], bytes);
    let scales = graph.weights(&format!("{}.scales", layer.name), &Array1::from(quantised.scales).into_dyn());
    [matrix, scales, bias(graph, layer)]
}

/// [out] or "".
fn bias(graph: &mut Graph, layer: &Linear) -> String {
    match &layer.bias {
        None => String::new(),
        Some(bias) => graph.weights(&format!("{}.bias", layer.name), &bias.clone().into_dyn()),
    }
}
