//! Finds bytes of a kind, 64 at a time.
//!
//! What is sought stands close together in the texts of this protocol: quotes, separators. A search
//! that begins anew at each of them spends its time on beginning. Here the bytes of 64 places become
//! one bit each, all at once, and the places that follow in the same window cost a shift. The loop
//! has no branch and no index that depends on the data, so that compilers turn it into vector
//! instructions; there is no `unsafe` and none is needed.

use core::marker::PhantomData;

/// How many bytes are looked at together; a shorter text is not worth a window.
pub(crate) const WIDTH: usize = 64;

/// Which bytes are sought.
pub(crate) trait Sought {
    fn is(byte: u8) -> bool;
}

/// A window that moves forward over a text, block by block.
///
/// It does not hold the text: the same one has to be given with each call.
#[derive(Debug)]
pub(crate) struct Window<S> {
    /// Where it begins.
    start: usize,
    /// For each byte from there, the first one lowest, whether it is sought.
    bits: u64,
    /// The same for the block behind it: nothing waits for the bits when the window moves there.
    next: u64,
    sought: PhantomData<S>,
}

impl<S: Sought> Window<S> {
    pub(crate) fn new(text: &[u8]) -> Self {
        let (bits, next) = if is_short(text) {
            (0, 0)
        } else {
            (bits_at::<S>(text, 0), bits_at::<S>(text, WIDTH))
        };
        Self {
            start: 0,
            bits,
            next,
            sought: PhantomData,
        }
    }

    /// The first place from `from` on where a sought byte stands; the end of the text if there is
    /// none. `from` is within the text, and not before the place that was found last.
    #[inline]
    pub(crate) fn find(&mut self, text: &[u8], from: usize) -> usize {
        let shift = from.wrapping_sub(self.start);
        if shift < WIDTH {
            let bits = self.bits >> shift;
            if bits != 0 {
                return from + bits.trailing_zeros() as usize;
            }
        }
        self.find_beyond(text, from)
    }

    #[inline(never)]
    fn find_beyond(&mut self, text: &[u8], from: usize) -> usize {
        if is_short(text) {
            let rest = text.get(from..).unwrap_or_default();
            let place = rest.iter().position(|&byte| S::is(byte));
            return place.map_or(text.len(), |place| from + place);
        }
        loop {
            self.start += WIDTH;
            self.bits = self.next;
            self.next = bits_at::<S>(text, self.start + WIDTH);
            let shift = from.saturating_sub(self.start);
            if shift < WIDTH {
                let bits = self.bits >> shift;
                if bits != 0 {
                    return self.start + shift + bits.trailing_zeros() as usize;
                }
            }
        }
    }
}

/// Whether a text is not worth the making of a window: it is searched byte by byte.
fn is_short(text: &[u8]) -> bool {
    text.len() < WIDTH
}

/// The bits of the block that begins at a place; what lies beyond the text is sought, so that a
/// search ends there.
fn bits_at<S: Sought>(text: &[u8], start: usize) -> u64 {
    let rest = text.get(start..).unwrap_or_default();
    if let Some(block) = rest.first_chunk::<WIDTH>() {
        return bits::<S>(block);
    }
    let bits = match text.last_chunk::<WIDTH>() {
        Some(last) if !rest.is_empty() => bits::<S>(last) >> (WIDTH - rest.len()),
        _ => 0,
    };
    bits | u64::MAX << rest.len()
}

fn bits<S: Sought>(block: &[u8; WIDTH]) -> u64 {
    // Bit `j` of byte `i` stands for place 8j + i, so that words only have to be put together.
    let mut marks = [0_u8; WIDTH];
    for (i, (mark, &byte)) in marks.iter_mut().zip(block).enumerate() {
        *mark = u8::from(S::is(byte)) << (i / 8);
    }
    let (words, _) = marks.as_chunks::<8>();
    let columns = words
        .iter()
        .fold(0, |columns, &word| columns | u64::from_le_bytes(word));
    transpose(columns)
}

/// Exchanges the rows and columns of eight times eight bits (Hacker's Delight, 7-3).
const fn transpose(bits: u64) -> u64 {
    const fn swap(bits: u64, distance: u32, mask: u64) -> u64 {
        let moved = (bits ^ bits >> distance) & mask;
        bits ^ moved ^ moved << distance
    }

    let bits = swap(bits, 7, 0x00aa_00aa_00aa_00aa);
    let bits = swap(bits, 14, 0x0000_cccc_0000_cccc);
    swap(bits, 28, 0x0000_0000_f0f0_f0f0)
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    #[derive(Debug)]
    struct Quote;

    impl Sought for Quote {
        fn is(byte: u8) -> bool {
            byte == b'"'
        }
    }

    fn found(text: &[u8]) -> Vec<usize> {
        let mut window = Window::<Quote>::new(text);
        let mut places = Vec::new();
        let mut from = 0;
        loop {
            let place = window.find(text, from);
            if place == text.len() {
                return places;
            }
            places.push(place);
            from = place + 1;
        }
    }

    #[test]
    fn every_place_is_found_in_texts_of_every_length() {
        for len in 0..200 {
            for place in 0..len {
                let mut text = vec![b'x'; len];
                text[place] = b'"';
                assert_eq!(found(&text), [place], "{len}");
            }
            assert_eq!(found(&vec![b'"'; len]), (0..len).collect::<Vec<_>>());
            assert!(found(&vec![0x80; len]).is_empty());
        }
    }

    #[test]
    fn a_search_may_begin_anywhere_further_on() {
        let text: Vec<u8> = (0..1_000_u32)
            .map(|i| {
                if i % 7 == 3 || i % 31 == 0 {
                    b'"'
                } else {
                    b'a'
                }
            })
            .collect();
        for step in 1..300 {
            let mut window = Window::<Quote>::new(&text);
            let mut last = 0;
            for from in (0..=text.len()).step_by(step) {
                let from = from.max(last);
                let next = (from..text.len()).find(|&place| text[place] == b'"');
                let expected = next.unwrap_or(text.len());
                last = window.find(&text, from);
                assert_eq!(last, expected, "{from} by {step}");
            }
        }
    }

    #[test]
    fn a_place_is_a_bit_in_order() {
        for place in 0..WIDTH {
            let mut block = [0; WIDTH];
            block[place] = b'"';
            assert_eq!(bits::<Quote>(&block), 1 << place);
        }
    }
}
