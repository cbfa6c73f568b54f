//! Queries, keys and values told apart by what becomes of them.

use std::collections::VecDeque;

use ndarray::{Array1, Array2, Axis, Slice};

use super::ExtractError;
use super::layers::Block;
use super::linear::{Linear, Linears};
use super::values::{Values, input, kind};
use crate::onnx::proto::Node;

/// Widths of queries, and of keys and values, in numbers.
#[derive(Clone, Copy)]
pub(super) struct Widths {
    pub queries: usize,
    pub keys: usize,
}

/// Weight [out, in] and bias of queries, keys and values.
pub(super) type Projections = [(Array2<f32>, Option<Array1<f32>>); 3];

pub(super) struct Attention<'w, 'a> {
    values: &'w Values<'a>,
    linears: &'w Linears<'a>,
    block: &'w Block,
    widths: Widths,
}

impl<'w, 'a> Attention<'w, 'a> {
    pub(super) fn new(values: &'w Values<'a>, linears: &'w Linears<'a>, block: &'w Block, widths: Widths) -> Self {
        Self { values, linears, block, widths }
    }

    /// Weights of queries, keys and values.
    pub(super) fn projections(&self) -> Result<Projections, ExtractError> {
        let core = self.core()?;
        if let [packed] = self.block.attention[..] {
            return self.unpack(&self.linears.all[packed], core);
        }
        let [q, k, v] = self.roles(core)?;
        let mut bias = Vec::new();
        for (at, place) in [(q, 0), (k, 1), (v, 2)] {
            let linear = &self.linears.all[at];
            let want = if place == 0 { self.widths.queries } else { self.widths.keys };
            if linear.outs != want {
                let why = format!("it makes {} numbers where config.json asks for {want}", linear.outs);
                return Err(self.values.stop(linear.node, why));
            }
            let own = linear.bias(self.values)?;
            bias.push(if own.is_some() { own } else { self.shared_bias(core, place)? });
        }
        let weight = |at: usize| self.linears.all[at].weight(self.values);
        let [q_bias, k_bias, v_bias] = <[_; 3]>::try_from(bias).expect("three were pushed");
        Ok([(weight(q)?, q_bias), (weight(k)?, k_bias), (weight(v)?, v_bias)])
    }

    /// The linear layer that the attention takes as its queries (0), keys (1) or values (2).
    pub(super) fn place(&self, place: usize) -> Result<usize, ExtractError> {
        match self.block.attention[..] {
            [packed] => Ok(packed),
            _ => Ok(self.roles(self.core()?)?[place]),
        }
    }

    /// The node that weighs values: an attention operator, or the product of probabilities and values.
    pub(super) fn core(&self) -> Result<&'a Node, ExtractError> {
        let out = &self.linears.all[self.block.out];
        let maker = self.values.maker(self.values.behind(out.input));
        maker.ok_or_else(|| self.values.stop(out.node, "an attention was expected before it"))
    }

    /// Places of queries, keys and values.
    fn roles(&self, core: &'a Node) -> Result<[usize; 3], ExtractError> {
        let unclear = |node: &Node| self.values.stop(node, "queries, keys and values cannot be told apart here");
        let only = |value: Option<&str>| value.and_then(|value| self.linears.only(value));
        let roles = match kind(core) {
            "GroupQueryAttention" | "MultiHeadAttention" | "Attention" | "DecoderMaskedMultiHeadAttention" => {
                [only(input(core, 0)), only(input(core, 1)), only(input(core, 2))]
            }
            "MatMul" => {
                let scores = input(core, 0).and_then(|value| self.scores(value)).ok_or_else(|| unclear(core))?;
                [only(input(scores, 0)), only(input(scores, 1)), only(input(core, 1))]
            }
            _ => return Err(self.values.stop(core, "an attention was expected here")),
        };
        let [Some(q), Some(k), Some(v)] = roles else { return Err(unclear(core)) };
        if q == k || q == v || k == v {
            return Err(unclear(core));
        }
        Ok([q, k, v])
    }

    /// The product of queries and keys behind the probabilities `value`.
    fn scores(&self, value: &'a str) -> Option<&'a Node> {
        let mut softmax = false;
        let mut next = VecDeque::from([value]);
        let mut seen = Vec::new();
        while let Some(value) = next.pop_front() {
            let Some(node) = self.values.maker(value) else { continue };
            if seen.contains(&value) || !self.linears.live(value) {
                continue;
            }
            seen.push(value);
            softmax |= kind(node) == "Softmax";
            match kind(node) {
                "MatMul" | "FusedMatMul" if softmax => return Some(node),
                "MatMul" | "Gemm" | "FusedMatMul" => return None,
                _ => next.extend(node.input.iter().map(String::as_str)),
            }
        }
        None
    }

    /// Biases of all three in the attention operator itself.
    fn shared_bias(&self, core: &Node, place: usize) -> Result<Option<Array1<f32>>, ExtractError> {
        let Some(bias) = input(core, 3).filter(|_| kind(core) == "MultiHeadAttention") else { return Ok(None) };
        let all = self.values.vector(core, bias)?;
        self.cut_vector(core, &all, place).map(Some)
    }

    /// One linear layer that makes queries, keys and values, in this order, for an operator that takes them so.
    fn unpack(&self, packed: &Linear<'a>, core: &'a Node) -> Result<Projections, ExtractError> {
        let own = std::ptr::eq(packed.node, core);
        let grouped = kind(core) == "GroupQueryAttention" && input(core, 1).is_none();
        if !own && !grouped {
            return Err(self
                .values
                .stop(packed.node, "queries, keys and values in one are known only before GroupQueryAttention"));
        }
        let (weight, bias) = (packed.weight(self.values)?, packed.bias(self.values)?);
        let want = self.widths.queries + 2 * self.widths.keys;
        if weight.nrows() != want {
            let why = format!("it makes {} numbers where config.json asks for {want}", weight.nrows());
            return Err(self.values.stop(packed.node, why));
        }
        let cut = |place: usize| -> Result<(Array2<f32>, Option<Array1<f32>>), ExtractError> {
            let rows = weight.slice_axis(Axis(0), self.range(place)).to_owned();
            let bias = bias.as_ref().map(|all| self.cut_vector(packed.node, all, place)).transpose()?;
            Ok((rows, bias))
        };
        Ok([cut(0)?, cut(1)?, cut(2)?])
    }

    fn range(&self, place: usize) -> Slice {
        let Widths { queries, keys } = self.widths;
        let from = if place == 0 { 0 } else { queries + (place - 1) * keys };
        Slice::from(from..from + if place == 0 { queries } else { keys })
    }

    fn cut_vector(&self, node: &Node, all: &Array1<f32>, place: usize) -> Result<Array1<f32>, ExtractError> {
        if all.len() != self.widths.queries + 2 * self.widths.keys {
            return Err(self.values.stop(node, "its bias has another length than queries, keys and values together"));
        }
        Ok(all.slice_axis(Axis(0), self.range(place)).to_owned())
    }
}
