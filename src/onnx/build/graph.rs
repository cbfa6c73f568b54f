//! Collects the nodes and weights of a graph. Whatever makes a value returns its name.

use std::collections::BTreeSet;

use bytes::Bytes;
use half::f16;
use ndarray::ArrayD;

use crate::onnx::proto::{self, Attribute, Dimension, Extent, Node, Tensor, ValueInfo, attribute, element};

/// Old enough for ONNX Runtime 1.17, new enough for LayerNormalization.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;
/// The domain of ONNX Runtime's own operators.
const MICROSOFT: &str = "com.microsoft";

/// What a graph's tensors of real numbers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Float {
    F32,
    F16,
}

impl Float {
    pub(super) fn element(self) -> i32 {
        match self {
            Self::F32 => element::FLOAT,
            Self::F16 => element::FLOAT16,
        }
    }
}

/// An operator with its attributes.
pub(super) struct Op {
    kind: &'static str,
    domain: &'static str,
    attributes: Vec<Attribute>,
}

impl Op {
    /// One of ONNX itself.
    pub(super) fn onnx(kind: &'static str) -> Self {
        Self { kind, domain: "", attributes: Vec::new() }
    }

    /// One of ONNX Runtime's own.
    pub(super) fn microsoft(kind: &'static str) -> Self {
        Self { kind, domain: MICROSOFT, attributes: Vec::new() }
    }

    pub(super) fn int(self, name: &str, value: usize) -> Self {
        self.signed(name, value as i64)
    }

    pub(super) fn signed(self, name: &str, value: i64) -> Self {
        self.with(name, attribute::INT, |attribute| attribute.i = Some(value))
    }

    pub(super) fn ints(self, name: &str, values: &[usize]) -> Self {
        self.with(name, attribute::INTS, |attribute| attribute.ints = values.iter().map(|v| *v as i64).collect())
    }

    pub(super) fn float(self, name: &str, value: f32) -> Self {
        self.with(name, attribute::FLOAT, |attribute| attribute.f = Some(value))
    }

    fn with(mut self, name: &str, kind: i32, set: impl FnOnce(&mut Attribute)) -> Self {
        let mut attribute = Attribute { name: Some(name.into()), r#type: Some(kind), ..Attribute::default() };
        set(&mut attribute);
        self.attributes.push(attribute);
        self
    }
}

/// One dimension of an input or output.
pub(super) enum Dim<'a> {
    Of(usize),
    Named(&'a str),
}

pub(super) struct Graph {
    pub float: Float,
    graph: proto::Graph,
    /// Names of constants that were made already.
    constants: BTreeSet<String>,
}

impl Graph {
    pub(super) fn new(name: &str, float: Float) -> Self {
        let graph = proto::Graph { name: Some(name.into()), ..proto::Graph::default() };
        Self { float, graph, constants: BTreeSet::new() }
    }

    pub(super) fn input(&mut self, name: &str, element: i32, dims: &[Dim<'_>]) -> String {
        self.graph.input.push(value_info(name, element, dims));
        name.into()
    }

    pub(super) fn output(&mut self, name: &str, element: i32, dims: &[Dim<'_>]) {
        self.graph.output.push(value_info(name, element, dims));
    }

    /// A node with one output.
    pub(super) fn op(&mut self, op: Op, inputs: &[&str]) -> String {
        let [output] = self.ops(op, inputs);
        output
    }

    /// A node with `N` outputs.
    pub(super) fn ops<const N: usize>(&mut self, op: Op, inputs: &[&str]) -> [String; N] {
        let name = format!("{}_{}", op.kind, self.graph.node.len());
        let outputs = std::array::from_fn(|i| if i == 0 { name.clone() } else { format!("{name}_{i}") });
        self.op_into(op, inputs, &outputs.each_ref().map(String::as_str));
        outputs
    }

    /// A node whose outputs have these names; an input or output "" is left out.
    pub(super) fn op_into(&mut self, op: Op, inputs: &[&str], outputs: &[&str]) {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut input = strings(inputs);
        while input.last().is_some_and(String::is_empty) {
            input.pop();
        }
        self.graph.node.push(Node {
            input,
            output: strings(outputs),
            name: Some(format!("{}_{}", op.kind, self.graph.node.len())),
            op_type: Some(op.kind.into()),
            attribute: op.attributes,
            domain: (!op.domain.is_empty()).then(|| op.domain.into()),
            ..Node::default()
        });
    }

    /// Weights in the graph's own float type.
    pub(super) fn weights(&mut self, name: &str, values: &ArrayD<f32>) -> String {
        let bytes = match self.float {
            Float::F32 => in_bytes(values, f32::to_le_bytes),
            Float::F16 => in_bytes(values, |value| f16::from_f32(value).to_le_bytes()),
        };
        self.tensor(name, self.float.element(), values.shape(), bytes)
    }

    /// A tensor from its bytes, little endian.
    pub(super) fn tensor(&mut self, name: &str, element: i32, dims: &[usize], bytes: Vec<u8>) -> String {
        self.graph.initializer.push(Tensor {
            dims: dims.iter().map(|dim| *dim as i64).collect(),
            data_type: Some(element),
            name: Some(name.into()),
            raw_data: Some(Bytes::from(bytes)),
            ..Tensor::default()
        });
        name.into()
    }

    /// The constant [values...] of i64.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let name = values.iter().fold("integers".to_owned(), |name, value| format!("{name}_{value}"));
        if self.constants.insert(name.clone()) {
            self.tensor(&name, element::INT64, &[values.len()], values.iter().flat_map(|v| v.to_le_bytes()).collect());
        }
        name
    }

    /// A constant of i64 without dimensions.
    pub(super) fn integer(&mut self, value: i64) -> String {
        let name = format!("integer_{value}");
        if self.constants.insert(name.clone()) {
            self.tensor(&name, element::INT64, &[], value.to_le_bytes().to_vec());
        }
        name
    }

    pub(super) fn finish(self) -> proto::Model {
        let operators =
            |domain: &str, version| proto::OperatorSet { domain: Some(domain.into()), version: Some(version) };
        proto::Model {
            ir_version: Some(IR_VERSION),
            producer_name: Some("eyewitness".into()),
            graph: Some(self.graph),
            opset_import: vec![operators("", OPSET), operators(MICROSOFT, 1)],
            ..proto::Model::default()
        }
    }
}

fn in_bytes<const N: usize>(values: &ArrayD<f32>, of: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * N);
    values.iter().for_each(|value| bytes.extend_from_slice(&of(*value)));
    bytes
}

fn value_info(name: &str, element: i32, dims: &[Dim<'_>]) -> ValueInfo {
    let extent = |dim: &Dim<'_>| match dim {
        Dim::Of(length) => Extent::Value(*length as i64),
        Dim::Named(name) => Extent::Param((*name).into()),
    };
    let dim = dims.iter().map(|dim| Dimension { value: Some(extent(dim)) }).collect();
    let tensor_type = proto::TensorType { elem_type: Some(element), shape: Some(proto::Shape { dim }) };
    let r#type = Some(proto::Type { tensor_type: Some(tensor_type) });
    ValueInfo { name: Some(name.into()), r#type, doc_string: None }
}
