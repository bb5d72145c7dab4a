//! Arguments one by one.

use core::{fmt, iter::FusedIterator};

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use super::{Args, ArgsError, Binary, transcode};
use crate::socket::de::{Decoder, Reader, Untyped};

/// One argument, as it came: validated, and decoded when asked. What [`Args`] says about decoding
/// holds for it, too.
#[derive(Clone, Copy)]
pub struct Arg<'a> {
    argument: usize,
    json: &'a str,
    attachments: &'a [Bytes],
}

impl<'a> Arg<'a> {
    /// Decodes it.
    ///
    /// # Errors
    ///
    /// When it is of another type than asked for.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, ArgsError> {
        let argument = self.argument;
        let decode =
            |decoder: &mut Decoder<'a>| T::deserialize(decoder).map_err(|error| error.at(argument));
        Ok(Decoder::attempt(self.json, self.attachments, decode)?)
    }

    /// The attachment, if it is one. Shares the buffer.
    pub fn binary(&self) -> Option<Binary> {
        let mut decoder = Decoder::new(self.json, self.attachments, Untyped::Bytes);
        let attachment = decoder.attachment().ok()??;
        Some(Binary(attachment.clone()))
    }

    /// The argument as JSON. Where there are attachments, `{"_placeholder":true,"num":k}` stands for number k
    /// of [`Args::attachments`].
    pub fn json(&self) -> &'a str {
        self.json
    }
}

impl fmt::Debug for Arg<'_> {
    /// Leaves out the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arg")
            .field("argument", &self.argument)
            .finish_non_exhaustive()
    }
}

impl Serialize for Arg<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        transcode::value(self.json, self.attachments, serializer)
    }
}

/// The arguments in order. Goes through the text once.
#[derive(Clone)]
pub struct ArgsIter<'a> {
    arguments: Reader<'a>,
    attachments: &'a [Bytes],
    next: usize,
}

impl<'a> ArgsIter<'a> {
    pub(super) fn new(args: &'a Args) -> Self {
        Self {
            arguments: Reader::new(args.json()),
            attachments: args.attachments(),
            next: 0,
        }
    }
}

impl<'a> Iterator for ArgsIter<'a> {
    type Item = Arg<'a>;

    fn next(&mut self) -> Option<Arg<'a>> {
        self.arguments.peek()?;
        let json = self.arguments.skip().ok()?;
        self.arguments.take(b',');
        let argument = self.next;
        self.next += 1;
        Some(Arg {
            argument,
            json,
            attachments: self.attachments,
        })
    }
}

impl FusedIterator for ArgsIter<'_> {}

impl fmt::Debug for ArgsIter<'_> {
    /// Leaves out the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgsIter")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec::Vec};

    use serde_json::{Value, json};

    use super::*;
    use crate::socket::{
        Packet,
        args::tests::{answer, event},
    };

    #[test]
    fn arguments_come_one_by_one_and_decode_by_themselves() {
        let attachments = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let args = event(
            r#"["a" , 1 ,{"b":{"num":1,"_placeholder":true}}, {"_placeholder":true,"num":0} ,"c,"]"#,
            &attachments,
        );
        let all: Vec<Arg<'_>> = args.iter().collect();
        assert_eq!(all.len(), args.len());
        assert_eq!(all[0].json(), "1");
        assert_eq!(all[0].parse(), Ok(1));
        assert_eq!(all[1].binary(), None);
        let inner: std::collections::BTreeMap<&str, &[u8]> = all[1].parse().unwrap();
        assert_eq!(inner["b"], b"two");
        assert_eq!(all[2].binary(), Some(Binary(attachments[0].clone())));
        assert_eq!(all[3].parse(), Ok("c,"));
        assert_eq!((&args).into_iter().count(), 4);
    }

    #[test]
    fn there_are_as_many_as_come() {
        for (list, len) in [
            ("[]", 0),
            ("[ ]", 0),
            ("[1]", 1),
            ("[ 1 , 2 ]", 2),
            (r#"[[1,2],{"a":[3,4],"b,":"],"},"\",",null]"#, 4),
            (r#"[",","\\",[[[]]],{"{":"}"}]"#, 4),
        ] {
            let args = answer(list, &[]);
            assert_eq!((args.len(), args.iter().count()), (len, len), "{list}");
            assert_eq!(args.is_empty(), len == 0);
        }
    }

    #[test]
    fn one_that_does_not_fit_is_named() {
        let args = answer(r#"[1,"two",null]"#, &[]);
        let errors: Vec<_> = args.iter().map(|arg| arg.parse::<u8>().err()).collect();
        let Some(ArgsError::Argument { argument, .. }) = errors[1] else {
            panic!("{errors:?}");
        };
        assert_eq!((argument, &errors[0]), (1, &None));
        assert_eq!(errors[1], args.get::<u8>(1).err());
        assert_eq!(errors[2], args.get::<u8>(2).err());
        assert_eq!(args.iter().nth(3).map(|arg| arg.json()), None);
    }

    #[test]
    fn one_is_sent_on_with_its_attachments() {
        let attachments = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let args = event(r#"["a",1,[{"_placeholder":true,"num":1}]]"#, &attachments);
        let last = args.iter().last().unwrap();
        let packet = Packet::event("b", &(last,)).unwrap().finish("/", None);
        assert_eq!(packet.text, r#"451-["b",[{"_placeholder":true,"num":0}]]"#);
        assert_eq!(packet.attachments(), &attachments[1..]);
        let value: Value = serde_json::to_value(last).unwrap();
        assert_eq!(value, json!([[116, 119, 111]]));
    }

    #[test]
    fn values_are_not_printed() {
        let args = answer(r#"["secret"]"#, &[]);
        let iter = args.iter();
        let printed = format!("{iter:?} {:?}", iter.clone().next());
        assert!(!printed.contains("secret"), "{printed}");
    }
}
