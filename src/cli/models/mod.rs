//! `eyewitness models`: what can be done to a model set on disk.
//!
//! `optimize` reads a `source`, writes a `target`, and holds one against the other (`verify`, `compare`) before anybody sees it.
//! `tune` measures how to run one.

mod args;
mod compare;
mod optimize;
mod pictures;
mod report;
mod source;
mod target;
mod tune;
mod verify;

pub(super) use self::args::ModelsCommand;
use super::exit::Exit;
use super::failure::Failure;
use crate::clock::Clock;

pub(super) async fn models(command: ModelsCommand, clock: Clock) -> Result<Exit, Failure> {
    match command {
        ModelsCommand::Optimize(args) => optimize::optimize(args, clock).await,
        ModelsCommand::Tune(args) => tune::tune(args, clock).await,
    }
}
