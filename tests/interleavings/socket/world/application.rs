//! What the application does, and what the server has to make of it.

use super::*;

impl World {
    pub fn accept(&mut self, pending: usize) -> Check {
        let it = &self.pendings[pending];
        let (conn, namespace, is_over) = (it.conn, it.namespace, it.is_over);
        let answer = self.call(&Call::Accept {
            pending,
            room: Some("room"),
        });
        if is_over {
            hold!(matches!(answer, Answer::Refused(_)), "it is accepted again");
            return self.take();
        }
        let claim = self.pendings[pending].claim;
        if claim.is_some_and(|(life, _)| self.lives[life].state == LifeState::Gone) {
            // What was promised cannot be kept.
            hold!(matches!(answer, Answer::Refused(_)), "{answer:?}");
            let reason = CloseReason::ForcedClose;
            self.clear(conn, DisconnectReason::Connection(reason));
            return self.take();
        }
        let socket = self.sockets.len();
        hold!(
            answer == Answer::Done(Some(socket)),
            "accepting is answered by {answer:?}"
        );
        if let Some((life, _)) = claim {
            self.take_over(life);
        }
        self.pendings[pending].is_over = true;
        if !self.exists(namespace) {
            self.expect(Seen::NamespaceOpened { namespace });
        }
        let key = self.bench.sockets[socket];
        let id = self.bench.server.id_of(key).map(|id| id.to_string());
        let id = id.ok_or("an accepted socket has no id")?;
        let life = self.begin_life(claim, conn, namespace, &id)?;
        self.lives[life].state = LifeState::Live(socket);
        self.sockets.push(Socket {
            conn,
            namespace,
            rooms: vec![id.clone(), "room".to_owned()],
            id,
            is_alive: true,
            owes: BTreeMap::new(),
            life,
        });
        let it = &mut self.conns[conn];
        it.set(namespace, Some(Standing::Joined(socket)));
        it.idle_by = None;
        self.take()
    }

    pub fn refuse(&mut self, pending: usize) -> Check {
        let it = &self.pendings[pending];
        let (conn, namespace, is_over) = (it.conn, it.namespace, it.is_over);
        self.command(&Call::Refuse(pending), !is_over)?;
        if !is_over {
            self.pendings[pending].is_over = true;
            self.conns[conn].set(namespace, None);
            self.owe(
                conn,
                format!("44{}{{\"message\":\"no\"}}", before(namespace)),
            );
        }
        self.take()
    }

    pub fn emit(&mut self, whom: Whom, volatile: bool, ack: Wait) -> Check {
        let number = self.emitted;
        self.emitted += 1;
        let namespace = match whom {
            Whom::All(namespace) => namespace,
            Whom::Socket(socket) => self.sockets[socket].namespace,
        };
        let answer = self.call(&Call::Emit {
            whom,
            number,
            volatile,
            ack,
        });
        let targets = self.targets(whom);
        if let (Whom::Socket(socket), []) = (whom, &*targets) {
            let refused = matches!(answer, Answer::Refused(_));
            hold!(refused, "socket {socket} is gone, and {answer:?}");
            return self.take();
        }
        let id = (ack != Wait::No).then(|| {
            let next = &mut self.next_ack[namespace];
            *next += 1;
            *next - 1
        });
        let id_text = id.map(|id| id.to_string()).unwrap_or_default();
        let text = format!("42{}{id_text}[\"s\",{number}]", before(namespace));
        let is_kept = self.settings.has_recovery && !volatile && ack == Wait::No;
        let mut reached = BTreeSet::new();
        for &socket in &targets {
            let conn = self.sockets[socket].conn;
            if volatile && self.conns[conn].is_stuck() {
                continue;
            }
            reached.insert(socket);
            if is_kept {
                self.owe_event(conn, namespace, number);
            } else {
                self.owe(conn, text.clone());
            }
        }
        for life in self.lives.iter_mut().filter(|_| is_kept) {
            let is_meant = match whom {
                Whom::All(namespace) => life.namespace == namespace,
                Whom::Socket(socket) => life.state == LifeState::Live(socket),
            };
            if is_meant && life.state != LifeState::Gone {
                life.log.push(number);
            }
        }
        let dropped = targets.len() - reached.len();
        let is_single = matches!(whom, Whom::Socket(_));
        let has_ack = id.is_some() && !(is_single && reached.is_empty());
        let expected = Answer::Sent {
            queued: reached.len(),
            dropped,
            ack: has_ack.then_some(self.acks.len()),
        };
        hold!(answer == expected, "{answer:?} and not {expected:?}");
        if let (Some(id), true) = (id, has_ack) {
            let ack_index = self.acks.len();
            for &socket in &reached {
                self.sockets[socket].owes.insert(id, ack_index);
            }
            self.acks.push(Ack {
                id,
                open: reached,
                answered: 0,
                missing: dropped,
                deadline: match ack {
                    Wait::AtMost(span) => Some(self.now + span),
                    _ => None,
                },
                is_single,
                is_over: false,
            });
            self.settle(ack_index);
        }
        self.take()
    }

