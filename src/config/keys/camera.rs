//! `[[camera]]`, its gate and its rules.

use super::{Key, Kind, Table};

pub(super) static CAMERA: Table = Table {
    header: "[[camera]]",
    name: "camera",
    many: true,
    doc: "One camera; as many of these tables as there are cameras.",
    keys: &[
        Key::new(
            "id",
            Kind::Text,
            "\"front-door\"",
            "Name of the camera in topics: lower-case letters, digits, `-`, `_`.",
        )
        .required(),
        Key::new(
            "url",
            Kind::Text,
            "\"rtsp://10.0.0.20/stream1\"",
            "Where the frames come from: rtsp, rtsps, http, https, a file, v4l2:///dev/video0, csi://0 or test://.",
        )
        .required(),
        Key::new("enabled", Kind::Switch, "true", "Whether the camera is watched.").default(),
        Key::new("username", Kind::Text, "\"viewer\"", "Name for the camera. Default: none."),
        Key::new("password", Kind::Text, "\"${FRONT_DOOR}\"", "Password for the camera. Default: none."),
        Key::new(
            "password_file",
            Kind::Text,
            "\"/run/credentials/eyewitness.service/secret_front-door\"",
            "File that holds the password, instead of `password`.",
        ),
        Key::new("transport", Kind::Choice(&["tcp", "udp"]), "\"tcp\"", "How an rtsp camera sends its stream.")
            .default(),
        Key::new(
            "decode",
            Kind::Choice(&["auto", "all", "keyframes"]),
            "\"auto\"",
            "How much of the stream is decoded.",
        )
        .default(),
        Key::new(
            "decoder",
            Kind::Text,
            "\"avdec_h264\"",
            "GStreamer element that decodes. Default: the best that the machine has.",
        ),
        Key::new("fps", Kind::Number, "5", "Frames per second that are looked at, at most.").default(),
        Key::new("timeout", Kind::Duration, "\"20s\"", "A camera without a frame for so long counts as lost.")
            .default(),
        Key::new(
            "prompt",
            Kind::Text,
            "\"Describe what people are doing.\"",
            "What the model is asked about this camera. Default: the prompt of `[model]`.",
        ),
        Key::new(
            "view",
            Kind::Choice(&["whole", "region", "both"]),
            "\"region\"",
            "What the model sees: the whole picture, what moves with some margin, or both, one after the other. \
             Default: \"region\", and \"whole\" for a camera with rules, which may be about what does not move.",
        ),
        Key::new(
            "masks",
            Kind::Polygons,
            "[[[0.0, 0.0], [0.25, 0.0], [0.25, 0.1], [0.0, 0.1]]]",
            "Polygons in which nothing is looked at; points are fractions of width and height, from the top left.",
        )
        .default_is("[]"),
        Key::new(
            "zones",
            Kind::Polygons,
            "[[[0.0, 0.4], [1.0, 0.4], [1.0, 1.0], [0.0, 1.0]]]",
            "Polygons outside of which nothing starts or keeps an event; none: everywhere.",
        )
        .default_is("[]"),
        Key::new("loop", Kind::Switch, "true", "Whether a file starts again at its end.").default_is("false"),
        Key::new(
            "pace",
            Kind::Choice(&["real-time", "fast"]),
            "\"real-time\"",
            "How fast a file plays: as a camera would send it, or as fast as it can be read.",
        )
        .default(),
    ],
    tables: &[&GATE, &RULE],
};

static GATE: Table = Table {
    header: "[camera.gate]",
    name: "gate",
    many: false,
    doc: "When the model looks at this camera.",
    keys: &[
        Key::new("sensitivity", Kind::Number, "0.5", "0 sees only what is large and clear, 1 sees most.").default(),
        Key::new("settle", Kind::Duration, "\"2s\"", "This long without anything new in view ends the event.")
            .default(),
        Key::new("min_interval", Kind::Duration, "\"4s\"", "Shortest time between two descriptions of one event.")
            .default(),
        Key::new("refresh", Kind::Duration, "\"60s\"", "Longest time between them while the event goes on.").default(),
        Key::new(
            "reuse_for",
            Kind::Duration,
            "\"10m\"",
            "How old an answer may be that is used again; \"0s\" never does.",
        )
        .default(),
        Key::new("budget", Kind::Rate, "\"12/min\"", "Descriptions of this camera, at most.").default(),
        Key::new(
            "share",
            Kind::Number,
            "0.25",
            "Share of the time in which the model may be busy with this camera: more than 0, at most 1.",
        )
        .default_is("1"),
    ],
    tables: &[],
};

static RULE: Table = Table {
    header: "[[camera.rule]]",
    name: "rule",
    many: true,
    doc: "A question about this camera that is answered with yes, no or unsure.",
    keys: &[
        Key::new("id", Kind::Text, "\"parcel\"", "Name of the rule in topics.").required(),
        Key::new("ask", Kind::Text, "\"Is there a parcel on the ground?\"", "The question.").required(),
        Key::new(
            "ask_negated",
            Kind::Text,
            "\"Is the ground free of parcels?\"",
            "The question turned round, for model sets that answer better if asked both ways. Default: made from `ask` where \
             the set wants it and the form is plain.",
        ),
        Key::new(
            "when",
            Kind::Text,
            "\"event\"",
            "When it is asked: \"event\" (at an event's start, updates and end), a time such as \"10s\" (and so often while \
             the event goes on), \"always\" (and when nothing goes on).",
        )
        .default(),
        Key::new("every", Kind::Duration, "\"30s\"", "How often with `when = \"always\"`. Default: \"10s\"."),
        Key::new(
            "region",
            Kind::Polygon,
            "[[0.2, 0.6], [0.8, 0.6], [0.8, 1.0], [0.2, 1.0]]",
            "The part of the picture that it is about. Default: all of it.",
        ),
        Key::new(
            "on_above",
            Kind::Number,
            "0.8",
            "Probability from which on the answer is yes. Default: 0.75; 0.6 for a question that was fitted.",
        ),
        Key::new(
            "off_below",
            Kind::Number,
            "0.2",
            "Probability below which it is no; in between it is unsure. Default: 0.25; 0.4 for a question that was fitted.",
        ),
        Key::new("hold", Kind::Duration, "\"30s\"", "How long it stays on after the last yes.").default_is("\"0s\""),
        Key::new("agree", Kind::Text, "\"2 of 3\"", "How many of the last answers must say the same.")
            .default_is("\"1 of 1\""),
        Key::new("alert", Kind::Switch, "true", "Whether turning on is said in the event, which is sent for it if need be.")
            .default_is("false"),
    ],
    tables: &[],
};
