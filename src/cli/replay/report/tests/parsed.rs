//! A strict little reader of pages: every element that is opened is closed, in order; every attribute is quoted. Less
//! than a browser forgives, on purpose.

use serde_json::Value;

const VOID: [&str; 3] = ["meta", "img", "br"];

#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) elements: Vec<String>,
    /// Element, name, value.
    pub(super) attributes: Vec<(String, String, String)>,
    pub(super) ids: Vec<String>,
    scripts: Vec<String>,
}

impl Parsed {
    pub(super) fn new(page: &str) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut open: Vec<String> = Vec::new();
        let mut rest = page.strip_prefix("<!doctype html>").ok_or("no doctype")?;
        while let Some(start) = rest.find('<') {
            if rest[..start].contains('>') {
                return Err(format!("a stray `>` in {:?}", &rest[..start]));
            }
            let near: String = rest[start..].chars().take(80).collect();
            let end = start + end_of_tag(&rest[start..]).ok_or(format!("no end: {near}"))?;
            let tag = &rest[start + 1..end];
            rest = &rest[end + 1..];
            if let Some(name) = tag.strip_prefix('/') {
                let expected = open.pop();
                if expected.as_deref() != Some(name) {
                    return Err(format!("`{near}` closes {expected:?}"));
                }
                continue;
            }
            let (tag, alone) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let name = parsed.element(tag).ok_or(format!("attributes of {near}"))?;
            if name == "script" || name == "style" {
                let close = format!("</{name}>");
                let (inside, after) = rest.split_once(&close).ok_or("a script without end")?;
                parsed.scripts.push(inside.to_owned());
                rest = after;
            } else if !alone && !VOID.contains(&name.as_str()) {
                open.push(name);
            }
        }
        if open.is_empty() { Ok(parsed) } else { Err(format!("still open: {open:?}")) }
    }

    /// What the page's script reads.
    pub(super) fn data(&self) -> Value {
        let data = self.scripts.iter().find(|script| script.starts_with('{')).unwrap();
        serde_json::from_str(data).unwrap()
    }

    fn element(&mut self, tag: &str) -> Option<String> {
        let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        self.elements.push(name.to_owned());
        while !rest.trim_start().is_empty() {
            rest = rest.trim_start();
            let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            let Some(quoted) = after.strip_prefix("=\"") else {
                if !after.is_empty() && after.starts_with('=') {
                    return None;
                }
                rest = after;
                continue;
            };
            let (value, after) = quoted.split_once('"')?;
            if value.contains(['<', '>']) {
                return None;
            }
            if key == "id" {
                self.ids.push(value.to_owned());
            }
            self.attributes.push((name.to_owned(), key.to_owned(), value.to_owned()));
            rest = after;
        }
        Some(name.to_owned())
    }
}

/// The `>` that is not within quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}
