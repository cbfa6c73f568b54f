//! `eyewitness man`: the pages of the manual, written from what the program knows of itself, so that they cannot drift
//! apart from it: the command line from clap's declarations, the config file from `config::keys`.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::{Args, ManPage};
use super::exit::Exit;
use super::failure::Failure;
use super::say;
use crate::config::keys::{self, Key, Kind, Table};

pub(super) fn man(page: ManPage) -> Result<Exit, Failure> {
    let page = match page {
        ManPage::Program => program().map_err(|error| Failure::running("the page", &error))?,
        ManPage::Config => config(),
    };
    say::data(page.trim_end()).map_err(|error| Failure::running("stdout", &error))?;
    Ok(Exit::Done)
}

const MANUAL: &str = "Eyewitness";

/// eyewitness(1): the program and all its commands on one page, since that can be searched.
fn program() -> std::io::Result<String> {
    let mut command = Args::command().disable_help_subcommand(true).subcommand_value_name("COMMAND");
    command.build();
    let man = Man::new(command.clone()).manual(MANUAL);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    let mut roff = Roff::new();
    roff.control("PP", []);
    words(
        &mut roff,
        &format!(
            "Cameras are read with GStreamer, a small vision-language model puts into words what happens, and every event \
             leaves as an MQTT message. The daemon is `eyewitness run`, as a service `systemctl start eyewitness`; its \
             config is explained in eyewitness.toml(5) and in `{}`.",
            super::args::DEFAULT_CONFIG
        ),
    );
    roff.control("SH", ["COMMANDS"]);
    page.push_str(&roff.to_roff());
    for sub in visible(&command) {
        page.push_str(&section(sub)?);
    }
    let mut roff = Roff::new();
    after_help(&mut roff, &command, "SH");
    files(&mut roff);
    page.push_str(&roff.to_roff());
    Ok(page)
}

/// The commands that do something; one that only holds others (`models`) is represented by them.
fn visible(command: &Command) -> Vec<&Command> {
    let subs = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    subs.flat_map(|sub| if sub.has_subcommands() { visible(sub) } else { vec![sub] }).collect()
}

/// One command. The library lays out a page; what it calls sections stands below the command's own heading here.
fn section(command: &Command) -> std::io::Result<String> {
    let man = Man::new(command.clone());
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    man.render_options_section(&mut parts)?;
    let parts = String::from_utf8_lossy(&parts);
    let mut heading = Roff::new();
    heading.control("SS", [command.get_bin_name().unwrap_or_else(|| command.get_name())]);
    let mut text = heading.to_roff();
    for line in parts.lines() {
        // The synopsis of a command speaks for itself, and so do its options.
        text.push_str(if line.starts_with(".SH ") { ".PP" } else { line });
        text.push('\n');
    }
    let mut extra = Roff::new();
    after_help(&mut extra, command, "PP");
    text.push_str(&extra.to_roff());
    Ok(text)
}

/// What stands below a command's help: lines that are indented there are laid out by hand and stay so. In the main page
/// ("SH") a line such as "Examples:" becomes a heading.
fn after_help(roff: &mut Roff, command: &Command, heading: &str) {
    let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) else { return };
    let mut as_is = false;
    let mut first = true;
    for line in text.to_string().lines() {
        let indented = line.starts_with("  ");
        if indented != as_is {
            roff.control(if indented { "nf" } else { "fi" }, []);
            as_is = indented;
        }
        match line.strip_suffix(':').filter(|_| !indented) {
            Some(title) if heading == "SH" => {
                roff.control("SH", [title.to_uppercase().as_str()]);
            }
            _ if line.trim().is_empty() || first => {
                roff.control("PP", []);
            }
            _ => {}
        }
        first = false;
        let is_heading = heading == "SH" && !indented && line.ends_with(':');
        if !is_heading && !line.trim().is_empty() {
            roff.text([roman(line)]);
        }
    }
    if as_is {
        roff.control("fi", []);
    }
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (path, what) in [
        (super::args::DEFAULT_CONFIG, "The config, see eyewitness.toml(5)."),
        ("/etc/eyewitness/credentials/", "Secrets, one file each, which systemd hands to the service."),
        ("/var/lib/eyewitness/outbox", "Events that wait for the broker."),
        ("/var/lib/eyewitness/decisions", "Why frames went no further; `eyewitness explain` reads it."),
        ("/var/cache/eyewitness", "Graphs of the model as optimised for this machine. May be deleted."),
        ("/usr/share/eyewitness/models/tiny", "The model that comes along."),
    ] {
        roff.control("TP", []);
        roff.text([italic(path)]);
        words(roff, what);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, what) in [
        ("RUST_LOG", "What is logged, as `filter` of `[log]` has it; wins over the config."),
        ("ORT_DYLIB_PATH", "The ONNX Runtime library, if not the one that comes along."),
        ("EYEWITNESS_PASSWORD", "The broker's password for `eyewitness watch` and `eyewitness ask`."),
    ] {
        roff.control("TP", []);
        roff.text([bold(name)]);
        words(roff, what);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("eyewitness.toml(5), systemctl(1), journalctl(1), systemd.exec(5), gst-inspect-1.0(1)")]);
}

