//! The decoder graph: embeddings and the keys and values so far to logits. Keys and values are bound on the device and the host
//! never sees them; small inputs and the logits of one position are made once.

use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::{DynTensor, DynTensorValueType, Tensor};

use super::call::Call;
use super::graph::{Graph, GraphError};
use super::precision::{GraphFile, Part};
use super::provider;
use super::question::AskError;
use super::sequence::{Layout, Sequence, Store};
use super::set::ModelSet;
use super::settings::Provider;
use super::tensors::{self, Float};

const EMBEDS: &str = "inputs_embeds";
const ATTENTION: &str = "attention_mask";
const POSITIONS: &str = "position_ids";
const LOGITS: &str = "logits";
const PART: Part = Part::Decoder;

/// Masks longer than this are made anew: kept, they would add up.
const LONGEST_MASK: usize = 1024;

/// Whether a decoder writes its keys and values in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Shared,
    Grown,
}

/// `decoder_model_merged`.
pub(super) struct Decoder {
    session: Session,
    binding: IoBinding,
    embeds: Float,
    masks: Option<Masks>,
    positions: bool,
    /// Of one token.
    position: Tensor<i64>,
    layout: Layout,
    store: Store,
    logits: Logits,
    vocabulary: usize,
    host: MemoryInfo<'static>,
    device: MemoryInfo<'static>,
}

/// Attention masks by length, made once each: all ones, since nothing here is padded.
#[derive(Default)]
struct Masks(Vec<Option<Tensor<i64>>>);

impl Masks {
    fn bind(&mut self, length: usize, binding: &mut IoBinding) -> ort::Result<()> {
        let make = || tensors::integers([1, length as i64], vec![1; length]);
        if length > LONGEST_MASK {
            return binding.bind_input(ATTENTION, &make()?);
        }
        if self.0.len() <= length {
            self.0.resize_with(length + 1, || None);
        }
        match &mut self.0[length] {
            Some(mask) => binding.bind_input(ATTENTION, &*mask),
            empty => binding.bind_input(ATTENTION, &*empty.insert(make()?)),
        }
    }
}

struct Logits {
    /// [1, 1, vocabulary], where runs of one position write to.
    one: DynTensor,
    /// The graph returns the last position only, however many it is given.
    last_only: bool,
    /// What a run of several positions returned, if it returned them all.
    all: Option<DynTensor>,
    /// A row of f16, widened.
    wide: Vec<f32>,
}

