//! The one pass over a received JSON text that later readers rely on.
//!
//! It checks the grammar (RFC 8259), counts nesting, and for packets with attachments checks that
//! every placeholder names one of them. It keeps no value and does not recurse: what is open is a
//! stack of bits, which takes no allocation. No text nests deeper than [`Limits::MAX_DEPTH`].
//!
//! Checked is what JavaScript checks: any number and any `\u` escape will do, half a surrogate pair
//! too, and members of one name may repeat (Socket.IO reference, section 1.8).

mod bits;
mod placeholders;
mod scanner;

use self::{
    placeholders::Placeholders,
    scanner::{Bytewise, Scanner, Unwatched, Windowed},
};
pub(super) use self::{placeholders::index, scanner::Event};
use crate::window;

/// The rule that a text breaks, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The object that ends here is a placeholder that names no attachment.
    IllegalAttachment { offset: usize },
    /// The text up to here can be JSON, what follows cannot.
    Syntax { offset: usize },
    /// The container that begins here is nested too deep.
    TooDeep { offset: usize },
    /// The object that ends here is one placeholder too many.
    TooManyPlaceholders { offset: usize },
}

/// How many placeholders a packet may have.
///
/// Encoders write one for each attachment (Socket.IO reference, section 1.7). Most types copy what a
/// placeholder names, so without a limit a short text would fill the memory with copies of one
/// attachment.
pub(super) const fn max_placeholders(attachments: usize) -> usize {
    let twice = attachments.saturating_mul(2);
    if twice < 16 { 16 } else { twice }
}

/// Checks that a text is one JSON value, perhaps with white space behind it, and returns the length
/// of the value.
///
/// White space in front of it is a fault: where a payload may begin, JavaScript reads white space
/// as an acknowledgement id (Socket.IO reference, section 1.3).
///
/// With attachments, an object whose member `_placeholder` is `true` has to have a member `num`
/// below their number. Members of placeholders are held to that too, though the reference drops
/// them unseen; and there may be no more than [`max_placeholders`]. Without attachments placeholders
/// are ordinary data.
pub(super) fn check(json: &str, max_depth: usize, attachments: usize) -> Result<usize, Fault> {
    if attachments > 0 {
        let placeholders = Placeholders::new(attachments);
        Scanner::<Windowed, _>::new(json, max_depth, placeholders).run()
    } else if json.len() < window::WIDTH {
        Scanner::<Bytewise, _>::new(json, max_depth, Unwatched).run()
    } else {
        Scanner::<Windowed, _>::new(json, max_depth, Unwatched).run()
    }
}

