//! Socket.IO packets, without their attachments.

use socketio_proto::{
    engine::Parser as _,
    socket::{
        Args, Control, Data, DecodeError, Fragment, Json, Limits, Packet, PacketKind, Received,
        Sealed, is_reserved,
    },
};

use super::{
    input,
    json::{self, Tree},
};

const MAX_ID: u64 = (1 << 53) - 1;
const RULES: [&str; 16] = [
    "ack-id-too-large",
    "empty",
    "illegal-attachment",
    "illegal-attachment-count",
    "illegal-event-name",
    "illegal-namespace",
    "illegal-payload",
    "invalid-json",
    "missing-payload",
    "namespace-too-long",
    "reserved-event-name",
    "too-deep",
    "too-long",
    "too-many-attachments",
    "too-many-placeholders",
    "unknown-type",
];

/// Limits and the text of a packet.
pub fn packet(input: &[u8]) {
    let Some((limits, text)) = input::limits(input) else {
        return;
    };
    let text = input::text(text);
    let decoded = decode(text, limits);
    assert_eq!(decoded, decode(text, limits));
    let model = Model::of(text, &limits);
    match decoded {
        Ok(received) => {
            let model = model.unwrap_or_else(|| panic!("accepted: {text:?} {limits:?}"));
            model.assert_is(&received);
            assert_survives(&received);
        }
        Err(error) => {
            assert!(model.is_none(), "{error}: {text:?} {limits:?}");
            assert_error(&error, text, limits);
        }
    }
}

pub fn decode(text: &str, limits: Limits) -> Result<Received, DecodeError> {
    match (Json { limits }).parse(input::text_message(text))? {
        Fragment::Packet(received) => Ok(received),
        Fragment::Attachment(_) => panic!("a text is no attachment"),
    }
}

/// The limits under which everything is read that can be read.
pub fn widest() -> Limits {
    Limits {
        max_attachments: usize::MAX,
        max_depth: usize::MAX,
        max_namespace: usize::MAX,
    }
}

/// The text of a sealed packet as its receiver gets it.
pub fn text_of(sealed: &Sealed) -> &str {
    let text = core::str::from_utf8(sealed.text()).expect("a text is UTF-8");
    text.strip_prefix('4').expect("it is a message")
}

fn assert_error(error: &DecodeError, text: &str, limits: Limits) {
    assert!(RULES.contains(&error.rule()), "{error:?}");
    assert!(!error.to_string().is_empty());
    let Some(offset) = error.offset() else {
        panic!("{error:?} is not about a place");
    };
    assert!(text.is_char_boundary(offset), "{error:?} in {text:?}");
    assert!(is_pointed_at(error, text, offset), "{error:?} in {text:?}");
    // Nothing before the place is to blame: a text that ends there is not wrong earlier.
    if let DecodeError::InvalidJson { .. } = error {
        let before = decode(&text[..offset], limits);
        let earlier = before.err().and_then(|error| error.offset());
        assert!(earlier.is_none_or(|it| it >= offset || is_about_the_whole(text, offset)));
    }
}

/// Whether at the place stands what the error is about.
fn is_pointed_at(error: &DecodeError, text: &str, offset: usize) -> bool {
    let (before, rest) = text.split_at(offset);
    let begins_with = |is_it: fn(char) -> bool| rest.starts_with(is_it);
    match error {
        DecodeError::AckIdTooLarge { .. } | DecodeError::TooManyAttachments { .. } => {
            begins_with(|it| it.is_ascii_digit())
        }
        DecodeError::Empty => text.is_empty(),
        DecodeError::IllegalAttachment { .. } | DecodeError::TooManyPlaceholders { .. } => {
            before.ends_with('}')
        }
        DecodeError::IllegalAttachmentCount { .. } => {
            let count = &before[1..];
            let is_whole = !count.is_empty() && (count == "0" || !count.starts_with('0'));
            count.bytes().all(|it| it.is_ascii_digit()) && !(is_whole && rest.starts_with('-'))
        }
        DecodeError::IllegalEventName { .. } => {
            !begins_with(|it| it == '"' || it == '-' || it.is_ascii_digit())
        }
        DecodeError::IllegalNamespace { .. } => begins_with(char::is_control),
        DecodeError::IllegalPayload { kind, .. } => match kind {
            PacketKind::Connect => !rest.starts_with('{'),
            PacketKind::ConnectError => !rest.starts_with(['{', '"']),
            PacketKind::Disconnect => !rest.is_empty(),
            PacketKind::Ack | PacketKind::Event => !rest.starts_with('['),
        },
        DecodeError::MissingPayload { .. } => rest.is_empty(),
        DecodeError::NamespaceTooLong { .. } => rest.starts_with('/'),
        DecodeError::ReservedEventName { .. } => rest.starts_with('"'),
        DecodeError::TooDeep { .. } => rest.starts_with(['[', '{']),
        DecodeError::UnknownType(character) => offset == 0 && rest.starts_with(*character),
        _ => true,
    }
}

