//! Brings what a machine's `Debug` prints into a form that is equal for equal states.
//!
//! - Instants become spans from now: what follows depends on how far away a deadline is, not on when
//!   the server was started.
//! - Keys become the names that the world has for them, in the order of their making; a key whose
//!   owner is gone opens nothing, whichever it is, and is called `gone`. A key that the world has not
//!   heard of yet is numbered in the order in which it is printed.
//! - Vacant places of tables are left out, with the order in which they are given out again and the
//!   marks until when they rest: both only decide about the numbers in new keys. That a number is not
//!   given out too early is an invariant of its own. So are the gaps in lists of rooms, and where in a
//!   list somebody stands; lists by a number say the number.
//! - Settings, the generator, ids and statistics are left out: settings do not change, counters decide
//!   nothing, and an id is only ever compared for equality with those that the machine gave out.
//!
//! Payloads are printed as their lengths. That is enough: the world numbers the messages, an
//! invariant says that they come out in order without a gap, and the counts are part of the form.

use std::{collections::HashMap, fmt::Debug, fmt::Write as _};

use socketio_proto::time::Instant;

/// The names of the keys that the world knows, by what `Debug` prints for them.
#[derive(Debug, Default)]
pub struct Names(HashMap<(&'static str, u64, u64), String>);

impl Names {
    pub fn add(&mut self, key: &impl Debug, name: String) {
        let text = format!("{key:?}");
        let mut numbers = text
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok());
        let (index, generation) = (numbers.next().unwrap(), numbers.next().unwrap());
        self.0
            .insert((kind_of(&text).unwrap(), index, generation), name);
    }
}

fn kind_of(name: &str) -> Option<&'static str> {
    let mut kinds = TABLES.iter().map(|&(_, kind)| kind);
    kinds.find(|kind| name.starts_with(kind))
}

/// Where tables are, and whose names they hold.
const TABLES: &[(&str, &str)] = &[
    ("Acks.table.slots", "AckKey"),
    ("Namespaces.table.slots", "NamespaceKey"),
    ("lookups.slots", "LookupKey"),
    ("pending.slots", "PendingKey"),
    ("requests.slots", "RequestId"),
    ("sessions.slots", "SessionKey"),
    ("sockets.slots", "SocketKey"),
    ("transports.slots", "TransportId"),
];

/// Fields that do not change, that only count, or that only name.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "Sessions",
        &[
            "config",
            "handshake_tail",
            "parser",
            "random",
            "shortest_deadline",
            "initial",
            "stats",
        ],
    ),
    ("Broadcasts", &["last", "stamp", "stamps", "targets"]),
    ("Fifo", &["span"]),
    (
        "Keeper",
        &["config", "counters", "cut", "imported", "positions"],
    ),
    ("List", &["live"]),
    ("Log", &["first", "floor"]),
    ("Namespace", &["next_ack"]),
    ("Namespaces", &["first_ack"]),
    ("OpenTransport", &["codec", "headers", "limit"]),
    ("Outputs", &["queued", "taken"]),
    ("ReadBody", &["codec", "limit"]),
    ("Rooms", &["places", "vacant"]),
    ("Server", &["config", "counters", "ids", "origin"]),
    ("Session", &["id"]),
    ("Socket", &["id"]),
    ("Table", &["freed", "key", "resting"]),
];

/// Lists whose order or places say nothing: each entry names its owner.
const UNORDERED: &[&str] = &[
    "connections",
    "groups",
    "ids",
    "lanes",
    "live",
    "names",
    "routes",
    "singles",
];

/// Places where nobody is.
const VACANT: &[(&str, &str)] = &[
    ("entries", "4294967295"),
    ("joined", "List{entries=[],}"),
    ("rooms", "Room{name=None,members=List{entries=[],},}"),
    ("routes", "None"),
];

/// The form of a machine.
pub fn form(machine: &impl Debug, now: Instant, names: &mut Names) -> String {
    let text = format!("{machine:?}");
    let mut printer = Printer {
        rest: &text,
        now: now.as_micros(),
        names,
        unknown: 0,
        out: String::with_capacity(text.len() / 2),
    };
    printer.value("");
    assert_eq!(printer.rest, "", "what `Debug` prints is understood");
    printer.out
}

struct Printer<'a> {
    rest: &'a str,
    now: u64,
    names: &'a mut Names,
    unknown: usize,
    out: String,
}

