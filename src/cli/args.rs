//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::models::ModelsCommand;
use super::rules::RulesCommand;
use crate::vlm::{Precision, Provider};

const EXAMPLES: &str = "\
Examples:
  eyewitness demo                               watch a street, no set-up
  eyewitness describe photo.jpg --ask 'Is there a dog?'
  eyewitness check -c eyewitness.toml --online  is everything in order?
  eyewitness run -c eyewitness.toml             the daemon
  eyewitness watch --url mqtt://broker.lan      what all boxes say
  eyewitness ask door 'Is there a parcel?'      what a camera sees now
  eyewitness replay clips/ --report report.html what a config makes of recordings
  eyewitness explain --camera door --at 09:14   why did it say nothing then?
  eyewitness bench                              how fast is it on this machine?
  eyewitness rules fit gate.json --rule yard/gate --save
  eyewitness models optimize SmolVLM-256M-Instruct

Exit status:
  0   done
  1   it failed while running
  64  the command line is wrong
  78  the config or the model set is wrong";

/// Watches camera streams and says in plain English what happened.
#[derive(Debug, Parser)]
#[command(name = "eyewitness", version, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Where the daemon looks when it is not told.
pub(super) const DEFAULT_CONFIG: &str = "/etc/eyewitness/eyewitness.toml";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the daemon until it is told to stop (SIGTERM or Ctrl-C; a second one ends it at once)
    Run {
        /// The config file
        #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
        config: PathBuf,
    },
    /// Watch a clip as if it were a camera, with everything that is needed brought along
    #[command(
        after_help = "Without a broker of your own it starts mosquitto on a free loopback port, so that you can subscribe \
                      too. At a terminal it repeats the clip until Ctrl-C; elsewhere it ends with the clip."
    )]
    Demo(DemoArgs),
    /// Check a config and its model set; every problem at once
    Check {
        /// The config file
        #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
        config: PathBuf,
        /// Also open each camera once, connect to the broker and ask the model once
        #[arg(long)]
        online: bool,
    },
    /// Describe pictures and clips, one sentence each
    Describe(DescribeArgs),
    /// Play recordings through the same pipeline, as fast as they can be understood, and say what came of them
    #[command(after_help = REPLAY)]
    Replay(ReplayArgs),
    /// Say why a camera's frames went no further at some time
    #[command(after_help = EXPLAIN)]
    Explain(ExplainArgs),
    /// Measure what the answers to a rule's question are worth
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Make a model set faster on this machine
    Models {
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Measure what a description costs on this machine, stage by stage
    #[command(after_help = BENCH)]
    Bench(BenchArgs),
    /// Subscribe to a broker and print events as readable lines
    Watch(WatchArgs),
    /// Ask what a camera sees now
    #[command(after_help = ASK)]
    Ask(AskArgs),
    /// Print what other programs can rely on: the schema of the config or of events, or all topics
    #[command(after_help = SCHEMA)]
    Schema {
        /// Of what
        #[arg(value_name = "OF", value_enum)]
        of: SchemaOf,
    },
    /// Print what a shell needs to complete this command line
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL", value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print a page of the manual; packages are made with it
    #[command(hide = true)]
    Man {
        #[arg(value_enum, default_value_t = ManPage::Program)]
        page: ManPage,
    },
}

const COMPLETIONS: &str = "\
The Debian package brings them along. Otherwise, for your user:
  eyewitness completions bash > ~/.local/share/bash-completion/completions/eyewitness
  eyewitness completions fish > ~/.config/fish/completions/eyewitness.fish
  eyewitness completions zsh  > DIR/_eyewitness     with DIR in your fpath";

const SCHEMA: &str = "\
An editor that checks TOML marks what is wrong in a config while it is typed:
  eyewitness schema config > eyewitness.schema.json
  and as the first line of the config:  #:schema ./eyewitness.schema.json";

/// What a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum SchemaOf {
    /// The config file, as JSON Schema (2020-12)
    Config,
    /// An event as it is published, as JSON Schema (2020-12)
    Event,
    /// Every MQTT topic with what is said on it, as an AsyncAPI document (3.0)
    Mqtt,
}

/// Which page of the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ManPage {
    /// eyewitness(1)
    Program,
    /// eyewitness.toml(5)
    Config,
}

#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// The clip to play; default: the demo clip of `make demo`
    #[arg(long, value_name = "FILE")]
    pub(super) clip: Option<PathBuf>,
    /// End after the clip
    #[arg(long)]
    pub(super) once: bool,
    /// A broker to send the events to, such as mqtt://localhost:1883
    #[arg(long, value_name = "URL")]
    pub(super) broker: Option<String>,
    /// The model set to use; default: the one that comes with Eyewitness
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
}

