//! TOML to `Config`, or all problems at once with line, caret and help.
