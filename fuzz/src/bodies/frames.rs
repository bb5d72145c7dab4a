//! The messages of one connection.

use bytes::Bytes;
use socketio_proto::{
    edge::Message,
    engine::{Parser as _, packet::Packet as EnginePacket, payload},
    socket::{
        Assembler, DecodeError, EncodeError, Fragment, Json, Packet, PacketKind, Received, Sealed,
    },
};

use super::{
    input,
    packet::{assert_same, decode, forward, text_of, widest},
};

/// The most attachments that a packet may be sent with.
const MAX_SENT: usize = 10;

/// Limits and messages.
pub fn frames(input: &[u8]) {
    let Some((limits, rest)) = input::limits(input) else {
        return;
    };
    let messages = input::messages(rest);
    let parser = Json { limits };
    let mut assembler = Assembler::new();
    let mut model = None;
    for message in &messages {
        let Ok(fragment) = parser.parse(message.clone()) else {
            continue;
        };
        let pushed = assembler.push(fragment.clone());
        assert_eq!(assembler.is_waiting(), {
            let expected = expect(&mut model, fragment);
            assert_outcome(&pushed, &expected);
            model.is_some()
        });
        assert!(!format!("{assembler:?}").is_empty());
    }
    assert_carried(&messages);
}

/// A packet that waits, and what came of it.
type Waiting = (Received, Vec<Bytes>);

fn expect(
    waiting: &mut Option<Waiting>,
    fragment: Fragment,
) -> Result<Option<Waiting>, DecodeError> {
    match (waiting.take(), fragment) {
        (None, Fragment::Attachment(_)) => return Err(DecodeError::BinaryWhileIdle),
        (None, Fragment::Packet(packet)) => *waiting = Some((packet, Vec::new())),
        (Some((packet, mut came)), Fragment::Attachment(bytes)) => {
            came.push(bytes);
            *waiting = Some((packet, came));
        }
        (Some(held), Fragment::Packet(_)) => {
            *waiting = Some(held);
            return Err(DecodeError::TextWhileAssembling);
        }
    }
    let is_whole = |it: &mut Waiting| it.0.attachments() == it.1.len();
    Ok(waiting.take_if(is_whole))
}

fn assert_outcome(
    pushed: &Result<Option<Received>, DecodeError>,
    expected: &Result<Option<Waiting>, DecodeError>,
) {
    match (pushed, expected) {
        (Ok(Some(whole)), Ok(Some((packet, attachments)))) => {
            assert_eq!(whole.kind(), packet.kind());
            assert_eq!(whole.namespace(), packet.namespace());
            assert_eq!(whole.id(), packet.id());
            assert_eq!(whole.attachments(), attachments.len());
            let args = whole.clone().into_args();
            assert_eq!(args.attachments(), attachments);
            for (ours, theirs) in args.attachments().iter().zip(attachments) {
                assert_eq!(ours.as_ptr(), theirs.as_ptr(), "the buffer is shared");
            }
            assert_forwarded(whole);
        }
        (Ok(None), Ok(None)) => {}
        (Err(ours), Err(theirs)) => assert_eq!(ours, theirs),
        _ => panic!("{pushed:?} instead of {expected:?}"),
    }
}

/// What is forwarded arrives as it came.
fn assert_forwarded(received: &Received) {
    let kind = received.kind();
    if !matches!(kind, PacketKind::Event | PacketKind::Ack) {
        return;
    }
    let args = received.clone().into_args();
    if args.attachments().len() > MAX_SENT {
        let error = Packet::forward("a", &args).unwrap_err();
        let (limit, seen) = (MAX_SENT, args.attachments().len());
        assert_eq!(error, EncodeError::TooManyAttachments { limit, seen });
        return;
    }
    let packet = forward(kind, &args);
    assert_eq!(
        packet.clone().seal(received.namespace(), Some(7)),
        packet.clone().seal(received.namespace(), Some(7))
    );
    let sealed = packet.seal(received.namespace(), Some(7)).unwrap();
    let again = assemble(&sealed);
    assert_eq!((again.kind(), again.id()), (kind, Some(7)));
    assert_eq!(again.namespace(), received.namespace());
    assert_same(&again.into_args(), &args);
}

/// Brings together what is sealed, as its receiver does.
pub fn assemble(sealed: &Sealed) -> Received {
    let mut assembler = Assembler::new();
    let packet = decode(text_of(sealed), widest()).expect("what was encoded");
    let mut whole = assembler.push(Fragment::Packet(packet)).unwrap();
    for attachment in sealed.attachments() {
        assert_eq!(whole, None, "more attachments than announced");
        let fragment = Fragment::Attachment(attachment.clone());
        whole = assembler.push(fragment).unwrap();
    }
    whole.expect("as many attachments as announced")
}

/// However the messages are spread over polling bodies, they arrive.
fn assert_carried(messages: &[Message]) {
    for len in [1, 3, messages.len()] {
        let mut arrived = Vec::new();
        for chunk in messages.chunks(len) {
            let packets = chunk.iter().cloned().map(EnginePacket::Message);
            let Ok(body) = payload::encode(packets) else {
                // A text that holds the separator.
                return;
            };
            arrived.extend(payload::decode(body, usize::MAX));
        }
        let sent = messages.iter().cloned().map(EnginePacket::Message);
        assert!(arrived.into_iter().eq(sent.map(Ok)));
    }
}
