//! The linear layers of a graph, and which of them each one hears directly: all else follows from that.

use std::collections::{BTreeSet, HashMap};

use ndarray::{Array1, Array2};

use super::ExtractError;
use super::values::{Values, attribute, input, integer, kind};
use crate::onnx::proto::Node;

/// The linear layers whose output reaches a place without passing another linear layer.
pub(super) type Heard = BTreeSet<usize>;

pub(super) struct Linear<'a> {
    pub node: &'a Node,
    pub input: &'a str,
    pub output: &'a str,
    weight: &'a str,
    /// Stored as [out, in].
    turned: bool,
    bias: Option<&'a str>,
    pub outs: usize,
    pub heard: Heard,
}

/// What is known of a value.
#[derive(Clone, Default)]
struct Known {
    /// It depends on the graph's main input.
    live: bool,
    heard: Heard,
}

pub(super) struct Linears<'a> {
    pub all: Vec<Linear<'a>>,
    known: HashMap<&'a str, Known>,
}

impl<'a> Linears<'a> {
    /// Finds the linear layers between `main`, an input of the graph, and its outputs.
    pub(super) fn find(values: &Values<'a>, main: &'a str) -> Result<Self, ExtractError> {
        if !values.graph.input.iter().any(|input| input.name.as_deref() == Some(main)) {
            return Err(ExtractError::Input { part: values.part, name: main.to_owned() });
        }
        let mut linears = Self { all: Vec::new(), known: HashMap::new() };
        linears.known.insert(main, Known { live: true, heard: Heard::new() });
        for node in &values.graph.node {
            let mut after = Known::default();
            // The size of something says nothing about what is in it.
            if !matches!(kind(node), "Shape" | "Size") {
                for known in node.input.iter().filter_map(|input| linears.known.get(input.as_str())) {
                    after.live |= known.live;
                    after.heard.extend(&known.heard);
                }
            }
            if after.live
                && let Some(linear) = linear(values, node, after.heard.clone())?
            {
                after.heard = Heard::from([linears.all.len()]);
                linears.all.push(linear);
            }
            // An output that is left out has no name.
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                linears.known.insert(output, after.clone());
            }
        }
        Ok(linears)
    }

    pub(super) fn heard(&self, value: &str) -> Option<&Heard> {
        self.known.get(value).map(|known| &known.heard)
    }

    pub(super) fn live(&self, value: &str) -> bool {
        self.known.get(value).is_some_and(|known| known.live)
    }

    /// The only linear layer that reaches a value directly.
    pub(super) fn only(&self, value: &str) -> Option<usize> {
        let heard = self.heard(value)?;
        heard.first().copied().filter(|_| heard.len() == 1)
    }

    /// Those that hear exactly these.
    pub(super) fn hearing(&self, heard: &Heard) -> Vec<usize> {
        (0..self.all.len()).filter(|at| self.all[*at].heard == *heard).collect()
    }
}

fn linear<'a>(values: &Values<'a>, node: &'a Node, heard: Heard) -> Result<Option<Linear<'a>>, ExtractError> {
    let (Some(from), Some(weight), Some(output)) = (input(node, 0), input(node, 1), node.output.first()) else {
        return Ok(None);
    };
    let Some((rows, columns)) = values.matrix_dims(weight).filter(|(rows, columns)| *rows > 1 && *columns > 1) else {
        return Ok(None);
    };
    let one = |name| attribute(node, name).is_none_or(|value| value.f == Some(1.0));
    let (turned, bias) = match kind(node) {
        "MatMul" => (false, None),
        "Gemm" | "FusedMatMul" => {
            let moved = ["transA", "transBatchA", "transBatchB"].iter().any(|name| integer(node, name) == Some(1));
            if moved || !one("alpha") || !one("beta") {
                return Err(values.stop(node, "a linear layer that is scaled or turned is not known here"));
            }
            (integer(node, "transB") == Some(1), input(node, 2))
        }
        // Queries, keys and values in one, with the attention itself.
        "Attention" if node.domain.as_deref() == Some("com.microsoft") => (false, input(node, 2)),
        _ => return Ok(None),
    };
    let outs = if turned { rows } else { columns };
    Ok(Some(Linear { node, input: from, output, weight, turned, bias, outs, heard }))
}

impl<'a> Linear<'a> {
    /// [out, in]
    pub(super) fn weight(&self, values: &Values<'a>) -> Result<Array2<f32>, ExtractError> {
        values.matrix(self.node, self.weight, !self.turned)
    }

    /// What is added to the output, here or in the operator that comes next; `None` if nothing is.
    pub(super) fn bias(&self, values: &Values<'a>) -> Result<Option<Array1<f32>>, ExtractError> {
        if let Some(bias) = self.bias {
            return values.vector(self.node, bias).map(Some);
        }
        for value in values.ahead(self.output) {
            for user in values.users(value) {
                let bias = match kind(user) {
                    "Add" => values.constant_and_other(user, self.outs).map(|(bias, _)| bias),
                    "FastGelu" | "BiasGelu" | "BiasAdd" => input(user, 1),
                    "SkipLayerNormalization" => input(user, 4),
                    "SkipSimplifiedLayerNormalization" => input(user, 3),
                    _ => None,
                };
                if let Some(bias) = bias.filter(|bias| values.numbers(bias) == Some(self.outs)) {
                    return values.vector(user, bias).map(Some);
                }
            }
        }
        Ok(None)
    }
}
