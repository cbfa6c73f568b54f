//! The memory of this process, as /proc knows it.

use std::fs;

use serde::{Deserialize, Serialize};

/// Resident memory of the process in MiB. Where /proc says nothing there is none of it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Before the model was loaded. What the allocator kept of an earlier model is in it.
    pub before_mib: f64,
    /// When everything had been asked.
    pub after_mib: f64,
    /// The most in between; of the whole process if it could not be counted anew.
    pub peak_mib: f64,
    /// Whether the peak is counted from `before_mib` on.
    pub peak_is_own: bool,
}

/// Counts memory from now on.
#[derive(Debug)]
pub(super) struct Watch {
    before: f64,
    own: bool,
}

impl Watch {
    /// Forgets the peak of before, where the system allows it.
    pub(super) fn start() -> Self {
        // proc(5): "5" resets the peak resident set size to what it is now.
        let own = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self { before: read().map_or(0.0, |(resident, _)| resident), own }
    }

    pub(super) fn stop(&self) -> Option<Memory> {
        let (after_mib, peak_mib) = read()?;
        Some(Memory { before_mib: self.before, after_mib, peak_mib, peak_is_own: self.own })
    }
}

fn read() -> Option<(f64, f64)> {
    parse(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Resident and peak in MiB, from the text of /proc/self/status.
fn parse(status: &str) -> Option<(f64, f64)> {
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some((kib / 1024.0 * 10.0).round() / 10.0)
    };
    Some((of("VmRSS:")?, of("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let status = "Name:\teyewitness\nVmPeak:\t  900000 kB\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n";
        assert_eq!(parse(status), Some((100.0, 200.0)));
        assert_eq!(parse("Name:\tx\nVmHWM:\t1 kB\n"), None);
    }

    #[test]
    fn a_peak_is_seen_and_forgotten() {
        let large = |mib: usize| std::hint::black_box(vec![1_u8; mib << 20]);
        drop(large(96));
        let watch = Watch::start();
        let kept = large(48);
        let memory = watch.stop().unwrap();
        drop(kept);
        assert!(memory.peak_mib >= memory.after_mib && memory.after_mib >= 48.0, "{memory:?}");
        assert!(memory.peak_mib >= memory.before_mib + 40.0 || !memory.peak_is_own, "{memory:?}");
    }
}
