//! Every topic that we speak or listen on. Data only.

/// One kind of topic.
#[derive(Debug)]
pub(super) struct Channel {
    pub name: &'static str,
    /// With `{parameters}`.
    pub address: &'static str,
    pub doc: &'static str,
    pub action: Action,
    pub qos: u8,
    pub retain: bool,
    /// Names among `payloads::messages`.
    pub messages: &'static [&'static str],
}

/// Seen from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Send,
    Receive,
}

impl Channel {
    const fn sent(
        name: &'static str,
        address: &'static str,
        messages: &'static [&'static str],
        doc: &'static str,
    ) -> Self {
        Self { name, address, doc, action: Action::Send, qos: 1, retain: false, messages }
    }

    const fn received(
        name: &'static str,
        address: &'static str,
        messages: &'static [&'static str],
        doc: &'static str,
    ) -> Self {
        Self { action: Action::Receive, ..Self::sent(name, address, messages, doc) }
    }

    const fn retained(self) -> Self {
        Self { retain: true, ..self }
    }

    const fn at_most_once(self) -> Self {
        Self { qos: 0, ..self }
    }
}

/// What stands in braces in an address.
pub(super) const PARAMETERS: [(&str, &str, &str); 6] = [
    ("prefix", "`prefix` of `[mqtt]`; it may have several levels.", "eyewitness"),
    ("node", "`node` of the config: this box.", "garage"),
    ("camera", "`id` of a `[[camera]]`.", "front-door"),
    ("rule", "`id` of a `[[camera.rule]]`.", "parcel"),
    ("rest", "Whatever whoever asks has put there; it may have several levels.", "my-dashboard"),
    ("home_assistant_prefix", "`home_assistant_prefix` of `[mqtt]`.", "homeassistant"),
];

pub(super) const CHANNELS: [Channel; 15] = [
    Channel::sent(
        "nodeStatus",
        "{prefix}/{node}/status",
        &["nodeStatus"],
        "How this box is. Its last will says `offline`.",
    )
    .retained(),
    Channel::sent(
        "stats",
        "{prefix}/{node}/stats",
        &["stats"],
        "What was counted since the start, once a minute.",
    )
    .at_most_once(),
    Channel::sent(
        "cameraStatus",
        "{prefix}/{node}/{camera}/status",
        &["cameraStatus"],
        "How a camera is. Removed (an empty message) when the camera leaves the config, as all that is retained about it.",
    )
    .retained(),
    Channel::sent(
        "event",
        "{prefix}/{node}/{camera}/event",
        &["event"],
        "What happens: each message is about one frame of one event. At least once, in order.",
    ),
    Channel::sent(
        "description",
        "{prefix}/{node}/{camera}/description",
        &["description"],
        "The camera's newest words. They never go back in time, whatever is caught up.",
    )
    .retained(),
    Channel::sent(
        "ruleState",
        "{prefix}/{node}/{camera}/rule/{rule}",
        &["ruleState"],
        "What a rule says now. `UNSURE` after a start, and while its answers do not agree.",
    )
    .retained(),
    Channel::sent(
        "snapshot",
        "{prefix}/{node}/{camera}/snapshot",
        &["snapshot"],
        "The newest frame that was described, with the masks painted in. Only with `snapshots = \"event\"`.",
    )
    .retained()
    .at_most_once(),
    Channel::sent(
        "enabledState",
        "{prefix}/{node}/{camera}/enabled/state",
        &["enabledState"],
        "Whether the camera is watched.",
    )
    .retained(),
    Channel::received(
        "enabledSet",
        "{prefix}/{node}/{camera}/enabled/set",
        &["enabledSet"],
        "Turns a camera off and on, beyond a restart, whatever the config says.",
    ),
    Channel::received(
        "ask",
        "{prefix}/{node}/{camera}/ask",
        &["questionText", "questionJson"],
        "A question about what the camera sees now. The answer goes to the response topic of the message, if that is \
         allowed (the camera's topic `answer`, below it, or below `response_prefix` of `[mqtt]`), with its correlation data; \
         without one to `answer`.",
    ),
    Channel::sent(
        "answer",
        "{prefix}/{node}/{camera}/answer",
        &["answer", "refusal"],
        "The answer to a question that named no other topic for it.",
    ),
    Channel::sent(
        "answerBelow",
        "{prefix}/{node}/{camera}/answer/{rest}",
        &["answer", "refusal"],
        "The answer to a question whose response topic is this one.",
    ),
    Channel::sent(
        "nodeDiscovery",
        "{home_assistant_prefix}/device/eyewitness_{node}/config",
        &["discovery"],
        "Announces the box to Home Assistant. Only with `home_assistant = true`; removed when that goes.",
    )
    .retained(),
    Channel::sent(
        "cameraDiscovery",
        "{home_assistant_prefix}/device/eyewitness_{node}_{camera}/config",
        &["discovery"],
        "Announces a camera to Home Assistant, with an entity for all that is said about it.",
    )
    .retained(),
    Channel::received(
        "homeAssistantStatus",
        "{home_assistant_prefix}/status",
        &["homeAssistantStatus"],
        "Home Assistant has started: what it must know is said again.",
    ),
];
