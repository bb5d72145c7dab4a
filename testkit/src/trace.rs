//! What happened, as text: short enough to keep, exact enough to compare.

#![allow(clippy::panic, reason = "a broken promise ends the run")]

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
};

use socketio_proto::time::Instant;

/// How many lines a failure shows.
const TAIL: usize = 160;
/// How many lines lie between two marks.
const STRIDE: usize = 1_024;

/// The record of one run.
///
/// Every line counts towards a digest, which is what two runs are compared by; only the last lines
/// are kept. A broken promise ends the run by a panic that prints the seed, those lines, and the
/// command that repeats it. So does any other panic while the trace is alive.
#[derive(Debug)]
pub struct Trace {
    title: String,
    repeat: String,
    tail: VecDeque<String>,
    lines: usize,
    digest: u64,
    // The digest after each `STRIDE` lines: where two runs part is found without keeping the lines.
    marks: Vec<u64>,
    // Lines of this range are kept, too.
    window: Option<(usize, Vec<String>)>,
    is_told: bool,
    is_loud: bool,
}

/// The digest of a run, for comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// How many lines it had.
    pub lines: usize,
    digest: u64,
    marks: Vec<u64>,
    window: Vec<String>,
}

impl Trace {
    /// Begins a trace. `title` names the run and its seed, `repeat` the command that runs it again.
    pub fn new(title: impl Into<String>, repeat: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            repeat: repeat.into(),
            tail: VecDeque::with_capacity(TAIL),
            lines: 0,
            // The offset of FNV-1a.
            digest: 0xcbf2_9ce4_8422_2325,
            marks: Vec::new(),
            window: None,
            is_told: false,
            is_loud: false,
        }
    }

    /// Prints every line as it comes.
    #[must_use]
    pub fn loud(mut self, is_loud: bool) -> Self {
        self.is_loud = is_loud;
        self
    }

    /// Keeps the lines of one stretch between two marks.
    #[must_use]
    pub fn keeping(mut self, mark: usize) -> Self {
        self.window = Some((mark * STRIDE, Vec::new()));
        self
    }

    /// Adds a line.
    pub fn line(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        // The oldest line lends its buffer.
        let mut text = if self.tail.len() == TAIL {
            self.tail.pop_front().unwrap_or_default()
        } else {
            String::with_capacity(80)
        };
        text.clear();
        let micros = now.as_micros();
        _ = write!(text, "{}.{:06} ", micros / 1_000_000, micros % 1_000_000);
        _ = text.write_fmt(line);
        for byte in text.bytes().chain([b'\n']) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.is_loud {
            eprintln!("{text}");
        }
        if let Some((start, kept)) = &mut self.window
            && (*start..*start + STRIDE).contains(&self.lines)
        {
            kept.push(text.clone());
        }
        self.lines += 1;
        if self.lines.is_multiple_of(STRIDE) {
            self.marks.push(self.digest);
        }
        self.tail.push_back(text);
    }

    /// Ends the run: a promise was broken.
    ///
    /// # Panics
    ///
    /// Always; that is its purpose.
    #[track_caller]
    pub fn fail(&mut self, what: fmt::Arguments<'_>) -> ! {
        self.is_told = true;
        panic!("{what}\n{self}");
    }

    /// What two runs are compared by.
    pub fn summary(&self) -> Summary {
        Summary {
            lines: self.lines,
            digest: self.digest,
            marks: self.marks.clone(),
            window: self
                .window
                .iter()
                .flat_map(|(_, kept)| kept.clone())
                .collect(),
        }
    }
}

impl Summary {
    /// The stretch in which two runs part, for [`Trace::keeping`]; `None` if they are equal.
    pub fn parts_from(&self, other: &Self) -> Option<usize> {
        if self == other {
            return None;
        }
        let pairs = self.marks.iter().zip(&other.marks);
        Some(pairs.take_while(|(one, two)| one == two).count())
    }

    /// The first lines of the kept stretch that differ.
    pub fn first_difference<'a>(&'a self, other: &'a Self) -> Option<(&'a str, &'a str)> {
        let count = self.window.len().max(other.window.len());
        (0..count)
            .map(|i| {
                let line = |summary: &'a Self| summary.window.get(i).map_or("(nothing)", |it| it);
                (line(self), line(other))
            })
            .find(|(one, two)| one != two)
    }
}

impl fmt::Display for Trace {
    /// The end of the trace, and how to repeat the run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "--- {}: the last {} of {} lines",
            self.title,
            self.tail.len(),
            self.lines
        )?;
        for line in &self.tail {
            writeln!(f, "{line}")?;
        }
        write!(f, "--- {}; repeat: {}", self.title, self.repeat)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.is_told {
            eprintln!("{self}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(odd: Option<usize>, keep: Option<usize>) -> Summary {
        let mut trace = Trace::new("a run", "a command");
        if let Some(mark) = keep {
            trace = trace.keeping(mark);
        }
        for i in 0..5_000 {
            let what = if odd == Some(i) { "odd" } else { "even" };
            trace.line(Instant::from_millis(1), format_args!("{what} {i}"));
        }
        trace.summary()
    }

    #[test]
    fn equal_runs_are_equal_and_the_first_difference_is_found() {
        assert_eq!(trace(None, None).parts_from(&trace(None, None)), None);
        let mark = trace(None, None).parts_from(&trace(Some(3_000), None));
        assert_eq!(mark, Some(2));
        let (one, two) = (trace(None, mark), trace(Some(3_000), mark));
        assert_eq!(
            one.first_difference(&two),
            Some(("0.001000 even 3000", "0.001000 odd 3000"))
        );
    }

    #[test]
    fn a_failure_shows_the_end_and_how_to_repeat_it() {
        let mut trace = Trace::new("a run, seed 7", "SEED=7 cargo test");
        for i in 0..1_000 {
            trace.line(Instant::ORIGIN, format_args!("line {i}"));
        }
        let text = trace.to_string();
        assert!(text.contains("line 999") && !text.contains("line 8 "));
        assert!(text.ends_with("--- a run, seed 7; repeat: SEED=7 cargo test"));
    }
}
