//! Compares what both sides read, and lets only listed differences pass.

use std::slice;

use bytes::Bytes;
use socketio_proto::{
    engine::packet,
    socket::{DecodeError, Limits},
};

use crate::{
    differences::{
        BASE64, But, DIFFERENCES, Explain, Explanation, HALVES, Head, IGNORED_DATA, NO_DATA,
        NOT_UTF8, OVERFLOW, Scene, TOO_MANY_PACKETS,
    },
    encode,
    generate::Case,
    oracle::{Answer, BROKEN, EnginePacket, Frame, Oracle, Packet, Question, Step},
    ours::{self, EngineRead, Read},
    value::{Allowed, Text, Value},
};

/// The names of the differences that were met.
pub type Hits = Vec<&'static str>;

/// How often a rewritten input may be rewritten again.
const REWRITINGS: usize = 8;

pub struct Judge<'a> {
    pub oracle: &'a mut Oracle,
    pub tally: &'a mut Tally,
}

/// What was compared, to see that inputs are neither all valid nor all broken.
#[derive(Debug, Default)]
pub struct Tally {
    pub attachments: u64,
    pub bodies: u64,
    pub encoded: u64,
    pub frames: u64,
    pub packets: u64,
    pub refusals: u64,
}

/// What the oracle has to be asked about a case.
pub fn questions(case: &Case) -> Vec<Question> {
    match case {
        Case::Body { body, .. } => vec![Question::DecodeBody(body.clone())],
        Case::Encode(packet) => {
            let again = ours::encode(packet).unwrap_or_default();
            vec![Question::Encode(packet.clone()), Question::Decode(again)]
        }
        Case::EncodeBody(packets) => {
            let again = ours::encode_body(packets).unwrap_or_default();
            let theirs = Question::EncodeBody(packets.clone());
            vec![theirs, Question::DecodeBody(again)]
        }
        Case::EncodeMessage(packet) => {
            let again = ours::encode_message(packet);
            let theirs = Question::EncodeMessage(packet.clone());
            vec![theirs, Question::DecodeMessage(again)]
        }
        Case::Frames(frames) => vec![Question::Decode(frames.clone())],
        Case::Message(frame) => vec![Question::DecodeMessage(frame.clone())],
    }
}

