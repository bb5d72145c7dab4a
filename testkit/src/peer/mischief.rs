//! What official clients do not do.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use socketio_proto::edge::{Carrier, Message};

use super::{
    life::{Kind, Life, Role, Upgrade},
    plan::Misdeed,
};
use crate::{
    ledger::Cause,
    network::ConnectionId,
    network::{Fate, Link},
    wire::Head,
    world::Scene,
};

const PROBE: ByteString = ByteString::from_static("2probe");

/// Bodies and texts that are no packets, or those of a server.
const GARBAGE: &[&[u8]] = &[
    b"",
    b"x",
    b"2",
    b"4\x1e",
    b"\x1e",
    b"b!",
    b"\xff\xfe",
    b"0{}",
    b"6\x1e6\x1e7",
    b"3\x1e3\x1e3",
];

impl Life {
    /// Does what its plan has in store.
    pub(super) fn misbehave(&mut self, scene: &mut Scene<'_>) {
        let Some(misdeed) = self.plan.misdeed else {
            return;
        };
        scene.note(format_args!("life {} misbehaves: {misdeed:?}", self.id.0));
        match misdeed {
            Misdeed::AbortPoll => {
                if let Some(poll) = self.has(Role::Poll) {
                    self.is_reckless(scene);
                    self.drop_connection(poll, scene);
                    self.go_on(scene);
                }
            }
            Misdeed::AbortPost => {
                if self.has(Role::Post).is_none() && self.has(Role::Main).is_none() {
                    self.is_reckless(scene);
                    let post = self.request(Role::Post, Carrier::Polling, "POST", None, scene);
                    self.send_part(post, Bytes::from_static(b"4half of a mess"), scene);
                    // Perhaps before, perhaps after it has arrived.
                    if self.dice.per_mille(500) {
                        self.drop_connection(post, scene);
                    } else {
                        scene.ledger.note(self.id, Cause::Silent);
                    }
                }
            }
            // These show when a WebSocket opens, and all along.
            Misdeed::CommitEarly
            | Misdeed::DeadHandshake
            | Misdeed::HalfUpgrade
            | Misdeed::SecondProbe
            | Misdeed::SlowReader => {}
            Misdeed::Garbage => self.send_garbage(scene),
            Misdeed::NeverPoll => {
                scene.ledger.note(self.id, Cause::Silent);
                self.polls = false;
            }
            Misdeed::NeverPong => {
                scene.ledger.note(self.id, Cause::Silent);
                self.is_mute = true;
            }
            Misdeed::OverlapPolls => {
                if self.has(Role::Main).is_none() {
                    self.is_reckless(scene);
                    self.request(Role::Poll, Carrier::Polling, "GET", None, scene);
                }
            }
            Misdeed::OverlapPosts => {
                if self.has(Role::Main).is_none() {
                    self.is_reckless(scene);
                    for _ in 0..2 {
                        self.say(scene);
                        let body = self.next_body();
                        self.request(Role::Post, Carrier::Polling, "POST", Some(body), scene);
                    }
                }
            }
            Misdeed::SilentUpgrade | Misdeed::TwoUpgrades => {
                let is_silent = misdeed == Misdeed::SilentUpgrade;
                if self.has(Role::Main).is_none() {
                    for _ in 0..=usize::from(!is_silent) {
                        self.request(Role::Other, Carrier::WebSocket, "GET", None, scene);
                    }
                    // Again, until there were too many.
                    let after = Duration::from_secs(1 + self.dice.below(15) as u64);
                    self.wake(after, Kind::Mischief, scene);
                }
            }
        }
    }

    fn is_reckless(&self, scene: &mut Scene<'_>) {
        scene.ledger.note(self.id, Cause::Misdeed);
        scene.ledger.note(self.id, Cause::Reckless);
    }

