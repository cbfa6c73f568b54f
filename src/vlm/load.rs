//! From settings to an engine that has run once: the library, the set, a provider that works, three graphs that belong together.

use std::error::Error;
use std::path::PathBuf;

use ort::session::Session;

use super::choice::{self, Choice, Device};
use super::decoder::{Decoder, Keep};
use super::embed::Embed;
use super::encoder::Vision;
use super::engine::{Engine, Info};
use super::graph::GraphError;
use super::optimised::{self, Entry};
use super::placement::{self, Placement};
use super::precision::{self, Part};
use super::prepared::Kept;
use super::prompt::Prompts;
use super::provider::{self, Wanted};
use super::question::AskError;
use super::runtime::{self, Runtime, RuntimeError};
use super::set::{ModelSet, SetError};
use super::settings::{Precision, Provider, Settings};
use crate::clock::Clock;
use crate::image::{Geometry, Preprocessor};
use crate::onnx;

/// What a rehearsal asks.
pub(super) const REHEARSAL: &str = "Describe the scene.";
/// How far two ways of keeping keys and values may be apart, as a share of the largest logit.
const SAME: f32 = 1e-2;

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("the model set `{}` loads but does not run", .folder.display())]
    Rehearsal { folder: PathBuf, source: AskError },
    #[error(
        "the provider `{provider}` was asked for, but the {part} runs elsewhere ({placement} nodes): the library and driver are there, \
         yet it takes none of this graph; try another `precision`, or `provider = \"cpu\"`"
    )]
    Elsewhere { provider: &'static str, part: &'static str, placement: Placement },
    #[error("the model's thread could not be started")]
    Thread(#[from] std::io::Error),
    #[error("the model's thread ended while loading (a bug, please report it)")]
    Ended,
}

/// Loads the library and the set, and runs every graph once.
pub(super) fn open(settings: &Settings, clock: Clock) -> Result<Engine, LoadError> {
    // The set first: what is wrong with it is said even where there is no library.
    let mut set = ModelSet::open(&settings.path, settings.precision)?;
    let runtime = runtime::load(settings.runtime.as_deref())?;
    let mut settings = settings.clone();
    if let Some(choice) = tuned(&settings)? {
        set = ModelSet::open_parts(&settings.path, choice.parts())?;
        if settings.threads == 0 {
            settings.threads = choice.threads;
        }
        settings.edges = choice.edges;
    }
    let settings = &settings;
    let mut candidates = provider::candidates(settings.provider).into_iter().peekable();
    loop {
        // `candidates` has at least one: the CPU.
        let on = candidates.next().unwrap_or(Provider::Cpu);
        match (Loader { set: &set, runtime: &runtime, on, settings, clock }).load() {
            Ok(engine) => {
                let info = engine.info();
                let placement = info.placement[Part::Decoder as usize].to_string();
                tracing::info!(
                    model = info.label,
                    threads = info.threads,
                    shared = info.shared_buffers,
                    decoder = placement,
                    "model loaded"
                );
                return Ok(engine);
            }
            Err(error) if candidates.peek().is_some() => {
                let error: &dyn Error = &error;
                tracing::warn!(provider = provider::name(on), error, "provider does not work: trying the next");
            }
            Err(error) => return Err(error),
        }
    }
}

/// What was tuned counts where the config leaves it open.
fn tuned(settings: &Settings) -> Result<Option<Choice>, LoadError> {
    if settings.precision != Precision::Auto || !settings.edges.is_empty() {
        return Ok(None);
    }
    let here = Device::here(settings.runtime.as_deref(), settings.provider)?;
    Ok(choice::find(&settings.path, settings.cache.as_deref(), &here))
}

struct Loader<'a> {
    set: &'a ModelSet,
    runtime: &'a Runtime,
    on: Provider,
    settings: &'a Settings,
    clock: Clock,
}

