//! Numbers and times as people read them, and text made safe for a page. Everything that comes from outside (words,
//! names, configs) goes through [`text`] or [`json`].

use std::time::Duration;

use serde_json::Value;

/// Keeps a number and its unit on one line.
const SPACE: char = '\u{a0}';

/// Text for an element or a quoted attribute.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + raw.len() / 8);
    for c in raw.chars().map(harmless) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// What would turn the direction of the page or is no character at all is shown as a question mark.
pub(super) fn harmless(c: char) -> char {
    if is_strange(c) { '\u{fffd}' } else { c }
}

fn is_strange(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// JSON for a `script` element: no text in it can end the element or begin a comment.
pub(super) fn json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// "1.9 s", "2 min 19 s", "3 h 5 min".
pub(super) fn duration(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    if seconds < 59.95 {
        let digits = if seconds < 10.0 { 1 } else { 0 };
        return format!("{seconds:.digits$}{SPACE}s");
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, minutes) if rest == 0 => format!("{minutes}{SPACE}min"),
        (0, minutes) => format!("{minutes}{SPACE}min {rest}{SPACE}s"),
        (hours, 0) => format!("{hours}{SPACE}h"),
        (hours, minutes) => format!("{hours}{SPACE}h {minutes}{SPACE}min"),
    }
}

pub(super) fn seconds(took: Duration) -> String {
    duration(took.as_secs_f64())
}

/// A place in a clip: "0:06.4", "1:02:03.0".
pub(super) fn clock(second: f64) -> String {
    let tenths = if second.is_finite() { (second.max(0.0) * 10.0).round() as u64 } else { 0 };
    let (whole, tenth) = (tenths / 10, tenths % 10);
    format!("{}.{tenth}", whole_clock(whole))
}

/// "0:06", "1:02:03".
pub(super) fn whole_clock(whole: u64) -> String {
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A share of 0 to 1 with as many digits as it needs: "2.4 %", "0.04 %".
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        p if p <= 0.0 || p >= 9.95 => 0,
        p if p >= 0.995 => 1,
        _ => 2,
    };
    format!("{percent:.digits$}{SPACE}%")
}

/// Of `whole`; nothing of nothing is nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// "1 event", "2,000 events".
pub(super) fn count(n: u64, what: &str) -> String {
    format!("{}{SPACE}{what}{}", number(n), if n == 1 { "" } else { "s" })
}

/// With thousands set apart.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_written_becomes_part_of_the_page() {
        let evil = "</script><b onclick='x'>\"&\u{202e}\u{0}grün 🐈";
        assert_eq!(text(evil), "&lt;/script&gt;&lt;b onclick=&#39;x&#39;&gt;&quot;&amp;\u{fffd}\u{fffd}grün 🐈");
        let data = json(&serde_json::json!({ "words": evil, "x<y": "<!--" }));
        assert!(!data.contains(['<', '>', '&']), "{data}");
        assert_eq!(serde_json::from_str::<Value>(&data).unwrap()["words"], evil);
    }

    #[test]
    fn numbers_read_well() {
        let plain = |text: String| text.replace(SPACE, " ");
        for (seconds, shown) in [
            (0.0, "0.0 s"),
            (1.94, "1.9 s"),
            (59.97, "1 min"),
            (139.4, "2 min 19 s"),
            (3600.0, "1 h"),
            (86_340.0, "23 h 59 min"),
            (f64::NAN, "0.0 s"),
        ] {
            assert_eq!(plain(duration(seconds)), shown);
        }
        assert_eq!(
            [clock(6.44), clock(59.96), clock(3723.0), clock(-1.0)],
            ["0:06.4", "1:00.0", "1:02:03.0", "0:00.0"]
        );
        let shares = [0.0, 0.0004, 0.0025, 0.0244, 0.3, 1.0].map(|share| plain(percent(share)));
        assert_eq!(shares, ["0 %", "0.04 %", "0.25 %", "2.4 %", "30 %", "100 %"]);
        assert_eq!(plain(count(1, "event")) + &plain(count(1_234_567, "frame")), "1 event1,234,567 frames");
        assert!(share(0, 0).abs() < 1e-9);
    }
}