/// eyewitness.toml(5): every table and key.
fn config() -> String {
    let mut roff = Roff::new();
    let source = concat!("eyewitness ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["eyewitness.toml", "5", "", source, MANUAL]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("eyewitness.toml - what to watch, and where the events go")]);
    roff.control("SH", ["DESCRIPTION"]);
    words(
        &mut roff,
        "The config of eyewitness(1), in TOML. Only `[[camera]]` with `id` and `url` is required. Unknown keys are errors. \
         `eyewitness check` says everything that is wrong with a file at once, without starting anything; \
         `systemctl reload eyewitness` applies a changed one.",
    );
    for (what, how) in [
        ("Times", "are written `\"500ms\"`, `\"5s\"`, `\"10m\"`, `\"2h\"` or `\"7d\"`."),
        ("Sizes", "are written `\"64KiB\"`, `\"64MiB\"` or `\"1GiB\"`."),
        ("Rates", "are written `\"12/min\"` or `\"100/h\"`."),
        (
            "Secrets",
            "do not belong into this file: `${NAME}` in any text is replaced from the environment (`$${` stands for the \
             characters themselves), and a key that ends in `_file` reads a file, such as one of systemd's credentials.",
        ),
        ("Paths", "that do not begin with / start at the folder of the file."),
    ] {
        roff.control("TP", []);
        roff.text([bold(what)]);
        words(&mut roff, how);
    }
    for table in keys::FILE.all() {
        describe(&mut roff, table);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("eyewitness(1), systemd.exec(5)")]);
    roff.to_roff()
}

fn describe(roff: &mut Roff, table: &Table) {
    let heading = if table.header.is_empty() { "TOP OF THE FILE" } else { table.header };
    roff.control("SH", [heading]);
    if !table.header.is_empty() {
        words(roff, table.doc);
    }
    for key in table.keys {
        roff.control("TP", []);
        roff.text([bold(key.name), roman(" = "), italic(key.example)]);
        words(roff, &meaning(key));
    }
}

fn meaning(key: &Key) -> String {
    let mut text = key.doc.to_owned();
    if let Kind::Choice(choices) = key.kind {
        let choices: Vec<_> = choices.iter().map(|choice| format!("`\"{choice}\"`")).collect();
        text.push_str(&format!(" One of {}.", choices.join(", ")));
    }
    if key.required {
        text.push_str(" Required.");
    }
    if let Some(default) = key.default {
        text.push_str(&format!(" Default: `{default}`."));
    }
    text
}

/// A paragraph in which `...` is bold, as our texts have it.
fn words(roff: &mut Roff, text: &str) {
    let inlines: Vec<Inline> =
        text.split('`').enumerate().map(|(i, part)| if i % 2 == 1 { bold(part) } else { roman(part) }).collect();
    roff.text(inlines);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page as it is read: without the marks of its language.
    fn plain(page: &str) -> String {
        [r"\fB", r"\fI", r"\fR", r"\"].iter().fold(page.to_owned(), |text, mark| text.replace(mark, ""))
    }

    #[test]
    fn the_program_s_page_has_every_command_and_option() {
        let page = plain(&program().unwrap());
        let mut command = Args::command().disable_help_subcommand(true);
        command.build();
        let commands = visible(&command);
        assert!(commands.len() > 8, "{}", commands.len());
        for sub in commands {
            let name = sub.get_bin_name().unwrap();
            assert!(page.contains(&format!(".SS \"{name}\"")), "{name}\n{page}");
            for option in sub.get_arguments().filter_map(|arg| arg.get_long()) {
                assert!(page.contains(&format!("--{option}")), "{name} --{option}");
            }
        }
        for part in
            [".TH eyewitness 1", ".SH NAME\neyewitness - ", ".SH EXAMPLES", ".SH \"EXIT STATUS\"", "78  the config"]
        {
            assert!(page.contains(part), "`{part}` is not in:\n{page}");
        }
        assert!(!page.contains("eyewitness man"), "the hidden command is shown");
    }

    #[test]
    fn the_config_s_page_has_every_table_and_key() {
        let page = plain(&config());
        for table in keys::FILE.all() {
            assert!(page.contains(&format!(".SH {}", table.header)), "{}", table.header);
            for key in table.keys {
                assert!(page.contains(&format!("{} = {}", key.name, key.example.replace('\\', ""))), "{}", key.name);
            }
        }
        assert!(page.contains("One of \"tcp\", \"udp\". Default: \"tcp\"."), "{page}");
    }
}
