//! Placeholders of attachments, however they are written.

use bytes::Bytes;
use proptest::{prelude::*, sample::select};
use socketio_proto::socket::{Assembler, Binary, Fragment};

use crate::{any::Any, decode};

/// How many attachments the packets here have: all that the default allows.
const ATTACHMENTS: usize = 10;

/// The text of a placeholder and the attachment that it names.
fn placeholders() -> impl Strategy<Value = (String, usize)> {
    let space = || select(vec!["", " ", "\n", "\t \r"]);
    let number = (0..ATTACHMENTS, 0..6_u8).prop_map(|(index, spelling)| {
        let text = match (spelling, index) {
            (0, 0) => "-0".to_owned(),
            (1, _) => format!("{index}.0"),
            (2, _) => format!("{index}E0"),
            (3, 1..) => format!("{index}000e-3"),
            (4, _) => format!("0.{index}e+1"),
            _ => index.to_string(),
        };
        (text, index)
    });
    let marker = select(vec![r#""_placeholder""#, r#""\u005fplaceholder""#]);
    let name = select(vec![r#""num""#, r#""n\u0075m""#]);
    // What does not count: other members, and earlier ones of the same names.
    let others = prop::collection::vec(
        select(vec![
            r#""x":{"num":99}"#,
            r#""":[{"_placeholder":false}]"#,
            r#""NUM":7"#,
            r#""num ":8"#,
            r#""y":"\"_placeholder\":false""#,
        ]),
        0..3,
    );
    let earlier = prop::collection::vec(
        select(vec![
            r#""_placeholder":false"#,
            r#""num":1.5"#,
            r#""num":{}"#,
            r#""n\u0075m":99"#,
            r#""_placeholder":[true]"#,
            r#""num":"0""#,
        ]),
        0..3,
    );
    let members = (
        number,
        marker,
        name,
        others,
        earlier,
        any::<bool>(),
        any::<bool>(),
    );
    (members, [space(), space(), space(), space()]).prop_map(|(members, space)| {
        let ((number, index), marker, name, others, earlier, is_swapped, are_last) = members;
        let [a, b, c, d] = space;
        let mut pair = [
            format!("{marker}{a}:{b}true"),
            format!("{name}{c}:{number}"),
        ];
        if is_swapped {
            pair.reverse();
        }
        let mut all: Vec<String> = earlier.into_iter().map(str::to_owned).collect();
        let others = others.into_iter().map(str::to_owned);
        let place = if are_last { all.len() } else { 0 };
        all.splice(place..place, others);
        all.extend(pair);
        (
            format!("{{{d}{}{a}}}", all.join(&format!("{b},{c}"))),
            index,
        )
    })
}

fn attachments() -> Vec<Bytes> {
    let attachment = |index| Bytes::from(format!("attachment {index}"));
    (0..ATTACHMENTS).map(attachment).collect()
}

proptest! {
    #[test]
    fn however_they_are_written_they_name_the_same_attachments(
        placeholders in prop::collection::vec(placeholders(), 0..10), is_deep: bool
    ) {
        let (texts, indices): (Vec<String>, Vec<usize>) = placeholders.into_iter().unzip();
        let element = |text: &String| if is_deep { format!("[{{\"x\":{text}}}]") } else { text.clone() };
        let list: Vec<String> = texts.iter().map(element).collect();
        let text = format!("5{ATTACHMENTS}-[\"a\",[{}]]", list.join(" ,\n"));

        let mut assembler = Assembler::new();
        let packet = decode(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        prop_assert_eq!(assembler.push(Fragment::Packet(packet)), Ok(None));
        let mut whole = None;
        for attachment in attachments() {
            prop_assert_eq!(whole, None);
            whole = assembler.push(Fragment::Attachment(attachment)).unwrap();
        }
        let args = whole.unwrap().into_args();

        let named: Vec<&Bytes> = indices.iter().map(|&index| &args.attachments()[index]).collect();
        if is_deep {
            let value = |bytes: &&Bytes| {
                Any::List(vec![Any::Object(vec![("x".into(), Any::Bytes(bytes.to_vec()))])])
            };
            let expected = named.iter().map(value).collect();
            prop_assert_eq!(args.get(0), Ok(Any::List(expected)));
        } else {
            let read: Vec<Binary> = args.get(0).unwrap();
            let shared = read.iter().zip(&named).all(|(a, b)| a.0.as_ptr() == b.as_ptr());
            prop_assert!(shared && read.len() == named.len(), "{}", text);
        }
    }
}
