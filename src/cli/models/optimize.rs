//! `eyewitness models optimize`: a published set in, a faster one of the same contract out.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::args::{OptimizeArgs, Precision};
use super::compare::{Bounds, Comparison};
use super::report::{self, Verified, Written};
use super::source::{self, Source};
use super::target::{MARK, Target};
use super::verify::Questions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::say;
use crate::clock::{Clock, Moment};
use crate::onnx::{self, Weights, build};
use crate::service::StopSignals;
use crate::telemetry;
use crate::vlm::{Part, Probe};

pub(super) async fn optimize(args: OptimizeArgs, clock: Clock) -> Result<Exit, Failure> {
    telemetry::init("error", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    // From here on a signal is a wish to stop, and what was begun is cleared away.
    let mut signals = StopSignals::new().map_err(|error| Failure::running("signals", &error))?;
    let target = Target::new(&args.dir, args.out.as_deref())?;
    let making = target.path().to_owned();
    let work = tokio::task::spawn_blocking(move || Work::new(&args, clock)?.run(&args, target));
    tokio::select! {
        done = work => {
            let text = done.map_err(|error| Failure::running("optimising", &error))??;
            say::data(&text).map_err(|error| Failure::running("stdout", &error))?;
            Ok(Exit::Done)
        }
        name = signals.next() => {
            clear(&making).await;
            Err(Failure::failed(format!("stopped by {name}; nothing was written")))
        }
    }
}

/// The other thread may be writing there still: what it cannot write any more ends it.
async fn clear(folder: &Path) {
    for _ in 0..20 {
        match tokio::fs::remove_dir_all(folder).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => return,
        }
    }
}

struct Work {
    source: Source,
    questions: Questions,
    precisions: Vec<Precision>,
    clock: Clock,
    began: Moment,
}

impl Work {
    fn new(args: &OptimizeArgs, clock: Clock) -> Result<Self, Failure> {
        let mut precisions = args.precision.clone();
        precisions.sort_unstable();
        precisions.dedup();
        let source = Source::open(&args.dir, args.from)?;
        let questions = Questions::new(&args.image, args.threads, clock)?;
        Ok(Self { source, questions, precisions, clock, began: clock.now() })
    }

    fn run(&self, args: &OptimizeArgs, target: Target) -> Result<String, Failure> {
        let folder = target.path();
        self.say(&format!("reading the {} of `{}`", self.source.words(), args.dir.display()));
        let full = |error: io::Error| {
            Failure::running(&format!("`{}` cannot be written: is the disk full?", target.place().display()), &error)
        };
        self.side_files(folder).map_err(full)?;
        // Graphs without rounding show whether the weights were read rightly, more sharply than any others could.
        let aside = match self.precisions.contains(&Precision::Fp32) {
            true => None,
            false => Some(self.aside(&target).map_err(full)?),
        };
        let exact = aside.as_ref().map_or(folder, tempfile::TempDir::path);
        let written = self.graphs(folder, aside.as_ref().map(tempfile::TempDir::path))?;
        let reference = self.reference(exact)?;
        let mut verified = self.exact(exact, &reference)?;
        drop(aside);
        self.verify(folder, &reference, &mut verified)?;
        let mark = report::mark(folder, &self.source.files(), &written, &verified, &reference.who).map_err(full)?;
        let text = serde_json::to_string_pretty(&mark).map_err(io::Error::other).map_err(full)?;
        fs::write(folder.join(MARK), text + "\n").map_err(full)?;
        let table = report::table(&written, &verified, &reference.who);
        let place = target.finish().map_err(|error| Failure::running("the new set could not get its name", &error))?;
        self.say(&format!("`{}` is there", place.display()));
        Ok(table)
    }

    fn say(&self, text: &str) {
        say::talk(&format!("{:6.1} s  {text}", self.clock.now().since(self.began).as_secs_f64()));
    }

