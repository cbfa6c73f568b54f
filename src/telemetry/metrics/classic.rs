//! The older text form of Prometheus, for whoever does not ask for OpenMetrics: browsers, `promtool check metrics`, and
//! scrapers of before. The library writes OpenMetrics only, in which a counter's name ends before `_total`; here the
//! lines about a counter must name it whole, and there are no units and no end.

use super::Metrics;

impl Metrics {
    /// What HTTP calls the form of [`Self::classic`].
    pub const CLASSIC_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// The older form of a text that [`Self::text`] made.
    #[must_use]
    pub fn classic(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        // It comes before the line that says whether it is a counter.
        let mut help = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                help = rest.split_once(' ');
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                let suffix = if kind == "counter" { "_total" } else { "" };
                if let Some((_, words)) = help.take() {
                    out.push_str(&format!("# HELP {name}{suffix} {words}\n"));
                }
                out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            } else if !line.starts_with('#') {
                out.push_str(line);
                out.push('\n');
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_whole() {
        let text = "# HELP a_seconds A thing.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1\n\
                    # HELP b B.\n# TYPE b gauge\nb{c=\"# TYPE d counter\"} 2\n# EOF\n";
        let classic = "# HELP a_seconds_total A thing.\n# TYPE a_seconds_total counter\na_seconds_total 1\n\
                       # HELP b B.\n# TYPE b gauge\nb{c=\"# TYPE d counter\"} 2\n";
        assert_eq!(Metrics::classic(text), classic);
        assert_eq!(Metrics::classic(""), "");
    }

    #[test]
    fn every_sample_stays_and_every_counter_has_its_type() {
        let metrics = Metrics::new();
        metrics.frame("door", "no_motion");
        let text = metrics.text();
        let classic = Metrics::classic(&text);
        let samples =
            |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(samples(&text), samples(&classic));
        for sample in samples(&classic).iter().filter(|line| line.contains("_total")) {
            let name = sample.split(['{', ' ']).next().unwrap_or_default();
            assert!(classic.contains(&format!("# TYPE {name} counter\n")), "{name}");
        }
    }
}
