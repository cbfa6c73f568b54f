//! `eyewitness completions`: what a shell needs to complete our command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Args;
use super::exit::Exit;
use super::failure::Failure;
use super::say;

pub(super) fn completions(shell: Shell) -> Result<Exit, Failure> {
    say::data(script(shell).trim_end()).map_err(|error| Failure::running("stdout", &error))?;
    Ok(Exit::Done)
}

/// The script that a shell reads to complete `eyewitness ...`.
fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "eyewitness", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_command_and_its_options_are_completed() {
        let command = Args::command();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
                assert!(script.contains(sub.get_name()), "{shell}: {}", sub.get_name());
                for option in sub.get_arguments().filter_map(|arg| arg.get_long()) {
                    assert!(script.contains(option), "{shell}: {} --{option}", sub.get_name());
                }
            }
        }
    }
}
