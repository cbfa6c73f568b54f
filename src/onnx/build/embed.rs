//! Token embeddings: rows of a table.

use ndarray::{Array1, Ix2};

use super::graph::{Dim, Graph, Op};
use super::linear::Form;
use super::quantise;
use crate::onnx::proto::{Model, element};
use crate::onnx::weights::{Text, WeightError, Weights};

const TABLE: &str = "model.text_model.embed_tokens.weight";

pub(super) fn build(text: &Text, weights: &Weights, form: Form) -> Result<Model, WeightError> {
    let mut graph = Graph::new("embed_tokens", form.float());
    let (batch, sequence) = (Dim::Named("batch_size"), Dim::Named("sequence_length"));
    let ids = graph.input("input_ids", element::INT64, &[batch, sequence]);
    let table = weights.get(TABLE, &[text.vocabulary, text.hidden])?;
    let output = "inputs_embeds";
    match form {
        Form::Int8 => {
            let matrix = table.view().into_dimensionality::<Ix2>().expect("`get` has checked the measures");
            let quantised = quantise::int8(&matrix);
            let bytes = quantised.values.iter().map(|v| *v as u8).collect::<Vec<_>>();
            let table = graph.tensor(TABLE, element::INT8, &[text.vocabulary, text.hidden], bytes);
            let scales = Array1::from(quantised.scales).into_shape_with_order([text.vocabulary, 1]);
            let scales = scales.expect("one scale per row").into_dyn();
            let scales = graph.weights(&format!("{TABLE}.scales"), &scales);
            let rows = graph.op(Op::onnx("Gather"), &[&table, &ids]);
            let rows = graph.op(Op::onnx("Cast").signed("to", element::FLOAT.into()), &[&rows]);
            let scales = graph.op(Op::onnx("Gather"), &[&scales, &ids]);
            graph.op_into(Op::onnx("Mul"), &[&rows, &scales], &[output]);
        }
        Form::F32 | Form::F16 | Form::Q4 | Form::Q4f16 => {
            let table = graph.weights(TABLE, table);
            graph.op_into(Op::onnx("Gather"), &[&table, &ids], &[output]);
        }
    }
    let dims = [Dim::Named("batch_size"), Dim::Named("sequence_length"), Dim::Of(text.hidden)];
    graph.output(output, form.float().element(), &dims);
    Ok(graph.finish())
}