impl Judge<'_> {
    /// Asks the oracle first.
    pub fn try_case(&mut self, case: &Case) -> Result<Hits, String> {
        let batch = self.oracle.send(questions(case));
        let answers = self.oracle.wait(batch);
        self.case(case, &answers)
    }

    /// Compares; the error says what each side makes of it.
    pub fn case(&mut self, case: &Case, answers: &[Answer]) -> Result<Hits, String> {
        match (case, answers) {
            (Case::Body { body, max_packets }, [Answer::Packets(theirs)]) => {
                self.tally.bodies += 1;
                self.body(body, *max_packets, theirs)
            }
            (Case::Encode(packet), [Answer::Encoded(frames, read), Answer::Steps(again)]) => {
                self.tally.encoded += 1;
                encode::packet(packet, frames, read, again)
            }
            (Case::EncodeBody(packets), [Answer::Value(theirs), Answer::Packets(again)]) => {
                encode::body(packets, theirs, again)
            }
            (Case::EncodeMessage(packet), [Answer::Value(theirs), Answer::Packets(again)]) => {
                encode::message(packet, theirs, again)
            }
            (Case::Frames(frames), [Answer::Steps(theirs)]) => {
                self.frames(frames, Limits::default(), theirs, REWRITINGS)
            }
            (Case::Message(frame), [Answer::Packets(theirs)]) => self.message(frame, theirs),
            other => panic!("these are not the answers: {other:?}"),
        }
    }

    pub fn frames(
        &mut self,
        frames: &[Frame],
        limits: Limits,
        theirs: &[Step<String>],
        rewritings: usize,
    ) -> Result<Hits, String> {
        let ours = ours::decode(frames, limits);
        let mut hits = Hits::new();
        for (at, (ours, theirs_now)) in ours.iter().zip(theirs).enumerate() {
            if is_same_step(ours, theirs_now, &mut hits) {
                self.tally.frames += 1;
                match theirs_now {
                    Step::Packet(packet) => {
                        self.tally.packets += 1;
                        self.tally.attachments += packet.data.attachments() as u64;
                    }
                    Step::Refused(_) => self.tally.refusals += 1,
                    Step::Waiting => {}
                }
                self.check_forwarding(ours, theirs_now)?;
                continue;
            }
            let difference = || {
                format!(
                    "frame {at} of {frames:?}\n  ours   {:?}\n  theirs {theirs_now:?}",
                    ours.step
                )
            };
            let completed = self.completed(&frames[at], theirs_now);
            let scene = Scene {
                frame: &frames[at],
                limits,
                ours,
                theirs: theirs_now,
                completed: completed.as_ref(),
            };
            let found = DIFFERENCES.iter().find_map(|entry| match entry.explain {
                Explain::ByName => None,
                Explain::Frame(explain) => Some((entry.name, explain(&scene)?)),
            });
            let (name, explanation) = found.ok_or_else(difference)?;
            hits.push(name);
            let left = rewritings.checked_sub(1).ok_or_else(difference)?;
            let within = |error| format!("{name}: {error}");
            match explanation {
                Explanation::Accepted
                    if is_waiting(ours) != is_theirs_waiting(ours, theirs_now) =>
                {
                    // From here on the states differ.
                    return Ok(hits);
                }
                Explanation::Accepted => {}
                Explanation::Lifted(limits) => {
                    hits.extend(self.frames(frames, limits, theirs, left).map_err(within)?);
                    return Ok(hits);
                }
                Explanation::Rewritten(text, but) => {
                    let mut again = frames.to_vec();
                    again[at] = Frame::Text(text);
                    let read = self.oracle.decode(&again);
                    let is_kept =
                        but == But::Everything || is_same_but(&theirs[at..], &read[at..], but);
                    // Not ours alone is laxer: what was refused has to be read as it is now.
                    let is_ours_kept = but != But::Everything || {
                        let again = ours::decode(&again, limits);
                        format!("{:?}", kind_of(&again[at])) == format!("{:?}", kind_of(ours))
                    };
                    if !is_kept || !is_ours_kept {
                        return Err(within(format!("{}\n  again  {read:?}", difference())));
                    }
                    let found = self.frames(&again, limits, &read, left).map_err(within)?;
                    hits.extend(found);
                    return Ok(hits);
                }
            }
        }
        Ok(hits)
    }

    /// What the reference makes of a packet whose attachments it awaits now.
    fn completed(&mut self, frame: &Frame, theirs: &Step<String>) -> Option<Step<String>> {
        let (Step::Waiting, Frame::Text(text)) = (theirs, frame) else {
            return None;
        };
        // No more are ever awaited.
        let attachments = Head::of(text)?.attachments.min(10);
        let mut frames = vec![frame.clone()];
        frames.extend(vec![Frame::Bytes(Bytes::new()); attachments]);
        self.oracle.decode(&frames).pop()
    }

    /// Received arguments that are sent again are the same ones; tried with few packets.
    fn check_forwarding(&mut self, ours: &Read, theirs: &Step<String>) -> Result<(), String> {
        let (Some(args), Step::Packet(packet)) = (&ours.args, theirs) else {
            return Ok(());
        };
        if args.json().len() % 16 != 3 {
            return Ok(());
        }
        let mut sent = match &packet.data {
            Value::List(elements) => elements.clone(),
            _ => Vec::new(),
        };
        if packet.kind == 2 {
            sent.remove(0);
        }
        let frames = ours::forward(args);
        let expected = Packet {
            kind: 3,
            namespace: "/".into(),
            id: Value::Number(7.0),
            data: Value::List(sent),
        };
        let read = self.oracle.decode(&frames).pop();
        if read.as_ref() == Some(&Step::Packet(expected)) {
            return Ok(());
        }
        Err(format!(
            "forwarded as {frames:?}\n  theirs {theirs:?}\n  again  {read:?}"
        ))
    }

    fn message(&mut self, frame: &Frame, theirs: &[EnginePacket]) -> Result<Hits, String> {
        let ours = ours::decode_message(frame);
        let mut hits = Hits::new();
        let text = match frame {
            Frame::Bytes(_) => "",
            Frame::Text(text) => text,
        };
        let [theirs] = theirs else {
            return Err("a message is one packet".into());
        };
        if let Some(cleaned) = compare_packet(text, &ours, theirs, &mut hits)? {
            let frame = Frame::Text(cleaned);
            let again = self.oracle.ask(Question::DecodeMessage(frame.clone()));
            if again != Answer::Packets(vec![theirs.clone()]) {
                return Err(format!("{frame:?} is read differently: {again:?}"));
            }
            hits.extend(self.message(&frame, slice::from_ref(theirs))?);
        }
        Ok(hits)
    }

    fn body(
        &mut self,
        body: &Bytes,
        max_packets: usize,
        theirs: &[EnginePacket],
    ) -> Result<Hits, String> {
        let ours = ours::decode_body(body.clone(), max_packets);
        let difference = || format!("body {body:?}\n  ours   {ours:?}\n  theirs {theirs:?}");
        let mut hits = Hits::new();
        let text = String::from_utf8_lossy(body).into_owned();
        if let [Err(packet::DecodeError::NotUtf8 { offset })] = ours[..] {
            let error = str::from_utf8(body).err();
            if error.is_none_or(|error| error.valid_up_to() != offset) {
                return Err(difference());
            }
            hits.push(NOT_UTF8);
            hits.extend(self.again(&text, max_packets, theirs)?);
            return Ok(hits);
        }
        let parts: Vec<_> = text.split('\u{1e}').collect();
        let mut ours_in_turn = &ours[..];
        if let [
            good @ ..,
            Err(packet::DecodeError::TooManyPackets { count, limit }),
        ] = &ours[..]
        {
            let is_so = *limit == max_packets
                && good.len() == *limit
                && *count == parts.len()
                && count > limit
                && theirs.len() > *limit;
            if !is_so {
                return Err(difference());
            }
            hits.push(TOO_MANY_PACKETS);
            ours_in_turn = good;
        }
        for (at, (ours, theirs_now)) in ours_in_turn.iter().zip(theirs).enumerate() {
            let part = parts.get(at).ok_or_else(difference)?;
            let within = |error| format!("{}\n  {error}", difference());
            if let Some(cleaned) =
                compare_packet(part, ours, theirs_now, &mut hits).map_err(within)?
            {
                let mut parts = parts.clone();
                parts[at] = &cleaned;
                hits.extend(self.again(&parts.join("\u{1e}"), max_packets, theirs)?);
                return Ok(hits);
            }
        }
        let is_whole = hits.contains(&TOO_MANY_PACKETS)
            || ours.len() == theirs.len() && ours.len() <= max_packets;
        is_whole.then_some(hits).ok_or_else(difference)
    }

    /// A repaired body: the reference has to read it as it read the other one.
    fn again(
        &mut self,
        text: &str,
        max_packets: usize,
        theirs: &[EnginePacket],
    ) -> Result<Hits, String> {
        let body = Bytes::from(text.to_owned());
        let again = self.oracle.ask(Question::DecodeBody(body.clone()));
        if again != Answer::Packets(theirs.to_vec()) {
            return Err(format!(
                "body {body:?} is read differently: {again:?} for {theirs:?}"
            ));
        }
        self.body(&body, max_packets, theirs)
    }
}

