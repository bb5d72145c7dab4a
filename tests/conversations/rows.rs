//! The files, as far as both kinds are alike.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};

/// A file of rows.
#[derive(Debug)]
pub struct Document {
    pub path: String,
    config: Map<String, Value>,
    pub rows: Vec<Row>,
}

/// One row, not yet read.
#[derive(Debug)]
pub struct Row {
    pub id: String,
    pub value: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "named so that no other member passes")]
pub struct Conversation {
    id: String,
    title: String,
    cites: Value,
    reference: Value,
    pub config: Option<Map<String, Value>>,
    pub app: Option<String>,
    pub steps: Vec<Step>,
}

/// One input and what follows from it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    pub at: u64,
    #[serde(rename = "do")]
    pub input: String,
    pub name: String,
    pub method: String,
    pub query: String,
    pub headers: Map<String, Value>,
    pub body: Option<String>,
    pub text: Option<String>,
    pub hex: Option<String>,
    pub namespace: String,
    pub event: String,
    pub args: Value,
    pub message: String,
    pub data: Option<Value>,
    pub volatile: bool,
    pub ack: bool,
    pub timeout: Option<u64>,
    pub close: bool,
    pub within: Option<u64>,
    pub then: Vec<Value>,
    pub reference: Value,
}

impl Document {
    pub fn read(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("spec-vectors")
            .join(file);
        let text = fs::read_to_string(path).unwrap();
        let mut document: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let mut take = |name: &str| {
            let value = document.remove(name);
            value.unwrap_or_else(|| panic!("{file} has no {name}"))
        };
        assert_eq!(take("format"), 1, "{file} has another format");
        let document = match (take("rows"), take("path"), take("config")) {
            (Value::Array(rows), Value::String(path), Value::Object(config)) => {
                let rows = rows.into_iter().map(Row::new).collect();
                Self { path, config, rows }
            }
            other => panic!("{file}: {other:?}"),
        };
        let mut ids: Vec<&str> = document.rows.iter().map(|row| &*row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), document.rows.len(), "{file} repeats an id");
        document
    }

    /// The settings of the file, with those of a row in their place.
    pub fn config(&self, own: Option<&Map<String, Value>>) -> Map<String, Value> {
        let mut config = self.config.clone();
        config.extend(own.cloned().unwrap_or_default());
        config
    }
}

impl Row {
    pub fn new(value: Value) -> Self {
        let id = value["id"].as_str().unwrap().to_owned();
        Self { id, value }
    }

    pub fn parse<T: for<'a> Deserialize<'a>>(&self) -> T {
        let text = self.value.to_string();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.id))
    }

    pub fn cites(&self, cite: &Value) -> bool {
        self.value["cites"].as_array().unwrap().contains(cite)
    }
}

pub fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}
