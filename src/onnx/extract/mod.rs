//! The weights of a published set's graphs, by their published names. Exporters call weights as they like, so each is found by
//! its place in the flow of data: what it reads, what reads it, which of the graph's inputs and outputs it is next to. What is
//! read wrongly all the same shows when the new graphs are held against the old ones.
//!
//! `values` is the graph, `linear` its linear layers, `layers` tells which is which; `attention` and `norm` look at what lies
//! between them; `vision` and `decoder` give the names.

mod attention;
mod decoder;
mod layers;
mod linear;
mod norm;
mod positions;
mod values;
mod vision;

use std::fmt;

use ndarray::{Array1, Array2};

use self::linear::Linears;
use self::values::{Values, input, kind};
use super::proto::Model;
use super::weights::{Architecture, Weights};

pub use self::decoder::decoder;
pub use self::vision::vision;

/// Which graph of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Vision,
    Embed,
    Decoder,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vision => "vision encoder",
            Self::Embed => "token embedding",
            Self::Decoder => "decoder",
        })
    }
}

/// Why the weights of a graph could not be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    #[error("the {part} has no graph in it")]
    Empty { part: Part },
    #[error("the {part} has no input `{name}`: is it another part of the set?")]
    Input { part: Part, name: String },
    #[error("the {part} holds weights of 8 or 4 bits already (node `{node}`, {operator}): take the fp32 or fp16 set")]
    Quantised { part: Part, node: String, operator: String },
    #[error("reading the {part} stopped at the node `{node}` ({operator}): {why}")]
    Node { part: Part, node: String, operator: String, why: String },
    #[error("reading the {part} stopped {why}")]
    Structure { part: Part, why: String },
}

/// The token table of an `embed_tokens` graph.
///
/// # Errors
/// [`ExtractError`]
pub fn embed(model: &Model, _: &Architecture) -> Result<Weights, ExtractError> {
    let values = Values::new(Part::Embed, model)?;
    let out = "inputs_embeds";
    let found = values.maker(values.behind(out)).filter(|node| kind(node) == "Gather");
    let Some(node) = found else {
        let why = "looking for the table behind `inputs_embeds`".to_owned();
        return Err(ExtractError::Structure { part: Part::Embed, why });
    };
    let ids = input(node, 1).map(|ids| values.behind(ids));
    if ids != Some("input_ids") {
        return Err(values.stop(node, "it does not look up `input_ids`"));
    }
    let table = values.matrix(node, input(node, 0).unwrap_or_default(), false)?;
    let mut weights = Weights::default();
    weights.insert("model.text_model.embed_tokens.weight", table.into_dyn());
    Ok(weights)
}

/// Puts `prefix.weight` and, if it has one, `prefix.bias` in.
fn put(weights: &mut Weights, prefix: &str, weight: Array2<f32>, bias: Option<Array1<f32>>) {
    weights.insert(format!("{prefix}.weight"), weight.into_dyn());
    if let Some(bias) = bias {
        weights.insert(format!("{prefix}.bias"), bias.into_dyn());
    }
}

/// The graph's linear layers, checked to be there at all.
fn linears<'a>(values: &Values<'a>, main: &'a str) -> Result<Linears<'a>, ExtractError> {
    let linears = Linears::find(values, main)?;
    if linears.all.is_empty() {
        let why = format!("at `{main}`: no linear layer with constant weights comes after it");
        return Err(ExtractError::Structure { part: values.part, why });
    }
    Ok(linears)
}
