//! What waits for one client, and how it leaves in batches of whole packets.

use alloc::{
    collections::{VecDeque, vec_deque::Drain},
    sync::Arc,
    vec::Vec,
};
use core::{fmt, iter};

use bytes::Bytes;

use super::payload;
use crate::edge::{Batch, Frame, FrameKind, batch_of};

/// Added to the bytes of each queued packet, for what keeping it costs.
const PACKET_COST: usize = 64;

/// How many bytes of packets that must not be dropped are kept for a client beyond its limit, or
/// passed over in search of one that may be dropped.
pub(crate) const RESERVE: usize = 64 << 10;

/// One packet to send: a frame, and the binary frames that belong to it.
///
/// A clone shares every buffer, so a broadcast is one encoding. `Debug` shows lengths only.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) frame: Frame,
    pub(crate) attachments: Option<Arc<[Bytes]>>,
    /// Whether the protocol needs it: then it is neither dropped nor refused.
    pub(crate) is_vital: bool,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attachments = self.attachments.as_ref().map_or(0, |list| list.len());
        f.debug_struct("Outgoing")
            .field("frame", &self.frame)
            .field("attachments", &attachments)
            .field("is_vital", &self.is_vital)
            .finish()
    }
}

/// Packets of Engine.IO, and the bytes of their payloads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Weight {
    pub(crate) packets: usize,
    pub(crate) bytes: usize,
}

/// What was dropped so that another packet fits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Displaced {
    /// Whole packets: an event with its attachments is one.
    pub(crate) whole: usize,
    pub(crate) weight: Weight,
}

impl Weight {
    pub(crate) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
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
            is_vital: false,
        }
    }

    /// A text packet that the protocol needs.
    pub(crate) const fn vital(payload: Bytes) -> Self {
        let mut packet = Self::text(payload);
        packet.is_vital = true;
        packet
    }

    /// A constant packet of the protocol.
    pub(crate) const fn fixed(payload: &'static str) -> Self {
        let mut packet = Self::vital(Bytes::from_static(payload.as_bytes()));
        packet.frame.compress = false;
        packet
    }

    /// What it counts for in statistics.
    pub(crate) fn weight(&self) -> Weight {
        let mut weight = Weight {
            packets: 1,
            bytes: self.frame.payload.len(),
        };
        if let Some(attachments) = &self.attachments {
            weight.packets += attachments.len();
            weight.bytes += attachments.iter().map(Bytes::len).sum::<usize>();
        }
        weight
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
    pub(crate) fn into_frames(self) -> impl Iterator<Item = Frame> {
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

    /// What all waiting packets count for in statistics.
    pub(crate) fn weight(&self) -> Weight {
        let mut sum = Weight::default();
        for packet in &self.packets {
            sum.add(packet.weight());
        }
        sum
    }

    /// Drops the oldest packets that may be dropped, whole, until one of this cost fits or nothing
    /// waits any more. Without effect, and `None`, if that cannot be.
    pub(crate) fn make_room(&mut self, cost: usize, limit: usize) -> Option<Displaced> {
        let excess = self.queued.saturating_add(cost).saturating_sub(limit);
        let (mut freed, mut kept, mut count) = (0, 0, 0);
        for packet in &self.packets {
            if freed >= excess || kept > RESERVE {
                break;
            }
            count += 1;
            let sum = if packet.is_vital {
                &mut kept
            } else {
                &mut freed
            };
            *sum += packet.cost();
        }
        if freed < excess && freed < self.queued {
            return None;
        }
        let mut displaced = Displaced::default();
        let mut vital = Vec::new();
        for packet in self.packets.drain(..count) {
            if packet.is_vital {
                vital.push(packet);
            } else {
                displaced.whole += 1;
                displaced.weight.add(packet.weight());
            }
        }
        for packet in vital.into_iter().rev() {
            self.packets.push_front(packet);
        }
        self.queued -= freed;
        Some(displaced)
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

    fn costs(outbox: &Outbox) -> Vec<usize> {
        outbox.packets.iter().map(Outgoing::cost).collect()
    }

    #[test]
    fn room_is_made_from_the_front_and_no_more_than_needed() {
        let mut outbox = Outbox::default();
        for bytes in [36, 136, 236, 336] {
            outbox.push(packet(bytes));
        }
        assert_eq!(costs(&outbox), [100, 200, 300, 400]);
        let one = outbox.make_room(100, 1_000).unwrap();
        assert_eq!((one.whole, one.weight.bytes), (1, 36));
        assert_eq!(costs(&outbox), [200, 300, 400]);
        let two = outbox.make_room(301, 1_000).unwrap();
        assert_eq!((two.whole, two.weight.bytes), (2, 372));
        assert_eq!((costs(&outbox), outbox.queued()), (alloc::vec![400], 400));
        assert_eq!(outbox.make_room(600, 1_000), Some(Displaced::default()));
        let all = outbox.make_room(5_000, 1_000).unwrap();
        assert_eq!((all.whole, outbox.queued()), (1, 0));
    }

    #[test]
    fn what_the_protocol_needs_stays_in_its_order_when_room_is_made() {
        let mut outbox = Outbox::default();
        outbox.push(Outgoing::fixed("2"));
        outbox.push(with_attachments(&[100, 100]));
        outbox.push(Outgoing::vital(Bytes::from_static(b"40")));
        outbox.push(packet(1));
        assert_eq!(costs(&outbox), [65, 402, 66, 65]);
        let displaced = outbox.make_room(100, 598).unwrap();
        assert_eq!(displaced.whole, 1);
        let weight = Weight {
            packets: 3,
            bytes: 210,
        };
        assert_eq!(displaced.weight, weight);
        assert_eq!(costs(&outbox), [65, 66, 65]);
        assert_eq!(outbox.make_room(900, 1_000), None);
        assert_eq!(costs(&outbox), [65, 66, 65], "without effect");
        assert_eq!(outbox.queued(), 196);
    }

    #[test]
    fn no_more_than_the_reserve_is_passed_over_in_search_of_a_packet_to_drop() {
        let mut outbox = Outbox::default();
        let vital = RESERVE / 66;
        for _ in 0..vital {
            outbox.push(Outgoing::vital(Bytes::from_static(b"44")));
        }
        outbox.push(packet(1_000));
        let limit = outbox.queued();
        let mut other = Outbox::default();
        for _ in 0..2 {
            other.push(Outgoing::vital(Bytes::from_static(b"44")));
        }
        other.packets.extend(outbox.packets.iter().cloned());
        other.queued += outbox.queued();
        assert!(outbox.make_room(500, limit).is_some());
        assert_eq!(outbox.packets.len(), vital);
        assert_eq!(other.make_room(500, limit), None);
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
