//! Which linear layer is which. Both the encoder and the decoder are made of blocks that add to one stream: what a layer hears
//! tells its place, whatever it is called.
//!
//! ```text
//! stream -> q, k, v -> attention -> out -> + -> inner (one, or gate and up) -> down -> + -> ... -> head
//! ```
//! All that read the stream at one place hear the same: every `out` and `down` before it.

use super::ExtractError;
use super::linear::{Heard, Linears};
use super::values::Values;

/// One block, as places in [`Linears::all`].
pub(super) struct Block {
    /// Queries, keys and values in no known order, or one layer for all three.
    pub attention: Vec<usize>,
    pub out: usize,
    /// One, or gate and up in no known order, or one layer for both.
    pub inner: Vec<usize>,
    pub down: usize,
}

pub(super) struct Layers {
    pub blocks: Vec<Block>,
    /// What comes after the last block.
    pub head: usize,
}

/// Tells `blocks` blocks apart, each with `inner` linear layers before its last one (two may be written as one).
pub(super) fn walk(
    values: &Values<'_>,
    linears: &Linears<'_>,
    blocks: usize,
    inner: usize,
) -> Result<Layers, ExtractError> {
    let mut walk = Walk { values, linears, stream: Heard::new(), last: None, used: 0 };
    let mut found = Vec::with_capacity(blocks);
    for layer in 0..blocks {
        let attention = walk.readers(&format!("queries, keys and values of layer {layer}"), |n| n == 3 || n == 1)?;
        let out = walk.after(&attention, &format!("the attention's output of layer {layer}"))?;
        let (inner, what) = match inner {
            1 => (walk.readers(&format!("the first inner layer of layer {layer}"), |n| n == 1)?, "inner layer"),
            _ => (walk.readers(&format!("gate and up of layer {layer}"), |n| n == 2 || n == 1)?, "gated part"),
        };
        let down = walk.after(&inner, &format!("the end of the {what} of layer {layer}"))?;
        found.push(Block { attention, out, inner, down });
    }
    let head =
        walk.readers(&format!("the last linear layer (config.json says that there are {blocks} blocks)"), |n| n == 1)?;
    if walk.used < linears.all.len() {
        let known = |at: &usize| {
            *at == head[0]
                || found
                    .iter()
                    .any(|b| b.out == *at || b.down == *at || b.attention.contains(at) || b.inner.contains(at))
        };
        if let Some(extra) = (0..linears.all.len()).find(|at| !known(at)) {
            return Err(
                values.stop(linears.all[extra].node, "a linear layer that has no place in a model of this kind")
            );
        }
    }
    Ok(Layers { blocks: found, head: head[0] })
}

struct Walk<'w, 'a> {
    values: &'w Values<'a>,
    linears: &'w Linears<'a>,
    /// What a reader of the stream hears.
    stream: Heard,
    last: Option<usize>,
    used: usize,
}

impl Walk<'_, '_> {
    /// Those that read the stream here; all of them must read the same value.
    fn readers(&mut self, what: &str, fits: impl Fn(usize) -> bool) -> Result<Vec<usize>, ExtractError> {
        let found = self.linears.hearing(&self.stream);
        let input = |at: &usize| self.values.behind(self.linears.all[*at].input);
        let same = found.iter().all(|at| input(at) == input(&found[0]));
        if !fits(found.len()) || !same {
            let have = match found.len() {
                0 => "nothing was found".to_owned(),
                n if same => format!("{n} linear layers read the same value"),
                n => format!("{n} linear layers read several values"),
            };
            return Err(self.stopped(found.first().copied(), &format!("looking for {what}: {have}")));
        }
        self.note(&found);
        Ok(found)
    }

    /// The one that hears exactly these, and writes to the stream.
    fn after(&mut self, before: &[usize], what: &str) -> Result<usize, ExtractError> {
        let found = self.linears.hearing(&before.iter().copied().collect());
        let [one] = found[..] else {
            let why = format!("looking for {what}: {} linear layers hear exactly what comes before it", found.len());
            return Err(self.stopped(found.first().copied(), &why));
        };
        self.note(&found);
        self.stream.insert(one);
        Ok(one)
    }

    fn note(&mut self, found: &[usize]) {
        self.used += found.len();
        self.last = found.last().copied().or(self.last);
    }

    fn stopped(&self, at: Option<usize>, why: &str) -> ExtractError {
        match at.or(self.last) {
            Some(at) => self.values.stop(self.linears.all[at].node, why),
            None => ExtractError::Structure { part: self.values.part, why: why.to_owned() },
        }
    }
}