    /// The small files are the source's.
    fn side_files(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder.join("onnx"))?;
        for path in self.source.side_files()? {
            let name = path.file_name().unwrap_or_default();
            fs::write(folder.join(name), fs::read(&path)?)?;
        }
        Ok(())
    }

    fn aside(&self, target: &Target) -> io::Result<tempfile::TempDir> {
        let aside = tempfile::Builder::new().prefix("reference-").tempdir_in(target.path())?;
        self.side_files(aside.path())?;
        Ok(aside)
    }

    /// Part after part, so that the weights of one only are in memory.
    fn graphs(&self, folder: &Path, aside: Option<&Path>) -> Result<Vec<Written>, Failure> {
        let mut written = Vec::new();
        for part in Part::ALL {
            let weights = self.source.weights(part)?;
            if let Some(aside) = aside {
                self.graph(aside, part, Precision::Fp32, &weights)?;
            }
            for precision in &self.precisions {
                let after = self.graph(folder, part, *precision, &weights)?;
                let file = source::file(part, *precision);
                self.say(&format!("wrote {file}"));
                written.push(Written { file, precision: *precision, before: self.source.size(part), after });
            }
        }
        Ok(written)
    }

    /// Writes one graph; returns its size in bytes.
    fn graph(&self, folder: &Path, part: Part, precision: Precision, weights: &Weights) -> Result<u64, Failure> {
        let (architecture, form) = (&self.source.architecture, precision.build());
        let model = match part {
            Part::Vision => build::vision(architecture, weights, form),
            Part::Embed => build::embed(architecture, weights, form),
            Part::Decoder => build::decoder(architecture, weights, form),
        };
        let model = model.map_err(|error| Failure::config(&error))?;
        let path = source::graph(folder, part, precision);
        onnx::write(&path, &model).map_err(|error| Failure::running("the new graph", &error))?;
        Ok(fs::metadata(&path).map_or(0, |data| data.len()))
    }

    /// What the new graphs should say. Without graphs of its own a set is held against new ones without rounding.
    fn reference(&self, exact: &Path) -> Result<Reference, Failure> {
        let (folder, precision, who) = match self.source.graphs {
            Some(precision) => (&*self.source.folder, precision, format!("the set's own {} graphs", precision.name())),
            None => {
                let who = "new fp32 graphs of the same weights (the set has no graphs of its own to compare with)";
                (exact, Precision::Fp32, who.to_owned())
            }
        };
        self.say(&format!("asking {who}: {}", self.questions.words()));
        Ok(Reference { answers: self.questions.ask(folder, precision)?, precision, who })
    }

    /// Holds the new graphs without rounding against the set's own, if it has some.
    fn exact(&self, exact: &Path, reference: &Reference) -> Result<Vec<Verified>, Failure> {
        match self.source.graphs {
            Some(_) => Ok(vec![self.one(exact, Precision::Fp32, reference)?]),
            None => Ok(Vec::new()),
        }
    }

    fn verify(&self, folder: &Path, reference: &Reference, verified: &mut Vec<Verified>) -> Result<(), Failure> {
        for precision in &self.precisions {
            if !verified.iter().any(|done| done.precision == *precision) {
                verified.push(self.one(folder, *precision, reference)?);
            }
        }
        Ok(())
    }

    fn one(&self, folder: &Path, precision: Precision, reference: &Reference) -> Result<Verified, Failure> {
        self.say(&format!("asking the new {} graphs", precision.name()));
        let comparison = Comparison::of(&reference.answers, &self.questions.ask(folder, precision)?);
        let bounds = Bounds::between(reference.precision, precision);
        let wrong = comparison.wrong(&bounds);
        if wrong.is_empty() {
            return Ok(Verified { precision, kept: self.precisions.contains(&precision), bounds, comparison });
        }
        Err(Failure::failed(format!(
            "the new {} graphs do not say what {} say, so nothing was written:\n  {}\n  measured: {}",
            precision.name(),
            reference.who,
            wrong.join("\n  "),
            report::numbers(&comparison)
        )))
    }
}

/// What the new graphs should say.
struct Reference {
    answers: Vec<Probe>,
    precision: Precision,
    /// Whose answers they are.
    who: String,
}