/// Checks an event's payload in the same way, which begins with a bracket, and finds the name in it.
#[inline]
pub(super) fn check_event(
    json: &str,
    max_depth: usize,
    attachments: usize,
) -> Result<Event, Fault> {
    if attachments > 0 {
        let placeholders = Placeholders::new(attachments);
        Scanner::<Windowed, _>::new(json, max_depth, placeholders).run_event()
    } else if json.len() < window::WIDTH {
        Scanner::<Bytewise, _>::new(json, max_depth, Unwatched).run_event()
    } else {
        Scanner::<Windowed, _>::new(json, max_depth, Unwatched).run_event()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec, vec::Vec};

    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::Value;

    use super::*;

    const VALID: &[&str] = &[
        "0",
        "-0",
        "-12.50e+3",
        "1E400",
        "12345678901234567890123456789",
        "true",
        "false",
        "null",
        r#""""#,
        r#""a\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00""#,
        r#""\ud800""#,
        "\"é😀\u{7f}\u{2028}\"",
        "[]",
        "{}",
        "[ ]",
        "{\t}",
        "[1,\"a\",[],{},null]",
        "{\"a\":1,\"a\":{\"b\":[{}]}, \"\" : \"\"}",
        "[\n1 ,\r\n[ [ ] ] ]",
    ];

    fn syntax(json: &str) -> Option<usize> {
        match check(json, 128, 0) {
            Err(Fault::Syntax { offset }) => Some(offset),
            _ => None,
        }
    }

    #[test]
    fn json_is_accepted_with_white_space_behind_it() {
        for json in VALID {
            assert_eq!(check(json, 128, 0), Ok(json.len()), "{json}");
            let padded = format!("{json} \t\r\n");
            assert_eq!(check(&padded, 128, 3), Ok(json.len()), "{json}");
        }
    }

    #[test]
    fn anything_else_is_refused_where_it_stops_being_json() {
        for (json, offset) in [
            ("", 0),
            (" 1", 0),
            ("\u{feff}1", 0),
            ("01", 1),
            ("-", 1),
            ("+1", 0),
            ("1.", 2),
            (".5", 0),
            ("1e", 2),
            ("1e+", 3),
            ("0x10", 1),
            ("NaN", 0),
            ("Infinity", 0),
            ("tru", 3),
            ("nulL", 3),
            ("truex", 4),
            ("'a'", 0),
            ("\"a", 2),
            ("\"\u{1}\"", 1),
            ("\"12345678\n\"", 9),
            ("\"\u{1f}\"", 1),
            (r#""\x""#, 2),
            (r#""\u12g4""#, 5),
            (r#""\"#, 2),
            ("[", 1),
            ("]", 0),
            ("[1", 2),
            ("[1,", 3),
            ("[1,]", 3),
            ("[,1]", 1),
            ("[1 2]", 3),
            ("[1}", 2),
            ("{", 1),
            ("{\"a\"", 4),
            ("{\"a\":", 5),
            ("{\"a\":}", 5),
            ("{\"a\" 1}", 5),
            ("{\"a\":1,}", 7),
            ("{a:1}", 1),
            ("{1:1}", 1),
            ("{\"a\":1]", 6),
            ("[]]", 2),
            ("[][]", 2),
            ("1 2", 2),
            ("[]\u{a0}", 2),
            ("[]//", 2),
        ] {
            assert_eq!(syntax(json), Some(offset), "{json:?}");
        }
    }

    #[test]
    fn every_proper_prefix_of_a_container_is_refused() {
        let json = r#"[{"a\u00e9":[1,-2.5e1,true,null,"x\n😀"]},{"_placeholder":true,"num":0}]"#;
        assert_eq!(check(json, 3, 1), Ok(json.len()));
        for (end, _) in json.char_indices() {
            assert_eq!(syntax(&json[..end]), Some(end));
        }
    }

    #[test]
    fn nesting_is_counted_and_limited_at_any_depth() {
        for limit in [0, 1, 63, 64, 65, 129, 300, 511, 512] {
            let nested = |depth: usize| {
                let (open, close) = (r#"[{"":"#, "}]");
                let mut json = String::from(open).repeat(depth / 2);
                json += if depth % 2 == 1 { "[]" } else { "0" };
                json + &close.repeat(depth / 2)
            };
            let json = nested(limit);
            assert_eq!(check(&json, limit, 0), Ok(json.len()), "{limit}");
            assert_eq!(check(&json, limit, 1), Ok(json.len()), "{limit}");
            let json = nested(limit + 1);
            assert!(
                matches!(check(&json, limit, 0), Err(Fault::TooDeep { .. })),
                "{limit}"
            );
        }
        assert_eq!(check("[1,[", 1, 0), Err(Fault::TooDeep { offset: 3 }));
        // What was closed is not open.
        assert_eq!(check("[[],{},[]]", 2, 0), Ok(10));
    }

    #[test]
    fn placeholders_that_name_an_attachment_pass() {
        for json in [
            "[]",
            r#"[{"_placeholder":true,"num":0}]"#,
            r#"{ "num" : 1 , "_placeholder" : true }"#,
            r#"{"\u005fplaceholder":true,"n\u0075m":1}"#,
            r#"{"x":[{"num":7}],"_placeholder":true,"y":{"num":7},"num":1}"#,
            r#"{"_placeholder":true,"num":9,"num":0}"#,
            r#"{"_placeholder":true,"num":-0}"#,
            r#"{"_placeholder":true,"num":-0.0}"#,
            r#"{"_placeholder":true,"num":1.0}"#,
            r#"{"_placeholder":true,"num":0.1e1}"#,
            r#"{"_placeholder":true,"num":10E-1}"#,
            // Ordinary data.
            r#"{"_placeholder":1,"num":9}"#,
            r#"{"_placeholder":"true","num":9}"#,
            r#"{"_placeholder":false,"num":9}"#,
            r#"{"_placeholder":[true],"num":9}"#,
            r#"{"_placeholder":true,"_placeholder":false,"num":9}"#,
            r#"{"_placeholder":true,"_placeholder":{},"num":9}"#,
            r#"{"_Placeholder":true,"num":9}"#,
            r#"{"_placeholder\u0000":true,"num":9}"#,
            r#"["_placeholder",true,"num",9]"#,
            r#"{"_placeholder":[],"a":true}"#,
        ] {
            assert_eq!(check(json, 128, 2), Ok(json.len()), "{json}");
        }
    }

    #[test]
    fn placeholders_that_name_none_are_refused_where_they_end() {
        for (member, is_last) in [
            (r#""num":2"#, true),
            (r#""num":-1"#, true),
            (r#""num":0.5"#, true),
            (r#""num":1e-1"#, true),
            (r#""num":1e400"#, true),
            (r#""num":18446744073709551616"#, true),
            (r#""num":4294967296"#, true),
            (r#""num":"0""#, true),
            (r#""num":"splice""#, true),
            (r#""num":null"#, true),
            (r#""num":true"#, true),
            (r#""num":[0]"#, true),
            (r#""num":{"num":0}"#, true),
            (r#""num":0,"num":null"#, true),
            (r#""Num":0"#, true),
            (r#""x":{"_placeholder":true},"num":0"#, false),
        ] {
            for (head, tail) in [
                ("{", r#","_placeholder":true}"#),
                (r#"{"_placeholder":true,"#, "}"),
            ] {
                let json = format!("[[{head}{member}{tail}],1]");
                let Err(Fault::IllegalAttachment { offset }) = check(&json, 128, 2) else {
                    panic!("{json} was accepted");
                };
                assert_eq!(offset + "],1]".len() == json.len(), is_last, "{json}");
                // Without attachments it is ordinary data.
                assert_eq!(check(&json, 128, 0), Ok(json.len()));
            }
        }
    }

    #[test]
    fn placeholders_are_counted_and_limited() {
        for (attachments, limit) in [(1, 16), (8, 16), (9, 18), (10, 20), (1_000, 2_000)] {
            let listed = |count: usize| {
                // However deep they are, and wherever.
                let pair = r#"{"_placeholder":true,"num":0,"a":[{"num":0,"_placeholder":true}]}"#;
                let last = r#",{"_placeholder":true,"num":0}"#;
                let pairs = vec![pair; count / 2].join(",");
                format!("[{pairs}{}]", last.repeat(count % 2))
            };
            for count in [limit - 1, limit] {
                let json = listed(count);
                assert_eq!(check(&json, 128, attachments), Ok(json.len()), "{count}");
            }
            let json = listed(limit + 1);
            let offset = json.len() - 1;
            let fault = Fault::TooManyPlaceholders { offset };
            assert_eq!(check(&json, 128, attachments), Err(fault));
            assert_eq!(check(&json, 128, 0), Ok(json.len()));
        }
    }

    /// Text that is JSON rather often.
    fn nearly_json(most: usize) -> impl Strategy<Value = String> {
        let tokens = prop::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"",
            "\\",
            "\"a\"",
            "\"\\u0041\"",
            "\"\\ud800\"",
            "0",
            "1",
            "-",
            ".",
            "e",
            "+",
            "true",
            "null",
            "false",
            " ",
            "\n",
            "\u{1}",
            "é",
            "[]",
            "{}",
            "{\"a\":",
            "[1,",
        ]);
        prop::collection::vec(tokens, 0..most).prop_map(|tokens| tokens.concat())
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_text_is_accepted_exactly_if_serde_json_accepts_it(json in nearly_json(12)) {
            let theirs: Result<IgnoredAny, _> = serde_json::from_str(&json);
            let leads = json.starts_with([' ', '\n']);
            prop_assert_eq!(check(&json, 128, 0).is_ok(), theirs.is_ok() && !leads);
        }

        /// Also where the window ends, and for the fronts of valid texts.
        #[test]
        fn strings_are_found_alike_with_and_without_a_window(
            noise in nearly_json(80),
            tree in prop::collection::vec(tree(), 0..4),
            padding in 0..130_usize,
            cut in any::<prop::sample::Index>(),
        ) {
            let tree = Value::from(tree);
            let padding = "x".repeat(padding);
            for json in [noise.clone(), format!("[\"{padding}\",{tree},{noise}]"), format!("{tree:#}")] {
                let places: Vec<usize> = json.char_indices().map(|(place, _)| place).collect();
                let front = places.get(cut.index(places.len() + 1)).map_or(&*json, |&end| &json[..end]);
                for json in [&*json, front] {
                    let with = Scanner::<Windowed, _>::new(json, 20, Unwatched).run();
                    let without = Scanner::<Bytewise, _>::new(json, 20, Unwatched).run();
                    prop_assert_eq!(with, without, "{}", json);
                    if json.starts_with('[') {
                        let with = Scanner::<Windowed, _>::new(json, 20, Unwatched).run_event();
                        let without = Scanner::<Bytewise, _>::new(json, 20, Unwatched).run_event();
                        prop_assert_eq!(with, without, "{}", json);
                    }
                }
            }
        }

        #[test]
        fn what_serde_json_writes_is_accepted(tree in tree()) {
            let json = format!("{tree}");
            prop_assert_eq!(check(&json, 128, 0), Ok(json.len()));
            let json = format!("{tree:#}");
            prop_assert_eq!(check(&json, 128, 1), Ok(json.len()));
        }
    }
}