/// Whether what stands before an offset could be a payload of the wrong kind or with a wrong name,
/// which is said only of payloads that are JSON.
fn is_about_the_whole(text: &str, offset: usize) -> bool {
    let error = decode(&text[..offset], widest()).err();
    error.is_some_and(|error| !matches!(error, DecodeError::InvalidJson { .. }))
}

/// Encoding what was received and reading it gives the same.
fn assert_survives(received: &Received) {
    let (kind, namespace, id) = (received.kind(), received.namespace(), received.id());
    let sealed = match kind {
        PacketKind::Event | PacketKind::Ack => {
            let args = received.clone().into_args();
            let packet = forward(kind, &args);
            let id = if kind == PacketKind::Ack {
                id.or(Some(0))
            } else {
                id
            };
            packet.seal(namespace, id).expect("what came can go")
        }
        PacketKind::Connect => {
            let control = Control::Connect(received.clone().into_data());
            control.seal(namespace).expect("what came can go")
        }
        PacketKind::ConnectError => {
            let Some(data) = received.clone().into_data() else {
                return;
            };
            let control = Control::ConnectError(data);
            control.seal(namespace).expect("what came can go")
        }
        PacketKind::Disconnect => Control::Disconnect.seal(namespace).expect("as it came"),
    };
    assert!(sealed.attachments().is_empty());
    let again = decode(text_of(&sealed), widest()).expect("what was encoded");
    assert_eq!(again.kind(), kind);
    assert_eq!(again.namespace(), namespace);
    assert_eq!(again.attachments(), 0);
    let (a, b) = (received.clone().into_args(), again.clone().into_args());
    assert_same(&a, &b);
    let (a, b) = (received.clone().into_data(), again.into_data());
    assert_eq!(a.as_ref().map(Data::json), b.as_ref().map(Data::json));
}

pub fn forward(kind: PacketKind, args: &Args) -> Packet {
    let packet = match kind {
        PacketKind::Event => Packet::forward(args.name(), args),
        _ => Packet::reply_forward(args),
    };
    packet.expect("what came can go")
}

/// The same name, and the same text but for white space around it.
pub fn assert_same(a: &Args, b: &Args) {
    assert_eq!(a.name(), b.name());
    assert_eq!(a.json().trim(), b.json().trim());
    assert_eq!((a.len(), a.is_empty()), (b.len(), b.is_empty()));
    assert_eq!(a.attachments(), b.attachments());
}

/// What a text is: the grammar of the protocol, rule by rule.
struct Model<'a> {
    kind: PacketKind,
    attachments: usize,
    namespace: &'a str,
    id: Option<u64>,
    payload: &'a str,
}

