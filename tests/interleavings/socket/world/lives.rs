//! Clients that lose their connection and come back: what they keep, and what they have to get.

use super::*;

impl World {
    /// A client wants to go on with the life of one: its own, as a rule.
    pub fn come_back(&mut self, conn: usize, namespace: usize, whose: usize) -> Check {
        let client = self.conns[conn].client;
        let mut kept = self.kept[whose][namespace].clone();
        kept.early.clear();
        let Some(life) = kept.life else {
            return self.connect(conn, namespace);
        };
        let pid = self.lives[life].pid.clone().ok_or("a secret nobody told")?;
        let offset = kept.offset.as_ref();
        let offset = offset.map(|offset| format!(",\"offset\":\"{offset}\""));
        let auth = format!("{{\"pid\":\"{pid}\"{}}}", offset.unwrap_or_default());
        let claim = Some((life, kept.got));
        self.kept[client][namespace] = kept;
        self.begin_connect(conn, namespace, claim, &auth)
    }

    /// The client is let in: it goes on with its life, or begins another.
    pub(super) fn on_answer(&mut self, conn: usize, namespace: usize, text: &str) -> Check {
        if !self.settings.has_recovery {
            return Ok(());
        }
        let mut lives = self.lives.iter();
        let life = lives.position(|it| it.pid.as_ref().is_some_and(|pid| text.contains(&**pid)));
        let kept = &mut self.kept[self.conns[conn].client][namespace];
        let early = std::mem::take(&mut kept.early);
        if kept.life != life {
            // What came before was for a life that the client itself has ended.
            *kept = Kept {
                life,
                ..Kept::default()
            };
            return Ok(());
        }
        early
            .into_iter()
            .try_for_each(|text| self.on_event(conn, namespace, text))
    }

    /// Each event of a life comes once, in order, none left out.
    pub(super) fn on_event(&mut self, conn: usize, namespace: usize, text: String) -> Check {
        let kept = &mut self.kept[self.conns[conn].client][namespace];
        let Some((number, offset)) = text
            .trim_end_matches("\"]")
            .split_once("[\"s\",")
            .and_then(|(_, rest)| rest.split_once(",\""))
        else {
            return Ok(());
        };
        if self.conns[conn].view[namespace] != View::In {
            kept.early.push(text);
            return Ok(());
        }
        let life = kept.life.ok_or("an event before any life")?;
        let next = self.lives[life].log.get(kept.got).copied();
        hold!(
            next.map(|next| next.to_string()).as_deref() == Some(number),
            "the client gets event {number} instead of {next:?}"
        );
        kept.got += 1;
        kept.offset = Some(offset.to_owned());
        Ok(())
    }

    /// What came before an answer that does not come any more.
    pub(super) fn forget_early(&mut self, client: usize) {
        for kept in &mut self.kept[client] {
            kept.early.clear();
        }
    }

    /// A client comes back: its old connection, if there is one, closes.
    pub(super) fn take_over(&mut self, life: usize) {
        if let LifeState::Live(socket) = self.lives[life].state {
            self.lives[life].state = LifeState::Moving;
            let old = self.sockets[socket].conn;
            self.clear(old, DisconnectReason::TakenOver);
            self.conns[old].due.clear();
        }
    }

    /// A socket begins a life, or goes on with one: then what was missed comes first.
    pub(super) fn begin_life(
        &mut self,
        claim: Option<(usize, usize)>,
        conn: usize,
        namespace: usize,
        id: &str,
    ) -> Result<usize, String> {
        let before = before(namespace);
        let answer = format!("40{before}{{\"sid\":\"{id}\"");
        if let Some((life, from)) = claim {
            hold!(self.lives[life].id == id, "a life goes on with another id");
            let missed = self.lives[life].log[from..].to_vec();
            for number in missed {
                self.owe_event(conn, namespace, number);
            }
            match self.lives[life].pid.clone() {
                Some(pid) => self.owe(conn, format!("{answer},\"pid\":\"{pid}\"}}")),
                None => self.owe_more(conn, format!("{answer},\"pid\":\""), Choice::Secret(life)),
            }
            return Ok(life);
        }
        let life = self.lives.len();
        self.lives.push(Life {
            pid: None,
            state: LifeState::Gone,
            lost: None,
            namespace,
            id: id.to_owned(),
            log: Vec::new(),
        });
        if self.settings.has_recovery {
            self.owe_more(conn, format!("{answer},\"pid\":\""), Choice::Secret(life));
        } else {
            self.owe(conn, format!("{answer}}}"));
        }
        Ok(life)
    }

    /// An event that is kept.
    pub(super) fn owe_event(&mut self, conn: usize, namespace: usize, number: usize) {
        let text = format!("42{}[\"s\",{number},\"", before(namespace));
        self.owe_more(conn, text, Choice::Offset(number));
    }

    /// Whether a client has a life to go on with.
    pub fn may_return(&self, client: usize, namespace: usize) -> bool {
        let life = self.kept[client][namespace].life;
        life.is_some_and(|life| self.lives[life].state != LifeState::Gone)
    }

    /// Who is connected has all events of its life.
    pub fn check_lives(&self) -> Check {
        for (conn, it) in self.conns.iter().enumerate() {
            let kept = self.kept[it.client].iter();
            for ((kept, name), namespace) in kept.zip(NAMES).zip(0..) {
                let is_in = it.view[namespace] == View::In && it.phase == Phase::Open;
                let Some(life) = kept.life.filter(|_| is_in && self.is_current(conn)) else {
                    continue;
                };
                let (got, sent) = (kept.got, self.lives[life].log.len());
                hold!(
                    got == sent,
                    "client {} has {got} events of {sent} in {}",
                    it.client,
                    name
                );
            }
        }
        Ok(())
    }

    pub fn has_kept(&self, client: usize, namespace: usize) -> bool {
        self.kept[client][namespace].life.is_some()
    }
}
