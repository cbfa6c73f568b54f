//! `eyewitness ask`: what does a camera see now? Over the broker from any machine, or from the status page on the box itself.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use url::Url;

use super::args::AskArgs;
use super::exit::Exit;
use super::failure::Failure;
use super::lines::printable;
use super::say;
use super::watch::settings;
use crate::ask::Request;
use crate::ids::{CameraId, NodeId};
use crate::mqtt;
use crate::service::http::client;
use crate::telemetry;
use crate::units::parse_duration;

/// A day: nobody waits longer, and a broker counts in whole seconds.
const LONGEST: Duration = Duration::from_secs(86_400);

pub(super) async fn ask(args: AskArgs) -> Result<Exit, Failure> {
    telemetry::init("off", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    let camera = CameraId::new(&args.camera).map_err(|error| Failure::usage(format!("the camera: {error}")))?;
    let node = args.node.as_deref().map(NodeId::new).transpose();
    let node = node.map_err(|error| Failure::usage(format!("`--node`: {error}")))?;
    let patience = parse_duration(&args.timeout).map_err(|error| Failure::usage(format!("`--timeout`: {error}")))?;
    if patience.is_zero() || patience > LONGEST {
        return Err(Failure::usage("`--timeout` is more than nothing and at most \"1d\""));
    }
    let request = Request { camera, ask: args.question.as_str().into(), max_tokens: args.max_tokens };
    request.check().map_err(|refusal| Failure::usage(refusal.to_string()))?;
    let answer = match page(&args.url)? {
        Some(address) if node.is_none() => over_http(&address, &request, patience).await?,
        Some(_) => return Err(Failure::usage("`--node` is for a broker: a status page is that of one box")),
        None => {
            let settings = settings(&args.url, &args.broker)?;
            let payload = body(&request, json!({})).into_bytes();
            let asked = mqtt::Asked { camera: request.camera.clone(), node, payload };
            let answered = mqtt::ask(&settings, &asked, patience).await;
            answered.map_err(|error| Failure::running("no answer", &error))?.to_vec()
        }
    };
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| {
        Failure::failed(format!("the answer is no JSON ({error}); is it Eyewitness that answers there?"))
    })?;
    if let Some(error) = answer.get("error") {
        let words = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        return Err(Failure::failed(format!("no answer: {}", printable(&words))));
    }
    let printed = if args.json { Some(answer.to_string()) } else { line(&answer) };
    let printed =
        printed.ok_or_else(|| Failure::failed("the answer has no `text`: is it Eyewitness that answers there?"))?;
    say::data(&printed).map_err(|error| Failure::running("stdout", &error))?;
    if !args.json {
        say::talk(&about(&answer, &TimeZone::system()));
    }
    Ok(Exit::Done)
}

/// What is sent: the question and, where that is not in the address, more.
fn body(request: &Request, mut more: Value) -> String {
    more["ask"] = Value::from(request.ask.as_ref());
    if let Some(tokens) = request.max_tokens {
        more["max_tokens"] = Value::from(tokens);
    }
    more.to_string()
}

async fn over_http(address: &str, request: &Request, patience: Duration) -> Result<Vec<u8>, Failure> {
    let body = body(request, json!({"camera": request.camera.as_str()}));
    let posted = client::post(address, "/ask", body.into_bytes(), patience).await;
    let (status, answer) = posted.map_err(|error| Failure::running("no answer", &error))?;
    // What is refused is said in JSON, by us.
    if status.is_success() || answer.starts_with(b"{") {
        return Ok(answer);
    }
    let words = printable(String::from_utf8_lossy(&answer).trim());
    Err(Failure::failed(format!("`{address}` answered with {status}: {words}")))
}

