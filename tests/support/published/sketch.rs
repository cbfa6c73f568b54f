//! Puts graphs together, node by node; names are an exporter's: numbers.

use bytes::Bytes;
use eyewitness::onnx::Weights;
use eyewitness::onnx::proto::{
    Attribute, Dimension, Extent, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
    attribute, element,
};
use ndarray::{ArrayD, Axis, concatenate};

use super::{Form, Linear};

pub const FLOAT: i32 = element::FLOAT;
pub const INT64: i32 = element::INT64;
pub const BOOL: i32 = element::BOOL;

pub struct Sketch<'w> {
    pub weights: &'w Weights,
    pub form: Form,
    graph: Graph,
    count: usize,
}

impl<'w> Sketch<'w> {
    pub fn new(weights: &'w Weights, form: Form) -> Self {
        Self { weights, form, graph: Graph::default(), count: 0 }
    }

    fn name(&mut self, stem: &str) -> String {
        self.count += 1;
        format!("{stem}_{}", self.count)
    }

    fn tensor(&mut self, dims: Vec<i64>, data_type: i32, bytes: Vec<u8>) -> String {
        let name = self.name("onnx::Weight");
        let tensor = Tensor {
            name: Some(name.clone()),
            dims,
            data_type: Some(data_type),
            raw_data: Some(Bytes::from(bytes)),
            ..Tensor::default()
        };
        self.graph.initializer.push(tensor);
        name
    }

    /// A constant that is never stored in halves.
    pub fn number(&mut self, value: f32) -> String {
        self.tensor(Vec::new(), FLOAT, value.to_le_bytes().to_vec())
    }

