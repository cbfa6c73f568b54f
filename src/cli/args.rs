//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  eyewitness demo                               watch a street, no set-up
  eyewitness describe photo.jpg --ask 'Is there a dog?'
  eyewitness check -c eyewitness.toml --online  is everything in order?
  eyewitness run -c eyewitness.toml             the daemon
  eyewitness watch --url mqtt://broker.lan      what all boxes say

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
    /// Subscribe to a broker and print events as readable lines
    Watch(WatchArgs),
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
    /// One JSON document per file on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Threads of the model; 0: all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) threads: usize,
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
    /// Print the messages as they are, one JSON document per line
    #[arg(long)]
    pub(super) json: bool,
}
