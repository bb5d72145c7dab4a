//! Ids that are random: `$name` stands for one, and for the same one from then on. Different names
//! stand for different ids.

use std::collections::BTreeMap;

use serde_json::Value;

/// What placeholders stand for.
#[derive(Debug, Default)]
pub struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Whether the outputs are those expected; binds placeholders that were not bound before.
    pub fn matches(&mut self, expected: &[Value], seen: &[Value]) -> bool {
        expected.len() == seen.len() && expected.iter().zip(seen).all(|(e, s)| self.agrees(e, s))
    }

    fn agrees(&mut self, expected: &Value, seen: &Value) -> bool {
        match (expected, seen) {
            (Value::String(pattern), Value::String(text)) => self.reads(pattern, text),
            (Value::Array(expected), Value::Array(seen)) => self.matches(expected, seen),
            (Value::Object(expected), Value::Object(seen)) => {
                expected.len() == seen.len()
                    && expected.iter().all(|(name, value)| {
                        seen.get(name)
                            .is_some_and(|found| self.agrees(value, found))
                    })
            }
            _ => expected == seen,
        }
    }

    fn reads(&mut self, pattern: &str, text: &str) -> bool {
        let Some((head, tail)) = pattern.split_once('$') else {
            return pattern == text;
        };
        let Some(text) = text.strip_prefix(head) else {
            return false;
        };
        let (name, rest) = split_name(tail);
        let end = text
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
            .unwrap_or(text.len());
        let (id, after) = text.split_at(end);
        let is_free = || self.0.values().all(|other| other != id);
        let agrees = match self.0.get(name) {
            Some(known) => known == id,
            None => !id.is_empty() && is_free(),
        };
        if agrees {
            self.0.insert(name.to_owned(), id.to_owned());
        }
        agrees && self.reads(rest, after)
    }

    /// Puts ids in the place of their placeholders.
    pub fn fill(&self, pattern: &str) -> Result<String, String> {
        let Some((head, tail)) = pattern.split_once('$') else {
            return Ok(pattern.to_owned());
        };
        let (name, rest) = split_name(tail);
        let id = self
            .0
            .get(name)
            .ok_or_else(|| format!("${name} is not bound"))?;
        Ok(format!("{head}{id}{}", self.fill(rest)?))
    }
}

/// A name is lower-case letters and digits.
fn split_name(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[test]
fn a_placeholder_is_bound_once() {
    let mut ids = Ids::default();
    assert!(ids.reads(r#"0{"sid":"$sid"}"#, r#"0{"sid":"a-_9"}"#));
    assert!(ids.reads("$sid", "a-_9"));
    assert!(!ids.reads("$other", "a-_9"), "it belongs to another name");
    assert!(!Ids::default().reads("$sid", ""));
    assert_eq!(ids.fill("x=$sid&").unwrap(), "x=a-_9&");
    assert!(ids.fill("$new").is_err());
    assert!(!ids.reads("$sid", "a-_8"), "it has another id");
}
