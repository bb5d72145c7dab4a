//! What comes out of the machine: whether it had to, and what holds when nothing is left.

use super::*;

impl World {
    /// Takes all outputs, lets the caller do what it does by itself, and checks what holds then.
    pub(super) fn take(&mut self) -> Check {
        loop {
            while let Some(seen) = self.bench.pop() {
                self.note(|| format!("-> {seen:?}"));
                self.on_seen(seen)?;
            }
            let mut conns = self.conns.iter();
            if let Some(conn) = conns.position(|it| it.phase == Phase::Offered) {
                self.conns[conn].phase = Phase::Open;
                self.call(&Call::Opened(conn));
                continue;
            }
            let mut conns = self.conns.iter();
            if let Some(conn) = conns.position(|it| !self.is_slow && it.batch.is_some()) {
                let batch = self.conns[conn].batch.take();
                self.conns[conn].wire.extend(batch.into_iter().flatten());
                self.call(&Call::Sent(conn));
                continue;
            }
            let mut conns = self.conns.iter();
            if let Some(conn) = conns.position(|it| !self.is_crossing && !it.wire.is_empty()) {
                self.hear(conn)?;
                continue;
            }
            break;
        }
        for it in &mut self.conns {
            let is_idle = it.members.is_empty() && it.idle_by.is_some_and(|by| by <= self.now);
            // Nobody is told that it closes until its batch is written.
            if self.is_waiting && is_idle && it.batch.is_some() {
                it.is_closing = true;
                it.idle_by = None;
            }
        }
        hold!(!self.is_ending, "a namespace does not end");
        if let Some(seen) = self.expected.front() {
            return Err(format!("it does not come: {seen:?}"));
        }
        self.check()
    }

    fn on_seen(&mut self, seen: Seen) -> Check {
        match seen {
            Seen::Offered { conn } => {
                hold!(self.conns[conn].phase == Phase::Offered, "offered twice");
                Ok(())
            }
            Seen::Opened { conn } => {
                self.conns[conn].idle_by = Some(self.now + CONNECT_TIMEOUT);
                self.conns[conn].ping_at = self.now + PING_INTERVAL;
                Ok(())
            }
            Seen::Write { conn, frames } => self.on_write(conn, frames),
            Seen::Close { conn, abort } => {
                hold!(
                    self.conns[conn].phase == Phase::Open,
                    "connection {conn} is closed, which is none"
                );
                if !self.conns[conn].is_closing {
                    self.end_in_time(conn, None)?;
                }
                let it = &mut self.conns[conn];
                hold!(
                    it.due.is_empty() || abort && it.pong_by.is_some_and(|by| by <= self.now),
                    "connection {conn} is closed before {:?} left",
                    it.due
                );
                it.phase = Phase::Over;
                it.batch = None;
                it.due.clear();
                Ok(())
            }
            Seen::Closed { conn, .. } => {
                if !self.conns[conn].is_closing {
                    self.end_in_time(conn, None)?;
                }
                let it = &mut self.conns[conn];
                hold!(!it.is_closed, "connection {conn} closes twice");
                it.is_closed = true;
                let mut expected = self.expected.iter();
                let of = |seen: &&Seen| match **seen {
                    Seen::Disconnected { socket, .. } => self.sockets[socket].conn == conn,
                    Seen::Withdrawn { pending, .. } => self.pendings[pending].conn == conn,
                    _ => false,
                };
                if let Some(seen) = expected.find(of) {
                    return Err(format!("connection {conn} is closed before {seen:?}"));
                }
                Ok(())
            }
            Seen::NamespaceClosed { namespace: 1 } if self.is_ending => {
                self.is_ending = false;
                Ok(())
            }
            Seen::Other(what) => Err(format!("nobody asked for {what}")),
            seen => self.on_told(&seen),
        }
    }

    /// An event of the application's.
    fn on_told(&mut self, seen: &Seen) -> Check {
        if self.expected.is_empty() {
            hold!(self.is_waiting, "it must not come: {seen:?}");
            self.on_due(seen)?;
        }
        let expected = self.expected.pop_front();
        hold!(
            expected.as_ref() == Some(seen),
            "{seen:?} comes instead of {expected:?}"
        );
        Ok(())
    }

