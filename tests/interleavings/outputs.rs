//! What the machine wants, and what has to hold of it: of each output, and when none is left.

use std::borrow::Cow;

use socketio_proto::{
    edge::{
        Carrier, Frame, Machine, Message, Output, RequestId, Response, ResponseKind, TransportId,
    },
    engine::{Codec, Event, Raw},
};

use super::{Check, Kind, Phase, Tr, UPGRADE_TIMEOUT, World, hold};

impl World {
    /// Takes all outputs, and checks what holds whenever none are left.
    pub fn take(&mut self) -> Check {
        while let Some(output) = self.server.poll_output() {
            self.on_output(output)?;
        }
        self.is_late = false;
        for it in &mut self.requests {
            it.is_crossed = false;
        }
        for it in &mut self.transports {
            it.is_crossed = false;
            it.may_close_again = false;
        }
        self.check()
    }

    fn check(&self) -> Check {
        for (index, it) in self.transports.iter().enumerate() {
            let span = self.told.saturating_duration_since(it.since);
            hold!(
                it.is_main
                    || it.phase == Phase::Over
                    || span < UPGRADE_TIMEOUT
                    || (it.has_probed && self.is_held_up()),
                "t{index} is neither of use nor closed after {span:?}"
            );
        }
        let sessions = usize::from(self.is_open());
        hold!(
            self.server.sessions() == sessions,
            "{} sessions are left, {sessions} have not closed",
            self.server.sessions()
        );
        self.check_statistics()?;
        let due = self.server.poll_timeout();
        hold!(sessions == 0 || due.is_some(), "a session has no deadline");
        hold!(
            due.is_none_or(|due| due > self.told),
            "a deadline was passed over"
        );
        hold!(
            !self.is_doomed || self.is_closed,
            "packets are lost and the session goes on"
        );
        let Some(session) = self.session.filter(|_| !self.is_closed) else {
            hold!(!self.has_poll(), "a poll waits for a session that is gone");
            hold!(
                !self.has_post(),
                "a data request waits for a session that is gone"
            );
            return Ok(());
        };
        let carrier = self.server.carrier(session);
        let expected = if self.is_upgraded {
            Carrier::WebSocket
        } else {
            Carrier::Polling
        };
        hold!(
            carrier == Some(expected),
            "it is carried by {carrier:?} and not by {expected:?}"
        );
        for (index, it) in self.requests.iter().enumerate() {
            let is_waiting = it.kind == Kind::Post && !it.is_answered && !it.is_ended;
            hold!(
                !is_waiting || it.wants_body || self.is_paused,
                "nobody wants the body of r{index}"
            );
        }
        let polls = self.requests.iter();
        let polls = polls.filter(|it| it.kind == Kind::Poll && !it.is_answered && !it.is_ended);
        hold!(polls.count() <= 1, "two polls wait");
        let main = self.main().map(|index| &self.transports[index]);
        let is_writable = if self.is_upgraded {
            hold!(main.is_some(), "an upgraded session has no WebSocket");
            hold!(
                !self.has_poll(),
                "a poll waits for a session on a WebSocket"
            );
            hold!(
                !self.has_post(),
                "a data request waits for a session on a WebSocket"
            );
            hold!(
                main.is_some_and(|it| it.is_unread == self.is_paused),
                "the WebSocket is read though the session is paused, or the other way round"
            );
            main.is_some_and(|it| !it.is_busy)
        } else {
            self.has_poll()
        };
        let queued = self.server.queued(session);
        hold!(
            !is_writable || queued == Some(0),
            "{queued:?} bytes wait though they could leave"
        );
        Ok(())
    }

