//! What a CONNECT says of a session that its client had (Socket.IO reference, "Protocol elements"
//! of recovery).

use core::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    random::PrivateId,
    socket::{
        Data,
        recovery::{Claim, Offset},
    },
};

/// What a client says about a session that it had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Says {
    /// That it had this one.
    Had(Claim),
    /// Nothing.
    Nothing,
    /// What cannot be one of ours.
    Wrong,
}

/// The members that count. Others are the application's.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    pid: Option<Member<'a>>,
    #[serde(borrow, default)]
    offset: Option<Member<'a>>,
}

/// A member that may have any type.
enum Member<'a> {
    Text(&'a str),
    Other,
}

/// Reads what a client sent along. Both members are texts, or it is not about recovery: an
/// application may have members of these names.
pub(super) fn read(auth: &Data) -> Says {
    let Ok(Members {
        pid: Some(Member::Text(pid)),
        offset: offset @ (None | Some(Member::Text(_))),
    }) = auth.parse::<Members<'_>>()
    else {
        return Says::Nothing;
    };
    let Some(pid) = PrivateId::from_wire(pid) else {
        return Says::Wrong;
    };
    let Some(Member::Text(offset)) = offset else {
        return Says::Had(Claim { pid, offset: None });
    };
    match Offset::read(offset) {
        Some(offset) => Says::Had(Claim {
            pid,
            offset: Some(offset),
        }),
        None => Says::Wrong,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyMember)
    }
}

struct AnyMember;

impl<'de> Visitor<'de> for AnyMember {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Text(text))
    }

    // One with escapes is none of ours: these need none.
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Member::Text(""))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::recovery::Position;

    fn says(json: &str) -> Says {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        read(&Data::new(&value).unwrap())
    }

    fn had(offset: Option<Position>) -> Says {
        let pid = PrivateId(*b"abcdefghijklmnopqrst");
        Says::Had(Claim { pid, offset })
    }

    #[test]
    fn a_claim_is_two_texts_among_others() {
        let pid = "\"pid\":\"abcdefghijklmnopqrst\"";
        assert_eq!(says(&format!("{{{pid}}}")), had(None));
        assert_eq!(
            says(&format!(
                "{{\"token\":[1,{{}}],{pid},\"offset\":\"--------0\"}}"
            )),
            had(Some(1))
        );
        for other in ["1", "-1", "1.5", "true", "[[]]", "{\"a\":1}"] {
            let auth = format!("{{{pid},\"offset\":{other}}}");
            assert_eq!(says(&auth), Says::Nothing, "{auth}");
            let auth = format!("{{\"pid\":{other}}}");
            assert_eq!(says(&auth), Says::Nothing, "{auth}");
        }
        assert_eq!(says("{}"), Says::Nothing);
        assert_eq!(says("{\"pid\":\"abc\"}"), Says::Wrong);
        assert_eq!(says("{\"pid\":\"abcdefghijklmnopqr\\\"t\"}"), Says::Wrong);
        assert_eq!(
            says(&format!("{{{pid},\"offset\":\"Q85WMuU\"}}")),
            Says::Wrong
        );
    }

    use alloc::format;
}
