//! What machine this is, and how busy. Figures of different machines say little about each other.

use std::fs;
use std::num::NonZeroUsize;
use std::thread;

use serde::{Deserialize, Serialize};

/// What of a machine decides how fast it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Such as "AMD EPYC 7B13", or the board's name where the processor has none.
    pub cpu: String,
    /// That this process may use.
    pub cores: usize,
    /// "x86_64", "aarch64", ...
    pub architecture: String,
    pub memory_mib: u64,
    /// The operating system's own name for itself.
    pub system: String,
    /// Processes that wanted to run, on average over the last minute, when this was read.
    pub load: f64,
}

impl Machine {
    /// Reads /proc and /etc/os-release; what is not there stays empty.
    #[must_use]
    pub fn here() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let architecture = std::env::consts::ARCH.to_owned();
        let cpu = cpu(&text("/proc/cpuinfo"), &text("/proc/device-tree/model"));
        Self {
            cpu: cpu.unwrap_or_else(|| architecture.clone()),
            cores: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            architecture,
            memory_mib: memory(&text("/proc/meminfo")).unwrap_or_default(),
            system: system(&text("/etc/os-release")).unwrap_or_default(),
            load: load(&text("/proc/loadavg")).unwrap_or_default(),
        }
    }

    /// Whether figures from there can be held against figures from here.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.cpu, self.cores, &self.architecture) == (&other.cpu, other.cores, &other.architecture)
    }

    /// Whether so much else wanted to run that the figures may be too large.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.load > 0.5 * self.cores as f64
    }
}

/// From /proc/cpuinfo, which names x86 processors; boards have a name of their own.
fn cpu(cpuinfo: &str, board: &str) -> Option<String> {
    let named = value(cpuinfo, "model name", ':').map(|name| name.split_whitespace().collect::<Vec<_>>().join(" "));
    let board = board.trim_matches(['\0', '\n', ' ']);
    named.filter(|name| !name.is_empty()).or_else(|| (!board.is_empty()).then(|| board.to_owned()))
}

fn memory(meminfo: &str) -> Option<u64> {
    let kib: u64 = value(meminfo, "MemTotal", ':')?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

fn system(os_release: &str) -> Option<String> {
    value(os_release, "PRETTY_NAME", '=').map(|name| name.trim_matches('"').to_owned())
}

fn load(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

/// What stands behind `key` and `separator` in the first line that begins with them.
fn value<'a>(text: &'a str, key: &str, separator: char) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(separator)?;
        (found.trim() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_recognised() {
        let x86 = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC  7B13 64-Core Processor\nprocessor\t: 1\n";
        assert_eq!(cpu(x86, "").unwrap(), "AMD EPYC 7B13 64-Core Processor");
        let arm = "processor\t: 0\nBogoMIPS\t: 108.00\nCPU part\t: 0xd0b\n";
        assert_eq!(cpu(arm, "Raspberry Pi 5 Model B Rev 1.0\0").unwrap(), "Raspberry Pi 5 Model B Rev 1.0");
        assert_eq!(cpu(arm, ""), None);
        assert_eq!(memory("MemTotal:       8388608 kB\nMemFree: 1 kB\n"), Some(8192));
        assert_eq!(system("NAME=\"x\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n").unwrap(), "Debian GNU/Linux 12");
        assert_eq!(load("1.83 1.14 1.24 2/85 22605\n"), Some(1.83));
    }

    #[test]
    fn this_machine_is_like_itself() {
        let here = Machine::here();
        assert!(here.cores > 0 && !here.cpu.is_empty());
        let quiet = Machine { load: 0.0, ..here.clone() };
        assert!(here.is_like(&quiet) && !quiet.is_busy());
        let busy = Machine { load: 3.0 * here.cores as f64, ..here.clone() };
        assert!(busy.is_busy() && !here.is_like(&Machine { cores: here.cores + 1, ..quiet }));
    }
}