/// Host and port of a status page; `None`: it is another kind of address, which the config's reader looks at.
fn page(url: &str) -> Result<Option<String>, Failure> {
    let Ok(parsed) = Url::parse(url) else { return Ok(None) };
    match parsed.scheme() {
        "http" => {}
        "https" => {
            let words = "`--url`: https is not spoken here; ask over the broker (mqtts://), or through `ssh -L`";
            return Err(Failure::usage(words));
        }
        _ => return Ok(None),
    }
    let plain = parsed.username().is_empty() && parsed.password().is_none();
    let root = matches!(parsed.path(), "/" | "/ask") && parsed.query().is_none() && parsed.fragment().is_none();
    match (parsed.host_str(), plain && root) {
        (Some(host), true) => Ok(Some(format!("{host}:{}", parsed.port().unwrap_or(80)))),
        _ => Err(Failure::usage("`--url`: a status page is written as http://127.0.0.1:8089")),
    }
}

/// The answer for people.
fn line(answer: &Value) -> Option<String> {
    let text = printable(answer.get("text")?.as_str()?);
    let Some(said) = answer.get("answer").and_then(Value::as_str) else { return Some(text) };
    let p = answer.get("p").and_then(Value::as_f64).map(|p| format!(" (p = {p:.2})")).unwrap_or_default();
    // "Yes." says no more than yes.
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let more = if ["", "yes", "no"].contains(&bare.as_str()) { String::new() } else { format!(": {text}") };
    Some(format!("{}{p}{more}", printable(said)))
}

/// When the frame was taken, what it cost, and who said it.
fn about(answer: &Value, zone: &TimeZone) -> String {
    let time = |at: &Value| at.as_str()?.parse::<Timestamp>().ok();
    let at = answer.get("frame_at").and_then(time);
    let at = at.map(|at| at.to_zoned(zone.clone()).strftime("seen at %H:%M:%S%.3f").to_string());
    let sure = answer.get("confidence").and_then(Value::as_f64).map(|sure| format!("{:.0} %", sure * 100.0));
    let took = answer.get("timing_ms").and_then(|timing| timing.get("total")?.as_f64()).map(|ms| format!("{ms:.0} ms"));
    let model = answer.get("model").and_then(Value::as_str).map(printable);
    [at, sure, took, model].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_well() {
        let said = |answer: Value| line(&answer).unwrap();
        assert_eq!(said(json!({"text": "A cup on a table."})), "A cup on a table.");
        assert_eq!(said(json!({"text": "Yes.", "answer": "yes", "p": 0.976})), "yes (p = 0.98)");
        assert_eq!(said(json!({"text": "Yes.", "answer": "unsure", "p": 0.6})), "unsure (p = 0.60)");
        assert_eq!(said(json!({"text": "Yes, a dog.", "answer": "yes", "p": 1})), "yes (p = 1.00): Yes, a dog.");
        assert_eq!(line(&json!({"words": 1})), None);
        // Nothing of it moves a terminal's cursor.
        assert!(!said(json!({"text": "\u{1b}[2J", "answer": "\u{7}"})).contains(['\u{1b}', '\u{7}']));
        let answer = json!({"text": "", "frame_at": "2026-11-23T09:14:03.900Z", "confidence": 0.71,
            "timing_ms": {"total": 51.6}, "model": "tiny/int8@cpu"});
        assert_eq!(about(&answer, &TimeZone::UTC), "seen at 09:14:03.900, 71 %, 52 ms, tiny/int8@cpu");
        assert_eq!(about(&json!({}), &TimeZone::UTC), "");
    }

    #[test]
    fn a_status_page_is_told_from_a_broker() {
        let found = |url: &str| page(url).map_err(|failure| failure.to_string());
        assert_eq!(found("http://127.0.0.1:8089"), Ok(Some("127.0.0.1:8089".into())));
        assert_eq!(found("http://[::1]:8089/ask"), Ok(Some("[::1]:8089".into())));
        assert_eq!(found("http://localhost/"), Ok(Some("localhost:80".into())));
        for other in ["mqtt://broker.lan", "mqtts://b:8883", "broker.lan:1883", "", "nonsense"] {
            assert_eq!(found(other), Ok(None), "{other}");
        }
        assert!(found("https://box").unwrap_err().contains("https is not spoken"));
        for wrong in ["http://u:secret@box", "http://box/metrics", "http://box/?x=1"] {
            let words = found(wrong).unwrap_err();
            assert!(words.contains("is written as") && !words.contains("secret"), "{words}");
        }
    }
}