    /// Something is over because its time is.
    fn on_due(&mut self, seen: &Seen) -> Check {
        match *seen {
            Seen::AckDone { ack, .. } => {
                let it = &self.acks[ack];
                let is_due = it.deadline.is_some_and(|by| by <= self.now);
                hold!(!it.is_over && is_due, "it must not come now: {seen:?}");
                let missing = it.missing + it.open.len();
                self.forget(ack);
                self.expect(Seen::AckDone {
                    ack,
                    outcome: AckOutcome::TimedOut,
                    missing,
                });
            }
            Seen::Withdrawn {
                pending,
                reason: Withdrawal::TimedOut,
            } => {
                let it = &mut self.pendings[pending];
                let is_due = !it.is_over && it.by <= self.now;
                hold!(is_due, "it must not come now: {seen:?}");
                it.is_over = true;
                let (conn, namespace) = (it.conn, it.namespace);
                self.conns[conn].set(namespace, None);
                let text = "{\"message\":\"timeout\"}";
                self.owe(conn, format!("44{}{text}", before(namespace)));
                let reason = Withdrawal::TimedOut;
                self.expect(Seen::Withdrawn { pending, reason });
            }
            Seen::Withdrawn {
                pending,
                reason: Withdrawal::Client(reason),
            } => self.end_in_time(self.pendings[pending].conn, Some(reason))?,
            Seen::Disconnected { socket, reason, .. } => {
                hold!(
                    self.sockets[socket].is_alive,
                    "socket {socket} is gone, and then {seen:?}"
                );
                self.end_in_time(self.sockets[socket].conn, Some(reason))?;
            }
            _ => return Err(format!("it must not come: {seen:?}")),
        }
        Ok(())
    }

    /// A connection ends because of a deadline, which has to be due.
    fn end_in_time(&mut self, conn: usize, reason: Option<DisconnectReason>) -> Check {
        let it = &self.conns[conn];
        let is_due = |by: Option<Instant>| by.is_some_and(|by| by <= self.now);
        let idle = DisconnectReason::Violation(Violation::NoNamespace);
        let silent = DisconnectReason::Connection(CloseReason::PingTimeout);
        let is_idle = is_due(it.idle_by) && reason.is_none_or(|it| it == idle);
        let is_silent = is_due(it.pong_by) && reason.is_none_or(|it| it == silent);
        hold!(
            self.is_waiting && (is_idle || is_silent),
            "connection {conn} closes, and nobody knows why"
        );
        self.clear(conn, if is_silent { silent } else { idle });
        Ok(())
    }

    fn on_write(&mut self, conn: usize, frames: Vec<String>) -> Check {
        let it = &mut self.conns[conn];
        hold!(it.phase != Phase::Over, "a closed connection is written to");
        hold!(it.batch.is_none(), "two batches are out");
        for text in &frames {
            if text == "2" {
                hold!(it.pong_by.is_some(), "a ping that is not due");
                continue;
            }
            if text.starts_with("0{") {
                continue;
            }
            let due = it.due.pop_front();
            let (is_due, rest) = match &due {
                Some(Due {
                    text: due,
                    choice: None,
                }) => (due == text, None),
                Some(Due {
                    text: due,
                    choice: Some(choice),
                }) => {
                    let rest = text.strip_prefix(&**due);
                    (rest.is_some(), rest.map(|rest| (*choice, rest)))
                }
                None => (false, None),
            };
            hold!(is_due, "{text} leaves instead of {due:?}");
            match rest {
                Some((Choice::Offset(number), rest)) => {
                    let offset = rest.trim_end_matches("\"]").to_owned();
                    let known = self.offsets.entry(number).or_insert_with(|| offset.clone());
                    hold!(*known == offset, "event {number} has another offset");
                }
                Some((Choice::Secret(life), rest)) => {
                    self.lives[life].pid = Some(rest.trim_end_matches("\"}").to_owned());
                }
                None => {}
            }
        }
        let mut offsets = self.offsets.values().zip(self.offsets.values().skip(1));
        hold!(
            offsets.all(|(one, next)| one < next),
            "offsets do not ascend: {:?}",
            self.offsets
        );
        it.batch = Some(frames);
        Ok(())
    }

