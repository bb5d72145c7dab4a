//! What worlds are equal to.

use std::fmt::Write as _;

use socketio_proto::edge::TransportId;

use super::*;
use crate::form::{self, Names};

impl World {
    /// What it is equal to: the machine's form, and what its surroundings know.
    pub fn form(&self) -> String {
        let mut names = Names::default();
        let mut known = format!("{}", self.is_shut_down);
        let mut live = 0;
        let mut name = |names: &mut Names, key: &dyn std::fmt::Debug, is_live: bool| {
            live += usize::from(is_live);
            let name = if is_live {
                format!("n{live}")
            } else {
                "gone".to_owned()
            };
            names.add(&key, name.clone());
            name
        };
        for (index, it) in self.conns.iter().enumerate() {
            let is_live = !it.is_closed || it.phase != Phase::Over;
            if let Some(session) = self.bench.sessions[index] {
                name(&mut names, &session, is_live);
            }
            if let Some((transport, _)) = self.bench.transports[index] {
                let transport: TransportId = transport;
                name(&mut names, &transport, is_live);
            }
            if is_live || !it.wire.is_empty() || self.is_current(index) {
                let texts = |texts: &mut dyn Iterator<Item = &String>| -> Vec<String> {
                    texts.map(|text| kind_of(text).to_owned()).collect()
                };
                let standing = it.members.iter().map(|(namespace, standing)| {
                    let standing = format!("{standing:?}");
                    (*namespace, standing[..4].to_owned())
                });
                let standing: Vec<_> = standing.collect();
                let batch = it.batch.as_ref().map(|it| texts(&mut it.iter()));
                let due = texts(&mut it.due.iter().map(|it| &it.text));
                let wire = texts(&mut it.wire.iter());
                let spans = [it.idle_by, it.pong_by, Some(it.ping_at)].map(|it| self.span(it));
                let left = it.left.iter().filter(|(_, until)| *until > self.now);
                let left = left.map(|&(namespace, until)| (namespace, self.span(Some(until))));
                _ = write!(known, "{:?}", left.collect::<Vec<_>>());
                let flags = (it.phase, it.is_closing, it.is_closed);
                _ = write!(
                    known,
                    "{:?}",
                    (
                        it.client, flags, batch, due, wire, standing, it.view, &it.owes, spans
                    )
                );
            }
        }
        for (index, key) in self.bench.pendings.iter().enumerate() {
            let it = &self.pendings[index];
            name(&mut names, key, !it.is_over);
            if !it.is_over {
                _ = write!(
                    known,
                    "{:?}",
                    (it.conn, it.namespace, self.span(Some(it.by)))
                );
            }
        }
        for (index, key) in self.bench.sockets.iter().enumerate() {
            name(&mut names, key, self.sockets[index].is_alive);
        }
        for (index, key) in self.bench.acks.iter().enumerate() {
            let it = &self.acks[index];
            name(&mut names, key, !it.is_over);
            if !it.is_over {
                let counts = (it.open.len(), it.answered, it.missing);
                _ = write!(known, "{:?}", (counts, self.span(it.deadline)));
            }
        }
        known += &self.form_of_lives();
        for it in self.questions.iter().filter(|it| !it.is_answered) {
            let is_alive = self.sockets[it.socket].is_alive;
            let socket = is_alive.then_some(self.sockets[it.socket].namespace);
            _ = write!(known, "{:?}", (socket, it.id));
        }
        for (namespace, key) in self.bench.namespaces.iter().enumerate() {
            if let Some(key) = key {
                names.add(key, NAMES[namespace].to_owned());
            }
        }
        known + &form::form(&self.bench.server, self.now, &mut names)
    }

    fn form_of_lives(&self) -> String {
        let mut known = String::new();
        for it in &self.lives {
            let lost = it.lost.filter(|_| it.state == LifeState::Away);
            let lost = self.span(lost);
            let state = match it.state {
                LifeState::Live(socket) => format!("{}", self.sockets[socket].conn),
                state => format!("{state:?}"),
            };
            _ = write!(
                known,
                "{:?}",
                (it.namespace, state, it.log.len(), it.pid.is_some(), lost)
            );
        }
        for kept in self
            .kept
            .iter()
            .flatten()
            .filter(|_| self.settings.has_recovery)
        {
            _ = write!(known, "{:?}", (kept.life, kept.got, kept.early.len()));
        }
        known
    }

    fn span(&self, instant: Option<Instant>) -> Option<i128> {
        instant.map(|it| i128::from(it.as_micros()) - i128::from(self.now.as_micros()))
    }

    /// The machine alone, nobody known.
    pub fn bare_form(&self) -> String {
        let mut names = Names::default();
        for (namespace, key) in self.bench.namespaces.iter().enumerate() {
            if let Some(key) = key {
                names.add(key, NAMES[namespace].to_owned());
            }
        }
        form::form(&self.bench.server, self.now, &mut names)
    }
}
