//! The decoder graph: embeddings and the keys and values so far to logits, and one more stretch of keys and values. These
//! are bound on the device: what one step returns is what the next one takes, and the host never sees it.

use std::sync::Arc;

use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::{DynTensor, DynValue, Value, ValueTypeMarker};

use super::call::Call;
use super::graph::{Graph, GraphError};
use super::precision::GraphFile;
use super::provider;
use super::question::AskError;
use super::set::ModelSet;
use super::settings::Provider;
use super::tensors::{self, Float};

const EMBEDS: &str = "inputs_embeds";
const ATTENTION: &str = "attention_mask";
const POSITIONS: &str = "position_ids";
const LOGITS: &str = "logits";
const PART: &str = "decoder";

/// `decoder_model_merged`.
pub(super) struct Decoder {
    session: Session,
    binding: IoBinding,
    embeds: Float,
    attention: bool,
    positions: bool,
    /// `past_key_values.i.z` and the `present.i.z` that follows it.
    names: Vec<(String, String)>,
    /// [1, heads, 0, dim]: what every sequence begins with.
    nothing: DynTensor,
    host: MemoryInfo<'static>,
    device: MemoryInfo<'static>,
}

/// The keys and values of a sequence so far. Cheap to clone: a step makes new ones and leaves these as they are, so one
/// beginning can be continued many times.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    past: Option<Arc<Vec<DynValue>>>,
    /// In tokens.
    pub length: usize,
}

impl Decoder {
    pub(super) fn new(
        session: Session,
        file: &GraphFile,
        set: &ModelSet,
        provider: Provider,
    ) -> Result<Self, GraphError> {
        let graph = Graph { file: &file.path, session: &session };
        let (element, shape) = graph.need_input(EMBEDS)?;
        let embeds = graph.float(EMBEDS, element)?;
        graph.dimension(EMBEDS, &shape, 2, set.text.hidden)?;
        for name in [ATTENTION, POSITIONS] {
            if let Some((element, _)) = graph.input(name) {
                graph.integer(name, element)?;
            }
        }
        let (element, shape) = graph.need_output(LOGITS)?;
        graph.float(LOGITS, element)?;
        graph.dimension(LOGITS, &shape, 2, set.text.vocabulary)?;
        let (names, cache) = cache(&graph, set)?;
        graph.only_inputs(|name| {
            [EMBEDS, ATTENTION, POSITIONS].contains(&name) || names.iter().any(|(past, _)| past == name)
        })?;

        let memory = |source| graph.memory(source);
        let (heads, dim) = (set.text.kv_heads as i64, set.text.head_dim as i64);
        let nothing = cache.zeros(&[1, heads, 0, dim]).map_err(memory)?;
        let host =
            MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default).map_err(memory)?;
        let device = provider::device_memory(provider).map_err(memory)?;
        let binding = session.create_binding().map_err(memory)?;
        let (attention, positions) = (graph.input(ATTENTION).is_some(), graph.input(POSITIONS).is_some());
        Ok(Self { session, binding, embeds, attention, positions, names, nothing, host, device })
    }

    /// The float type that the graph wants its embeddings in.
    pub(super) fn embeds(&self) -> Float {
        self.embeds
    }

    /// Appends `count` embeddings [1, count, hidden] to `sequence` and returns the logits, of which only the last row counts.
    pub(super) fn run<T: ValueTypeMarker + ?Sized>(
        &mut self,
        embeds: &Value<T>,
        count: usize,
        sequence: &mut Sequence,
        call: &mut Call<'_>,
    ) -> Result<DynValue, AskError> {
        let failed = |source| AskError::Run { part: PART, source };
        self.bind(embeds, count, sequence).map_err(failed)?;
        let (session, binding) = (&mut self.session, &self.binding);
        let mut outputs = call.run(PART, |options| session.run_binding_with_options(binding, options))?;
        let mut take = |name: &str| {
            outputs.remove(name).ok_or_else(|| failed(ort::Error::new(format!("the graph returned no `{name}`"))))
        };
        let logits = take(LOGITS)?;
        let past = self.names.iter().map(|(_, present)| take(present)).collect::<Result<Vec<_>, _>>()?;
        sequence.past = Some(Arc::new(past));
        sequence.length += count;
        Ok(logits)
    }

    /// Lets go of the last question's tensors.
    pub(super) fn clear(&mut self) {
        self.binding.clear();
    }

    fn bind<T: ValueTypeMarker + ?Sized>(
        &mut self,
        embeds: &Value<T>,
        count: usize,
        sequence: &Sequence,
    ) -> ort::Result<()> {
        let (past, total) = (sequence.length as i64, (sequence.length + count) as i64);
        let binding = &mut self.binding;
        binding.bind_input(EMBEDS, embeds)?;
        if self.attention {
            binding.bind_input(ATTENTION, &tensors::integers([1, total], vec![1; total as usize])?)?;
        }
        if self.positions {
            binding.bind_input(POSITIONS, &tensors::integers([1, count as i64], (past..total).collect())?)?;
        }
        match &sequence.past {
            Some(values) => {
                for ((name, _), value) in self.names.iter().zip(values.iter()) {
                    binding.bind_input(name.as_str(), value)?;
                }
            }
            None => {
                for (name, _) in &self.names {
                    binding.bind_input(name.as_str(), &self.nothing)?;
                }
            }
        }
        // Bound anew each time: an output that is still bound from the step before would be written over, at its old size.
        binding.bind_output_to_device(LOGITS, &self.host)?;
        for (_, present) in &self.names {
            binding.bind_output_to_device(present.as_str(), &self.device)?;
        }
        Ok(())
    }
}

/// Names and float type of the key/value tensors, checked against the set's geometry.
fn cache(graph: &Graph<'_>, set: &ModelSet) -> Result<(Vec<(String, String)>, Float), GraphError> {
    let text = &set.text;
    let mut names = Vec::new();
    let mut float = None;
    for layer in 0..text.layers {
        for kind in ["key", "value"] {
            let (past, present) = (format!("past_key_values.{layer}.{kind}"), format!("present.{layer}.{kind}"));
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
            names.push((past, present));
        }
    }
    let beyond = format!("past_key_values.{}.key", text.layers);
    if graph.input(&beyond).is_some() {
        return Err(graph.wrong(format!("it has more than the {} layers that config.json says", text.layers)));
    }
    let float = float.ok_or_else(|| graph.wrong("it keeps no keys and values"))?;
    Ok((names, float))
}
