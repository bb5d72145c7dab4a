//! Bytes of our own: numbers of variable length, and texts with their lengths before them.

use alloc::vec::Vec;

use bytes::Bytes;
use bytestring::ByteString;

/// Writes.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            // Seven bits, and a mark that more follow.
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push((number & 0x7f) as u8);
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(flag.into());
    }

    pub(super) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Reads what a [`Writer`] wrote. Nothing is believed: a length beyond the end is no length.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?.first().copied()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number of things, each of which takes a byte at least.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    pub(super) fn raw<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.count()?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Option<ByteString> {
        let text = core::str::from_utf8(self.bytes()?).ok()?;
        Some(ByteString::from(text))
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.take(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    /// A list, each element of which takes a byte at least.
    pub(super) fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.count()?;
        // Its room grows with what is there, not with what is claimed.
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(element(self)?);
        }
        Some(list)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_that_does_not_fit_is_none() {
        let nine = [0xff; 9];
        let with = |last: u8| [&nine[..], &[last]].concat();
        assert_eq!(Reader::new(&with(1)).number(), Some(u64::MAX));
        assert_eq!(Reader::new(&with(2)).number(), None);
        assert_eq!(Reader::new(&with(0x81)).number(), None);
        assert_eq!(Reader::new(&nine).number(), None);
    }

    #[test]
    fn a_length_beyond_the_end_is_none() {
        assert_eq!(Reader::new(&[3, b'a', b'b']).bytes(), None);
        assert_eq!(Reader::new(&[0xff, 0xff, 3, 0]).list(Reader::flag), None);
        assert_eq!(Reader::new(&[1, 0xff]).text(), None);
        assert_eq!(Reader::new(&[2]).flag(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(number: u64, text: String, flag: bool) {
            let mut writer = Writer::default();
            writer.number(number);
            writer.bytes(text.as_bytes());
            writer.flag(flag);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.text(), Some(ByteString::from(text)));
            prop_assert_eq!(reader.flag(), Some(flag));
            prop_assert!(reader.is_at_end());
        }
    }
}
