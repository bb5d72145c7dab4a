//! From received JSON text to any serializer, without a value in between.

use core::cell::RefCell;

use bytes::Bytes;
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap as _, SerializeSeq as _},
};

use super::{Args, Binary, tray::Tray};
use crate::socket::de::{self, Decoder, Untyped};

/// Serializes one value.
pub(super) fn value<S: Serializer>(
    json: &str,
    attachments: &[Bytes],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let decoder = RefCell::new(Decoder::new(json, attachments, Untyped::Bytes));
    Next(&decoder).serialize(serializer)
}

/// Serializes arguments as a list, or hands all of them to a serializer of ours.
pub(super) struct List<'a>(pub(super) &'a Args);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let args = self.0;
        let decoder = Decoder::new(args.json(), args.attachments(), Untyped::Bytes);
        let decoder = RefCell::new(decoder);
        let mut list = Tray::fill(serializer.serialize_seq(Some(args.len())), || args.clone())?;
        while peek(&decoder).is_some() {
            Next(&decoder).pass(|next| list.serialize_element(next))?;
            take(&decoder, b',');
        }
        list.end()
    }
}

/// The value that a decoder stands before.
struct Next<'a, 'de>(&'a RefCell<Decoder<'de>>);

impl Serialize for Next<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match peek(self.0) {
            Some(b'"') => {
                let text = self.0.borrow_mut().reader().string();
                serializer.serialize_str(&text.map_err(S::Error::custom)?)
            }
            Some(b'[') => self.serialize_array(serializer),
            Some(b'{') => {
                let attachment = self.0.borrow_mut().take_attachment();
                match attachment.map_err(S::Error::custom)? {
                    Some(attachment) => Binary(attachment.clone()).serialize(serializer),
                    None => self.serialize_object(serializer),
                }
            }
            _ => {
                let word = self.0.borrow_mut().reader().word();
                serialize_word(word.map_err(S::Error::custom)?, serializer)
            }
        }
    }
}

impl Next<'_, '_> {
    /// Passes the value, also when the serializer leaves it out.
    fn pass<E: Error>(&self, serialize: impl FnOnce(&Self) -> Result<(), E>) -> Result<(), E> {
        let at = || self.0.borrow_mut().reader().at();
        let before = at();
        serialize(self)?;
        if at() == before {
            let passed = self.0.borrow_mut().reader().skip();
            passed.map_err(E::custom)?;
        }
        Ok(())
    }

    fn serialize_array<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(None)?;
        take(self.0, b'[');
        while !take(self.0, b']') {
            self.pass(|next| array.serialize_element(next))?;
            take(self.0, b',');
        }
        array.end()
    }

    fn serialize_object<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        take(self.0, b'{');
        while !take(self.0, b'}') {
            let key = self.0.borrow_mut().reader().string();
            object.serialize_key(&*key.map_err(S::Error::custom)?)?;
            take(self.0, b':');
            self.pass(|next| object.serialize_value(next))?;
            take(self.0, b',');
        }
        object.end()
    }
}

fn serialize_word<S: Serializer>(word: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match word {
        "false" => serializer.serialize_bool(false),
        "null" => serializer.serialize_unit(),
        "true" => serializer.serialize_bool(true),
        number => serialize_number(number, serializer),
    }
}

fn serialize_number<S: Serializer>(number: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(number) = number.parse() {
        return serializer.serialize_u64(number);
    }
    if let Ok(number) = number.parse() {
        return serializer.serialize_i64(number);
    }
    // Many serializers know no wider whole numbers.
    let number = number.parse();
    serializer.serialize_f64(number.map_err(|_| S::Error::custom(de::Error::broken()))?)
}

fn peek(decoder: &RefCell<Decoder<'_>>) -> Option<u8> {
    decoder.borrow_mut().reader().peek()
}

fn take(decoder: &RefCell<Decoder<'_>>, byte: u8) -> bool {
    decoder.borrow_mut().reader().take(byte)
}