impl<'a> Printer<'a> {
    fn skip(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => self.rest = rest,
            None => return false,
        }
        true
    }

    fn until(&mut self, ends: &[char]) -> &'a str {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text
    }

    /// One value; `field` is the field that holds it.
    fn value(&mut self, field: &str) {
        if self.rest.starts_with('"') {
            return self.string();
        }
        let before = self.rest;
        let name = self.until(&['(', '{', '[', ',', ')', '}', ']', '"']);
        let name = name.trim_end();
        self.rest = &before[name.len()..];
        if self.skip(" { ") {
            return match kind_of(name) {
                Some(kind) => self.key(kind),
                None => self.fields(name, field),
            };
        }
        if name == "Instant" && self.skip("(") {
            let micros: i128 = self.until(&[')']).parse().unwrap();
            self.skip(")");
            _ = write!(self.out, "{:+}", micros - i128::from(self.now));
            return;
        }
        self.out.push_str(name);
        for (open, close) in [("(", ")"), ("[", "]"), ("{", "}")] {
            if self.skip(open) {
                self.out.push_str(open);
                self.list(field, close);
                self.out.push_str(close);
                return;
            }
        }
    }

    fn string(&mut self) {
        let bytes = self.rest.as_bytes();
        let mut end = 1;
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let (text, rest) = self.rest.split_at(end + 1);
        self.out.push_str(text);
        self.rest = rest;
    }

    /// Values, or pairs of them, up to a bracket. Slots and lanes go by the names of their owners.
    fn list(&mut self, field: &str, close: &str) {
        let begin = self.out.len();
        let mut places = Vec::new();
        for index in 0.. {
            if self.skip(close) {
                break;
            }
            let (start, left) = (self.out.len(), self.rest.len());
            if self.rest.starts_with("Connection { owner: None") {
                self.value(field);
                self.out.truncate(start);
            } else if self.rest.starts_with("Slot {") {
                self.slot(field, index);
            } else {
                self.value(field);
                if self.skip(": ") {
                    self.out.push(':');
                    self.value(field);
                }
            }
            self.skip(", ");
            assert!(self.rest.len() < left, "no list goes on so: {}", self.rest);
            let place = &self.out[start..];
            if (place.starts_with("Lane") && place.contains("link=Closed"))
                || VACANT.contains(&(field, place))
            {
                self.out.truncate(start);
            }
            if self.out.len() > start {
                if field == "joined" || field == "rooms" {
                    self.out.insert_str(start, &format!("{index}:"));
                }
                self.out.push(',');
            }
            places.push(self.out[start..].to_owned());
        }
        if UNORDERED.contains(&field) || field.ends_with("slots") {
            places.sort_unstable();
            self.out.truncate(begin);
            self.out.extend(places);
        }
    }

    /// A place of a table: under the name of its key, or not at all.
    fn slot(&mut self, field: &str, index: u64) {
        let start = self.out.len();
        self.skip("Slot { generation: ");
        let generation: u64 = self.until(&[',']).parse().unwrap();
        self.skip(", value: ");
        let kind = TABLES.iter().find(|(place, _)| *place == field);
        let Some(&(_, kind)) = kind else {
            panic!("a table of {field}");
        };
        if self.rest.starts_with("None") {
            self.value(field);
            self.out.truncate(start);
        } else {
            self.named(kind, index, generation);
            self.out.push('=');
            self.value(field);
        }
        self.skip(" }");
    }

    fn fields(&mut self, name: &str, field: &str) {
        self.out.push_str(name);
        self.out.push('{');
        let left_out = LEFT_OUT
            .iter()
            .find(|(of, _)| *of == name)
            .map_or(&[][..], |&(_, fields)| fields);
        while !self.skip("}") {
            let (start, left) = (self.out.len(), self.rest.len());
            let inner = self.until(&[':', '}']).trim();
            if self.skip(": ") {
                let path = match name {
                    // A table does not say what it holds; the field that holds it does.
                    "Table" => format!("{field}.{inner}"),
                    _ if inner == "table" => format!("{name}.table"),
                    _ => inner.to_owned(),
                };
                _ = write!(self.out, "{inner}=");
                self.value(&path);
                self.out.push(',');
            }
            if left_out.contains(&inner) {
                self.out.truncate(start);
            }
            if !self.skip(", ") {
                self.skip(" ");
            }
            assert!(self.rest.len() < left, "no fields go on so: {}", self.rest);
        }
        self.out.push('}');
    }

    /// The rest of a key: `index: 0, generation: 1 }`.
    fn key(&mut self, kind: &'static str) {
        self.skip("index: ");
        let index = self.until(&[',']).parse().unwrap();
        self.skip(", generation: ");
        let generation = self.until(&[' ']).parse().unwrap();
        self.skip(" }");
        self.named(kind, index, generation);
    }

    fn named(&mut self, kind: &'static str, index: u64, generation: u64) {
        let unknown = &mut self.unknown;
        let name = self.names.0.entry((kind, index, generation));
        let name = name.or_insert_with(|| {
            *unknown += 1;
            format!("new {unknown}")
        });
        self.out.push_str(name);
    }
}
