//! The keys and values of the decoder: their names in the graph, and where they are kept between two runs.

use std::sync::Arc;

use ort::memory::{AllocationDevice, Allocator, MemoryInfo};
use ort::session::{IoBinding, Session};
use ort::value::{DynTensor, DynValue};

use super::graph::{Graph, GraphError};
use super::set::ModelSet;
use super::tensors::Float;

/// Room is made in steps of so many tokens, so that a longer prompt does not make new buffers each time.
const STEP: usize = 64;

/// One layer's keys or values.
pub(super) struct Name {
    /// `past_key_values.i.z`
    pub past: String,
    /// `present.i.z`
    pub present: String,
}

/// What the graph's keys and values are like.
pub(super) struct Layout {
    pub names: Vec<Name>,
    pub float: Float,
    heads: i64,
    dim: i64,
}

impl Layout {
    /// Reads it off the graph and checks it against the set's geometry.
    pub(super) fn read(graph: &Graph<'_>, set: &ModelSet) -> Result<Self, GraphError> {
        let text = &set.text;
        let mut names = Vec::new();
        let mut float = None;
        for layer in 0..text.layers {
            for kind in ["key", "value"] {
                let past = format!("past_key_values.{layer}.{kind}");
                let present = format!("present.{layer}.{kind}");
                let (element, shape) = graph.need_input(&past)?;
                graph.dimension(&past, &shape, 1, text.kv_heads)?;
                graph.dimension(&past, &shape, 3, text.head_dim)?;
                let this = graph.float(&past, element)?;
                if *float.get_or_insert(this) != this {
                    return Err(graph.wrong(format!("`{past}` has another float type than the layers before it")));
                }
                let (element, _) = graph.need_output(&present)?;
                if graph.float(&present, element)? != this {
                    return Err(graph.wrong(format!("`{present}` has another float type than `{past}`")));
                }
                names.push(Name { past, present });
            }
        }
        let beyond = format!("past_key_values.{}.key", text.layers);
        if graph.input(&beyond).is_some() {
            return Err(graph.wrong(format!("it has more than the {} layers that config.json says", text.layers)));
        }
        let float = float.ok_or_else(|| graph.wrong("it keeps no keys and values"))?;
        Ok(Self { names, float, heads: text.kv_heads as i64, dim: text.head_dim as i64 })
    }

    fn tensor(&self, allocator: &Allocator, tokens: usize) -> ort::Result<DynTensor> {
        DynTensor::new(allocator, self.float.element(), vec![1, self.heads, tokens as i64, self.dim])
    }
}

/// A sequence so far. Cheap to clone, so that one beginning can be continued many times. In [`Store::Shared`] it is a place in
/// the buffers: it holds as long as nothing was written before it.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    past: Option<Arc<Vec<DynValue>>>,
    /// In tokens.
    pub length: usize,
}

impl Sequence {
    /// Its first `length` tokens, in [`Store::Shared`].
    pub(super) fn beginning(length: usize) -> Self {
        Self { past: None, length }
    }
}

/// Where keys and values live.
pub(super) enum Store {
    /// Each run makes new ones, longer by what it was given: what any graph can do.
    Grown { nothing: DynTensor },
    /// One buffer per name, past and present at once: each run writes behind what is there, nothing is copied. Only
    /// GroupQueryAttention knows to do that.
    Shared { buffers: Vec<DynTensor>, capacity: usize },
}

impl Store {
    pub(super) fn grown(layout: &Layout) -> ort::Result<Self> {
        Ok(Self::Grown { nothing: layout.tensor(&Allocator::default(), 0)? })
    }

    pub(super) fn shared() -> Self {
        Self::Shared { buffers: Vec::new(), capacity: 0 }
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared { .. })
    }

    /// Sees to it that `tokens` fit. Returns whether every sequence so far was lost by that.
    pub(super) fn reserve(
        &mut self,
        tokens: usize,
        layout: &Layout,
        session: &Session,
        device: &MemoryInfo<'static>,
        binding: &mut IoBinding,
    ) -> ort::Result<bool> {
        let Self::Shared { buffers, capacity } = self else { return Ok(false) };
        if tokens <= *capacity {
            return Ok(false);
        }
        binding.clear();
        buffers.clear();
        *capacity = 0;
        let room = tokens.next_multiple_of(STEP);
        let on_host = device.allocation_device() == AllocationDevice::CPU;
        let allocator = if on_host { Allocator::default() } else { Allocator::new(session, device.clone())? };
        for name in &layout.names {
            let mut buffer = layout.tensor(&allocator, room)?;
            binding.bind_input(name.past.as_str(), &buffer)?;
            binding.bind_output(name.present.as_str(), &mut buffer)?;
            buffers.push(buffer);
        }
        *capacity = room;
        Ok(true)
    }

    /// Binds what `sequence` needs for its next run.
    pub(super) fn bind(
        &self,
        sequence: &Sequence,
        layout: &Layout,
        device: &MemoryInfo<'static>,
        binding: &mut IoBinding,
    ) -> ort::Result<()> {
        // The shared buffers stay bound.
        let Self::Grown { nothing } = self else { return Ok(()) };
        for (index, name) in layout.names.iter().enumerate() {
            match &sequence.past {
                Some(values) => binding.bind_input(name.past.as_str(), &values[index])?,
                None => binding.bind_input(name.past.as_str(), nothing)?,
            }
            // Anew each time: an output that is still bound from the run before would be written over, at its old size.
            binding.bind_output_to_device(name.present.as_str(), device)?;
        }
        Ok(())
    }

    /// Takes over what a run of `count` tokens has made.
    pub(super) fn advance(
        &self,
        sequence: &mut Sequence,
        count: usize,
        layout: &Layout,
        mut take: impl FnMut(&str) -> ort::Result<DynValue>,
    ) -> ort::Result<()> {
        if !self.is_shared() {
            let past: ort::Result<Vec<_>> = layout.names.iter().map(|name| take(&name.present)).collect();
            sequence.past = Some(Arc::new(past?));
        }
        sequence.length += count;
        Ok(())
    }
}