    /// The gauges say what the caller knows.
    fn check_statistics(&self) -> Check {
        let counted = self.server.statistics();
        let live = |it: &Tr| it.phase != Phase::Over;
        let requests = self.requests.iter().enumerate();
        let requests = requests.filter(|(index, it)| {
            let becoming =
                |transport: &Tr| transport.request == *index && transport.phase == Phase::Offered;
            !it.is_ended && (!it.is_transport || self.transports.iter().any(becoming))
        });
        let known = (
            usize::from(self.is_open() && !self.is_upgraded),
            usize::from(self.is_open() && self.is_upgraded),
            requests.count(),
            self.transports.iter().filter(|it| live(it)).count(),
            self.session
                .and_then(|it| self.server.queued(it))
                .unwrap_or(0),
        );
        let gauges = (
            counted.polling_sessions,
            counted.websocket_sessions,
            counted.requests,
            counted.transports,
            counted.queued_bytes,
        );
        hold!(
            gauges == known,
            "the gauges are {gauges:?} and not {known:?}"
        );
        let (begun, done) = (counted.upgrades_begun, counted.upgrades_completed);
        let ended = done + counted.upgrades_failed;
        hold!(
            ended <= begun && (self.is_open() || ended == begun),
            "{begun} upgrades began, {ended} ended"
        );
        Ok(())
    }

    fn on_output(&mut self, output: Output<Event, Raw>) -> Check {
        match output {
            Output::AbortRequest { request } => {
                let index = self.named(request)?;
                self.note(|| format!("abort r{index}"));
                let it = &mut self.requests[index];
                hold!(it.is_answered, "r{index} is aborted before it is answered");
                it.is_ended = true;
                self.is_doomed |= it.has_packets;
                Ok(())
            }
            Output::SetReading { paused, transport } => {
                let index = self.named_transport(transport)?;
                self.note(|| format!("{} t{index}", if paused { "pause" } else { "resume" }));
                let it = &mut self.transports[index];
                hold!(
                    it.is_unread != paused,
                    "t{index} is paused or resumed twice"
                );
                it.is_unread = paused;
                Ok(())
            }
            Output::CloseTransport { transport, abort } => self.on_close(transport, abort),
            Output::Event(event) => self.on_event(event),
            Output::OpenTransport {
                request,
                transport,
                codec,
                ..
            } => self.on_open(request, transport, codec),
            Output::ReadBody { request, codec, .. } => {
                self.codec = Some(codec);
                let index = self.named(request)?;
                self.note(|| format!("read body of r{index}"));
                let it = &mut self.requests[index];
                hold!(it.kind == Kind::Post, "only data requests have a body");
                hold!(!it.is_answered, "the body of an answered request is wanted");
                hold!(
                    !it.wants_body && it.said.is_none(),
                    "a body is wanted again"
                );
                it.wants_body = !it.is_ended;
                Ok(())
            }
            Output::Respond { request, response } => self.on_response(request, &response),
            Output::Transmit { transport, batch } => {
                let frames: Vec<Frame> = batch.into_frames().collect();
                self.on_batch(transport, &frames)
            }
        }
    }

    /// The request with this key: the last one with its number, or the number was reused too early.
    fn named(&self, key: RequestId) -> Result<usize, String> {
        let mut requests = self.requests.iter();
        let last = requests.rposition(|it| it.id.index() == key.index());
        let index = last.filter(|&last| self.requests[last].id == key);
        let index = index.ok_or("an output names a request that is not known (any more)")?;
        let it = &self.requests[index];
        hold!(
            !it.is_ended || it.is_crossed,
            "an output names r{index}, which had ended"
        );
        hold!(
            !it.is_transport,
            "an output names r{index}, which is a transport"
        );
        Ok(index)
    }

    fn named_transport(&self, key: TransportId) -> Result<usize, String> {
        let mut transports = self.transports.iter();
        let last = transports.rposition(|it| it.id.index() == key.index());
        let index = last.filter(|&last| self.transports[last].id == key);
        let index = index.ok_or("an output names a transport that is not known (any more)")?;
        let it = &self.transports[index];
        hold!(
            !it.is_closed,
            "an output names t{index} after it was closed"
        );
        hold!(
            it.phase != Phase::Over || it.is_crossed,
            "an output names t{index}, which was lost"
        );
        Ok(index)
    }

