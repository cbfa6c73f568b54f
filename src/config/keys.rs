//! Every table and key of the config file, declared once: the reader, the suggestions for misspelt keys, the check of
//! the example file and a schema read them here. No reading and no meaning belongs here.

mod camera;

use self::camera::CAMERA;

/// What stands behind the `=` of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A list of strings.
    Texts,
    Switch,
    Whole,
    Number,
    /// A string such as "5s".
    Duration,
    /// A string such as "64MiB".
    Size,
    /// A string such as "12/min".
    Rate,
    /// A string out of these.
    Choice(&'static [&'static str]),
    /// A list of polygons, each a list of points `[x, y]`.
    Polygons,
    /// One polygon.
    Polygon,
}

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// A value as it is written in TOML.
    pub example: &'static str,
    /// Meaning and unit, for people.
    pub doc: &'static str,
    /// The default as it is written in TOML; `None`: no default, or one that depends on the machine (`doc` says so).
    pub default: Option<&'static str>,
    pub required: bool,
}

/// One table of the file.
#[derive(Debug)]
pub struct Table {
    /// As it stands in the file: `[mqtt]`, `[[camera]]`; empty for the top of the file.
    pub header: &'static str,
    /// Last part of the header's name.
    pub name: &'static str,
    /// Whether it is written with two brackets and may stand there many times.
    pub many: bool,
    pub doc: &'static str,
    pub keys: &'static [Key],
    pub tables: &'static [&'static Table],
}

impl Table {
    /// # Panics
    /// If the key is not declared: a slip of ours, which the tests find.
    pub(super) fn key(&self, name: &str) -> &'static Key {
        self.keys.iter().find(|key| key.name == name).expect("every key that is read is declared here")
    }

    /// # Panics
    /// If the table is not declared.
    pub(super) fn table(&self, name: &str) -> &'static Table {
        self.tables.iter().find(|table| table.name == name).expect("every table that is read is declared here")
    }

    /// What messages call it.
    #[must_use]
    pub fn place(&self) -> String {
        if self.header.is_empty() { "at the top of the file".to_owned() } else { format!("in `{}`", self.header) }
    }

    /// This table and all below it, top-down.
    #[must_use]
    pub fn all(&'static self) -> Vec<&'static Table> {
        let mut found = vec![self];
        found.extend(self.tables.iter().flat_map(|table| table.all()));
        found
    }
}

