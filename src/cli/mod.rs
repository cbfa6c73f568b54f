//! The command line: arguments in, exit status out. Only here is anything printed: data to stdout, talk to stderr.

mod args;
mod ask;
mod bench;
mod broker;
mod check;
mod clip;
mod completions;
mod demo;
mod describe;
mod exit;
mod explain;
mod failure;
mod lines;
mod man;
mod models;
mod replay;
mod rules;
mod run;
mod say;
mod schema;
mod spans;
mod summary;
mod surroundings;
mod watch;

#[doc(hidden)]
pub use self::watch::watched;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use self::args::{Args, Command};
use self::exit::Exit;
use self::failure::Failure;
use crate::clock::Clock;
use crate::measure::CountingAllocator;

/// Parses the arguments and runs the command. `allocator` is the one that the program has installed.
#[must_use]
pub fn main(allocator: &'static CountingAllocator) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refused(&error),
    };
    if let Err(error) = surroundings::prepare() {
        say::talk(&format!(
            "eyewitness: it could not be started anew with what it needs in the environment: {error}\n  \
             Start it with ORT_DISABLE_TELEMETRY=1 (no reports to the maker of ONNX Runtime) and MALLOC_ARENA_MAX=1."
        ));
        return Exit::Failed.into();
    }
    match dispatch(args, allocator) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            say::talk(&failure.to_string());
            failure.exit.into()
        }
    }
}

/// `--help` and `--version` come this way too: clap knows which stream they belong to.
fn refused(error: &clap::Error) -> ExitCode {
    // A closed pipe is no reason to end differently.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

fn dispatch(args: Args, allocator: &'static CountingAllocator) -> Result<Exit, Failure> {
    let clock = Clock::system();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::running("the runtime could not be started", &error))?;
    let result = runtime.block_on(async {
        match args.command {
            Command::Run { config } => run::run(&config, clock).await,
            Command::Demo(args) => demo::demo(args, clock).await,
            Command::Check { config, online } => check::check(&config, online, clock).await,
            Command::Describe(args) => describe::describe(args, clock).await,
            Command::Replay(args) => replay::replay(args, clock).await,
            Command::Bench(args) => bench::bench(args, allocator, clock).await,
            Command::Explain(args) => explain::explain(args, clock).await,
            Command::Rules { command } => rules::rules(command, clock).await,
            Command::Models { command } => models::models(command, clock).await,
            Command::Watch(args) => watch::watch(args).await,
            Command::Ask(args) => ask::ask(args).await,
            Command::Schema { of } => schema::schema(of),
            Command::Completions { shell } => completions::completions(shell),
            Command::Man { page } => man::man(page),
        }
    });
    // A camera that hangs in the network must not hold the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}
