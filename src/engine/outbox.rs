//! What waits for one client, and how it leaves in batches of whole packets.

use alloc::{
    collections::{VecDeque, vec_deque::Drain},
    sync::Arc,
    vec::Vec,
};
use core::iter;

use bytes::Bytes;

use super::payload;
use crate::edge::{Batch, Frame, FrameKind, batch_of};

/// Added to the bytes of each queued packet, for what keeping it costs.
const PACKET_COST: usize = 64;

/// One packet to send: a frame, and the binary frames that belong to it.
///
/// A clone shares every buffer, so a broadcast is one encoding.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: Frame,
    pub(crate) attachments: Option<Arc<[Bytes]>>,
}

impl Outgoing {
    /// A text packet whose payload is finished, its type digit included.
    pub(crate) const fn text(payload: Bytes) -> Self {
        Self {
            frame: Frame {
                kind: FrameKind::Text,
                payload,
                compress: true,
                shared: None,
            },
            attachments: None,
        }
    }

    /// A constant packet of the protocol.
    pub(crate) const fn fixed(payload: &'static str) -> Self {
        let mut packet = Self::text(Bytes::from_static(payload.as_bytes()));
        packet.frame.compress = false;
        packet
    }

    /// What it counts for while it waits.
    pub(crate) fn cost(&self) -> usize {
        let attachments = self.attachments.iter().flat_map(|list| list.iter());
        attachments.fold(self.frame.payload.len() + PACKET_COST, |sum, bytes| {
            sum + bytes.len() + PACKET_COST
        })
    }

    /// What it adds to a polling body, the separator included.
    fn encoded_len(&self) -> usize {
        let frames = self.clone().into_frames();
        frames.fold(0, |sum, frame| sum + payload::encoded_len(&frame) + 1)
    }

    /// Its frames, in order.
    fn into_frames(self) -> impl Iterator<Item = Frame> {
        let compress = self.frame.compress;
        let attachments = self.attachments;
        let count = attachments.as_ref().map_or(0, |list| list.len());
        let rest = (0..count).filter_map(move |i| {
            Some(Frame {
                kind: FrameKind::Binary,
                payload: attachments.as_ref()?.get(i)?.clone(),
                compress,
                shared: None,
            })
        });
        iter::once(self.frame).chain(rest)
    }

    /// It alone, as a batch.
    pub(crate) fn into_batch(self) -> Batch {
        let rest = match self.attachments {
            // Most packets are one frame: a broadcast goes through here once per recipient.
            None => Vec::new(),
            Some(_) => self.clone().into_frames().skip(1).collect(),
        };
        Batch {
            first: self.frame,
            rest,
        }
    }
}

/// The packets that wait for one client, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    packets: VecDeque<Outgoing>,
    // Invariant: the sum of `cost` over `packets`.
    queued: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Bytes that wait, each packet counted with 64 bytes added.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    pub(crate) fn push(&mut self, packet: Outgoing) {
        self.queued += packet.cost();
        self.packets.push_back(packet);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next batch for a WebSocket: at most `limit` bytes, or one packet if that is larger.
    pub(crate) fn next_batch(&mut self, limit: usize) -> Option<Batch> {
        let packets = self.take_up_to(limit, Outgoing::cost)?;
        let batch = batch_of(packets.flat_map(Outgoing::into_frames));
        self.give_back_room();
        batch
    }

    /// The frames of the next polling body: at most `limit` encoded bytes, or one packet if that
    /// is larger.
    pub(crate) fn next_body(&mut self, limit: usize) -> Vec<Frame> {
        let packets = self.take_up_to(limit, Outgoing::encoded_len);
        let packets = packets.into_iter().flatten();
        let frames = packets.flat_map(Outgoing::into_frames).collect();
        self.give_back_room();
        frames
    }

    /// A burst that is over must not cost anything for the rest of a session's life.
    fn give_back_room(&mut self) {
        if self.packets.is_empty() {
            self.packets.shrink_to(16);
        }
    }

    /// Takes whole packets from the front: the first, and more while their weights fit a limit.
    fn take_up_to(
        &mut self,
        limit: usize,
        weight: impl Fn(&Outgoing) -> usize,
    ) -> Option<Drain<'_, Outgoing>> {
        let mut total = weight(self.packets.front()?);
        let mut count = 1;
        for packet in self.packets.iter().skip(1) {
            total = total.saturating_add(weight(packet));
            if total > limit {
                break;
            }
            count += 1;
        }
        let taken: usize = self.packets.iter().take(count).map(Outgoing::cost).sum();
        self.queued -= taken;
        Some(self.packets.drain(..count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(bytes: usize) -> Outgoing {
        Outgoing::text(Bytes::from(alloc::vec![b'4'; bytes]))
    }

    fn with_attachments(sizes: &[usize]) -> Outgoing {
        Outgoing {
            attachments: Some(
                sizes
                    .iter()
                    .map(|&n| Bytes::from(alloc::vec![0; n]))
                    .collect(),
            ),
            ..packet(10)
        }
    }

    #[test]
    fn a_batch_holds_whole_packets_up_to_its_limit() {
        let mut outbox = Outbox::default();
        outbox.push(packet(100));
        outbox.push(with_attachments(&[100, 100]));
        outbox.push(packet(100));
        assert_eq!(outbox.queued(), 164 + (74 + 164 + 164) + 164);

        assert_eq!(outbox.next_batch(600).unwrap().into_frames().len(), 4);
        assert_eq!(outbox.queued(), 164);
        assert_eq!(outbox.next_batch(600).unwrap().into_frames().len(), 1);
        assert_eq!(outbox.queued(), 0);
        assert!(outbox.next_batch(600).is_none());
    }

    #[test]
    fn a_packet_larger_than_the_limit_goes_alone_and_whole() {
        let mut outbox = Outbox::default();
        outbox.push(with_attachments(&[1_000, 1_000]));
        outbox.push(packet(1));
        assert_eq!(outbox.next_body(500).len(), 3);
        assert_eq!(outbox.next_body(500).len(), 1);
        assert!(outbox.next_body(500).is_empty());
    }

    #[test]
    fn frames_keep_their_order() {
        let mut outbox = Outbox::default();
        outbox.push(with_attachments(&[1, 2]));
        outbox.push(packet(3));
        let batch = outbox.next_batch(usize::MAX).unwrap();
        let sizes: Vec<_> = batch
            .into_frames()
            .map(|frame| frame.payload.len())
            .collect();
        assert_eq!(sizes, [10, 1, 2, 3]);
    }
}
