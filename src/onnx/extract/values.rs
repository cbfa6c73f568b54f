//! A graph as a web of named values: who makes one, who uses it, and which of them are constants.

use std::collections::HashMap;

use ndarray::{Array1, Array2, ArrayD, Ix2};

use super::{ExtractError, Part};
use crate::onnx::floats;
use crate::onnx::proto::{Attribute, Graph, Model, Node, Tensor};

/// Operators that hold weights of fewer bits.
const QUANTISED: [&str; 12] = [
    "DequantizeLinear",
    "QuantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat",
    "QLinearMatMul",
    "MatMulNBits",
    "MatMulBnb4",
    "MatMulFpQ4",
    "QAttention",
    "GatherBlockQuantized",
];

/// Operators that only move numbers or write them in another type.
const TRANSPARENT: [&str; 7] = ["Cast", "Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten"];

pub(super) struct Values<'a> {
    pub part: Part,
    pub graph: &'a Graph,
    made: HashMap<&'a str, usize>,
    used: HashMap<&'a str, Vec<usize>>,
    initial: HashMap<&'a str, &'a Tensor>,
}

/// A constant, and whether it is used the other way round from how it is stored.
#[derive(Clone, Copy)]
struct Constant<'a> {
    tensor: &'a Tensor,
    transposed: bool,
    reshaped: bool,
}

impl<'a> Values<'a> {
    pub(super) fn new(part: Part, model: &'a Model) -> Result<Self, ExtractError> {
        let graph = model.graph.as_ref().ok_or(ExtractError::Empty { part })?;
        if let Some(node) = graph.node.iter().find(|node| QUANTISED.contains(&kind(node))) {
            return Err(ExtractError::Quantised { part, node: name(node), operator: kind(node).to_owned() });
        }
        let mut values = Self {
            part,
            graph,
            made: HashMap::new(),
            used: HashMap::new(),
            initial: graph.initializer.iter().filter_map(|tensor| Some((tensor.name.as_deref()?, tensor))).collect(),
        };
        for (at, node) in graph.node.iter().enumerate() {
            for input in present(&node.input) {
                let users = values.used.entry(input).or_default();
                // One that takes it twice is one user.
                if users.last() != Some(&at) {
                    users.push(at);
                }
            }
            for output in present(&node.output) {
                if values.made.insert(output, at).is_some() {
                    return Err(values.stop(node, format!("`{output}` is made twice")));
                }
                if kind(node) == "Constant"
                    && let Some(tensor) = attribute(node, "value").and_then(|value| value.t.as_ref())
                {
                    values.initial.insert(output, tensor);
                }
            }
        }
        values.in_order()?;
        Ok(values)
    }

    /// ONNX wants every node behind those that make its inputs. Then there are no circles either, in which whoever follows the flow
    /// of data would go round for ever.
    fn in_order(&self) -> Result<(), ExtractError> {
        for (at, node) in self.graph.node.iter().enumerate() {
            let late = |input: &&str| self.made.get(input).is_some_and(|maker| *maker >= at);
            if let Some(input) = present(&node.input).find(late) {
                return Err(self.stop(node, format!("its input `{input}` is not made before it")));
            }
        }
        Ok(())
    }

    pub(super) fn stop(&self, node: &Node, why: impl Into<String>) -> ExtractError {
        ExtractError::Node { part: self.part, node: name(node), operator: kind(node).to_owned(), why: why.into() }
    }