    /// What holds whenever no output is left.
    fn check(&self) -> Check {
        let server = &self.bench.server;
        let mut open = 0;
        for (conn, it) in self.conns.iter().enumerate() {
            open += usize::from(!it.is_closed);
            hold!(
                !it.is_closed || it.is_closing,
                "connection {conn} has closed by itself"
            );
            hold!(
                (it.phase == Phase::Over) == it.is_closed,
                "connection {conn} is over, and was not reported closed, or the other way round"
            );
            hold!(
                it.batch.is_some() || it.due.is_empty(),
                "{:?} could leave, and does not",
                it.due
            );
            hold!(
                !it.is_closing || it.batch.is_some() || it.is_closed,
                "connection {conn} could close, and does not"
            );
            hold!(
                it.is_closed || it.idle_by.is_none_or(|by| by > self.now),
                "connection {conn} is in no namespace, and its time is over"
            );
            hold!(
                it.is_closed || it.pong_by.is_none_or(|by| by > self.now),
                "connection {conn} is silent, and its time is over"
            );
            let members = it.members.iter();
            let sockets = members.filter_map(|(_, standing)| match standing {
                Standing::Joined(socket) => Some(self.bench.sockets[*socket]),
                _ => None,
            });
            let sockets: Vec<_> = sockets.collect();
            let session = self.bench.sessions[conn].ok_or("no session")?;
            hold!(
                server.sockets_of(session) == sockets,
                "connection {conn} has other sockets than it should"
            );
        }
        hold!(
            server.sessions() == open,
            "{} sessions are left, {open} have not closed",
            server.sessions()
        );
        let due = server.poll_timeout();
        hold!(open == 0 || due.is_some(), "a session has no deadline");
        hold!(
            due.is_none_or(|due| due > self.now),
            "a deadline was passed over"
        );
        for (index, it) in self.pendings.iter().enumerate() {
            hold!(
                it.is_over || it.by > self.now,
                "nobody decided about {index}, and its time is over"
            );
        }
        for (index, it) in self.acks.iter().enumerate() {
            hold!(
                it.is_over || it.deadline.is_none_or(|by| by > self.now),
                "ack {index} is awaited, and its time is over"
            );
        }
        self.check_sockets()
    }

    fn check_sockets(&self) -> Check {
        let server = &self.bench.server;
        for (index, it) in self.sockets.iter().enumerate() {
            let key = self.bench.sockets[index];
            let rooms: Vec<_> = server
                .rooms_of(key)
                .iter()
                .map(ToString::to_string)
                .collect();
            let session = self.bench.sessions[it.conn];
            let known = (server.id_of(key).map(|id| id.to_string()), rooms);
            let namespace = self.bench.namespaces[it.namespace];
            let found = namespace.and_then(|key| server.socket(key, &it.id));
            let (expected, here) = if it.is_alive {
                ((Some(it.id.clone()), it.rooms.clone()), Some(key))
            } else {
                ((None, Vec::new()), None)
            };
            hold!(known == expected, "socket {index} is {known:?}");
            // A life that goes on has its id in another socket.
            let mut sockets = self.sockets.iter();
            let alive = sockets.position(|other| other.is_alive && other.id == it.id);
            let alive = alive.map(|alive| self.bench.sockets[alive]);
            hold!(found == alive, "socket {index} is found by its id");
            hold!(
                server.session_of(key) == here.and(session),
                "socket {index} is on another connection"
            );
        }
        for (namespace, key) in self.bench.namespaces.iter().enumerate() {
            let Some(key) = *key else {
                continue;
            };
            let members = self.targets(Whom::All(namespace)).len();
            hold!(
                server.count(key) == members,
                "{} sockets are in {}, {members} should",
                server.count(key),
                NAMES[namespace]
            );
            let is_there = self.exists(namespace);
            hold!(
                server.namespace(NAMES[namespace]) == is_there.then_some(key),
                "{} exists though nobody is in it, or the other way round",
                NAMES[namespace]
            );
        }
        self.check_statistics()
    }

    /// The gauges say what the application knows.
    fn check_statistics(&self) -> Check {
        let counted = self.bench.server.socket_statistics();
        let is_dynamic = self.settings.is_dynamic;
        let populated = (0..2).filter(|&namespace| self.has_members(namespace));
        let known = (
            self.sockets.iter().filter(|it| it.is_alive).count(),
            self.pendings.iter().filter(|it| !it.is_over).count(),
            self.acks.iter().filter(|it| !it.is_over).count(),
            usize::from(is_dynamic && self.exists(1)),
            // Everybody joins one more room than its own.
            populated.count(),
        );
        let gauges = (
            counted.sockets,
            counted.pending,
            counted.acks,
            counted.dynamic_namespaces,
            counted.rooms,
        );
        let away = self.lives.iter();
        let away = away.filter(|it| it.state == LifeState::Away).count();
        hold!(
            counted.recovery.sessions == away,
            "{} sessions are kept, {away} should",
            counted.recovery.sessions
        );
        hold!(
            gauges == known,
            "the gauges are {gauges:?} and not {known:?}"
        );
        Ok(())
    }
}