    pub fn ask(&mut self, whom: Whom) -> Check {
        self.emit(whom, false, Wait::AtMost(ACK_TIMEOUT))
    }

    pub fn cancel(&mut self, ack: usize) -> Check {
        self.command(&Call::Cancel(ack), !self.acks[ack].is_over)?;
        self.forget(ack);
        self.take()
    }

    pub fn reply(&mut self, question: usize) -> Check {
        let number = self.emitted;
        self.emitted += 1;
        let it = &mut self.questions[question];
        it.is_answered = true;
        let (socket, id) = (it.socket, it.id);
        let is_alive = self.sockets[socket].is_alive;
        self.command(&Call::Reply { question, number }, is_alive)?;
        if is_alive {
            let socket = &self.sockets[socket];
            let text = format!("43{}{id}[{number}]", before(socket.namespace));
            self.owe(socket.conn, text);
        }
        self.take()
    }

    pub fn kick(&mut self, whom: Whom, close: bool) -> Check {
        for socket in self.targets(whom) {
            if !self.sockets[socket].is_alive {
                continue;
            }
            let conn = self.sockets[socket].conn;
            if !close {
                self.kick_one(socket);
                continue;
            }
            let members = self.conns[conn].members.clone();
            for (_, standing) in members {
                if let Standing::Joined(socket) = standing {
                    self.kick_one(socket);
                }
            }
            self.clear(conn, DisconnectReason::ServerKicked);
        }
        self.call(&Call::Disconnect { whom, close });
        self.take()
    }

    fn kick_one(&mut self, socket: usize) {
        let it = &self.sockets[socket];
        let (conn, namespace) = (it.conn, it.namespace);
        self.owe(conn, format!("41{}", before(namespace)));
        self.end_socket(socket, DisconnectReason::ServerKicked);
        let it = &mut self.conns[conn];
        it.left.retain(|&(other, _)| other != namespace);
        it.left
            .push((namespace, self.now + (PING_INTERVAL + PING_TIMEOUT)));
        it.leave(self.now);
    }

    pub fn shut_down(&mut self) -> Check {
        self.is_shut_down = true;
        for conn in 0..self.conns.len() {
            self.clear(conn, DisconnectReason::ServerShutdown);
        }
        self.call(&Call::Shutdown);
        self.take()
    }

    /// The sockets that an emit goes to.
    pub(super) fn targets(&self, whom: Whom) -> Vec<usize> {
        let sockets = self.sockets.iter().enumerate();
        let sockets = sockets.filter(|&(index, it)| {
            it.is_alive
                && match whom {
                    Whom::All(namespace) => it.namespace == namespace,
                    Whom::Socket(socket) => index == socket,
                }
        });
        sockets.map(|(index, _)| index).collect()
    }
}
