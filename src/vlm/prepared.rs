//! Prompts as embeddings: each text is tokenised and embedded once, only the picture's rows change. All prompts of a set begin
//! alike, up to the picture, so that beginning goes through the decoder once for good; and several questions about one picture
//! share its way too.

use std::collections::HashMap;
use std::sync::Arc;

use ort::value::DynTensor;

use super::call::Call;
use super::embed::Embed;
use super::prompt::{Prompt, Prompts};
use super::question::AskError;
use super::tensors::{self, Float};

/// Texts that are kept: a description's prompt is about 0.2 MB, a question about a shared picture 0.04 MB. A set's questions of
/// what is asked back and the rules of some cameras fit.
const KEPT: usize = 96;

/// Embeddings [1, tokens, hidden], in the decoder's float type.
pub(super) struct Embedded {
    pub tokens: usize,
    pub embeds: DynTensor,
}

/// A picture's place in embeddings.
struct Slot {
    embedded: Embedded,
    /// Where the features go, in numbers.
    at: usize,
}

/// One text.
struct Text {
    /// Begins as all others do.
    usual: bool,
    /// What comes before the picture, if that is not what the others begin with.
    before: Vec<f32>,
    /// What follows the picture, from its closing token on.
    after: Vec<f32>,
    /// `after` without the picture's closing token: what a shared picture is continued with.
    tail: Embedded,
    tokens: usize,
    /// By size of picture: all that goes through the decoder at once, beginning with the picture.
    joint: Vec<Option<Slot>>,
}

/// The prompts that were asked so far.
pub(super) struct Kept {
    texts: HashMap<Arc<str>, Text>,
    /// What all prompts begin with, up to the picture; from the first prompt.
    prefix: Option<(Vec<i64>, Embedded)>,
    /// By size: the picture and its closing token.
    pictures: Vec<Option<Slot>>,
    closing: Vec<f32>,
    hidden: usize,
    float: Float,
    sizes: Vec<usize>,
}

impl Kept {
    /// `sizes` are the image tokens of each size of picture.
    pub(super) fn new(hidden: usize, float: Float, sizes: Vec<usize>) -> Self {
        let pictures = sizes.iter().map(|_| None).collect();
        Self { texts: HashMap::new(), prefix: None, pictures, closing: Vec::new(), hidden, float, sizes }
    }

    /// Image tokens of a size of picture.
    pub(super) fn image_tokens(&self, size: usize) -> usize {
        self.sizes[size]
    }

    /// Before `count` texts are prepared, which are all needed at once.
    pub(super) fn make_room(&mut self, count: usize) {
        if self.texts.len() + count > KEPT.max(2 * count) {
            self.texts.clear();
        }
    }

    /// Checks, tokenises and embeds `text` unless that was done before. Returns its tokens around the picture, and whether it
    /// begins as all others do.
    pub(super) fn prepare(
        &mut self,
        text: &Arc<str>,
        prompts: &Prompts,
        embed: &mut Embed,
        call: &mut Call<'_>,
    ) -> Result<(usize, bool), AskError> {
        if let Some(text) = self.texts.get(text) {
            return Ok((text.tokens, text.usual));
        }
        let prompt = prompts.build(text)?;
        let made = self.embed(&prompt, embed, call)?;
        let known = (made.tokens, made.usual);
        self.texts.insert(Arc::clone(text), made);
        Ok(known)
    }

    fn embed(&mut self, prompt: &Prompt, embed: &mut Embed, call: &mut Call<'_>) -> Result<Text, AskError> {
        let ids: Vec<i64> = prompt.before.iter().chain(&prompt.after).copied().collect();
        let rows = embed.many(&ids, call)?;
        let rows = tensors::floats(&rows).map_err(failed)?;
        let want = ids.len() * self.hidden;
        if rows.len() != want {
            return Err(AskError::Shape { part: "token embedding", have: rows.len(), want });
        }
        let (before, after) = rows.split_at(prompt.before.len() * self.hidden);
        if self.prefix.is_none() {
            self.prefix = Some((prompt.before.clone(), self.embedded(before)?));
            self.closing = after[..self.hidden].to_vec();
        }
        let usual = self.prefix.as_ref().is_some_and(|(ids, _)| *ids == prompt.before);
        Ok(Text {
            usual,
            before: if usual { Vec::new() } else { before.to_vec() },
            after: after.to_vec(),
            tail: self.embedded(&after[self.hidden..])?,
            tokens: ids.len(),
            joint: self.sizes.iter().map(|_| None).collect(),
        })
    }

    /// What all prompts begin with; there is one as soon as one was prepared.
    pub(super) fn prefix(&self) -> Option<&Embedded> {
        self.prefix.as_ref().map(|(_, embedded)| embedded)
    }

    /// These features and the token that closes the picture.
    pub(super) fn picture(&mut self, size: usize, features: &DynTensor) -> Result<&Embedded, AskError> {
        if self.pictures[size].is_none() {
            self.pictures[size] = Some(self.slot(size, &[], &self.closing)?);
        }
        fill(self.pictures[size].as_mut().expect("it was just made"), features)
    }

    /// What follows a picture that is shared.
    pub(super) fn tail(&self, text: &Arc<str>) -> Option<&Embedded> {
        self.texts.get(text).map(|text| &text.tail)
    }

    /// A prepared text with these features in it, and whether that is without the beginning that all share.
    pub(super) fn joint(
        &mut self,
        text: &Arc<str>,
        size: usize,
        features: &DynTensor,
    ) -> Result<(&Embedded, bool), AskError> {
        let known = &self.texts[text];
        if known.joint[size].is_none() {
            let slot = self.slot(size, &known.before, &known.after)?;
            self.texts.get_mut(text).expect("it was just there").joint[size] = Some(slot);
        }
        let known = self.texts.get_mut(text).expect("it was just there");
        let slot = known.joint[size].as_mut().expect("it was just made");
        Ok((fill(slot, features)?, known.usual))
    }

    fn slot(&self, size: usize, before: &[f32], after: &[f32]) -> Result<Slot, AskError> {
        let gap = self.sizes[size] * self.hidden;
        let mut rows = Vec::with_capacity(before.len() + gap + after.len());
        rows.extend_from_slice(before);
        rows.resize(before.len() + gap, 0.0);
        rows.extend_from_slice(after);
        Ok(Slot { embedded: self.embedded(&rows)?, at: before.len() })
    }

    fn embedded(&self, rows: &[f32]) -> Result<Embedded, AskError> {
        let tokens = rows.len() / self.hidden;
        let mut embeds = self.float.zeros(&[1, tokens as i64, self.hidden as i64]).map_err(failed)?;
        tensors::write(&mut embeds, 0, rows).map_err(failed)?;
        Ok(Embedded { tokens, embeds })
    }
}

fn fill<'a>(slot: &'a mut Slot, features: &DynTensor) -> Result<&'a Embedded, AskError> {
    let rows = tensors::floats(features).map_err(failed)?;
    tensors::write(&mut slot.embedded.embeds, slot.at, &rows).map_err(failed)?;
    Ok(&slot.embedded)
}

fn failed(source: ort::Error) -> AskError {
    AskError::Run { part: "token embedding", source }
}