const REPLAY: &str = "\
The same clips with the same config give the same events, byte for byte. Nothing leaves this machine: the broker, the
outbox and the status page of the config are not used. Without -c everything is at its defaults.

Labels say what there is to see, in seconds of each clip:
  {\"clips\": {\"door.mp4\": {\"events\": [{\"from\": 6.0, \"to\": 20.0, \"who\": \"a woman\"}]}}}
An event belongs to the visit with which it shares most time, or, if it shares time with none, to the nearest one at
most 1.5 s away. An event that belongs to no visit is invented; a visit with several events was split; one into which
only another visit's event runs was merged with it.

Examples:
  eyewitness replay door.mp4
  eyewitness replay clips/ -c eyewitness.toml --camera front-door --events events.jsonl
  eyewitness replay clips/ --truth clips/labels.json --strict
  eyewitness replay clips/ -c now.toml --compare next.toml --truth clips/labels.json --report report.html";

#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// Clips (MP4, MKV, ...), or folders whose clips are played in the order of their names
    #[arg(required = true, value_name = "CLIP")]
    pub(super) clips: Vec<PathBuf>,
    /// The config whose camera sees the clips
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Which camera of the config; not needed where there is only one
    #[arg(long, value_name = "ID")]
    pub(super) camera: Option<String>,
    /// When the clips begin, as in 2026-11-23T09:00:00Z
    #[arg(long, value_name = "TIME", default_value = "1970-01-01T00:00:00Z")]
    pub(super) start: jiff::Timestamp,
    /// Write the events as lines of JSON; `-` is stdout. With --compare: those of the first config
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
    /// What there is to see in the clips: how much of it was found?
    #[arg(long, value_name = "FILE")]
    pub(super) truth: Option<PathBuf>,
    /// Exit status 1 unless every visit is one event of its own and nothing was invented
    #[arg(long, requires = "truth")]
    pub(super) strict: bool,
    /// Write a page that shows why each frame was or was not described
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Play the clips with this config too, and put both side by side
    #[arg(long, value_name = "FILE")]
    pub(super) compare: Option<PathBuf>,
    /// One JSON document per clip on stdout
    #[arg(long)]
    pub(super) json: bool,
}

const EXPLAIN: &str = "\
TIME of a camera: RFC 3339, or HH:MM[:SS] of today (of yesterday, if that is still to come), or 5m for five minutes ago.
TIME of a clip: seconds, or MM:SS.
The daemon keeps a journal of its decisions in the folder of [explain] in the config, and writes it at most a minute late.

Examples:
  eyewitness explain -c eyewitness.toml --camera front-door --at 09:14:03
  eyewitness explain --camera front-door --at -5m --for 1m
  eyewitness explain door.mp4 --at 12.3";

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// A recording, instead of what the daemon did
    #[arg(value_name = "CLIP")]
    pub(super) clip: Option<PathBuf>,
    /// The config file; default for cameras: /etc/eyewitness/eyewitness.toml, for a recording: the defaults
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Which camera of the config; not needed where there is only one
    #[arg(long, value_name = "ID")]
    pub(super) camera: Option<String>,
    /// From when on
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) at: String,
    /// For how long, such as 30s; default: 10s
    #[arg(long = "for", value_name = "DURATION")]
    pub(super) length: Option<String>,
}

const BENCH: &str = "\
Every precision is measured with every number of threads, one after the other in this one process.
Figures are medians, and what 95 of 100 descriptions do not exceed. Milliseconds do not travel
between machines, ratios do: keep a run with --json and hold the next one against it with --compare.

At the end a test camera is watched as the daemon does it, with mosquitto as the broker on a free
loopback port: from the frame to the broker's acknowledgement. Without mosquitto, or with --no-mqtt,
that part is left out.

Examples:
  eyewitness bench
  eyewitness bench --precision int8 --precision fp32 --threads 1 --threads 2
  eyewitness bench --json > before.json
  eyewitness bench --compare before.json";

#[derive(Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// The model set to measure; default: the one that comes with Eyewitness
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// A picture (PNG, JPEG, ...) to describe, which is RGB; default: a drawn frame as a camera sends it, 1080p NV12
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// Which form of the model; may be given several times
    #[arg(long, value_name = "PRECISION", value_enum, default_values_t = [PrecisionArg::Auto], hide_default_value = true)]
    pub(super) precision: Vec<PrecisionArg>,
    /// Threads of the model, 0: all cores; may be given several times
    #[arg(long, value_name = "N", default_values_t = [0], value_parser = clap::value_parser!(u16).range(..=256))]
    pub(super) threads: Vec<u16>,
    /// What the model runs on
    #[arg(long, value_name = "PROVIDER", value_enum, default_value_t = ProviderArg::Auto)]
    pub(super) provider: ProviderArg,
    /// Descriptions that are timed
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) rounds: u32,
    /// Descriptions before them that are not
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(super) warm_up: u32,
    /// Longest description, in tokens
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(super) tokens: u16,
    /// Do not measure the way to the broker
    #[arg(long)]
    pub(super) no_mqtt: bool,
    /// One JSON document on stdout, with everything that there is to know about the run
    #[arg(long)]
    pub(super) json: bool,
    /// Hold it against an earlier run, as `--json` wrote it
    #[arg(long, value_name = "EARLIER.json")]
    pub(super) compare: Option<PathBuf>,
}