    pub fn numbers(&mut self, values: &ArrayD<f32>) -> String {
        let dims = values.shape().iter().map(|dim| *dim as i64).collect();
        self.tensor(dims, FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub fn ints(&mut self, values: &[i64]) -> String {
        self.tensor(vec![values.len() as i64], INT64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub fn int(&mut self, value: i64) -> String {
        self.tensor(Vec::new(), INT64, value.to_le_bytes().to_vec())
    }

    /// A weight in the form's type.
    pub fn constant(&mut self, values: &ArrayD<f32>) -> String {
        if !self.form.halves {
            return self.numbers(values);
        }
        let dims = values.shape().iter().map(|dim| *dim as i64).collect();
        let bytes = values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect();
        let half = self.tensor(dims, element::FLOAT16, bytes);
        self.op("Cast", &[&half], &[("to", i64::from(FLOAT))])
    }

    pub fn get(&self, name: &str) -> ArrayD<f32> {
        let found = self.weights.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("no weight `{name}`")).1.clone()
    }

    pub fn weight(&mut self, name: &str) -> String {
        self.constant(&self.get(name))
    }

    pub fn op(&mut self, kind: &str, inputs: &[&str], integers: &[(&str, i64)]) -> String {
        let out = self.name(kind);
        self.op_to(kind, inputs, &out, integers);
        out
    }

    pub fn op_to(&mut self, kind: &str, inputs: &[&str], out: &str, integers: &[(&str, i64)]) {
        self.node(kind, inputs, &[out], integers);
    }

    pub fn node(&mut self, kind: &str, inputs: &[&str], outputs: &[&str], integers: &[(&str, i64)]) {
        const STANDARD: [&str; 3] = ["LayerNormalization", "Gelu", "SimplifiedLayerNormalization"];
        let ours = ["Skip", "MultiHead", "GroupQuery", "FastGelu", "RotaryEmbedding", "Attention", "QuickGelu"];
        let contributed = !STANDARD.contains(&kind) && ours.iter().any(|name| kind.starts_with(name));
        let attribute = integers.iter().map(|(name, value)| Attribute {
            name: Some((*name).into()),
            i: Some(*value),
            r#type: Some(attribute::INT),
            ..Attribute::default()
        });
        let node = Node {
            op_type: Some(kind.into()),
            name: Some(self.name(&format!("/{kind}"))),
            domain: contributed.then(|| "com.microsoft".into()),
            input: inputs.iter().map(|name| (*name).into()).collect(),
            output: outputs.iter().map(|name| (*name).into()).collect(),
            attribute: attribute.collect(),
            ..Node::default()
        };
        self.graph.node.push(node);
    }

    /// Like [`Self::op`], with a list of integers.
    pub fn op_ints(&mut self, kind: &str, inputs: &[&str], lists: &[(&str, &[i64])]) -> String {
        let out = self.op(kind, inputs, &[]);
        let node = self.graph.node.last_mut().unwrap();
        node.attribute.extend(lists.iter().map(|(name, values)| Attribute {
            name: Some((*name).into()),
            ints: values.to_vec(),
            r#type: Some(attribute::INTS),
            ..Attribute::default()
        }));
        out
    }

    pub fn transpose(&mut self, x: &str, perm: &[i64]) -> String {
        self.op_ints("Transpose", &[x], &[("perm", perm)])
    }

    pub fn reshape(&mut self, x: &str, dims: &[i64]) -> String {
        let dims = self.ints(dims);
        self.op("Reshape", &[x, &dims], &[])
    }

    /// `x` through the weight [out, in], which has `bias`.
    pub fn project(&mut self, x: &str, weight: &ArrayD<f32>, bias: Option<&ArrayD<f32>>) -> String {
        let product = match self.form.linear {
            Linear::MatMul => {
                let turned = weight.t().as_standard_layout().into_owned();
                let turned = self.constant(&turned);
                self.op("MatMul", &[x, &turned], &[])
            }
            Linear::Turned => {
                let weight = self.constant(weight);
                let turned = self.transpose(&weight, &[1, 0]);
                self.op("MatMul", &[x, &turned], &[])
            }
            Linear::Gemm => {
                let weight = self.constant(weight);
                let flat = self.reshape(x, &[-1, 1]);
                let bias = bias.map(|bias| self.constant(bias));
                let inputs: Vec<&str> = [flat.as_str(), &weight].into_iter().chain(bias.as_deref()).collect();
                let out = self.op("Gemm", &inputs, &[("transB", 1)]);
                return self.reshape(&out, &[1, -1, 1]);
            }
        };
        match bias {
            None => product,
            Some(bias) => {
                let bias = self.constant(bias);
                self.op("Add", &[&bias, &product], &[])
            }
        }
    }

    pub fn linear(&mut self, x: &str, name: &str) -> String {
        let weight = self.get(&format!("{name}.weight"));
        let bias = self.bias(name);
        self.project(x, &weight, bias.as_ref())
    }

    pub fn bias(&self, name: &str) -> Option<ArrayD<f32>> {
        let name = format!("{name}.bias");
        self.weights.has(&name).then(|| self.get(&name))
    }

    /// Several tensors as one, along the first axis.
    pub fn together(&self, names: &[String]) -> ArrayD<f32> {
        let all: Vec<_> = names.iter().map(|name| self.get(name)).collect();
        concatenate(Axis(0), &all.iter().map(|array| array.view()).collect::<Vec<_>>()).unwrap()
    }

    /// The finished model. Inputs and outputs: name, type, number of dimensions; all but those listed in `fixed` vary.
    pub fn model(self, inputs: &[(&str, i32, usize)], outputs: &[(&str, i32, usize)]) -> Model {
        let infos = |list: &[(&str, i32, usize)]| {
            list.iter().map(|(name, kind, dims)| info(name, *kind, &vec![-1; *dims])).collect::<Vec<_>>()
        };
        let (inputs, outputs) = (infos(inputs), infos(outputs));
        self.model_of(inputs, outputs)
    }

    pub fn model_of(mut self, inputs: Vec<ValueInfo>, outputs: Vec<ValueInfo>) -> Model {
        self.graph.name = Some("main_graph".into());
        self.graph.input = inputs;
        self.graph.output = outputs;
        let set = |domain: &str, version| OperatorSet { domain: Some(domain.into()), version: Some(version) };
        Model {
            ir_version: Some(9),
            producer_name: Some("tests".into()),
            graph: Some(self.graph),
            opset_import: vec![set("", 17), set("com.microsoft", 1)],
            ..Model::default()
        }
    }
}

/// An input or output; a dimension of -1 varies.
pub fn info(name: &str, kind: i32, dims: &[i64]) -> ValueInfo {
    let dim = dims.iter().enumerate().map(|(at, dim)| Dimension {
        value: Some(if *dim < 0 { Extent::Param(format!("{name}_{at}")) } else { Extent::Value(*dim) }),
    });
    let tensor_type = Some(TensorType { elem_type: Some(kind), shape: Some(Shape { dim: dim.collect() }) });
    ValueInfo { name: Some(name.into()), r#type: Some(Type { tensor_type }), doc_string: None }
}