    /// The node that makes a value; `None` for inputs and weights.
    pub(super) fn maker(&self, value: &str) -> Option<&'a Node> {
        self.made.get(value).map(|at| &self.graph.node[*at])
    }

    pub(super) fn users(&self, value: &str) -> impl Iterator<Item = &'a Node> {
        self.used.get(value).into_iter().flatten().map(|at| &self.graph.node[*at])
    }

    /// The value behind casts and reshapes.
    pub(super) fn behind(&self, value: &'a str) -> &'a str {
        let mut value = value;
        while let Some(node) = self.maker(value).filter(|node| TRANSPARENT.contains(&kind(node))) {
            let Some(input) = node.input.first() else { break };
            value = input;
        }
        value
    }

    /// Every value that is this one, only cast or reshaped.
    pub(super) fn ahead(&self, value: &'a str) -> Vec<&'a str> {
        let mut same = vec![value];
        let mut at = 0;
        while let Some(value) = same.get(at).copied() {
            let moved = self.users(value).filter(|node| {
                TRANSPARENT.contains(&kind(node)) && node.input.first().is_some_and(|input| input == value)
            });
            same.extend(moved.filter_map(|node| node.output.first()).map(String::as_str));
            at += 1;
        }
        same
    }

    fn constant(&self, value: &str) -> Option<Constant<'a>> {
        let (mut value, mut transposed, mut reshaped) = (value, false, false);
        loop {
            if let Some(tensor) = self.initial.get(value) {
                return Some(Constant { tensor, transposed, reshaped });
            }
            let node = self.maker(value)?;
            match kind(node) {
                "Identity" | "Cast" => {}
                "Transpose" => {
                    let perm = attribute(node, "perm").map(|perm| perm.ints.as_slice());
                    transposed ^= matches!(perm, None | Some([1, 0]));
                }
                "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => reshaped = true,
                _ => return None,
            }
            value = node.input.first()?;
        }
    }

    /// Rows and columns of a constant matrix of floats.
    pub(super) fn matrix_dims(&self, value: &str) -> Option<(usize, usize)> {
        let constant = self.constant(value)?;
        floats::Float::of_element(constant.tensor.data_type)?;
        match floats::dims(constant.tensor)?.as_slice() {
            &[rows, columns] if !constant.reshaped => {
                Some(if constant.transposed { (columns, rows) } else { (rows, columns) })
            }
            _ => None,
        }
    }

    /// A constant matrix, or its transpose.
    pub(super) fn matrix(&self, user: &Node, value: &str, transpose: bool) -> Result<Array2<f32>, ExtractError> {
        let constant = self.constant(value).ok_or_else(|| self.stop(user, format!("`{value}` is no constant")))?;
        let array = floats::array(constant.tensor).map_err(|why| self.stop(user, why))?;
        let matrix = array.into_dimensionality::<Ix2>().map_err(|_| self.stop(user, "its weight is no matrix"))?;
        let turned = if constant.transposed != transpose { matrix.reversed_axes() } else { matrix };
        Ok(turned.as_standard_layout().into_owned())
    }

    /// How many numbers a constant tensor of floats has.
    pub(super) fn numbers(&self, value: &str) -> Option<usize> {
        let tensor = self.constant(value)?.tensor;
        floats::Float::of_element(tensor.data_type)?;
        Some(floats::dims(tensor)?.iter().product())
    }

    /// A constant with its own dimensions.
    pub(super) fn tensor(&self, user: &Node, value: &str) -> Result<ArrayD<f32>, ExtractError> {
        let constant = self.constant(value).ok_or_else(|| self.stop(user, format!("`{value}` is no constant")))?;
        floats::array(constant.tensor).map_err(|why| self.stop(user, why))
    }

    /// A constant as a row of numbers, whatever its dimensions.
    pub(super) fn vector(&self, user: &Node, value: &str) -> Result<Array1<f32>, ExtractError> {
        let array = self.tensor(user, value)?;
        Ok(array.into_flat())
    }

    /// The constant among a node's first two inputs that has so many numbers, and the other input.
    pub(super) fn constant_and_other(&self, node: &'a Node, numbers: usize) -> Option<(&'a str, &'a str)> {
        let [a, b] = [node.input.first()?.as_str(), node.input.get(1)?.as_str()];
        [(a, b), (b, a)].into_iter().find(|(constant, _)| self.numbers(constant) == Some(numbers))
    }
}

fn present(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str).filter(|name| !name.is_empty())
}

/// The operator.
pub(super) fn kind(node: &Node) -> &str {
    node.op_type.as_deref().unwrap_or_default()
}

/// What the node is called, or what it makes if it has no name.
pub(super) fn name(node: &Node) -> String {
    let named = node.name.as_ref().filter(|name| !name.is_empty());
    named.or(node.output.first()).cloned().unwrap_or_default()
}

pub(super) fn attribute<'n>(node: &'n Node, name: &str) -> Option<&'n Attribute> {
    node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
}

pub(super) fn integer(node: &Node, name: &str) -> Option<i64> {
    attribute(node, name)?.i
}

/// An input that is there.
pub(super) fn input(node: &Node, at: usize) -> Option<&str> {
    node.input.get(at).map(String::as_str).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: &str, input: &[&str], output: &str) -> Node {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Node { op_type: Some(kind.into()), input: names(input), output: names(&[output]), ..Node::default() }
    }

    fn refused(node: Vec<Node>) -> String {
        let model = Model { graph: Some(Graph { node, ..Graph::default() }), ..Model::default() };
        Values::new(Part::Vision, &model).map(drop).unwrap_err().to_string()
    }

    /// Found by fuzzing: a weight that was its own cast was followed until the stack ended.
    #[test]
    fn a_graph_that_goes_in_circles_is_refused() {
        let own = refused(vec![node("Cast", &["a"], "a")]);
        assert!(own.ends_with("stopped at the node `a` (Cast): its input `a` is not made before it"), "{own}");
        let two = refused(vec![node("Cast", &["b"], "a"), node("Identity", &["a"], "b")]);
        assert!(two.contains("its input `b` is not made before it"), "{two}");
        let twice = refused(vec![node("Cast", &["x"], "a"), node("Cast", &["a"], "a")]);
        assert!(twice.contains("`a` is made twice"), "{twice}");
    }

    #[test]
    fn one_that_takes_a_value_twice_is_one_user() {
        let nodes = (1..64).map(|i| {
            let before = format!("v{}", i - 1);
            node("Reshape", &[&before, &before], &format!("v{i}"))
        });
        let model = Model { graph: Some(Graph { node: nodes.collect(), ..Graph::default() }), ..Model::default() };
        let values = Values::new(Part::Vision, &model).unwrap();
        assert_eq!(values.ahead("v0").len(), 64);
    }
}