impl Key {
    const fn new(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Self {
        Self { name, kind, example, doc, default: None, required: false }
    }

    /// The example is the default.
    const fn default(mut self) -> Self {
        self.default = Some(self.example);
        self
    }

    const fn default_is(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// The whole file.
pub static FILE: Table = Table {
    header: "",
    name: "",
    many: false,
    doc: "The file.",
    keys: &[
        Key::new("node", Kind::Text, "\"garage\"", "Name of this box in topics. Default: the host name."),
        Key::new("stop_timeout", Kind::Duration, "\"5s\"", "How long a stop may take before what is left is given up.")
            .default(),
    ],
    tables: &[&LOG, &MQTT, &OUTBOX, &MODEL, &HTTP, &EXPLAIN, &PROBE, &CAMERA],
};

static LOG: Table = Table {
    header: "[log]",
    name: "log",
    many: false,
    doc: "What is logged, and how.",
    keys: &[
        Key::new(
            "filter",
            Kind::Text,
            "\"info,eyewitness::source=debug\"",
            "Levels, for all and per module. `RUST_LOG` wins. Default: \"info\".",
        ),
        Key::new(
            "format",
            Kind::Choice(&["auto", "text", "journal"]),
            "\"auto\"",
            "Lines of text to stderr, or fields to the systemd journal; `auto` looks where stderr goes.",
        )
        .default(),
    ],
    tables: &[],
};

static MQTT: Table = Table {
    header: "[mqtt]",
    name: "mqtt",
    many: false,
    doc: "The broker. Without this table events are only logged.",
    keys: &[
        Key::new(
            "url",
            Kind::Text,
            "\"mqtts://broker.lan:8883\"",
            "Address of the broker: `mqtt://` (port 1883) or `mqtts://` with TLS (port 8883).",
        )
        .required(),
        Key::new(
            "fallback_url",
            Kind::Text,
            "\"mqtts://spare.lan:8883\"",
            "A second broker, for when the first does not work; the keys below are for both. Default: none.",
        ),
        Key::new("username", Kind::Text, "\"eyewitness\"", "Name for the broker. Default: none."),
        Key::new("password", Kind::Text, "\"${MQTT_PASSWORD}\"", "Password for the broker. Default: none."),
        Key::new(
            "password_file",
            Kind::Text,
            "\"/run/credentials/eyewitness.service/secret_mqtt\"",
            "File that holds the password, instead of `password`.",
        ),
        Key::new(
            "ca_file",
            Kind::Text,
            "\"/etc/eyewitness/ca.pem\"",
            "PEM file of the authority that signed the broker's certificate. Default: the system's authorities.",
        ),
        Key::new("client_cert_file", Kind::Text, "\"/etc/eyewitness/client.pem\"", "PEM certificate for mutual TLS."),
        Key::new("client_key_file", Kind::Text, "\"/etc/eyewitness/client.key\"", "PEM key for mutual TLS."),
        Key::new(
            "verify",
            Kind::Switch,
            "true",
            "Whether the broker must prove who it is. `false` is for a test bench only.",
        )
        .default(),
        Key::new("prefix", Kind::Text, "\"eyewitness\"", "First level of every topic.").default(),
        Key::new("keep_alive", Kind::Duration, "\"30s\"", "A broker that is silent for longer counts as lost.")
            .default(),
        Key::new("home_assistant", Kind::Switch, "true", "Announces the cameras to Home Assistant.")
            .default_is("false"),
        Key::new(
            "home_assistant_prefix",
            Kind::Text,
            "\"homeassistant\"",
            "First level of Home Assistant's discovery topics, as it is set there.",
        )
        .default(),
        Key::new("snapshots", Kind::Choice(&["off", "event"]), "\"event\"", "Publishes a picture with every event.")
            .default_is("\"off\""),
        Key::new(
            "snapshot_width",
            Kind::Whole,
            "640",
            "Width of the pictures in pixels, 64 to 3840; a narrower frame stays as it is.",
        )
        .default(),
        Key::new("snapshot_quality", Kind::Whole, "75", "Quality of their JPEG, 1 to 100.").default(),
        Key::new(
            "response_prefix",
            Kind::Text,
            "\"house/answers\"",
            "Answers to questions may also go below this topic, if whoever asks wants them there. Default: only below \
             the camera's own `answer`.",
        ),
    ],
    tables: &[],
};

static OUTBOX: Table = Table {
    header: "[outbox]",
    name: "outbox",
    many: false,
    doc: "Where events wait while the broker is away.",
    keys: &[
        Key::new(
            "path",
            Kind::Text,
            "\"/var/lib/eyewitness/outbox\"",
            "Folder of the waiting events; \"off\" keeps them in memory. Default: `outbox` in the state folder.",
        ),
        Key::new("max_size", Kind::Size, "\"256MiB\"", "How much may wait; beyond it the oldest events go, counted.")
            .default(),
        Key::new("max_age", Kind::Duration, "\"7d\"", "How long an event may wait.").default(),
    ],
    tables: &[],
};

static MODEL: Table = Table {
    header: "[model]",
    name: "model",
    many: false,
    doc: "The model that describes the pictures.",
    keys: &[
        Key::new(
            "path",
            Kind::Text,
            "\"/usr/share/eyewitness/models/tiny\"",
            "Folder of the model set. Default: the set that comes with Eyewitness.",
        ),
        Key::new(
            "runtime",
            Kind::Text,
            "\"/opt/onnxruntime/lib/libonnxruntime.so\"",
            "The ONNX Runtime library. Default: `ORT_DYLIB_PATH`, then beside the program, in \
             `../lib/eyewitness` from there, then the system's library path.",
        ),
        Key::new(
            "provider",
            Kind::Choice(&["auto", "cpu", "cuda", "tensorrt", "openvino"]),
            "\"auto\"",
            "What the model runs on.",
        )
        .default(),
        Key::new(
            "precision",
            Kind::Choice(&["auto", "fp32", "fp16", "int8", "q4", "q4f16"]),
            "\"auto\"",
            "Which of the set's graphs is loaded.",
        )
        .default(),
        Key::new(
            "cache",
            Kind::Text,
            "\"/var/cache/eyewitness\"",
            "Where optimised graphs are kept, so that the next start is faster; `\"off\"` keeps none. Default: the cache \
             folder of the service or the user.",
        ),
        Key::new(
            "threads",
            Kind::Whole,
            "0",
            "Processor threads of the model; 0 takes the cores that decoding leaves.",
        )
        .default(),
        Key::new("prompt", Kind::Text, "\"Describe the scene.\"", "What the model is asked.").default(),
        Key::new(
            "max_tokens",
            Kind::Whole,
            "48",
            "Longest description, in tokens: a token is about three quarters of a word.",
        )
        .default(),
        Key::new(
            "check",
            Kind::Choice(&["auto", "on", "off"]),
            "\"auto\"",
            "Whether what a description names is asked back, and said otherwise if it is not there; `auto`: where the model set \
             says that it helps.",
        )
        .default(),
        Key::new("deadline", Kind::Duration, "\"10s\"", "An answer that takes longer is given up.").default(),
        Key::new("budget", Kind::Rate, "\"30/min\"", "Descriptions of all cameras together, at most.").default(),
        Key::new(
            "share",
            Kind::Number,
            "0.5",
            "Share of the time in which the model may be busy, for all cameras together: more than 0, at most 1.",
        )
        .default_is("1"),
    ],
    tables: &[],
};

static HTTP: Table = Table {
    header: "[http]",
    name: "http",
    many: false,
    doc: "The status page.",
    keys: &[
        Key::new(
            "listen",
            Kind::Text,
            "\"127.0.0.1:8089\"",
            "Address and port of the status page and the metrics; `\"off\"` for none.",
        )
        .default(),
        Key::new(
            "ask",
            Kind::Switch,
            "false",
            "Whether it takes questions about what the cameras see (POST /ask). Default: yes where `listen` is for this machine \
             only, no where others reach it.",
        ),
    ],
    tables: &[],
};

static EXPLAIN: Table = Table {
    header: "[explain]",
    name: "explain",
    many: false,
    doc: "The decision journal that `eyewitness explain` reads: why frames went no further.",
    keys: &[
        Key::new(
            "path",
            Kind::Text,
            "\"/var/lib/eyewitness/decisions\"",
            "Folder of the journal. Default: `decisions` in the state folder that systemd gives the service; else no journal.",
        ),
        Key::new("max_size", Kind::Size, "\"16MiB\"", "How much it may hold; beyond it the oldest goes.").default(),
    ],
    tables: &[],
};

static PROBE: Table = Table {
    header: "[[probe]]",
    name: "probe",
    many: true,
    doc: "Something that is asked back when a description names it, beside what the model set asks about.",
    keys: &[
        Key::new("name", Kind::Text, "\"bench\"", "Its name in events; one of the model set's takes that one's place.")
            .required(),
        Key::new("ask", Kind::Text, "\"Is there a bench?\"", "The question whose yes means that it is there.")
            .required(),
        Key::new(
            "words",
            Kind::Texts,
            "[\"bench\"]",
            "Words by which descriptions name it; plurals that end in s come by themselves.",
        )
        .required(),
        Key::new(
            "except",
            Kind::Texts,
            "[\"bench press\"]",
            "Phrases that hold one of the words and mean something else.",
        )
        .default_is("[]"),
        Key::new("bound", Kind::Number, "0.5", "Probability of yes below which a description that names it is wrong.")
            .default(),
    ],
    tables: &[],
};
