//! An event as one readable line, for `demo` and `watch`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::event::Event;

/// What a line shows of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    at: Option<Timestamp>,
    camera: String,
    kind: String,
    text: Option<String>,
    reason: Option<String>,
    confidence: Option<f64>,
    total_ms: Option<f64>,
    /// Seconds that the event lasted; only at its end.
    lasted: Option<f64>,
    rules: Vec<(String, String)>,
    /// Rules that have just turned on and say so.
    alert: Vec<String>,
    replayed: bool,
}

impl Line {
    pub(super) fn of_event(event: &Event) -> Self {
        Self {
            at: Some(event.at),
            camera: event.camera.to_string(),
            kind: event.kind.name().to_owned(),
            text: event.description.clone(),
            reason: event.reason.clone(),
            confidence: event.confidence.map(f64::from),
            total_ms: event.timing_ms.map(|timing| f64::from(timing.total)),
            lasted: event.ended_at.map(|end| end.duration_since(event.started_at).as_secs_f64()),
            rules: event.rules.iter().map(|(id, rule)| (id.to_string(), rule.answer.name().to_owned())).collect(),
            alert: event.alert.iter().map(ToString::to_string).collect(),
            replayed: event.replayed,
        }
    }

    /// The line of a message with schema `eyewitness.event.v1`; `None` if it is none. Fields that a later version adds
    /// are passed over.
    pub(super) fn of_message(payload: &[u8]) -> Option<Self> {
        let message: Value = serde_json::from_slice(payload).ok()?;
        let text = |key: &str| message.get(key)?.as_str().map(printable);
        let time = |key: &str| message.get(key)?.as_str()?.parse::<Timestamp>().ok();
        let answers = message.get("rules").and_then(Value::as_object);
        let alert = message.get("alert").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            at: time("at"),
            camera: text("camera")?,
            kind: text("type")?,
            text: text("description"),
            reason: text("reason"),
            confidence: message.get("confidence").and_then(Value::as_f64),
            total_ms: message.get("timing_ms").and_then(|timing| timing.get("total")).and_then(Value::as_f64),
            lasted: time("ended_at")
                .zip(time("started_at"))
                .map(|(end, start)| end.duration_since(start).as_secs_f64()),
            rules: answers
                .into_iter()
                .flatten()
                .filter_map(|(id, rule)| Some((printable(id), printable(rule.get("answer")?.as_str()?))))
                .collect(),
            alert: alert.filter_map(|rule| rule.as_str().map(printable)).take(32).collect(),
            replayed: message.get("replayed").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    /// The line of a status message: who is online or not, and why.
    pub(super) fn of_status(topic: &str, payload: &[u8]) -> Option<String> {
        let who = topic.strip_suffix("/status")?;
        let message: Value = serde_json::from_slice(payload).ok()?;
        let state = printable(message.get("state")?.as_str()?);
        let reason = message.get("reason").and_then(Value::as_str).map(|reason| format!(": {}", printable(reason)));
        Some(format!("          {} is {state}{}", printable(who), reason.unwrap_or_default()))
    }

    /// Time, camera, type, sentence; then what there is of confidence, answers, milliseconds and duration.
    pub(super) fn show(&self, zone: &TimeZone) -> String {
        let at = self
            .at
            .map_or_else(|| "--:--:--".to_owned(), |at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string());
        self.show_at(&at)
    }

    /// The same with a time of its own, such as that of a clip.
    pub(super) fn show_at(&self, at: &str) -> String {
        let words = match (&self.text, &self.reason) {
            (Some(text), _) => text.clone(),
            (None, Some(reason)) => format!("(no words: {reason})"),
            (None, None) => "(no words)".to_owned(),
        };
        let mut extra = Vec::new();
        if let Some(lasted) = self.lasted {
            extra.push(format!("after {lasted:.1} s"));
        } else if let Some(confidence) = self.confidence {
            extra.push(format!("{:.0} %", confidence * 100.0));
        }
        extra.extend(self.rules.iter().map(|(id, answer)| format!("{id}: {answer}")));
        extra.extend(self.total_ms.map(|ms| format!("{ms:.0} ms")));
        if self.replayed {
            extra.push("delivered late".to_owned());
        }
        if self.kind == "end" {
            extra.extend(self.reason.clone().filter(|_| self.text.is_some()));
        }
        let extra = if extra.is_empty() { String::new() } else { format!("  ({})", extra.join(", ")) };
        let alert = if self.alert.is_empty() { String::new() } else { format!("ALERT {}: ", self.alert.join(", ")) };
        format!("{at}  {:<12} {:<6}  {alert}{words}{extra}", self.camera, self.kind)
    }
}

/// A message comes from outside: what would steer a terminal is left out.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"schema":"eyewitness.event.v1","id":"01JD","seq":1,"type":"start","node":"garage","camera":"front-door",
        "started_at":"2026-11-23T09:14:03.120Z","at":"2026-11-23T09:14:03.900Z","ended_at":null,
        "description":"A man walks to the table.","confidence":0.71,"cause":"motion","source":"model",
        "rules":{"parcel":{"answer":"no","p":0.04}},"timing_ms":{"total":75.0},"replayed":false}"#;

    #[test]
    fn a_start() {
        let line = Line::of_message(START.as_bytes()).unwrap();
        assert_eq!(
            line.show(&TimeZone::UTC),
            "09:14:03  front-door   start   A man walks to the table.  (71 %, parcel: no, 75 ms)"
        );
    }

    #[test]
    fn an_end_says_how_long_it_was() {
        let end = START
            .replace("\"type\":\"start\"", "\"type\":\"end\"")
            .replace(
                "\"ended_at\":null",
                "\"ended_at\":\"2026-11-23T09:14:15.620Z\",\"reason\":\"the camera gave no more frames\"",
            )
            .replace("\"timing_ms\":{\"total\":75.0},", "");
        let line = Line::of_message(end.as_bytes()).unwrap().show(&TimeZone::UTC);
        assert!(line.ends_with("(after 12.5 s, parcel: no, the camera gave no more frames)"), "{line}");
    }

    #[test]
    fn without_words_it_says_why() {
        let none = START.replace(
            "\"A man walks to the table.\",\"confidence\":0.71",
            "null,\"confidence\":null,\"reason\":\"the model was busy\"",
        );
        let line = Line::of_message(none.as_bytes()).unwrap().show(&TimeZone::UTC);
        assert!(line.contains("(no words: the model was busy)"), "{line}");
    }

    #[test]
    fn a_rule_that_turned_on_comes_first() {
        let alert = START.replace("\"replayed\"", "\"alert\":[\"parcel\",7],\"replayed\"");
        let line = Line::of_message(alert.as_bytes()).unwrap().show(&TimeZone::UTC);
        assert!(line.contains("  ALERT parcel: A man walks"), "{line}");
    }

    #[test]
    fn a_status() {
        let line =
            Line::of_status("eyewitness/garage/door/status", br#"{"state":"offline","reason":"connection refused"}"#);
        assert_eq!(line.unwrap().trim_start(), "eyewitness/garage/door is offline: connection refused");
        assert_eq!(Line::of_status("eyewitness/garage/status", b"online"), None);
    }

    #[test]
    fn what_is_no_event_is_no_line_and_nothing_steers_the_terminal() {
        assert_eq!(Line::of_message(b"\xff{"), None);
        assert_eq!(Line::of_message(b"{\"camera\":1}"), None);
        let evil = START.replace("A man", "A\\u001b[2J man");
        assert!(!Line::of_message(evil.as_bytes()).unwrap().show(&TimeZone::UTC).contains('\u{1b}'));
    }
}