/// Which of the set's graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PrecisionArg {
    Auto,
    Fp32,
    Fp16,
    Int8,
    Q4,
    Q4f16,
}

impl From<PrecisionArg> for Precision {
    fn from(typed: PrecisionArg) -> Self {
        match typed {
            PrecisionArg::Auto => Self::Auto,
            PrecisionArg::Fp32 => Self::Fp32,
            PrecisionArg::Fp16 => Self::Fp16,
            PrecisionArg::Int8 => Self::Int8,
            PrecisionArg::Q4 => Self::Q4,
            PrecisionArg::Q4f16 => Self::Q4f16,
        }
    }
}

/// Where the graphs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ProviderArg {
    Auto,
    Cpu,
    Cuda,
    #[value(name = "tensorrt")]
    TensorRt,
    #[value(name = "openvino")]
    OpenVino,
}

impl From<ProviderArg> for Provider {
    fn from(typed: ProviderArg) -> Self {
        match typed {
            ProviderArg::Auto => Self::Auto,
            ProviderArg::Cpu => Self::Cpu,
            ProviderArg::Cuda => Self::Cuda,
            ProviderArg::TensorRt => Self::TensorRt,
            ProviderArg::OpenVino => Self::OpenVino,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct DescribeArgs {
    /// Pictures (PNG, JPEG, WebP, BMP, GIF) or clips (MP4, MKV, ...)
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The model set to use; default: the one that comes with Eyewitness
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// A yes/no question about each picture; may be given several times
    #[arg(long, value_name = "QUESTION")]
    pub(super) ask: Vec<String>,
    /// What to say to the model instead of "Describe the scene."
    #[arg(long, value_name = "TEXT", default_value = "Describe the scene.")]
    pub(super) prompt: String,
    /// Take the first sentence as it comes, without asking back what it names
    #[arg(long)]
    pub(super) no_check: bool,
    /// One JSON document per file on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Threads of the model; 0: all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) threads: usize,
}

/// How to come to a broker.
#[derive(Debug, clap::Args)]
pub(super) struct BrokerArgs {
    /// User name at the broker
    #[arg(long, value_name = "NAME")]
    pub(super) username: Option<String>,
    /// File that holds the password
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the broker's certificate
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// First level of the topics
    #[arg(long, value_name = "PREFIX", default_value = "eyewitness")]
    pub(super) prefix: String,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The password comes from a file or from the environment variable EYEWITNESS_PASSWORD, never from an \
                        argument: arguments can be seen by everybody on the machine."
)]
pub(super) struct WatchArgs {
    /// The broker
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    pub(super) url: String,
    #[command(flatten)]
    pub(super) broker: BrokerArgs,
    /// Print the messages as they are, one JSON document per line
    #[arg(long)]
    pub(super) json: bool,
}

const ASK: &str = "\
The newest frame of the camera is looked at. The answer is printed; on stderr stands when the frame was taken and what it cost.
With --json the answer is one JSON document.

Over a broker the box is found by what it says there: the only one that has such a camera, or the one that --node names.
On the machine itself no broker is needed: --url http://127.0.0.1:8089.

The password comes from a file or from the environment variable EYEWITNESS_PASSWORD, never from an argument: arguments can
be seen by everybody on the machine.

Examples:
  eyewitness ask front-door 'Is there a parcel on the ground?' --url mqtt://broker.lan
  eyewitness ask yard 'What is on the table?' --node garage --timeout 10s
  eyewitness ask yard 'Describe the scene.' --url http://127.0.0.1:8089 --json";

#[derive(Debug, clap::Args)]
pub(super) struct AskArgs {
    /// The camera's id
    #[arg(value_name = "CAMERA")]
    pub(super) camera: String,
    /// In quotes
    #[arg(value_name = "QUESTION")]
    pub(super) question: String,
    /// The broker, or the status page of the box
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    pub(super) url: String,
    /// Which box, where several have such a camera
    #[arg(long, value_name = "NODE")]
    pub(super) node: Option<String>,
    #[command(flatten)]
    pub(super) broker: BrokerArgs,
    /// Longest answer, in tokens; default: as long as descriptions
    #[arg(long, value_name = "N")]
    pub(super) max_tokens: Option<usize>,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(super) timeout: String,
    /// Print the answer as one JSON document
    #[arg(long)]
    pub(super) json: bool,
}
