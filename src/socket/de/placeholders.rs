//! Where attachments stand in the text.

use alloc::vec::Vec;

use super::{Error, reader::Reader};
use crate::socket::json::index;

/// The placeholders of a text: where each begins and which attachment it stands for.
///
/// A placeholder is an object at any depth whose member `_placeholder` is exactly `true`; its
/// member `num` is the index, other members do not count (Socket.IO reference, section 1.6). As in
/// JavaScript the last of several members with the same name counts.
#[derive(Debug)]
pub(super) struct Placeholders {
    // Ascending by the first field.
    found: Vec<(usize, usize)>,
}

/// What is known of an object before its end.
struct Open {
    start: usize,
    marked: bool,
    index: Option<usize>,
}

impl Placeholders {
    /// Finds them in one pass, however deep the text.
    pub(super) fn of(text: &str) -> Result<Self, Error> {
        let mut reader = Reader::new(text);
        let mut open = Vec::new();
        let mut found = Vec::new();
        while let Some(byte) = reader.peek() {
            match byte {
                b'{' => open.push(Open {
                    start: reader.at(),
                    marked: false,
                    index: None,
                }),
                b'}' => found.extend(open.pop().and_then(|object: Open| object.placeholder())),
                b'"' => {
                    let string = reader.string()?;
                    if reader.peek() == Some(b':')
                        && let Some(object) = open.last_mut()
                    {
                        object.note(&string, reader);
                    }
                    continue;
                }
                b'[' | b']' | b',' | b':' => {}
                _ => {
                    reader.word()?;
                    continue;
                }
            }
            reader.take(byte);
        }
        found.sort_unstable();
        Ok(Self { found })
    }

    /// The index of the attachment that the object beginning at `start` stands for.
    pub(super) fn at(&self, start: usize) -> Option<usize> {
        let place = self.found.binary_search_by_key(&start, |entry| entry.0);
        self.found.get(place.ok()?).map(|entry| entry.1)
    }
}

impl Open {
    /// Takes note of a member; `reader` stands before its colon.
    fn note(&mut self, key: &str, mut reader: Reader<'_>) {
        reader.take(b':');
        match key {
            "_placeholder" => self.marked = reader.word() == Ok("true"),
            "num" => self.index = reader.word().ok().and_then(index),
            _ => {}
        }
    }

    fn placeholder(&self) -> Option<(usize, usize)> {
        self.marked.then_some((self.start, self.index?))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn found(text: &str) -> Vec<(usize, usize)> {
        Placeholders::of(text).expect("the text is JSON").found
    }

    #[test]
    fn placeholders_are_found_however_they_are_written() {
        for (text, index) in [
            (r#"{"_placeholder":true,"num":0}"#, 0),
            (r#"{ "num" : 1 , "_placeholder" : true }"#, 1),
            (r#"{"\u005fplaceholder":true,"n\u0075m":2}"#, 2),
            (r#"{"x":[{}],"_placeholder":true,"y":{"num":7},"num":3}"#, 3),
            (
                r#"{"_placeholder":false,"num":9,"_placeholder":true,"num":4}"#,
                4,
            ),
            (r#"{"_placeholder":true,"num":-0}"#, 0),
            (r#"{"_placeholder":true,"num":-0.0}"#, 0),
            (r#"{"_placeholder":true,"num":5.0}"#, 5),
            (r#"{"_placeholder":true,"num":0.1e2}"#, 10),
        ] {
            assert_eq!(found(text), vec![(0, index)], "{text}");
        }
    }

    #[test]
    fn look_alikes_are_not_placeholders() {
        for text in [
            r#"{"_placeholder":1,"num":0}"#,
            r#"{"_placeholder":"true","num":0}"#,
            r#"{"_placeholder":true,"_placeholder":false,"num":0}"#,
            r#"{"_placeholder":[true],"num":0}"#,
            r#"{"_placeholder":true}"#,
            r#"{"_placeholder":true,"num":"0"}"#,
            r#"{"_placeholder":true,"num":0.5}"#,
            r#"{"_placeholder":true,"num":-1}"#,
            r#"{"a":{"_placeholder":true},"num":0}"#,
            r#"["_placeholder",true,"num",0]"#,
        ] {
            assert_eq!(found(text), vec![], "{text}");
        }
    }

    #[test]
    fn places_are_those_of_the_opening_braces() {
        let text = r#" 1 , {"a":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0}"#;
        let places = Placeholders::of(text).expect("the text is JSON");

        assert_eq!(places.at(11), Some(1));
        assert_eq!(places.at(43), Some(0));
        assert_eq!(places.at(5), None);
    }
}
