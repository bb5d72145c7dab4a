//! The laws of operations, on random texts of one and two code units per character.

use super::*;

/// Random numbers that the same seed repeats (`SplitMix64`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn text(&mut self, longest: usize) -> String {
        let length = self.below(longest + 1);
        let characters = ['a', 'b', '\n', 'ß', '漢', '😀', '😁', '🎈'];
        let some = (0..length).map(|_| characters[self.below(characters.len())]);
        some.collect()
    }

    /// An operation that fits a text.
    pub(crate) fn operation(&mut self, text: &[u16]) -> Operation {
        let mut operation = Operation::default();
        let text = String::from_utf16(text).unwrap();
        let mut rest = text.chars().peekable();
        while rest.peek().is_some() {
            let count = 1 + self.below(6);
            let length = rest.by_ref().take(count).map(char::len_utf16).sum();
            match self.below(4) {
                0 => operation.push(Step::Delete(length)),
                1 => {
                    operation.push(Step::Insert(self.text(4)));
                    operation.push(Step::Keep(length));
                }
                _ => operation.push(Step::Keep(length)),
            }
        }
        if self.below(3) == 0 {
            operation.push(Step::Insert(self.text(4)));
        }
        operation.trim()
    }
}

pub(crate) fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn read(json: &str) -> Operation {
    serde_json::from_str(json).unwrap()
}

fn apply(json: &str, text: &str) -> Result<String, Misfit> {
    let changed = read(json).apply(&units(text))?;
    Ok(String::from_utf16(&changed).unwrap())
}

#[test]
fn whichever_of_two_operations_comes_first_the_text_is_the_same() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let text = units(&random.text(30));
        let (one, other) = (random.operation(&text), random.operation(&text));

        let (late_one, late_other) = Operation::transform(&one, &other);

        let here = late_other.apply(&one.apply(&text).unwrap());
        let there = late_one.apply(&other.apply(&text).unwrap());
        assert_eq!(here, there, "seed {seed}: {one:?} and {other:?}");
        let text = String::from_utf16(&here.unwrap());
        assert!(text.is_ok(), "seed {seed}: half a character");
    }
}

#[test]
fn steps_keep_insert_and_delete() {
    for (operation, text, changed) in [
        ("[]", "abc", "abc"),
        (r#"["x"]"#, "", "x"),
        (r#"[1,"x"]"#, "abc", "axbc"),
        (r#"[1,-1,"x"]"#, "abc", "axc"),
        ("[-3]", "abc", ""),
        ("[2,-2]", "ab😀", "ab"),
        (r#"[1,"😀",2,-1]"#, "a😁b", "a😀😁"),
    ] {
        assert_eq!(
            apply(operation, text).as_deref(),
            Ok(changed),
            "{operation}"
        );
    }
}

#[test]
fn no_operation_reaches_beyond_the_end_or_cuts_a_character() {
    for operation in [
        "[4]",
        "[-4]",
        "[2,-2]",
        "[2]",
        r#"[2,"x"]"#,
        "[2,-1]",
        "[1,-1]",
    ] {
        let longer = format!("{}]", operation.trim_end_matches(']')).replace(']', ",\"!\"]");
        assert_eq!(apply(&longer, "a😀"), Err(Misfit), "{operation}");
    }
}

#[test]
fn of_two_inserts_at_one_place_that_of_the_first_comes_first() {
    let (first, second) = (read(r#"[1,"one"]"#), read(r#"[1,"two"]"#));

    let (first, second) = Operation::transform(&first, &second);

    assert_eq!(first, read(r#"[1,"one"]"#));
    assert_eq!(second, read(r#"[4,"two"]"#));
}

#[test]
fn an_insert_into_what_another_deletes_stays() {
    let (delete, insert) = (read("[1,-4]"), read(r#"[3,"x"]"#));

    let (delete, insert) = Operation::transform(&delete, &insert);

    assert_eq!(delete, read("[1,-2,1,-2]"));
    assert_eq!(insert, read(r#"[1,"x"]"#));
}

#[test]
fn operations_are_short_on_the_wire_and_come_back() {
    let written = serde_json::to_string(&read(r#"[1,2,"a","b",0,-1,-1,"",7]"#)).unwrap();
    assert_eq!(written, r#"[3,"ab",-2]"#);

    let many = format!("[{}1]", "1,".repeat(STEP_LIMIT));
    for bad in [
        &many,
        "5",
        "[null]",
        "[1.5]",
        "[1000001]",
        "[-1000001]",
        "[99999999999]",
    ] {
        assert!(serde_json::from_str::<Operation>(bad).is_err(), "{bad}");
    }
}
