//! What can be typed after `eyewitness models`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::tune;
use crate::cli::args::ProviderArg;
use crate::onnx::build;
use crate::vlm;

const OPTIMIZE: &str = "\
DIR is a SmolVLM set as published: its small files with onnx/*.onnx in fp32 or fp16, or with model.safetensors. It is only
read. The new set goes into DIR-fast: the small files, the new graphs under their published names, and eyewitness.json,
which says what they were made from. Before that it is held against DIR: picture features, logits and greedy tokens. A set
that fails is not kept. docs/models.md has the bounds.

Examples:
  eyewitness models optimize SmolVLM-256M-Instruct
  eyewitness models optimize SmolVLM-256M-Instruct --precision int8,q4 --out /var/lib/eyewitness/models/smolvlm
  eyewitness models optimize SmolVLM-256M-Instruct --precision fp16 --image door.jpg --image yard.jpg";

const TUNE: &str = "\
The choice is written to DIR/tuned.json, or into the cache folder if DIR cannot be written. It is followed where the config
says precision = \"auto\" (threads = 0 for the threads), on this device, as long as DIR has the same graphs. What is
faster is measured, never assumed: 8 bits lose to 16 on many a machine. A way of running the set that says something
else than fp32 is never chosen. docs/models.md has the bound.

Examples:
  eyewitness models tune models/tiny
  eyewitness models tune SmolVLM-256M-Instruct-fast --limit 10m --picture door.jpg --picture yard.jpg
  eyewitness models tune SmolVLM-256M-Instruct --threads 1,2,4 --dry-run --json";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ModelsCommand {
    /// Write faster graphs of a published model set, and check that they say the same
    #[command(after_help = OPTIMIZE)]
    Optimize(OptimizeArgs),
    /// Find out which precision, threads and size of picture are fastest on this machine and still say the same
    #[command(after_help = TUNE)]
    Tune(TuneArgs),
}

#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct TuneArgs {
    /// The model set
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// How long it may measure
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = tune::limit)]
    pub(super) limit: Duration,
    /// Threads to try; may be given several times; default: 1, 2, half of the cores and all of them
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Vec<u16>,
    /// A picture as your cameras see it; may be given several times; default: those of the set and drawn ones
    #[arg(long, value_name = "FILE")]
    pub(super) picture: Vec<PathBuf>,
    /// What the model runs on, as in the config
    #[arg(long, value_name = "PROVIDER", value_enum, default_value_t = ProviderArg::Auto)]
    pub(super) provider: ProviderArg,
    /// One JSON document on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Measure and explain, but write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct OptimizeArgs {
    /// The model set
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// Where to write the new set; default: DIR-fast. An earlier one is replaced, anything else is left alone
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// What to write; may be given several times
    #[arg(long, value_enum, value_name = "PRECISION", value_delimiter = ',', default_value = "int8")]
    pub(super) precision: Vec<Precision>,
    /// Where to read the weights; default: the graphs, and without graphs in fp32 or fp16 model.safetensors
    #[arg(long, value_enum, value_name = "FILES")]
    pub(super) from: Option<From>,
    /// A picture of your own to check with, besides those that are drawn; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(super) image: Vec<PathBuf>,
    /// Threads of the model while checking; 0: all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) threads: usize,
}

/// Where weights are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum From {
    Onnx,
    Safetensors,
}

/// Of a set's graphs, named as their files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Precision {
    /// 32 bits
    Fp32,
    /// 16 bits, for GPUs
    Fp16,
    /// 8 bits, for CPUs
    Int8,
    /// 4 bits in the decoder, 8 elsewhere: for CPUs with little memory
    Q4,
    /// 4 bits in the decoder, 16 elsewhere: for GPUs
    Q4f16,
}

impl Precision {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
            Self::Q4 => "q4",
            Self::Q4f16 => "q4f16",
        }
    }

    /// What the published file names end in.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Fp32 => "",
            Self::Fp16 => "_fp16",
            Self::Int8 => "_int8",
            Self::Q4 => "_q4",
            Self::Q4f16 => "_q4f16",
        }
    }

    pub(super) fn build(self) -> build::Precision {
        match self {
            Self::Fp32 => build::Precision::Fp32,
            Self::Fp16 => build::Precision::Fp16,
            Self::Int8 => build::Precision::Int8,
            Self::Q4 => build::Precision::Q4,
            Self::Q4f16 => build::Precision::Q4f16,
        }
    }

    pub(super) fn run(self) -> vlm::Precision {
        match self {
            Self::Fp32 => vlm::Precision::Fp32,
            Self::Fp16 => vlm::Precision::Fp16,
            Self::Int8 => vlm::Precision::Int8,
            Self::Q4 => vlm::Precision::Q4,
            Self::Q4f16 => vlm::Precision::Q4f16,
        }
    }
}
