//! Reading a graph's inputs and outputs, and why a file is not the graph it should be.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use super::tensors::Float;

/// Why a graph cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error(
        "`{}` cannot be loaded as an ONNX graph: if it is truncated or damaged, copy it again and compare its SHA-256 with the \
         published one",
        .file.display()
    )]
    Load { file: PathBuf, source: ort::Error },
    #[error(
        "the provider `{provider}` cannot be used: the ONNX Runtime library must be a build with it and its driver and libraries \
         must be installed; `provider = \"cpu\"` always works"
    )]
    Provider { provider: &'static str, source: ort::Error },
    #[error("`{}` does not fit into this set: {wrong}", .file.display())]
    Wrong { file: PathBuf, wrong: String },
    #[error("the buffers of `{}` could not be made", .file.display())]
    Memory { file: PathBuf, source: ort::Error },
}

/// One graph and the file that it came from, for questions about its inputs and outputs.
pub(super) struct Graph<'a> {
    pub file: &'a Path,
    pub session: &'a Session,
}

impl Graph<'_> {
    pub(super) fn wrong(&self, wrong: impl Into<String>) -> GraphError {
        GraphError::Wrong { file: self.file.to_owned(), wrong: wrong.into() }
    }

    pub(super) fn memory(&self, source: ort::Error) -> GraphError {
        GraphError::Memory { file: self.file.to_owned(), source }
    }

    /// Type and shape of an input; a dimension that varies is -1.
    pub(super) fn input(&self, name: &str) -> Option<(TensorElementType, Vec<i64>)> {
        find(self.session.inputs(), name)
    }

    pub(super) fn output(&self, name: &str) -> Option<(TensorElementType, Vec<i64>)> {
        find(self.session.outputs(), name)
    }

    /// Like [`Self::input`], for an input that must be there.
    pub(super) fn need_input(&self, name: &str) -> Result<(TensorElementType, Vec<i64>), GraphError> {
        self.input(name).ok_or_else(|| {
            let names = names(self.session.inputs());
            self.wrong(format!("it has no input `{name}` (it has: {names}); is it another part of the set?"))
        })
    }

    pub(super) fn need_output(&self, name: &str) -> Result<(TensorElementType, Vec<i64>), GraphError> {
        self.output(name).ok_or_else(|| {
            let names = names(self.session.outputs());
            self.wrong(format!("it has no output `{name}` (it has: {names}); is it another part of the set?"))
        })
    }

    /// Every input must be one of `known`: we would have nothing to feed it.
    pub(super) fn only_inputs(&self, known: impl Fn(&str) -> bool) -> Result<(), GraphError> {
        match self.session.inputs().iter().find(|input| !known(input.name())) {
            None => Ok(()),
            Some(input) => {
                Err(self.wrong(format!("it wants an input `{}`, which nothing here provides", input.name())))
            }
        }
    }

    pub(super) fn float(&self, name: &str, element: TensorElementType) -> Result<Float, GraphError> {
        Float::of(element).ok_or_else(|| self.wrong(format!("`{name}` is {element}, not f32 or f16")))
    }

    pub(super) fn integer(&self, name: &str, element: TensorElementType) -> Result<(), GraphError> {
        if element == TensorElementType::Int64 {
            Ok(())
        } else {
            Err(self.wrong(format!("`{name}` is {element}, not i64")))
        }
    }

    /// Dimension `axis` is `want`, or varies.
    pub(super) fn dimension(&self, name: &str, shape: &[i64], axis: usize, want: usize) -> Result<(), GraphError> {
        match shape.get(axis).copied() {
            Some(have) if have < 0 || have == want as i64 => Ok(()),
            Some(have) => {
                Err(self.wrong(format!("`{name}` has {have} in dimension {axis}, and the set's json files say {want}")))
            }
            None => Err(self.wrong(format!("`{name}` has {} dimensions", shape.len()))),
        }
    }
}

fn find(outlets: &[Outlet], name: &str) -> Option<(TensorElementType, Vec<i64>)> {
    let dtype = outlets.iter().find(|outlet| outlet.name() == name)?.dtype();
    Some((dtype.tensor_type()?, dtype.tensor_shape()?.to_vec()))
}

fn names(outlets: &[Outlet]) -> String {
    let mut names: Vec<&str> = outlets.iter().map(Outlet::name).take(4).collect();
    if outlets.len() > names.len() {
        names.push("...");
    }
    names.join(", ")
}
