//! What clients and the network do, and what the server has to make of it.

use super::*;

impl World {
    /// A client opens a connection.
    pub fn open(&mut self, client: usize) -> Check {
        let conn = self.conns.len();
        self.forget_early(client);
        self.conns.push(Conn {
            client,
            phase: Phase::Offered,
            batch: None,
            due: VecDeque::new(),
            wire: VecDeque::new(),
            members: Vec::new(),
            left: Vec::new(),
            view: [View::Out; 2],
            owes: Vec::new(),
            is_closing: false,
            is_closed: false,
            idle_by: None,
            ping_at: self.now,
            pong_by: None,
        });
        self.call(&Call::Request);
        self.take()?;
        hold!(
            self.conns[conn].phase == Phase::Open,
            "a connection does not open"
        );
        Ok(())
    }

    /// The last connection of a client.
    pub fn is_current(&self, conn: usize) -> bool {
        let client = self.conns[conn].client;
        self.conns[conn + 1..].iter().all(|it| it.client != client)
    }

    fn read(&mut self, conn: usize, text: String) -> Check {
        if self.conns[conn].phase == Phase::Open {
            self.call(&Call::Read { conn, text });
        }
        self.take()
    }

    /// Whether the server still listens.
    fn is_heard(&self, conn: usize) -> bool {
        let it = &self.conns[conn];
        it.phase == Phase::Open && !it.is_closing
    }

    pub fn connect(&mut self, conn: usize, namespace: usize) -> Check {
        if let Some(kept) = self.kept[self.conns[conn].client].get_mut(namespace) {
            *kept = Kept::default();
        }
        self.begin_connect(conn, namespace, None, "")
    }

    pub(super) fn begin_connect(
        &mut self,
        conn: usize,
        namespace: usize,
        claim: Option<(usize, usize)>,
        auth: &str,
    ) -> Check {
        if self.is_heard(conn) {
            self.expect_connect(conn, namespace, claim);
        }
        if namespace < NAMES.len() {
            self.conns[conn].view[namespace] = View::Asked;
        }
        self.read(conn, format!("40{}{auth}", before(namespace)))
    }

    fn expect_connect(&mut self, conn: usize, namespace: usize, claim: Option<(usize, usize)>) {
        if namespace >= NAMES.len() {
            let text = "{\"message\":\"Invalid namespace\"}";
            return self.owe(conn, format!("44{}{text}", before(namespace)));
        }
        match self.conns[conn].standing(namespace, self.now) {
            None | Some(Standing::Left) => {
                let pending = self.pendings.len();
                self.pendings.push(Pending {
                    conn,
                    namespace,
                    by: self.now + DECISION_TIMEOUT,
                    is_over: false,
                    claim: claim.filter(|&(life, _)| self.lives[life].state != LifeState::Gone),
                });
                let recovery = claim.map(|(life, from)| {
                    let life = &self.lives[life];
                    match life.state {
                        LifeState::Gone => Err(()),
                        LifeState::Away | LifeState::Live(_) | LifeState::Moving => {
                            Ok(life.log.len() - from)
                        }
                    }
                });
                self.conns[conn].set(namespace, Some(Standing::Pending(pending)));
                self.conns[conn].left.retain(|&(key, _)| key != namespace);
                self.expect(Seen::Connecting {
                    pending,
                    conn,
                    namespace,
                    is_known: self.exists(namespace),
                    recovery,
                });
            }
            Some(Standing::Joined(_) | Standing::Pending(_)) => {
                self.violate(conn, Violation::ConnectedTwice);
            }
        }
    }

    pub fn leave(&mut self, conn: usize, namespace: usize) -> Check {
        self.conns[conn].view[namespace] = View::Out;
        self.conns[conn].owes.retain(|&(of, _)| of != namespace);
        if self.is_heard(conn) {
            match self.conns[conn].standing(namespace, self.now) {
                Some(Standing::Joined(socket)) => {
                    self.end_socket(socket, DisconnectReason::ClientLeft);
                    let now = self.now;
                    self.conns[conn].leave(now);
                }
                Some(Standing::Left) => {}
                Some(Standing::Pending(pending)) => {
                    self.pendings[pending].is_over = true;
                    self.conns[conn].set(namespace, None);
                    let reason = Withdrawal::Client(DisconnectReason::ClientLeft);
                    self.expect(Seen::Withdrawn { pending, reason });
                }
                None => self.violate(conn, Violation::NotJoined),
            }
        }
        self.read(conn, format!("41{}", before(namespace)))
    }