/// Notes down the differences in values that are met.
pub fn is_same_step(ours: &Read, theirs: &Step<String>, hits: &mut Hits) -> bool {
    match (&ours.step, theirs) {
        (Step::Packet(packet), Step::Packet(theirs)) => {
            is_same_packet(packet, theirs, ours.overflows, hits)
        }
        (Step::Refused(error), Step::Refused(text)) => reference_text(error) == *text,
        (Step::Waiting, Step::Waiting) => true,
        _ => false,
    }
}

fn is_same_packet(ours: &Packet, theirs: &Packet, overflows: bool, hits: &mut Hits) -> bool {
    let mut allowed = Allowed::default();
    // An event's name may be a number.
    let named = (ours.kind == 2 && theirs.kind == 2).then(|| theirs.data.clone());
    let theirs_data = match named {
        Some(Value::List(mut elements)) => {
            if let ([Value::Number(number), ..], Value::List(of_ours)) = (&elements[..], &ours.data)
                && let Some(Value::Text(name)) = of_ours.first()
                && name.mended().parse() == Ok(*number)
            {
                elements[0] = Value::Text(name.clone());
            }
            Value::List(elements)
        }
        // An answer without a payload has no arguments.
        _ if theirs.kind == 3 && theirs.data == Value::Undefined => Value::List(Vec::new()),
        _ => theirs.data.clone(),
    };
    let is_same = ours.kind == theirs.kind
        && ours.id == theirs.id
        && allowed.is_same_text(&ours.namespace, &theirs.namespace)
        && allowed.is_same(&ours.data, &theirs_data);
    if is_same {
        hits.extend((allowed.halves > 0).then_some(HALVES));
        hits.extend(overflows.then_some(OVERFLOW));
    }
    is_same
}

