//! Request targets.

use proptest::{prelude::*, sample::select};
use socketio_proto::engine::target::{Eio, MAX_SESSION_ID, TransportName, parse};

/// Text that is a target of ours rather often.
fn nearly_targets() -> impl Strategy<Value = String> {
    let token = select(vec![
        "/socket.io/",
        "?",
        "&",
        "=",
        "#",
        "%",
        "%4",
        "%41",
        "%zz",
        "+",
        "sid",
        "EIO",
        "4",
        "j",
        "b64",
        "transport",
        "polling",
        "é",
        "%c3%a9",
        "\u{0}",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|it| it.concat())
}

fn escaped(text: &str) -> String {
    use core::fmt::Write as _;

    text.bytes().fold(String::new(), |mut escaped, byte| {
        write!(escaped, "%{byte:02X}").unwrap();
        escaped
    })
}

proptest! {
    #[test]
    fn any_text_within_the_limits_has_a_query(target in prop_oneof![nearly_targets(), any::<String>()]) {
        match parse(&target) {
            Ok(query) => {
                let sid = query.sid.as_deref().unwrap_or("-");
                prop_assert!(!sid.is_empty() && sid.len() <= MAX_SESSION_ID);
            }
            // The only limit that so short a text passes.
            Err(error) => prop_assert!(error.to_string().starts_with("the session id has"), "{error}"),
        }
    }

    #[test]
    fn parameters_are_found_in_any_order_and_in_any_spelling(
        sid in "\\PC{1,16}", index in ".{0,8}", others in prop::collection::vec("[a-z]{2,6}=[^&#]{0,6}", 0..4),
        order in Just((0..4_usize).collect::<Vec<_>>()).prop_shuffle(), is_plain: bool,
    ) {
        prop_assume!(sid.len() <= MAX_SESSION_ID);
        prop_assume!(others.iter().all(|it| !it.starts_with("sid=") && !it.starts_with("transport=")));
        let spelled = |text: &str| if is_plain { text.to_owned() } else { escaped(text) };
        let ours = [
            format!("{}={}", spelled("EIO"), spelled("4")),
            format!("{}={}", spelled("transport"), spelled("polling")),
            format!("{}={}", spelled("sid"), escaped(&sid)),
            format!("{}={}", spelled("j"), escaped(&index)),
        ];
        let ours = order.iter().map(|&place| ours[place].clone());
        let target = format!("/socket.io/?{}", others.into_iter().chain(ours).collect::<Vec<_>>().join("&"));

        let query = parse(&target).unwrap();

        prop_assert_eq!(query.eio, Eio::V4);
        prop_assert_eq!(query.transport, Some(TransportName::Polling));
        prop_assert_eq!(query.sid.as_deref(), Some(&*sid));
        prop_assert_eq!(query.jsonp.as_deref(), Some(&*index));
    }

    #[test]
    fn every_front_of_a_target_has_a_query(target in nearly_targets()) {
        for (end, _) in target.char_indices() {
            let _ = parse(&target[..end]);
        }
    }
}
