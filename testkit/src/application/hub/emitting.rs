//! What a hub says, and to whom.

use std::time::Duration;

use socketio_proto::{
    socket::{Binary, EmitError, Options, Packet, SocketKey, To, Wait},
    time::Instant,
};

use super::Hub;
use crate::{
    application::Commands,
    delivery::{Address, Promise, Room},
    world::Scene,
};

/// What was picked to be sent.
struct Draft {
    packet: Packet,
    promise: Promise,
    options: Options,
}

impl Hub {
    fn draft(&mut self, is_group: bool, scene: &mut Scene<'_>) -> Draft {
        let text = format!(
            "{}:{}",
            self.number,
            "x".repeat(self.dice.below(self.duties.padding))
        );
        let kept = (Promise::Kept, Options::new());
        let volatile = (Promise::Fleeting, Options::new().volatile());
        let (packet, (promise, options)) = match self.dice.below(10) {
            0 => (Packet::event("n", &(text, 7)), kept),
            1 => (
                Packet::event("b", &(Binary::from(text.into_bytes()),)),
                kept,
            ),
            2 => (Packet::event("v", &(text,)), volatile),
            3 => (Packet::event("w", &(text, 7)), volatile),
            4 if !is_group || self.dice.per_mille(300) => {
                let wait = Wait::AtMost(Duration::from_secs(20));
                let options = Options::new().ack(wait);
                (Packet::event("a", &(text,)), (Promise::Fleeting, options))
            }
            _ => (Packet::event("r", &(text,)), kept),
        };
        let Ok(packet) = packet else {
            scene.trace.fail(format_args!("an event cannot be encoded"));
        };
        Draft {
            packet,
            promise,
            options,
        }
    }

    fn send<M: Commands>(
        &mut self,
        now: Instant,
        machine: &mut M,
        (to, address): (To<'_>, Address<'_>),
        scene: &mut Scene<'_>,
    ) {
        let draft = self.draft(matches!(to, To::Group { .. }), scene);
        let sent = machine.emit(now, to, draft.packet, draft.options);
        let number = self.number;
        self.number += 1;
        match sent {
            Ok(sent) => {
                self.acks.extend(sent.ack);
                let count = scene
                    .ledger
                    .deliveries
                    .sent(now, number, draft.promise, address);
                scene.note(format_args!("app emits {number} to {count}: {sent:?}"));
            }
            // It is gone, which the application is about to learn.
            Err(EmitError::Stale) => {}
            Err(error) => scene
                .trace
                .fail(format_args!("an event was refused: {error}")),
        }
    }

    pub(super) fn emit_to_one<M: Commands>(
        &mut self,
        now: Instant,
        machine: &mut M,
        socket: SocketKey,
        scene: &mut Scene<'_>,
    ) {
        if let Some(member) = self.members.get(&socket) {
            let namespace = member.namespace;
            let rooms = [Room::Own(member.id.clone())];
            let address = Address {
                namespace,
                rooms: &rooms,
                except: &[],
                without: None,
            };
            self.send(now, machine, (To::Socket(socket), address), scene);
        }
    }

    pub(super) fn emit_to_group<M: Commands>(
        &mut self,
        now: Instant,
        machine: &mut M,
        sender: SocketKey,
        scene: &mut Scene<'_>,
    ) {
        let Some(member) = self.members.get(&sender).cloned() else {
            return;
        };
        let Some(key) = machine.sockets().namespace(member.namespace) else {
            return;
        };
        let is_broadcast = self.dice.per_mille(self.duties.broadcasts);
        let mut rooms = Vec::new();
        for _ in 0..if is_broadcast {
            0
        } else {
            1 + self.dice.below(2)
        } {
            rooms.push(self.room());
        }
        let mut except = Vec::new();
        for _ in 0..self.dice.below(3).saturating_sub(1) {
            except.push(self.room());
        }
        // Somebody's own room, who may be away.
        if self.dice.per_mille(100) {
            let own = Room::Own(member.id.clone());
            if rooms.is_empty() {
                except.push(own);
            } else {
                rooms.push(own);
            }
        }
        let is_without = self.dice.per_mille(300);
        let names = |rooms: &[Room]| -> Vec<String> { rooms.iter().map(Room::to_string).collect() };
        let (to, not) = (names(&rooms), names(&except));
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let not: Vec<&str> = not.iter().map(String::as_str).collect();
        let address = Address {
            namespace: member.namespace,
            rooms: &rooms,
            except: &except,
            without: is_without.then_some(&member.id),
        };
        let to = To::Group {
            namespace: key,
            rooms: &to,
            except: &not,
            // It may be away by now: what it caused is not told to it later, either.
            without: is_without.then_some(member.public),
        };
        self.send(now, machine, (to, address), scene);
    }
}
