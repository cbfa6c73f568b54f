//! The process as the kernel sees it, under the names that every process uses for it. Read at each scrape; what cannot
//! be read (a sandbox may hide parts of /proc) is left out.

use std::fmt;
use std::fs;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Ticks per second in /proc/PID/stat: USER_HZ, which is 100 on every architecture that this program is built for.
const TICKS: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = encoder;
        let mut put = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn Encode| {
            metric.encode_as(&mut out, name, help, unit)
        };
        let stat = fs::read_to_string("/proc/self/stat").ok();
        if let Some(ticks) = stat.as_deref().and_then(cpu_ticks) {
            let seconds = ConstCounter::new(ticks as f64 / TICKS);
            put("process_cpu", "User and system time that was spent.", Some(&Unit::Seconds), &seconds)?;
        }
        let status = fs::read_to_string("/proc/self/status").ok();
        if let Some(bytes) = status.as_deref().and_then(resident_bytes) {
            put("process_resident_memory", "Memory in use.", Some(&Unit::Bytes), &ConstGauge::new(bytes))?;
        }
        if let Some(open) = open_files() {
            put("process_open_fds", "Open file descriptors.", None, &ConstGauge::new(open))?;
        }
        let limits = fs::read_to_string("/proc/self/limits").ok();
        if let Some(most) = limits.as_deref().and_then(max_files) {
            put("process_max_fds", "File descriptors that may be open.", None, &ConstGauge::new(most))?;
        }
        if let Some(start) = stat.as_deref().and_then(|stat| Some(boot_seconds()? + start_ticks(stat)? / TICKS)) {
            let help = "Start of the process since the Unix epoch.";
            put("process_start_time", help, Some(&Unit::Seconds), &ConstGauge::new(start))?;
        }
        Ok(())
    }
}

/// A metric behind a reference: the library's trait cannot be one.
trait Encode {
    fn encode_as(&self, out: &mut DescriptorEncoder<'_>, name: &str, help: &str, unit: Option<&Unit>) -> fmt::Result;
}

impl<M: EncodeMetric> Encode for M {
    fn encode_as(&self, out: &mut DescriptorEncoder<'_>, name: &str, help: &str, unit: Option<&Unit>) -> fmt::Result {
        self.encode(out.encode_descriptor(name, help, unit, self.metric_type())?)
    }
}

/// The field of this number (proc(5) counts from one). The second, the program's name in brackets, may hold anything.
fn field(stat: &str, number: usize) -> Option<u64> {
    let behind_name = &stat[stat.rfind(')')? + 1..];
    behind_name.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    Some(field(stat, 14)? + field(stat, 15)?)
}

/// Since the machine's start.
fn start_ticks(stat: &str) -> Option<f64> {
    field(stat, 22).map(|ticks| ticks as f64)
}

/// When the machine started. Read once: the kernel works it out anew each time, and it may differ by a second.
fn boot_seconds() -> Option<f64> {
    static BOOT: OnceLock<Option<f64>> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    })
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Without the one that looks.
fn open_files() -> Option<u64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some((open as u64).saturating_sub(1))
}

/// `None` also if there is no limit.
fn max_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 2 3 4 250 50 0 0 20 0 9 0 12345 1000 200 18446744073709551615";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(start_ticks(stat), Some(12345.0));
        for broken in ["", "7", "7 (a)", "7 (a) S 1", "7 (a) S x x x x x x x x x x x x x"] {
            assert_eq!(cpu_ticks(broken), None, "{broken}");
        }
    }

    #[test]
    fn sizes_and_limits_are_read() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   2048 kB\n"), Some(2 << 20));
        assert_eq!(resident_bytes("VmRSS:\t 99999999999999999999 kB\n"), None);
        let limits =
            |value: &str| format!("Max processes 5 5 processes\nMax open files            {value} 4096 files\n");
        assert_eq!(max_files(&limits("1024")), Some(1024));
        assert_eq!(max_files(&limits("unlimited")), None);
    }

    #[test]
    fn another_open_file_is_one_more() {
        // Other tests open and close files beside this one, so many are needed to stand out.
        let before = open_files().unwrap();
        let held: Vec<_> = (0..200).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let more = open_files().unwrap() - before;
        drop(held);
        assert!((100..300).contains(&more), "{more}");
    }
}
