//! The graph that makes embeddings of tokens. It looks rows up in a table, so it runs on the CPU, whatever the others run on.

use ort::session::{IoBinding, Session, SessionInputValue};
use ort::value::{DynTensor, DynTensorValueType, Tensor};

use super::call::Call;
use super::graph::{Graph, GraphError};
use super::precision::{GraphFile, Part};
use super::question::AskError;
use super::set::ModelSet;
use super::tensors::{self, Float};

const IDS: &str = "input_ids";
const EMBEDS: &str = "inputs_embeds";
const PART: Part = Part::Embed;

/// `embed_tokens`: ids [1, n] to embeddings [1, n, hidden].
pub(super) struct Embed {
    session: Session,
    /// Bound for one token, forever.
    binding: IoBinding,
    id: Tensor<i64>,
    /// [1, 1, hidden], as the graph returns it.
    row: DynTensor,
    /// The same in the decoder's float type, if that is another.
    converted: Option<DynTensor>,
}

impl Embed {
    /// `wanted` is what the decoder takes.
    pub(super) fn new(session: Session, file: &GraphFile, set: &ModelSet, wanted: Float) -> Result<Self, GraphError> {
        let graph = Graph { file: &file.path, session: &session };
        let (element, _) = graph.need_input(IDS)?;
        graph.integer(IDS, element)?;
        graph.only_inputs(|name| name == IDS)?;
        let (element, shape) = graph.need_output(EMBEDS)?;
        let float = graph.float(EMBEDS, element)?;
        graph.dimension(EMBEDS, &shape, 2, set.text.hidden)?;

        let memory = |source| graph.memory(source);
        let shape = [1, 1, set.text.hidden as i64];
        let id = tensors::integers([1, 1], vec![0]).map_err(memory)?;
        let mut row = float.zeros(&shape).map_err(memory)?;
        let converted = (float != wanted).then(|| wanted.zeros(&shape)).transpose().map_err(memory)?;
        let mut binding = session.create_binding().map_err(memory)?;
        binding.bind_input(IDS, &id).map_err(memory)?;
        binding.bind_output(EMBEDS, &mut row).map_err(memory)?;
        Ok(Self { session, binding, id, row, converted })
    }

    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// [1, ids, hidden]
    pub(super) fn many(&mut self, ids: &[i64], call: &mut Call<'_>) -> Result<DynTensor, AskError> {
        let ids = tensors::integers([1, ids.len() as i64], ids.to_vec()).map_err(failed)?;
        let ids = SessionInputValue::from(&ids);
        let session = &mut self.session;
        call.run(PART, |options| {
            let mut outputs = session.run_with_options([ids], options)?;
            let embeds = outputs.remove(EMBEDS);
            let embeds = embeds.ok_or_else(|| ort::Error::new(format!("the graph returned no `{EMBEDS}`")))?;
            embeds.downcast::<DynTensorValueType>()
        })
    }

    /// [1, 1, hidden] in the decoder's float type; good until the next one.
    pub(super) fn one(&mut self, id: u32, call: &mut Call<'_>) -> Result<&DynTensor, AskError> {
        self.id.extract_tensor_mut().1[0] = i64::from(id);
        let (session, binding) = (&mut self.session, &self.binding);
        call.run(PART, |options| session.run_binding_with_options(binding, options).map(drop))?;
        let Some(converted) = &mut self.converted else { return Ok(&self.row) };
        let row = tensors::floats(&self.row).map_err(failed)?;
        tensors::write(converted, 0, &row).map_err(failed)?;
        Ok(converted)
    }
}

fn failed(source: ort::Error) -> AskError {
    AskError::Run { part: PART.words(), source }
}