    fn on_close(&mut self, transport: TransportId, abort: bool) -> Check {
        for it in &mut self.transports {
            if it.id == transport && it.is_closed && it.may_close_again && abort {
                it.may_close_again = false;
                return Ok(());
            }
        }
        let index = self.named_transport(transport)?;
        self.note(|| format!("{} t{index}", if abort { "abort" } else { "close" }));
        self.transports[index].is_closed = true;
        self.transports[index].phase = Phase::Over;
        Ok(())
    }

    fn on_open(&mut self, request: RequestId, transport: TransportId, codec: Codec<Raw>) -> Check {
        self.codec = Some(codec);
        let origin = self.named(request)?;
        let index = self.transports.len();
        self.note(|| format!("r{origin} becomes t{index}"));
        let it = &mut self.requests[origin];
        hold!(
            it.kind == Kind::WebSocket && !it.is_answered,
            "r{origin} cannot become a WebSocket"
        );
        // The caller has dropped it already: there is nothing to open.
        let phase = if it.is_ended {
            Phase::Over
        } else {
            Phase::Offered
        };
        it.is_transport = true;
        self.transports.push(Tr {
            id: transport,
            request: origin,
            since: self.told,
            phase,
            is_busy: false,
            has_probed: false,
            has_committed: false,
            is_main: false,
            is_unread: false,
            is_closed: false,
            is_crossed: phase == Phase::Over,
            may_close_again: false,
        });
        Ok(())
    }

    fn on_event(&mut self, event: Event) -> Check {
        if let Event::SessionOpened { session, .. } = event {
            self.note(|| "event: opened".to_owned());
            hold!(self.session.is_none(), "it opens twice");
            self.session = Some(session);
            if let Some(it) = self.transports.last_mut() {
                it.is_main = true;
                self.is_upgraded = true;
            }
            return Ok(());
        }
        if let Event::Refused { request, refusal } = event {
            let index = self.requests.iter().position(|it| it.id == request);
            self.note(|| format!("event: {index:?} refused: {refusal}"));
            hold!(index.is_some(), "an unknown request was refused");
            return Ok(());
        }
        hold!(
            !self.is_closed,
            "an event comes behind the end of its session: {event:?}"
        );
        let known = self.session;
        let check = |session| {
            hold!(known == Some(session), "an event names an unknown session");
            Ok(())
        };
        match event {
            Event::Message { session, message } => {
                check(session)?;
                let Message::Text(text) = message else {
                    return Err("a text has become binary".to_owned());
                };
                self.note(|| format!("event: message {text:?}"));
                let number = text.strip_prefix('c').and_then(|it| it.parse().ok());
                let number: usize = number.ok_or("a message was changed")?;
                hold!(
                    number >= self.heard,
                    "message {number} comes again, or out of order"
                );
                hold!(number < self.said, "message {number} was never sent");
                self.heard = number + 1;
            }
            Event::SessionClosed { session, reason } => {
                check(session)?;
                self.note(|| format!("event: closed: {} ({reason})", reason.as_str()));
                self.is_closed = true;
            }
            Event::Upgraded { session, carrier } => {
                check(session)?;
                self.note(|| "event: upgraded".to_owned());
                hold!(carrier == Carrier::WebSocket, "upgraded to {carrier:?}");
                hold!(!self.is_upgraded, "it is upgraded twice");
                self.is_upgraded = true;
                let mut transports = self.transports.iter_mut();
                let main = transports
                    .rfind(|it| it.has_committed && (it.phase == Phase::Open || it.is_crossed));
                main.ok_or("it is upgraded, and nobody asked for it")?
                    .is_main = true;
            }
            event => return Err(format!("an unknown event: {event:?}")),
        }
        Ok(())
    }