/// Whether ours awaits attachments behind a frame.
fn is_waiting(ours: &Read) -> bool {
    match ours.step {
        Step::Packet(_) => false,
        Step::Refused(_) => ours.was_waiting,
        Step::Waiting => true,
    }
}

fn is_theirs_waiting(ours: &Read, theirs: &Step<String>) -> bool {
    match theirs {
        Step::Packet(_) => false,
        // Both waited, or not, before.
        Step::Refused(_) => ours.was_waiting,
        Step::Waiting => true,
    }
}

/// A step without places in the text.
fn kind_of(read: &Read) -> Step<&'static str> {
    match &read.step {
        Step::Packet(packet) => Step::Packet(packet.clone()),
        Step::Refused(error) => Step::Refused(error.rule()),
        Step::Waiting => Step::Waiting,
    }
}

fn is_same_but(before: &[Step<String>], after: &[Step<String>], but: But) -> bool {
    let masked = |step: &Step<String>| {
        let mut step = step.clone();
        if let Step::Packet(packet) = &mut step {
            match but {
                But::Id => packet.id = Value::Undefined,
                But::Namespace => packet.namespace = "".into(),
                But::Everything | But::Nothing => {}
            }
        }
        format!("{step:?}")
    };
    before.iter().map(masked).eq(after.iter().map(masked))
}

/// The text that the reference has for an error (Socket.IO reference, section 1.5).
fn reference_text(error: &DecodeError) -> String {
    let text = match error {
        DecodeError::BinaryWhileIdle => "got binary data when not reconstructing a packet",
        DecodeError::IllegalAttachment { .. } => "illegal attachments",
        DecodeError::IllegalAttachmentCount { .. } => "Illegal attachments",
        DecodeError::TextWhileAssembling => "got plaintext data when reconstructing a packet",
        DecodeError::TooManyAttachments { .. } => "too many attachments",
        DecodeError::UnknownType(digit) if digit.is_ascii_digit() => {
            return format!("unknown packet type {digit}");
        }
        DecodeError::Empty | DecodeError::UnknownType(_) => "unknown packet type NaN",
        _ => "invalid payload",
    };
    text.to_owned()
}

/// Compares one packet of Engine.IO. If only base64 stands between the two sides, it is returned as
/// ours reads it.
fn compare_packet(
    text: &str,
    ours: &EngineRead,
    theirs: &EnginePacket,
    hits: &mut Hits,
) -> Result<Option<String>, String> {
    let difference = || format!("packet {text:?}\n  ours   {ours:?}\n  theirs {theirs:?}");
    let ours = match ours {
        Ok(ours) => ours,
        Err(packet::DecodeError::InvalidBase64 { .. }) => {
            let base64 = text.strip_prefix('b').ok_or_else(difference)?;
            if is_standard_base64(base64) || theirs.kind != 4 {
                return Err(difference());
            }
            hits.push(BASE64);
            return Ok(Some(format!("b{}", as_node_reads(base64))));
        }
        Err(packet::DecodeError::Empty | packet::DecodeError::UnknownType(_))
            if theirs.kind == BROKEN =>
        {
            return Ok(None);
        }
        Err(_) => return Err(difference()),
    };
    let is_same = ours.kind == theirs.kind
        && match (ours.kind, &theirs.data) {
            (1 | 5 | 6, Value::Undefined) => true,
            (1 | 5 | 6, Value::Text(data)) => {
                hits.push(IGNORED_DATA);
                *data == Text::from(&text[1..])
            }
            (kind, Value::Undefined) => {
                if kind == 4 {
                    hits.push(NO_DATA);
                }
                ours.data == Value::text("")
            }
            (_, data) => ours.data == *data,
        };
    is_same.then_some(None).ok_or_else(difference)
}

/// RFC 4648, with or without padding.
fn is_standard_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    let is_padded = padding == 0 || padding <= 2 && text.len().is_multiple_of(4);
    data.bytes().all(is_base64) && data.len() % 4 != 1 && is_padded
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// The part of a text that Node.js takes for base64, in the standard alphabet.
fn as_node_reads(text: &str) -> String {
    // Of a character beyond Latin-1 it looks at the lower half.
    let bytes = text.encode_utf16().map(|unit| unit.to_le_bytes()[0]);
    let bytes = bytes
        .take_while(|&byte| byte != b'=')
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        });
    let mut data: String = bytes
        .filter(|&byte| is_base64(byte))
        .map(char::from)
        .collect();
    if data.len() % 4 == 1 {
        data.pop();
    }
    data
}
