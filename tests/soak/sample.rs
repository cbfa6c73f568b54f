//! What the daemon's process takes, from /proc, and what the samples say in the end.

use std::fs;
use std::path::Path;

use super::slope::{median, theil_sen};

/// Samples of the first minutes are left out of every slope: caches fill, cameras are seen for the first time.
pub const WARM_UP_MINUTES: f64 = 10.0;
/// Growth beyond this fails a soak of at least [`JUDGED_MINUTES`].
pub const MAX_MIB_PER_HOUR: f64 = 1.0;
pub const JUDGED_MINUTES: f64 = 30.0;
/// The fewest descriptors of a third of the time may differ by so much: a camera is being added at the moment, say.
const DESCRIPTORS_APART: f64 = 4.0;

#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub minutes: f64,
    pub rss_mib: f64,
    pub threads: f64,
    pub descriptors: f64,
    /// CPU time so far.
    pub cpu_s: f64,
}

impl Sample {
    /// `None` once the process is gone.
    pub fn of(pid: u32, minutes: f64) -> Option<Self> {
        let proc = Path::new("/proc").join(pid.to_string());
        let status = fs::read_to_string(proc.join("status")).ok()?;
        let field = |name: &str| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let descriptors = fs::read_dir(proc.join("fd")).ok()?.count() as f64;
        let stat = fs::read_to_string(proc.join("stat")).ok()?;
        let after_name: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| after_name.get(at).and_then(|text| text.parse::<f64>().ok());
        // User and system time, in hundredths of a second on every Linux that we know.
        let cpu_s = (ticks(11)? + ticks(12)?) / 100.0;
        Some(Self { minutes, rss_mib: field("VmRSS:")? / 1024.0, threads: field("Threads:")?, descriptors, cpu_s })
    }

    pub const CSV_HEAD: &str = "minutes,rss_mib,threads,descriptors,cpu_s,events,duplicates,gaps,faults_made";

    pub fn csv(&self) -> String {
        let Self { minutes, rss_mib, threads, descriptors, cpu_s } = self;
        format!("{minutes:.2},{rss_mib:.2},{threads},{descriptors},{cpu_s:.2}")
    }
}

/// What all samples together say.
#[derive(Debug, Clone, Copy)]
pub struct Trend {
    pub first_mib: f64,
    pub last_mib: f64,
    pub max_mib: f64,
    pub mib_per_hour: f64,
    pub threads_per_hour: f64,
    pub descriptors_per_hour: f64,
    /// The fewest descriptors in the first and in the last third.
    pub fewest: (f64, f64),
    pub cores: f64,
}

impl Trend {
    pub fn of(samples: &[Sample]) -> Self {
        let warm: Vec<Sample> = samples.iter().filter(|sample| sample.minutes >= WARM_UP_MINUTES).copied().collect();
        let slope = |value: fn(&Sample) -> f64| {
            60.0 * theil_sen(&warm.iter().map(|sample| (sample.minutes, value(sample))).collect::<Vec<_>>())
        };
        let third = warm.len() / 3;
        let fewest = |part: &[Sample]| part.iter().map(|sample| sample.descriptors).fold(f64::INFINITY, f64::min);
        let few = |part: &[Sample]| median(part.iter().map(|sample| sample.rss_mib).collect());
        // A minute's median: one sample alone may fall on a peak.
        let (head, tail) = (&warm[..warm.len().min(6)], &warm[warm.len().saturating_sub(6)..]);
        let cores = match (samples.first(), samples.last()) {
            (Some(a), Some(b)) if b.minutes > a.minutes => (b.cpu_s - a.cpu_s) / (60.0 * (b.minutes - a.minutes)),
            _ => 0.0,
        };
        Self {
            first_mib: few(head),
            last_mib: few(tail),
            max_mib: samples.iter().map(|sample| sample.rss_mib).fold(0.0, f64::max),
            mib_per_hour: slope(|sample| sample.rss_mib),
            threads_per_hour: slope(|sample| sample.threads),
            descriptors_per_hour: slope(|sample| sample.descriptors),
            fewest: (fewest(&warm[..third]), fewest(&warm[warm.len() - third..])),
            cores,
        }
    }

    /// What of it fails a soak of so many minutes.
    pub fn wrong(&self, minutes: f64) -> Vec<String> {
        let mut wrong = Vec::new();
        if minutes >= JUDGED_MINUTES {
            if self.mib_per_hour > MAX_MIB_PER_HOUR {
                wrong.push(format!("memory grows by {:.2} MiB an hour", self.mib_per_hour));
            }
            let (before, after) = self.fewest;
            if after > before + DESCRIPTORS_APART {
                wrong.push(format!("descriptors grow: at least {before} before, at least {after} now"));
            }
        }
        wrong
    }
}

mod tests {
    use super::*;

    fn samples(mib_per_hour: f64, descriptors_per_hour: f64) -> Vec<Sample> {
        (0..720)
            .map(|n| f64::from(n) / 6.0)
            .map(|minutes| Sample {
                minutes,
                rss_mib: 100.0 + mib_per_hour * minutes / 60.0 + if minutes < 5.0 { -30.0 } else { 0.0 },
                threads: 20.0,
                descriptors: (60.0 + descriptors_per_hour * minutes / 60.0).floor() + (minutes % 2.0 * 5.0).floor(),
                cpu_s: minutes * 6.0,
            })
            .collect()
    }

    #[test]
    fn growth_fails_a_long_soak() {
        assert!(Trend::of(&samples(0.5, 0.0)).wrong(120.0).is_empty());
        assert!(Trend::of(&samples(1.5, 0.0)).wrong(120.0)[0].contains("1.50 MiB an hour"));
        assert!(Trend::of(&samples(0.0, 6.0)).wrong(120.0)[0].contains("descriptors grow"));
        assert!(Trend::of(&samples(1.5, 6.0)).wrong(20.0).is_empty());
        assert!((Trend::of(&samples(0.5, 0.0)).cores - 0.1).abs() < 0.001);
    }

    #[test]
    fn this_process_can_be_measured() {
        let sample = Sample::of(std::process::id(), 0.0).unwrap();
        assert!(sample.rss_mib > 1.0 && sample.threads >= 1.0 && sample.descriptors >= 3.0, "{sample:?}");
    }
}
