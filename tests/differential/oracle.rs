//! The official parsers, which run in Node.js and answer over a pipe (`oracle.mjs`).

use std::{
    collections::HashMap,
    io::{Read, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    node,
    value::{Text, Value},
};

/// How long one batch may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One message of a carrier.
#[derive(Clone, PartialEq)]
pub enum Frame {
    Bytes(Bytes),
    Text(String),
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "<{bytes:02x?}>"),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// A packet of Socket.IO; types are those of the protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    pub kind: u8,
    pub namespace: Text,
    /// A number, or undefined.
    pub id: Value,
    pub data: Value,
}

/// What a decoder makes of one frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<E> {
    Packet(Packet),
    Refused(E),
    Waiting,
}

/// A packet of Engine.IO; `kind` is the digit of its type, 7 for a broken one.
#[derive(Clone, Debug, PartialEq)]
pub struct EnginePacket {
    pub kind: u8,
    /// Text, bytes or undefined.
    pub data: Value,
}

/// The kind of the packet that stands for a broken one.
pub const BROKEN: u8 = 7;

#[derive(Clone, Debug)]
pub enum Question {
    Decode(Vec<Frame>),
    DecodeBody(Bytes),
    DecodeMessage(Frame),
    Encode(Packet),
    EncodeBody(Vec<EnginePacket>),
    EncodeMessage(EnginePacket),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Frames, and what the decoder makes of them again.
    Encoded(Vec<Frame>, Vec<Step<String>>),
    Packets(Vec<EnginePacket>),
    Steps(Vec<Step<String>>),
    Value(Value),
}

/// A running `oracle.mjs`; it ends with this value.
pub struct Oracle {
    child: Child,
    input: Option<ChildStdin>,
    output: mpsc::Receiver<Vec<u8>>,
    asked: u64,
    answered: u64,
    /// The questions of batches that are out, and answers that were not yet asked for.
    open: HashMap<u64, Vec<Question>>,
    early: HashMap<u64, Vec<Answer>>,
}

impl Oracle {
    pub fn start() -> Self {
        let mut command = Command::new("node");
        command.arg("oracle.mjs").current_dir(node::folder());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Node.js starts");
        let input = child.stdin.take();
        let mut stdout = child.stdout.take().expect("it is piped");
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut length = [0; 4];
            while stdout.read_exact(&mut length).is_ok() {
                let mut batch = vec![0; u32::from_le_bytes(length) as usize];
                if stdout.read_exact(&mut batch).is_err() || sender.send(batch).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            input,
            output,
            asked: 0,
            answered: 0,
            open: HashMap::new(),
            early: HashMap::new(),
        }
    }

    /// Sends a batch, whose answers can be waited for later.
    pub fn send(&mut self, questions: Vec<Question>) -> u64 {
        let mut writer = Writer(vec![0; 4]);
        for question in &questions {
            writer.question(question);
        }
        let length = u32::try_from(writer.0.len() - 4).expect("a batch is small");
        writer.0[..4].copy_from_slice(&length.to_le_bytes());
        let input = self.input.as_mut().expect("it is open until the end");
        input.write_all(&writer.0).expect("the oracle reads");
        self.open.insert(self.asked, questions);
        self.asked += 1;
        self.asked - 1
    }

    pub fn wait(&mut self, batch: u64) -> Vec<Answer> {
        loop {
            if let Some(answers) = self.early.remove(&batch) {
                return answers;
            }
            let bytes = self.output.recv_timeout(PATIENCE);
            let bytes = bytes.expect("the oracle answers in time");
            let mut reader = Reader(&bytes);
            let questions = self.open.remove(&self.answered).expect("it was asked");
            let answers = questions.iter().map(|question| reader.answer(question));
            self.early.insert(self.answered, answers.collect());
            assert!(reader.0.is_empty(), "an answer has more than was asked for");
            self.answered += 1;
        }
    }

    pub fn ask(&mut self, question: Question) -> Answer {
        let batch = self.send(vec![question]);
        self.wait(batch).pop().expect("an answer for each question")
    }