impl Decoder {
    pub(super) fn new(
        session: Session,
        file: &GraphFile,
        set: &ModelSet,
        provider: Provider,
        keep: Keep,
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
        let float = graph.float(LOGITS, element)?;
        graph.dimension(LOGITS, &shape, 2, set.text.vocabulary)?;
        let layout = Layout::read(&graph, set)?;
        graph.only_inputs(|name| {
            [EMBEDS, ATTENTION, POSITIONS].contains(&name) || layout.names.iter().any(|known| known.past == name)
        })?;

        let memory = |source| graph.memory(source);
        let host =
            MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default).map_err(memory)?;
        let device = provider::device_memory(provider).map_err(memory)?;
        let binding = session.create_binding().map_err(memory)?;
        let logits = Logits {
            one: float.zeros(&[1, 1, set.text.vocabulary as i64]).map_err(memory)?,
            last_only: shape.get(1) == Some(&1),
            all: None,
            wide: Vec::new(),
        };
        let masks = graph.input(ATTENTION).map(|_| Masks::default());
        let positions = graph.input(POSITIONS).is_some();
        let position = tensors::integers([1, 1], vec![0]).map_err(memory)?;
        let store = match keep {
            Keep::Shared => Store::shared(),
            Keep::Grown => Store::grown(&layout).map_err(memory)?,
        };
        let vocabulary = set.text.vocabulary;
        Ok(Self {
            session,
            binding,
            embeds,
            masks,
            positions,
            position,
            layout,
            store,
            logits,
            vocabulary,
            host,
            device,
        })
    }

    /// The float type that the graph wants its embeddings in.
    pub(super) fn embeds(&self) -> Float {
        self.embeds
    }

    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(super) fn keep(&self) -> Keep {
        if self.store.is_shared() { Keep::Shared } else { Keep::Grown }
    }

    /// Keeps keys and values the other way from now on. All sequences are lost.
    pub(super) fn switch(&mut self, keep: Keep) -> Result<(), AskError> {
        self.binding.clear();
        self.store = match keep {
            Keep::Shared => Store::shared(),
            Keep::Grown => Store::grown(&self.layout).map_err(failed)?,
        };
        Ok(())
    }

    /// Makes room for sequences of `tokens`. Returns whether all sequences so far were lost by that.
    pub(super) fn reserve(&mut self, tokens: usize) -> Result<bool, AskError> {
        let (binding, session) = (&mut self.binding, &self.session);
        self.store.reserve(tokens, &self.layout, session, &self.device, binding).map_err(failed)
    }

    /// Appends `count` embeddings [1, count, hidden] to `sequence`. What the model makes of the last one is [`Self::row`].
    pub(super) fn run(
        &mut self,
        embeds: &DynTensor,
        count: usize,
        sequence: &mut Sequence,
        call: &mut Call<'_>,
    ) -> Result<(), AskError> {
        self.bind(embeds, count, sequence).map_err(failed)?;
        let all = count > 1 && !self.logits.last_only;
        let (session, binding) = (&mut self.session, &self.binding);
        let mut outputs = call.run(PART, |options| session.run_binding_with_options(binding, options))?;
        let mut take =
            |name: &str| outputs.remove(name).ok_or_else(|| ort::Error::new(format!("the graph returned no `{name}`")));
        self.logits.all = match all {
            true => Some(take(LOGITS).and_then(|logits| logits.downcast::<DynTensorValueType>()).map_err(failed)?),
            false => None,
        };
        self.store.advance(sequence, count, &self.layout, take).map_err(failed)
    }

    /// Whether a sequence can be cut short and continued otherwise.
    pub(super) fn goes_back(&self) -> bool {
        self.store.is_shared()
    }

    /// The logits of the last position of the last run, one per word.
    pub(super) fn row(&mut self) -> Result<&[f32], AskError> {
        let Logits { one, all, wide, .. } = &mut self.logits;
        let row = match all {
            Some(all) => tensors::last_floats(all, self.vocabulary, wide),
            None => tensors::last_floats(one, self.vocabulary, wide),
        };
        row.map_err(failed)?.ok_or(AskError::Shape { part: PART.words(), have: 0, want: self.vocabulary })
    }

    /// Lets go of the last question's tensors.
    pub(super) fn clear(&mut self) {
        self.logits.all = None;
        if !self.store.is_shared() {
            self.binding.clear();
        }
    }

    fn bind(&mut self, embeds: &DynTensor, count: usize, sequence: &Sequence) -> ort::Result<()> {
        let (past, total) = (sequence.length, sequence.length + count);
        let binding = &mut self.binding;
        binding.bind_input(EMBEDS, embeds)?;
        if let Some(masks) = &mut self.masks {
            masks.bind(total, binding)?;
        }
        if self.positions {
            if count == 1 {
                self.position.extract_tensor_mut().1[0] = past as i64;
                binding.bind_input(POSITIONS, &self.position)?;
            } else {
                let positions = (past as i64..total as i64).collect();
                binding.bind_input(POSITIONS, &tensors::integers([1, count as i64], positions)?)?;
            }
        }
        if count == 1 || self.logits.last_only {
            binding.bind_output(LOGITS, &mut self.logits.one)?;
        } else {
            binding.bind_output_to_device(LOGITS, &self.host)?;
        }
        self.store.bind(sequence, &self.layout, &self.device, binding)
    }
}

fn failed(source: ort::Error) -> AskError {
    AskError::Run { part: PART.words(), source }
}