impl<'a> Model<'a> {
    fn of(text: &'a str, limits: &Limits) -> Option<Self> {
        let kind = match text.as_bytes().first()? {
            b'0' => PacketKind::Connect,
            b'1' => PacketKind::Disconnect,
            b'2' | b'5' => PacketKind::Event,
            b'3' | b'6' => PacketKind::Ack,
            b'4' => PacketKind::ConnectError,
            _ => return None,
        };
        let (digit, mut rest) = text.split_at(1);
        let mut attachments = 0;
        if "56".contains(digit) {
            let (count, behind) = rest.split_once('-')?;
            let is_number = !count.is_empty() && count.bytes().all(|it| it.is_ascii_digit());
            if !is_number || (count.starts_with('0') && count != "0") {
                return None;
            }
            attachments = count
                .parse()
                .ok()
                .filter(|&it| it <= limits.max_attachments)?;
            rest = behind;
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
            if namespace.len() > limits.max_namespace || namespace.chars().any(char::is_control) {
                return None;
            }
        }
        let payload = rest.trim_start_matches(|it: char| it.is_ascii_digit());
        let id = match &rest[..rest.len() - payload.len()] {
            "" => None,
            digits => Some(digits.parse().ok().filter(|&id: &u64| id <= MAX_ID)?),
        };
        let model = Self {
            kind,
            attachments,
            namespace,
            id,
            payload: payload.trim_end_matches([' ', '\n', '\r', '\t']),
        };
        if payload.is_empty() {
            return (kind != PacketKind::Event).then_some(model);
        }
        let is_legal = json::is_json(payload)
            && model.is_payload_legal(payload)
            && json::depth(payload) <= limits.max_depth.min(Limits::MAX_DEPTH)
            && model.are_placeholders_legal();
        is_legal.then_some(model)
    }

    fn is_payload_legal(&self, payload: &str) -> bool {
        match self.kind {
            PacketKind::Connect => payload.starts_with('{'),
            PacketKind::ConnectError => payload.starts_with(['{', '"']),
            PacketKind::Disconnect => false,
            PacketKind::Ack => payload.starts_with('['),
            PacketKind::Event => payload.starts_with('[') && self.name().is_some(),
        }
    }

    /// The name of an event, if it can be one.
    fn name(&self) -> Option<String> {
        // Deep lists are refused elsewhere; here they must not cost the stack.
        if json::depth(self.payload) > Limits::MAX_DEPTH {
            return Some(String::new());
        }
        let Tree::List(elements) = Tree::parse(self.payload) else {
            return None;
        };
        let name = match elements.into_iter().next()?.0 {
            Tree::Text(name) => name,
            Tree::Word(word) if !["null", "true", "false"].contains(&word) => word.to_owned(),
            _ => return None,
        };
        let reserved = [
            "connect",
            "connect_error",
            "disconnect",
            "disconnecting",
            "newListener",
            "removeListener",
        ];
        assert_eq!(is_reserved(&name), reserved.contains(&&*name));
        (!reserved.contains(&&*name)).then_some(name)
    }

    fn are_placeholders_legal(&self) -> bool {
        if self.attachments == 0 {
            return true;
        }
        let (mut placeholders, mut are_legal) = (0, true);
        Tree::parse(self.payload).walk(&mut |tree| {
            if tree.is_marked() {
                placeholders += 1;
                are_legal &= tree.index(self.attachments).is_some();
            }
        });
        are_legal && placeholders <= (self.attachments * 2).max(16)
    }

    fn assert_is(&self, received: &Received) {
        assert_eq!(received.kind(), self.kind);
        assert_eq!(received.attachments(), self.attachments);
        assert_eq!(received.namespace(), self.namespace);
        assert_eq!(received.id(), self.id);
        assert!(!format!("{received:?}").is_empty());
        let has_data = matches!(self.kind, PacketKind::Connect | PacketKind::ConnectError);
        let data = received.clone().into_data();
        let expected = (has_data && !self.payload.is_empty()).then_some(self.payload);
        assert_eq!(data.as_ref().map(Data::json), expected);

        let args = received.clone().into_args();
        assert!(args.attachments().is_empty());
        let (name, len) = match Tree::parse(if has_data || self.payload.is_empty() {
            "[]"
        } else {
            self.payload
        }) {
            Tree::List(elements) if self.kind == PacketKind::Event => {
                (self.name().unwrap(), elements.len() - 1)
            }
            Tree::List(elements) => (String::new(), elements.len()),
            other => panic!("{other:?}"),
        };
        assert_eq!(args.name(), name);
        assert_eq!(args.len(), len, "{}", args.json());
        assert_eq!(args.is_empty(), len == 0);
        assert!(json::is_json(&format!("[{}]", args.json())));
        assert!(args.size() >= args.json().len());
    }
}