    pub fn decode(&mut self, frames: &[Frame]) -> Vec<Step<String>> {
        match self.ask(Question::Decode(frames.to_vec())) {
            Answer::Steps(steps) => steps,
            other => panic!("{other:?} is not about frames"),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn question(&mut self, question: &Question) {
        match question {
            Question::Decode(frames) => {
                self.0.push(b'D');
                self.count(frames.len());
                for frame in frames {
                    self.frame(frame);
                }
            }
            Question::DecodeBody(body) => {
                self.0.push(b'B');
                self.data(body);
            }
            Question::DecodeMessage(frame) => {
                self.0.push(b'M');
                self.frame(frame);
            }
            Question::Encode(packet) => {
                self.0.extend([b'E', b'0' + packet.kind]);
                self.data(packet.namespace.mended().as_bytes());
                self.value(&packet.id);
                self.value(&packet.data);
            }
            Question::EncodeBody(packets) => {
                self.0.push(b'b');
                self.count(packets.len());
                for packet in packets {
                    self.engine_packet(packet);
                }
            }
            Question::EncodeMessage(packet) => {
                self.0.push(b'm');
                self.engine_packet(packet);
            }
        }
    }

    fn engine_packet(&mut self, packet: &EnginePacket) {
        self.0.push(b'0' + packet.kind);
        self.value(&packet.data);
    }

    fn frame(&mut self, frame: &Frame) {
        let (kind, data) = match frame {
            Frame::Bytes(bytes) => (b'y', &bytes[..]),
            Frame::Text(text) => (b's', text.as_bytes()),
        };
        self.0.push(kind);
        self.data(data);
    }

    #[expect(clippy::cast_precision_loss, reason = "JavaScript has doubles only")]
    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(true) => self.0.push(b't'),
            Value::Bool(false) => self.0.push(b'f'),
            Value::Bytes(bytes) => self.frame(&Frame::Bytes(bytes.clone())),
            Value::List(elements) => {
                self.0.push(b'a');
                self.count(elements.len());
                for element in elements {
                    self.value(element);
                }
            }
            Value::Null => self.0.push(b'n'),
            Value::Number(number) => self.number(*number),
            Value::Object(members) => {
                self.0.push(b'o');
                self.count(members.len());
                for (name, member) in members {
                    self.data(name.mended().as_bytes());
                    self.value(member);
                }
            }
            Value::Text(text) => self.frame(&Frame::Text(text.mended())),
            Value::Undefined => self.0.push(b'u'),
            Value::Whole(number) => self.number(*number as f64),
        }
    }

    fn number(&mut self, number: f64) {
        self.0.push(b'd');
        self.0.extend(number.to_le_bytes());
    }

    fn data(&mut self, data: &[u8]) {
        self.count(data.len());
        self.0.extend_from_slice(data);
    }

    fn count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("a question is small");
        self.0.extend(count.to_le_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn answer(&mut self, question: &Question) -> Answer {
        match question {
            Question::Decode(_) => Answer::Steps(self.steps()),
            Question::DecodeBody(_) | Question::DecodeMessage(_) => {
                Answer::Packets(self.list(Self::engine_packet))
            }
            Question::Encode(_) => {
                let frames = self.list(Self::frame);
                Answer::Encoded(frames, self.steps())
            }
            Question::EncodeBody(_) | Question::EncodeMessage(_) => Answer::Value(self.value()),
        }
    }

    fn steps(&mut self) -> Vec<Step<String>> {
        self.list(|reader| match reader.letter() {
            b'e' => Step::Refused(reader.text().mended()),
            b'p' => Step::Packet(Packet {
                kind: reader.letter() - b'0',
                namespace: reader.text(),
                id: reader.value(),
                data: reader.value(),
            }),
            b'w' => Step::Waiting,
            other => panic!("no step begins with {other}"),
        })
    }

    fn engine_packet(&mut self) -> EnginePacket {
        EnginePacket {
            kind: self.letter() - b'0',
            data: self.value(),
        }
    }

    fn frame(&mut self) -> Frame {
        match self.value() {
            Value::Bytes(bytes) => Frame::Bytes(bytes),
            Value::Text(text) => Frame::Text(text.mended()),
            other => panic!("{other:?} is no frame"),
        }
    }

    fn text(&mut self) -> Text {
        match self.value() {
            Value::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }

    fn value(&mut self) -> Value {
        match self.letter() {
            b'a' => Value::List(self.list(Self::value)),
            b'd' => {
                let bytes = self.take(8).try_into();
                Value::Number(f64::from_le_bytes(bytes.expect("it has 8 bytes")))
            }
            b'f' => Value::Bool(false),
            b'n' => Value::Null,
            b'o' => Value::Object(self.list(|reader| (reader.text(), reader.value()))),
            b's' => {
                let text = String::from_utf8(self.data().to_vec());
                Value::Text(Text::Whole(text.expect("it is well formed")))
            }
            b't' => Value::Bool(true),
            b'u' => Value::Undefined,
            b'w' => {
                let units = self.data().chunks_exact(2);
                let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
                Value::Text(Text::of_units(units.collect()))
            }
            b'y' => Value::Bytes(Bytes::copy_from_slice(self.data())),
            other => panic!("no value begins with {other}"),
        }
    }

    fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.count()).map(|_| element(self)).collect()
    }

    fn data(&mut self) -> &[u8] {
        let length = self.count();
        self.take(length as usize)
    }

    fn count(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().expect("it has 4 bytes"))
    }

    fn letter(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn take(&mut self, length: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }
}
