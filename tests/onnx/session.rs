//! A model that was just made, in ONNX Runtime.

use std::sync::OnceLock;

use eyewitness::onnx::proto::Model;
use half::f16;
use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType};
use prost::Message;

/// Where a number's type is the graph's own business.
pub(crate) enum Input {
    Float(Vec<i64>, Vec<f32>),
    Integer(Vec<i64>, Vec<i64>),
}

pub(crate) struct Runner(Session);

impl Runner {
    pub(crate) fn new(model: &Model) -> Self {
        static RUNTIME: OnceLock<Environment> = OnceLock::new();
        let environment = RUNTIME.get_or_init(|| {
            let library = std::env::var("ORT_DYLIB_PATH").expect("`make setup` fetches the library");
            ort::init_from(library).unwrap().build().unwrap()
        });
        let builder = Session::builder(environment).unwrap().with_intra_threads(1).unwrap();
        let session = { builder }.commit_from_memory(&model.encode_to_vec()).unwrap();
        Self(session)
    }

    pub(crate) fn inputs(&self) -> Vec<String> {
        self.0.inputs().iter().map(|input| input.name().to_owned()).collect()
    }

    /// All outputs by name, as f32.
    pub(crate) fn run(&mut self, inputs: &[(String, Input)]) -> Vec<(String, Vec<i64>, Vec<f32>)> {
        let of = |name: &str| self.0.inputs().iter().find(|input| input.name() == name).unwrap().dtype().tensor_type();
        let inputs: Vec<(String, SessionInputValue<'_>)> = inputs
            .iter()
            .map(|(name, input)| {
                let value: DynValue = match input {
                    Input::Integer(shape, values) => {
                        Tensor::from_array((shape.clone(), values.clone())).unwrap().into_dyn()
                    }
                    Input::Float(shape, values) if of(name) == Some(TensorElementType::Float16) => {
                        let values: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
                        Tensor::from_array((shape.clone(), values)).unwrap().into_dyn()
                    }
                    Input::Float(shape, values) => {
                        Tensor::from_array((shape.clone(), values.clone())).unwrap().into_dyn()
                    }
                };
                (name.clone(), value.into())
            })
            .collect();
        let outputs = self.0.run(inputs).unwrap();
        let read = |(name, value): (&str, ort::value::ValueRef<'_>)| {
            if let Ok((shape, values)) = value.try_extract_tensor::<f32>() {
                return (name.to_owned(), shape.to_vec(), values.to_vec());
            }
            let (shape, values) = value.try_extract_tensor::<f16>().unwrap();
            (name.to_owned(), shape.to_vec(), values.iter().map(|v| v.to_f32()).collect())
        };
        outputs.iter().map(read).collect()
    }
}
