//! A stack of bits that takes no allocation.

use crate::socket::decode::Limits;

/// As many as containers may nest.
const MAX: usize = Limits::MAX_DEPTH;
const WORD: usize = u64::BITS as usize;

/// One bit for every open container, the innermost on top.
#[derive(Debug, Default)]
pub(super) struct Bits {
    len: usize,
    words: [u64; MAX.div_ceil(WORD)],
}

impl Bits {
    /// How many more there is room for is not asked here: the scanner lets no text nest deeper.
    pub(super) fn push(&mut self, bit: bool) {
        debug_assert!(self.len < MAX, "nesting is limited");
        self.len += 1;
        self.set_top(bit);
    }

    pub(super) fn pop(&mut self) -> Option<bool> {
        let bit = self.top()?;
        self.len -= 1;
        Some(bit)
    }

    #[inline]
    pub(super) fn top(&self) -> Option<bool> {
        let place = self.len.checked_sub(1)?;
        let word = self.words.get(place / WORD)?;
        Some(word >> (place % WORD) & 1 == 1)
    }

    pub(super) fn set_top(&mut self, bit: bool) {
        let place = self.len.saturating_sub(1);
        if let Some(word) = self.words.get_mut(place / WORD) {
            *word = *word & !(1 << (place % WORD)) | u64::from(bit) << (place % WORD);
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_of_bits_is_one_at_any_length() {
        let bits = |i: usize| i.is_multiple_of(3) || i.is_multiple_of(7);
        let mut stack = Bits::default();
        for i in 0..MAX {
            stack.push(!bits(i));
            stack.set_top(bits(i));
        }
        for i in (0..MAX).rev() {
            assert_eq!((stack.len(), stack.top()), (i + 1, Some(bits(i))));
            assert_eq!(stack.pop(), Some(bits(i)));
        }
        assert_eq!((stack.top(), stack.pop(), stack.len()), (None, None, 0));
    }
}
