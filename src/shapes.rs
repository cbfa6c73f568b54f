//! How values look when they have left the process, for schemas: the forms that a type of the language cannot tell. They hold
//! nothing; a field whose words are written by hand names one of them (`#[schemars(with = "...")]`).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! shape {
    ($(#[$doc:meta])* $name:ident, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

shape!(
    /// `2026-11-23T09:14:03.120Z`
    Time,
    {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"}
);
shape!(
    /// 0 to 1, with four digits; what is no number leaves as null.
    Share,
    {"type": ["number", "null"], "minimum": 0, "maximum": 1}
);
shape!(
    /// Milliseconds, in tenths.
    Millis,
    {"type": ["number", "null"], "minimum": 0}
);
shape!(
    /// Name of a node, camera or rule.
    Id,
    {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"}
);
shape!(
    /// 26 characters, sortable by time.
    Ulid,
    {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"}
);
shape!(
    /// Left, top, width, height, as fractions of the picture.
    Rectangle,
    {"type": "array", "items": {"type": ["number", "null"], "minimum": 0, "maximum": 1}, "minItems": 4, "maxItems": 4}
);
