//! From settings to an engine that has run once: the library, the set, a provider that works, three graphs that belong together.

use std::error::Error;
use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};
use std::time::SystemTime;

use ort::session::Session;

use super::call::Stop;
use super::check::{Asker, Checking};
use super::choice::{self, Choice, Device};
use super::decoder::{Decoder, Keep};
use super::embed::Embed;
use super::encoder::Vision;
use super::engine::{Engine, Info};
use super::graph::GraphError;
use super::hashes::Hashes;
use super::known::{Known, Place};
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
use crate::rules::Calibrations;

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
    let parts = settings.parts.unwrap_or([settings.precision; 3]);
    // Both take their time, one reading a tokenizer, one linking a library.
    let (set, runtime) = thread::scope(|scope| {
        let set = scope.spawn(|| ModelSet::open_parts(&settings.path, parts));
        let runtime = runtime::load(settings.runtime.as_deref());
        (joined(set), runtime)
    });
    // The set first: what is wrong with it is said even where there is no library.
    let (mut set, runtime) = (set?, runtime?);
    let mut settings = settings.clone();
    if let Some(choice) = tuned(&settings)? {
        set.pick(choice.parts())?;
        if settings.threads == 0 {
            // It was measured alone.
            settings.threads = choice.threads.min(provider::threads_beside(settings.streams, provider::cores()));
        }
        settings.edges = choice.edges;
    }
    if settings.threads == 0 {
        settings.threads = provider::threads_beside(settings.streams, provider::cores());
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

/// What a thread returned; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// What was tuned counts where the config leaves it open.
fn tuned(settings: &Settings) -> Result<Option<Choice>, LoadError> {
    if settings.precision != Precision::Auto || settings.parts.is_some() || !settings.edges.is_empty() {
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
        let keys = self.keys();
        let place = self.place(&keys);
        let known = place.as_ref().and_then(Place::read);
        // Where nodes run is recorded in files; without a place for them it stays unknown.
        let records = if known.is_none() { tempfile::tempdir().ok() } else { None };
        let [vision, embed, decoder] = self.sessions(&keys, records.as_ref().map(tempfile::TempDir::path));
        let vision = Vision::new(vision?, &set.graphs[0], set, &self.settings.edges)?;
        let keep = match &known {
            Some(known) if known.shared_buffers => Keep::Shared,
            Some(_) => Keep::Grown,
            None => self.keep(&set.graphs[2].path),
        };
        let decoder = Decoder::new(decoder?, &set.graphs[2], set, self.on, keep)?;
        let embed = Embed::new(embed?, &set.graphs[1], set, decoder.embeds())?;
        let mut engine = self.engine(vision, embed, decoder);
        if let Some(known) = known {
            engine.info.shared_buffers = known.shared_buffers;
            engine.info.placement = known.placement;
            engine.info.prompt_tokens = known.prompt_tokens;
            engine.unrehearsed = true;
            engine.place = place;
            return Ok(engine);
        }
        let failed = |source| LoadError::Rehearsal { folder: set.folder.clone(), source };
        if keep == Keep::Shared && !engine.keeps_alike(SAME).map_err(failed)? {
            tracing::warn!(
                "keys and values are copied for every token, since this provider does not run this decoder's attention in place: on \
                 CUDA take precision = \"fp16\" (`eyewitness models optimize` writes it)"
            );
            engine.decoder.switch(Keep::Grown).map_err(failed)?;
        }
        engine.info.shared_buffers = engine.decoder.keep() == Keep::Shared;
        // A set whose parts do not belong together shows it here, not at the first event; and the first event is not slower.
        engine.info.prompt_tokens = Stop::new().and_then(|stop| engine.rehearse(&stop)).map_err(failed)?;
        if records.is_some() {
            let sessions = [engine.vision.session(), engine.embed.session(), engine.decoder.session()];
            engine.info.placement = sessions.map(|session| placement::end(session).unwrap_or_default());
        }
        self.runs_there(&engine.info)?;
        if let Some(place) = place {
            let Info { placement, shared_buffers, prompt_tokens, .. } = engine.info.clone();
            if let Err(error) = place.write(&Known { placement, shared_buffers, prompt_tokens }) {
                tracing::warn!(%error, "what this start found out cannot be kept: the next one takes as long");
            }
        }
        Ok(engine)
    }

    fn engine(&self, vision: Vision, embed: Embed, decoder: Decoder) -> Engine {
        let set = self.set;
        let prompts = Prompts::new(set.template.clone(), set.tokenizer.clone(), set.tokens, set.text.positions);
        let yes_no = prompts.first_token(" Yes").zip(prompts.first_token(" No")).filter(|(yes, no)| yes != no);
        let edges: Vec<u32> = vision.sizes().map(|(edge, _)| edge).collect();
        let largest = edges.last().copied().unwrap_or(set.picture.width);
        let mut asker = Asker::new(set.probes.clone(), &self.settings.things, self.settings.check);
        let label = format!("{}/{}@{}", set.name, precision::label(&set.graphs), provider::name(self.on));
        if asker.on {
            let (known, warnings) = Calibrations::of(&set.folder, self.settings.state.as_deref(), &label);
            // Whoever reads them for the rules says so louder.
            warnings.iter().for_each(|warning| tracing::debug!("{warning}"));
            asker.calibrations = known;
        } else if !self.settings.things.is_empty() && self.settings.check != Checking::Off {
            tracing::warn!(
                "`[[probe]]` has no effect: this model set does not say that asking back helps; `check = \"on\"` in `[model]` asks \
                 all the same, and `eyewitness models tune` says whether it helps"
            );
        }
        let info = Info {
            label,
            provider: provider::name(self.on),
            precision: [0, 1, 2].map(|part| set.graphs[part].precision),
            prompt_tokens: 0,
            picture: square(set.picture, largest),
            edges,
            threads: self.settings.threads,
            library: self.runtime.path.clone(),
            placement: Default::default(),
            shared_buffers: decoder.keep() == Keep::Shared,
            checks: asker.on && yes_no.is_some(),
            things: asker.len(),
            negate: asker.negate,
        };
        Engine {
            info,
            clock: self.clock,
            prompts,
            preprocessors: vision.sizes().map(|(edge, _)| Preprocessor::new(square(set.picture, edge))).collect(),
            kept: Kept::new(set.text.hidden, decoder.embeds(), vision.sizes().map(|(_, tokens)| tokens).collect()),
            vision,
            embed,
            decoder,
            prefix: None,
            stop: set.stop.clone(),
            asker,
            yes_no,
            hidden: set.text.hidden,
            unrehearsed: false,
            place: None,
        }
    }

    /// All three, side by side on the CPU: each spends its time on one core.
    fn sessions(&self, keys: &[Option<String>; 3], records: Option<&Path>) -> [Result<Session, GraphError>; 3] {
        let session = |part: Part| self.session(part, keys[part as usize].as_ref(), records);
        if self.on != Provider::Cpu {
            return Part::ALL.map(session);
        }
        thread::scope(|scope| {
            let [vision, embed] = [Part::Vision, Part::Embed].map(|part| scope.spawn(move || session(part)));
            let decoder = session(Part::Decoder);
            [joined(vision), joined(embed), decoder]
        })
    }

    fn session(&self, part: Part, key: Option<&String>, records: Option<&Path>) -> Result<Session, GraphError> {
        let file = &self.set.graphs[part as usize].path;
        let provider = self.on(part);
        let cache = self.settings.cache.as_deref();
        let entry = |cache: &Path, key: &str| Entry::new(cache, &self.set.name, file, provider::name(provider), key);
        let engines = cache.map(|cache| cache.join("engines").join(provider::name(provider)));
        let compiles = !provider::writes_graphs(provider);
        let wanted = Wanted {
            runtime: self.runtime,
            provider,
            threads: if part == Part::Embed { 1 } else { self.settings.threads },
            file,
            entry: cache.zip(key).filter(|_| !compiles).map(|(cache, key)| entry(cache, key)),
            engines: engines.filter(|folder| compiles && fs::create_dir_all(folder).is_ok()),
            record: records.map(|folder| folder.join(part.stem())),
        };
        wanted.session()
    }

    /// A table look-up is no work for a device, nor for several threads.
    fn on(&self, part: Part) -> Provider {
        if part == Part::Embed { Provider::Cpu } else { self.on }
    }

    /// Of each graph all that its optimised form depends on, in one word; nothing is hashed where nothing is kept.
    fn keys(&self) -> [Option<String>; 3] {
        let Some(cache) = self.settings.cache.as_deref() else { return [const { None }; 3] };
        let mut hashes = Hashes::open(cache);
        let now = SystemTime::from(self.clock.now().wall);
        let processor = optimised::processor();
        let keys = Part::ALL.map(|part| {
            // A file that cannot be read is said by whoever loads it.
            let files = optimised::files(&self.set.graphs[part as usize].path).ok()?;
            let hashes: io::Result<Vec<_>> = files.iter().map(|file| hashes.of(file, now)).collect();
            let hashes = hashes.ok()?.concat();
            Some(optimised::digest(&[&hashes, ort::info(), provider::name(self.on(part)), &processor]))
        });
        if let Err(error) = hashes.keep() {
            tracing::debug!(%error, "hashes are not remembered");
        }
        keys
    }

    /// Where what was found out is kept. Other providers than the CPU are asked anew at each start what they run.
    fn place(&self, keys: &[Option<String>; 3]) -> Option<Place> {
        let cache = self.settings.cache.as_deref().filter(|_| self.on == Provider::Cpu)?;
        let keys: Option<Vec<String>> = keys.iter().cloned().collect();
        Place::new(cache, &self.set.folder, &self.set.name, &self.settings.edges, &keys?).ok()
    }

    /// Whether the decoder can write its keys and values in place: its attention must be the one operator that knows how.
    fn keep(&self, decoder: &Path) -> Keep {
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