    /// Whom a packet is for; one that nobody may send closes the connection.
    fn addressee(&mut self, conn: usize, namespace: usize) -> Option<usize> {
        if !self.is_heard(conn) {
            return None;
        }
        match self.conns[conn].standing(namespace, self.now) {
            Some(Standing::Joined(socket)) => return Some(socket),
            Some(Standing::Left) => {}
            Some(Standing::Pending(_)) | None => self.violate(conn, Violation::NotJoined),
        }
        None
    }

    /// An event; it may ask for an answer.
    pub fn say(&mut self, conn: usize, namespace: usize, asks: bool) -> Check {
        let number = self.said;
        self.said += 1;
        if let Some(socket) = self.addressee(conn, namespace) {
            let question = asks.then_some(self.questions.len());
            if asks {
                self.questions.push(Question {
                    socket,
                    id: 7,
                    is_answered: false,
                });
            }
            let json = format!("c[{number}]");
            self.expect(Seen::Packet {
                socket,
                json,
                question,
            });
        }
        let id = if asks { "7" } else { "" };
        self.read(conn, format!("42{}{id}[\"c\",{number}]", before(namespace)))
    }

    pub fn garbage(&mut self, conn: usize) -> Check {
        self.violate(conn, Violation::ConnectError);
        self.read(conn, "44{\"message\":\"x\"}".to_owned())
    }

    /// The client answers what it was asked; whether or not it still may.
    pub fn answer(&mut self, conn: usize, owed: usize, keeps: bool) -> Check {
        let (namespace, id) = self.conns[conn].owes[owed];
        if !keeps {
            self.conns[conn].owes.remove(owed);
        }
        let number = self.said;
        self.said += 1;
        if let Some(socket) = self.addressee(conn, namespace)
            && let Some(ack) = self.sockets[socket].owes.remove(&id)
        {
            let it = &mut self.acks[ack];
            it.open.remove(&socket);
            it.answered += 1;
            let json = number.to_string();
            self.expect(Seen::Acked {
                ack,
                from: socket,
                json,
            });
            self.settle(ack);
        }
        self.read(conn, format!("43{}{id}[{number}]", before(namespace)))
    }

    /// The network takes the batch.
    pub fn written(&mut self, conn: usize) -> Check {
        let batch = self.conns[conn].batch.take();
        self.conns[conn].wire.extend(batch.into_iter().flatten());
        self.call(&Call::Sent(conn));
        self.take()
    }

    /// The connection breaks, and the server learns it at once.
    pub fn lose(&mut self, conn: usize) -> Check {
        let it = &mut self.conns[conn];
        it.phase = Phase::Over;
        it.batch = None;
        it.due.clear();
        it.wire.clear();
        it.view = [View::Out; 2];
        it.owes.clear();
        let client = it.client;
        self.forget_early(client);
        let reason = CloseReason::TransportClose;
        self.clear(conn, DisconnectReason::Connection(reason));
        self.call(&Call::Lost(conn));
        self.take()
    }

    /// The client hears the next packet.
    pub fn hear(&mut self, conn: usize) -> Check {
        let Some(text) = self.conns[conn].wire.pop_front() else {
            return Ok(());
        };
        if !self.is_current(conn) {
            // Its client has given the connection up.
            return Ok(());
        }
        self.note(|| format!("client hears {text}"));
        if text == "2" {
            self.conns[conn].pong_by = None;
            self.conns[conn].ping_at = self.now + PING_INTERVAL;
            return self.read(conn, "3".to_owned());
        }
        if text.starts_with("0{") || kind_of(&text).contains("/no") {
            return Ok(());
        }
        let it = &mut self.conns[conn];
        let kind = kind_of(&text);
        let namespace = usize::from(kind.contains("/b"));
        match kind.get(1..2) {
            Some("0") if it.view[namespace] == View::Asked => {
                it.view[namespace] = View::In;
                return self.on_answer(conn, namespace, &text);
            }
            Some("1" | "4") => {
                it.view[namespace] = View::Out;
                it.owes.retain(|&(of, _)| of != namespace);
            }
            Some("2") => {
                let id = kind[2..].trim_start_matches("/b,");
                if let Ok(id) = id.parse() {
                    it.owes.push((namespace, id));
                }
                return self.on_event(conn, namespace, text);
            }
            _ => {}
        }
        Ok(())
    }
}