    fn send_garbage(&mut self, scene: &mut Scene<'_>) {
        self.is_reckless(scene);
        // On a slow link a large message keeps pongs waiting.
        scene.ledger.note(self.id, Cause::Silent);
        let garbage = self.dice.pick(GARBAGE).copied().unwrap_or_default();
        if let Some(main) = self.has(Role::Main) {
            let message = match std::str::from_utf8(garbage) {
                Ok(text) => Message::Text(ByteString::from_static(text)),
                // More than any message may have.
                Err(_) => Message::Binary(vec![0; 1 << 20].into()),
            };
            return self.write(main, message, scene);
        }
        let (path, life) = (self.path(), self.id);
        let head = |carrier, method: &'static str, query: &str, content_type| Head {
            carrier,
            method,
            target: format!("{path}?{query}"),
            content_type,
            life,
        };
        let sid = self.sid.clone().unwrap_or_default();
        let own = format!("EIO=4&transport=polling&sid={sid}");
        let body = Some(Bytes::from_static(garbage));
        let (role, head, body) = match self.dice.below(8) {
            0 => (Role::Other, head(Carrier::Polling, "PUT", &own, None), None),
            1 => {
                let query = "EIO=4&transport=polling&sid=nobody";
                (
                    Role::Other,
                    head(Carrier::Polling, "GET", query, None),
                    None,
                )
            }
            2 => {
                let query = format!("EIO=3&transport=polling&sid={sid}");
                (
                    Role::Other,
                    head(Carrier::Polling, "GET", &query, None),
                    None,
                )
            }
            3 => {
                let query = format!("EIO=4&transport=pigeon&sid={sid}");
                (
                    Role::Other,
                    head(Carrier::Polling, "GET", &query, None),
                    None,
                )
            }
            4 => {
                let octets = Some("application/octet-stream");
                (
                    Role::Other,
                    head(Carrier::Polling, "POST", &own, octets),
                    body,
                )
            }
            5 => {
                let large = Bytes::from(vec![b'4'; 1 << 20]);
                (
                    Role::Other,
                    head(Carrier::Polling, "POST", &own, None),
                    Some(large),
                )
            }
            _ => (
                Role::Other,
                head(Carrier::Polling, "POST", &own, None),
                body,
            ),
        };
        self.send_request(role, head, body, scene);
    }

    /// A link on which the answer to a WebSocket handshake never gets through.
    pub(super) fn dead_link(&self, mut link: Link, scene: &mut Scene<'_>) -> Link {
        scene.ledger.note(self.id, Cause::Silent);
        link.down_rate = 1;
        // While the answer is being written, which takes it 130 ms.
        let after = link.delay + link.jitter + Duration::from_millis(60);
        link.up_rate = 0;
        link.fate = Some((after, Fate::Vanish { takes: false }));
        link
    }

    /// A WebSocket for an upgrade is open.
    pub(super) fn probe(&mut self, connection: ConnectionId, scene: &mut Scene<'_>) {
        if self.plan.misdeed == Some(Misdeed::CommitEarly) && self.dice.per_mille(400) {
            // Without any probe.
            self.is_reckless(scene);
            return self.commit(scene);
        }
        self.write(connection, Message::Text(PROBE), scene);
        match self.plan.misdeed {
            Some(Misdeed::SecondProbe) => self.write(connection, Message::Text(PROBE), scene),
            Some(Misdeed::CommitEarly) if self.dice.per_mille(500) => {
                self.is_reckless(scene);
                self.commit(scene);
            }
            _ => {}
        }
    }

    /// The probe was answered.
    pub(super) fn probed(&mut self, scene: &mut Scene<'_>) {
        if self.plan.misdeed == Some(Misdeed::CommitEarly) {
            self.is_reckless(scene);
            return self.commit(scene);
        }
        self.upgrade = Upgrade::Pausing;
        self.go_on(scene);
    }

    /// Whether it goes through with an upgrade.
    pub(super) fn may_commit(&self) -> bool {
        !matches!(
            self.plan.misdeed,
            Some(Misdeed::HalfUpgrade | Misdeed::SecondProbe)
        )
    }
}