impl Loader<'_> {
    fn load(&self) -> Result<Engine, LoadError> {
        let set = self.set;
        // Where nodes run is recorded in files; without a place for them it stays unknown.
        let records = tempfile::tempdir().ok();
        let session = |part: Part| self.session(part, records.as_ref().map(tempfile::TempDir::path));
        let vision = Vision::new(session(Part::Vision)?, &set.graphs[0], set, &self.settings.edges)?;
        let keep = self.keep(&set.graphs[2].path);
        let decoder = Decoder::new(session(Part::Decoder)?, &set.graphs[2], set, self.on, keep)?;
        let embed = Embed::new(session(Part::Embed)?, &set.graphs[1], set, decoder.embeds())?;
        let prompts = Prompts::new(set.template.clone(), set.tokenizer.clone(), set.tokens, set.text.positions);
        let yes_no = prompts.first_token(" Yes").zip(prompts.first_token(" No")).filter(|(yes, no)| yes != no);
        let kept = Kept::new(set.text.hidden, decoder.embeds(), vision.sizes().map(|(_, tokens)| tokens).collect());
        let preprocessors = vision.sizes().map(|(edge, _)| Preprocessor::new(square(set.picture, edge))).collect();
        let info = Info {
            label: format!("{}/{}@{}", set.name, precision::label(&set.graphs), provider::name(self.on)),
            provider: provider::name(self.on),
            precision: [0, 1, 2].map(|part| set.graphs[part].precision),
            prompt_tokens: 0,
            picture: square(set.picture, vision.sizes().map(|(edge, _)| edge).max().unwrap_or(set.picture.width)),
            edges: vision.sizes().map(|(edge, _)| edge).collect(),
            threads: provider::threads(self.settings.threads),
            library: self.runtime.path.clone(),
            placement: Default::default(),
            shared_buffers: false,
        };
        let mut engine = Engine {
            info,
            clock: self.clock,
            prompts,
            preprocessors,
            vision,
            embed,
            decoder,
            kept,
            prefix: None,
            stop: set.stop.clone(),
            yes_no,
            hidden: set.text.hidden,
        };
        let failed = |source| LoadError::Rehearsal { folder: set.folder.clone(), source };
        if keep == Keep::Shared && !engine.keeps_alike(SAME).map_err(failed)? {
            tracing::warn!(
                "this decoder does not write its keys and values in place as it should: they are copied instead"
            );
            engine.decoder.switch(Keep::Grown).map_err(failed)?;
        }
        engine.info.shared_buffers = engine.decoder.keep() == Keep::Shared;
        // A set whose parts do not belong together shows it here, not at the first event; and the first event is not slower.
        let tokens = engine.rehearse().map_err(failed)?;
        engine.info.prompt_tokens = tokens;
        let sessions = [engine.vision.session(), engine.embed.session(), engine.decoder.session()];
        if records.is_some() {
            engine.info.placement = sessions.map(|session| placement::end(session).unwrap_or_default());
        }
        self.runs_there(&engine.info)?;
        Ok(engine)
    }

    fn session(&self, part: Part, records: Option<&std::path::Path>) -> Result<Session, GraphError> {
        let file = &self.set.graphs[part as usize].path;
        // A table look-up is no work for a device, nor for several threads.
        let (provider, threads) = match part {
            Part::Embed => (Provider::Cpu, 1),
            Part::Vision | Part::Decoder => (self.on, provider::threads(self.settings.threads)),
        };
        let cache = self.settings.cache.as_deref();
        let engines = cache.map(|cache| cache.join("engines").join(provider::name(provider)));
        let engines =
            engines.filter(|folder| !provider::writes_graphs(provider) && std::fs::create_dir_all(folder).is_ok());
        let wanted = Wanted {
            runtime: self.runtime,
            provider,
            threads,
            file,
            entry: cache
                .filter(|_| provider::writes_graphs(provider))
                .and_then(|cache| self.entry(cache, provider, file)),
            engines,
            record: records.map(|folder| folder.join(part.stem())),
        };
        wanted.session()
    }

    fn entry(&self, cache: &std::path::Path, provider: Provider, file: &std::path::Path) -> Option<Entry> {
        // A file that cannot be read is said by whoever loads it.
        let hash = optimised::hash(file).ok()?;
        let name = provider::name(provider);
        let key = optimised::digest(&[&hash, ort::info(), name, &optimised::processor()]);
        Some(Entry::new(cache, &self.set.name, file, name, &key))
    }

    /// Whether the decoder can write its keys and values in place: its attention must be the one operator that knows how.
    fn keep(&self, decoder: &std::path::Path) -> Keep {
        let knows = onnx::outline(decoder).is_ok_and(|outline| outline.has("GroupQueryAttention"));
        let device = matches!(self.on, Provider::Cpu | Provider::Cuda);
        if knows && device { Keep::Shared } else { Keep::Grown }
    }

    /// A provider that was asked for by name must run something of the encoder and of the decoder.
    fn runs_there(&self, info: &Info) -> Result<(), LoadError> {
        let provider = info.provider;
        for part in [Part::Vision, Part::Decoder] {
            let placement = &info.placement[part as usize];
            if placement.nodes() > 0 && placement.on(provider) == 0 {
                return Err(LoadError::Elsewhere { provider, part: part.words(), placement: placement.clone() });
            }
        }
        Ok(())
    }
}

/// The same geometry, smaller.
fn square(picture: Geometry, edge: u32) -> Geometry {
    Geometry { width: edge, height: edge, ..picture }
}
