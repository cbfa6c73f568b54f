//! What can be typed after `eyewitness rules`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use crate::units;

const FIT: &str = "\
LABELS is a JSON file; names in it are relative to its folder. Pictures and clips, one question:
  {\"frames\": [{\"image\": \"gate/1.jpg\", \"answer\": \"yes\"}, {\"image\": \"gate/2.jpg\", \"answer\": \"no\"}],
   \"clips\": [{\"clip\": \"door.mp4\", \"every\": \"1s\", \"yes\": [[6, 20], [31.5, 40]], \"unknown\": [[20, 21]]}]}
What is neither yes nor unknown is no; with \"no\": [[..]] beside it, nothing may be left open. Labels as `replay --truth`
takes them do as well: an event is yes, or what \"rules\" says there about the rule. With \"ask\" in each frame and clip a file
holds several questions; without --rule and --ask all of them together make the model's default.

What is written is used from the next start of the daemon on. Nothing is written without --save.

Examples:
  eyewitness rules fit gate.json -c eyewitness.toml --rule yard/gate --save
  eyewitness rules fit clips/labels.json --ask 'Is there a person?' --clip door.mp4 --margin 1s
  eyewitness rules fit gate.json --ask 'Is the gate open?' --save /var/lib/eyewitness/calibration.json";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RulesCommand {
    /// Measure what the model's answers to a question are worth, on labelled pictures and clips
    #[command(after_help = FIT)]
    Fit(FitArgs),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct FitArgs {
    /// Pictures and clips with what is right
    #[arg(value_name = "LABELS")]
    pub(super) labels: PathBuf,
    /// The config that has the rule; default with --rule: /etc/eyewitness/eyewitness.toml
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The rule, which is asked as the daemon asks it: its region, its masks, its thresholds
    #[arg(long, value_name = "CAMERA/RULE", conflicts_with = "ask")]
    pub(super) rule: Option<String>,
    /// A question, whoever asks it
    #[arg(long, value_name = "QUESTION")]
    pub(super) ask: Option<String>,
    /// The model set to use; default: that of the config, or the one that comes with Eyewitness
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// Only these clips of the labels; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) clip: Vec<String>,
    /// How often a clip is looked at that does not say it
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = every)]
    pub(super) every: Duration,
    /// Leave out what is so near to a change from yes to no or back: labels are seldom exact, and a few wrong ones spoil a fit
    #[arg(long, value_name = "DURATION", default_value = "0.5s", value_parser = margin)]
    pub(super) margin: Duration,
    /// Write the calibration: into the `state` folder, beside the `model`, or into a file or folder
    #[arg(long, value_name = "state|model|PATH", num_args = 0..=1, default_missing_value = "state")]
    pub(super) save: Option<String>,
    /// One JSON document on stdout
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) const SHORTEST: Duration = Duration::from_millis(100);
pub(super) const LONGEST: Duration = Duration::from_secs(3600);

/// How often a clip may be looked at.
pub(super) fn every(text: &str) -> Result<Duration, String> {
    let every = units::parse_duration(text).map_err(|error| error.to_string())?;
    if (SHORTEST..=LONGEST).contains(&every) { Ok(every) } else { Err("it is from \"100ms\" to \"1h\"".into()) }
}

fn margin(text: &str) -> Result<Duration, String> {
    let margin = units::parse_duration(text).map_err(|error| error.to_string())?;
    if margin <= LONGEST { Ok(margin) } else { Err("it is at most \"1h\"".into()) }
}