    fn on_response(&mut self, request: RequestId, response: &Response) -> Check {
        let index = self.named(request)?;
        let body = String::from_utf8_lossy(&response.body).into_owned();
        let status = response.status;
        self.note(|| format!("answer r{index}: {status} {}", body.replace('\u{1e}', "␞")));
        let it = &mut self.requests[index];
        hold!(!it.is_answered, "r{index} is answered twice");
        it.is_answered = true;
        it.wants_body = false;
        let (kind, said, is_ended) = (it.kind, it.said, it.is_ended);
        match (response.kind, kind) {
            (ResponseKind::Refused, _) => {
                hold!((400..600).contains(&status), "refused with {status}");
            }
            (ResponseKind::Handshake, Kind::Open) => {
                let id = body.split('"').nth(3).ok_or("no sid")?;
                id.clone_into(&mut self.sid);
                self.requests[index].has_packets = true;
            }
            (ResponseKind::Poll, Kind::Poll) => {
                let before = (self.came, self.pings);
                for packet in body.split('\u{1e}') {
                    self.on_packet(packet, Carrier::Polling)?;
                }
                if before != (self.came, self.pings) {
                    self.requests[index].has_packets = true;
                    self.is_doomed |= is_ended;
                }
            }
            (ResponseKind::Data, Kind::Post) => {
                // What was said behind the application's close need not be heard.
                let is_heard = said.is_none_or(|number| number < self.heard);
                let is_over = self.is_closed || self.is_closing;
                hold!(
                    body == "ok" && (is_heard || is_over),
                    "r{index} is answered {body:?}, and its message was not heard"
                );
            }
            (answer, question) => return Err(format!("{question:?} is answered by {answer:?}")),
        }
        Ok(())
    }

    fn on_batch(&mut self, transport: TransportId, frames: &[Frame]) -> Check {
        let index = self.named_transport(transport)?;
        let payloads = frames.iter().map(|it| String::from_utf8_lossy(&it.payload));
        let payloads: Vec<String> = payloads.map(Cow::into_owned).collect();
        self.note(|| format!("write t{index}: {}", payloads.join(" ")));
        let it = &mut self.transports[index];
        hold!(!it.is_busy, "two batches are out on t{index}");
        hold!(!frames.is_empty(), "an empty batch");
        it.is_busy = it.phase == Phase::Open;
        if !it.is_main && payloads == ["3probe"] {
            hold!(it.has_probed, "a probe is answered that was not sent");
            return Ok(());
        }
        let is_direct = self.requests[it.request].kind == Kind::WebSocket && self.session.is_none();
        hold!(
            it.is_main || is_direct,
            "t{index} carries packets before the upgrade"
        );
        for payload in payloads {
            if payload.starts_with("0{") {
                let id = payload.split('"').nth(3).ok_or("no sid")?;
                id.clone_into(&mut self.sid);
                continue;
            }
            self.on_packet(&payload, Carrier::WebSocket)?;
        }
        Ok(())
    }

    /// A packet on its way to the client.
    fn on_packet(&mut self, packet: &str, carrier: Carrier) -> Check {
        let is_data = !matches!(packet, "1" | "6");
        hold!(
            !is_data || !self.is_closed,
            "{packet:?} behind the end of the session"
        );
        hold!(
            !is_data || self.is_upgraded == (carrier == Carrier::WebSocket),
            "{packet:?} leaves by {carrier:?}"
        );
        match packet {
            "1" | "6" => hold!(carrier == Carrier::Polling, "{packet:?} on a WebSocket"),
            "2" => self.pings += 1,
            _ => {
                let number = packet.strip_prefix("4s").and_then(|it| it.parse().ok());
                let number: usize = number.ok_or(format!("{packet:?} was not sent"))?;
                hold!(
                    number == self.came && number < self.sent,
                    "message {number} comes instead of message {}",
                    self.came
                );
                self.came += 1;
            }
        }
        Ok(())
    }
}
