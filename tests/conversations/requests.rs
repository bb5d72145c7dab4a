//! Single requests: what the checks say, and what becomes of the session that a request names.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use socketio_proto::{
    edge::{BodyRead, Carrier, End, Machine as _, Output, Request},
    engine::{Event, Server},
    time::Instant,
};

use super::{
    engine,
    pattern::Ids,
    rows::{Document, Row},
    world::HeaderMap,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "named so that no other member passes")]
struct Check {
    id: String,
    title: String,
    cites: Value,
    reference: Value,
    session: Option<String>,
    carrier: String,
    method: String,
    target: Target,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<String>,
    answer: Value,
    after: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Target {
    Plain(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    Once(String),
    Repeated(String, usize),
}

impl Target {
    fn text(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Once(text) => text.clone(),
                    Part::Repeated(text, times) => text.repeat(*times),
                })
                .collect(),
        }
    }
}

const NOW: Instant = Instant::ORIGIN;

pub fn replay(document: &Document, row: &Row) -> Result<(), String> {
    let check: Check = row.parse();
    let mut server = engine::server(&document.config(None));
    let mut ids = Ids::default();
    if let Some(transport) = &check.session {
        let sid = open(&mut server, transport);
        ids.matches(&[json!("$sid")], &[json!(sid)]);
    }
    let seen = ask(&mut server, &check, &ids)?;
    let mut answer = check.answer.clone();
    if check.method == "HEAD" {
        // It has no body on the wire; leaving it out is the carrier's business.
        answer["body"] = seen["body"].clone();
    }
    if !ids.matches(&[answer], std::slice::from_ref(&seen)) {
        return Err(format!("expected {}\n  but came {seen}", check.answer));
    }
    let after = check.session.as_ref().map(|_| match server.sessions() {
        0 => "closed",
        _ => "open",
    });
    if after == check.after.as_deref() {
        Ok(())
    } else {
        Err(format!("the session is {after:?} afterwards"))
    }
}

/// Opens the session that the request may name.
fn open(server: &mut Server, transport: &str) -> String {
    let (carrier, headers) = (carrier_of(transport), HeaderMap::new(&Map::new()));
    server.handle_request(
        NOW,
        &Request {
            carrier,
            method: "GET",
            target: &format!("/engine.io/?EIO=4&transport={transport}"),
            headers: &headers,
            peer: None,
        },
    );
    let mut opened = None;
    while let Some(output) = server.poll_output() {
        match output {
            Output::Event(Event::SessionOpened { session, .. }) => opened = Some(session),
            Output::OpenTransport { transport, .. } => server.handle_transport_open(NOW, transport),
            Output::Respond { request, .. } => server.handle_request_end(NOW, request, End::Sent),
            Output::Transmit { transport, .. } => server.handle_transport_sent(NOW, transport),
            _ => {}
        }
    }
    let id = server.session_id(opened.unwrap()).unwrap();
    id.expose()
}

fn carrier_of(name: &str) -> Carrier {
    match name {
        "http" | "polling" => Carrier::Polling,
        "websocket" => Carrier::WebSocket,
        name => panic!("unknown carrier {name}"),
    }
}

/// What comes of the request, in the terms of the rows.
fn ask(server: &mut Server, check: &Check, ids: &Ids) -> Result<Value, String> {
    let sessions = server.sessions();
    let carrier = carrier_of(&check.carrier);
    let target = ids.fill(&check.target.text())?;
    if !server.claims(&target) {
        return Ok(json!({"accepted": "elsewhere"}));
    }
    server.handle_request(
        NOW,
        &Request {
            carrier,
            method: &check.method,
            target: &target,
            headers: &HeaderMap::new(&check.headers),
            peer: None,
        },
    );
    let mut seen = json!({"accepted": "poll"});
    let (mut code, mut message) = (None, None);
    while let Some(output) = server.poll_output() {
        match output {
            Output::Event(Event::Refused { refusal, .. }) => {
                code = refusal.code();
                message = Some(refusal.message());
            }
            Output::OpenTransport { transport, .. } => {
                server.handle_transport_open(NOW, transport);
                let is_new = server.sessions() > sessions;
                let accepted = if is_new { "session" } else { "upgrade" };
                seen = json!({"accepted": accepted});
            }
            Output::ReadBody { request, codec, .. } => {
                let body = check.body.clone().unwrap_or_default();
                let body = BodyRead::Complete(codec.read_body(Bytes::from(body)));
                server.handle_body(NOW, request, body);
            }
            Output::Respond { response, .. } if response.status == 200 => {
                let is_new = server.sessions() > sessions;
                seen = json!({"accepted": if is_new { "session" } else { "data" }});
            }
            Output::Respond { response, .. } => {
                seen = json!({
                    "status": response.status,
                    "body": String::from_utf8_lossy(&response.body),
                });
            }
            _ => {}
        }
    }
    if let (Some(code), Some(message)) = (code, message) {
        seen["code"] = json!(code);
        seen["message"] = json!(message);
    }
    Ok(seen)
}
