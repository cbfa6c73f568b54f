//! The little programs that Home Assistant runs over what we publish (Jinja). Each one stands an empty message: that is what a
//! retained topic says when it is taken back, and it may arrive before the entity is gone.

/// Of a status topic. Any state but `online` has to be told: Home Assistant takes what is neither of its two words for nothing.
pub(super) const AVAILABLE: &str =
    "{{ 'online' if value_json is mapping and value_json.state == 'online' else 'offline' }}";

/// Of an event: what waited for the broker is over and gives nothing, which Home Assistant passes over in silence.
pub(super) const EVENT: &str = "{% if value_json is mapping and not value_json.replayed %}\
     {{ dict(value_json, event_type=value_json.type) | to_json }}{% endif %}";

/// Of an event: what its words cost, in milliseconds; nothing, if the model was not asked.
pub(super) const MODEL_TIME: &str = "{{ value_json.timing_ms.total \
     if value_json is mapping and value_json.timing_ms and not value_json.replayed }}";

/// Of a description: a state has at most 255 characters.
pub(super) const TEXT: &str = "{{ value_json.text | truncate(255, true, '…', 0) if value_json is mapping else None }}";

/// Of a description.
pub(super) const AT: &str = "{{ value_json.at if value_json is mapping else None }}";

/// Of a rule: neither ON nor OFF is `unknown`. Saying the word itself would leave the state before it.
pub(super) const RULE: &str = "{{ value_json.state \
     if value_json is mapping and value_json.state in ['ON', 'OFF'] else None }}";

/// Of a camera's status: why it is not online.
pub(super) const STATUS: &str = "{{ ('online' if value_json.state == 'online' else value_json.reason or value_json.state) \
     | truncate(255, true, '…', 0) if value_json is mapping else None }}";

/// Of the node's status.
pub(super) const CONNECTED: &str = "{{ 'ON' if value_json is mapping and value_json.state == 'online' else 'OFF' }}";

/// Of the counters.
pub(super) const WAITING: &str = "{{ value_json.outbox.rows if value_json is mapping }}";

/// The message itself as attributes.
pub(super) const WHOLE: &str = "{{ (value_json if value_json is mapping else {}) | to_json }}";

/// The message as attributes, with its state under another name: `state` is not taken as an attribute.
pub(super) fn whole_with_state(name: &str) -> String {
    format!("{{{{ (dict(value_json, {name}=value_json.get('state')) if value_json is mapping else {{}}) | to_json }}}}")
}

/// The same with what is asked.
pub(super) fn whole_with_question(name: &str, question: &str) -> String {
    format!(
        "{{{{ (dict(value_json, {name}=value_json.get('state'), question={}) if value_json is mapping else {{}}) \
         | to_json }}}}",
        quoted(question)
    )
}

/// Frames of a camera that were not described, of the counters; nothing for a camera that is not in them.
pub(super) fn skipped(camera: &str) -> String {
    format!(
        "{{% set frames = value_json.get('cameras', {{}}).get('{camera}', {{}}).get('frames') if value_json is mapping %}}\
         {{{{ frames.values() | sum - frames.get('described', 0) if frames }}}}"
    )
}

/// A text as Jinja writes it. JSON's escapes are among those that Jinja knows, and braces mean nothing between quotes.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is always JSON")
}
