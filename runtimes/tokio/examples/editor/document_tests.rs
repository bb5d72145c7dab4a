//! Pages that edit one document over a network which delays and loses, and the document's limits.

use super::*;
use crate::editor::operation::{
    Step,
    tests::{Random, units},
    utf16_len,
};

/// What the server sends to a page.
enum Message {
    Accepted,
    Catchup(Catchup),
    Operation(Operation),
}

/// A page as `page/client.js` is one, with a queue in each direction.
struct Page {
    author: Author,
    revision: u64,
    text: Vec<u16>,
    /// Whether the server has said what is new, on this connection.
    is_open: bool,
    /// What the server has not confirmed; the first one is on its way.
    pending: VecDeque<Operation>,
    to_server: VecDeque<(u64, Operation)>,
    to_page: VecDeque<Message>,
}

impl Page {
    fn new(name: usize) -> Self {
        Self {
            author: name.to_string(),
            revision: 0,
            text: Vec::new(),
            is_open: true,
            pending: VecDeque::new(),
            to_server: VecDeque::new(),
            to_page: VecDeque::new(),
        }
    }

    fn edit(&mut self, operation: Operation) {
        self.text = operation.apply(&self.text).unwrap();
        self.pending.push_back(operation);
        if self.pending.len() == 1 && self.is_open {
            self.send();
        }
    }

    fn send(&mut self) {
        let next = self.pending.front().cloned();
        self.to_server
            .extend(next.map(|next| (self.revision, next)));
    }

    fn receive(&mut self, message: Message) {
        self.is_open = true;
        match message {
            Message::Accepted => self.accepted(),
            Message::Operation(operation) => self.follow(operation),
            Message::Catchup(Catchup::Operations { operations, .. }) => {
                for known in operations {
                    if known.own {
                        self.pending.pop_front();
                        self.revision += 1;
                    } else {
                        self.follow(known.operation);
                    }
                }
                self.send();
            }
            Message::Catchup(Catchup::Text { revision, text }) => {
                self.pending.clear();
                (self.revision, self.text) = (revision, units(&text));
            }
        }
    }

    fn accepted(&mut self) {
        self.pending.pop_front();
        self.revision += 1;
        self.send();
    }

    /// Applies somebody else's operation, which the server has put before all that is pending.
    fn follow(&mut self, mut operation: Operation) {
        for pending in &mut self.pending {
            let (later, moved) = Operation::transform(&operation, pending);
            (operation, *pending) = (later, moved);
        }
        self.text = operation.apply(&self.text).unwrap();
        self.revision += 1;
    }

    /// The connection is lost with all that is on its way in either direction, and comes back.
    fn reconnect(&mut self, document: &Document) {
        self.to_server.clear();
        self.to_page.clear();
        self.is_open = false;
        let catchup = document.catch_up(&self.author, Some(self.revision));
        self.to_page.push_back(Message::Catchup(catchup));
    }
}

struct World {
    document: Document,
    pages: Vec<Page>,
}

impl World {
    /// The server receives the next operation of a page, if there is one.
    fn deliver(&mut self, page: usize) {
        let Some((revision, operation)) = self.pages[page].to_server.pop_front() else {
            return;
        };
        let author = &self.pages[page].author;
        let operation = self.document.submit(author, revision, operation).unwrap();
        for (index, other) in self.pages.iter_mut().enumerate() {
            other.to_page.push_back(if index == page {
                Message::Accepted
            } else {
                Message::Operation(operation.clone())
            });
        }
    }

    fn step(&mut self, random: &mut Random) {
        let at = random.below(self.pages.len());
        let page = &mut self.pages[at];
        match random.below(20) {
            0..5 => page.edit(random.operation(&page.text)),
            5..12 => self.deliver(at),
            12..19 => {
                if let Some(message) = page.to_page.pop_front() {
                    page.receive(message);
                }
            }
            _ => page.reconnect(&self.document),
        }
    }

    /// Everything arrives.
    fn settle(&mut self) {
        let is_busy = |page: &Page| !page.to_page.is_empty() || !page.to_server.is_empty();
        while self.pages.iter().any(is_busy) {
            for at in 0..self.pages.len() {
                self.deliver(at);
                while let Some(message) = self.pages[at].to_page.pop_front() {
                    self.pages[at].receive(message);
                }
            }
        }
    }
}

#[test]
fn pages_that_edit_at_the_same_time_end_with_one_text() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut world = World {
            document: Document::default(),
            pages: (0..4).map(Page::new).collect(),
        };
        for _ in 0..150 {
            world.step(&mut random);
        }

        world.settle();

        for page in &world.pages {
            assert!(page.pending.is_empty(), "seed {seed}");
            assert_eq!(page.revision, world.document.revision, "seed {seed}");
            assert_eq!(page.text, world.document.text, "seed {seed}");
        }
        assert!(String::from_utf16(&world.document.text).is_ok());
    }
}

fn insert(text: &str) -> Operation {
    [Step::Insert(text.to_owned())].into_iter().collect()
}

#[test]
fn who_comes_back_learns_which_of_the_operations_is_his() {
    let (ada, bob) = ("ada".to_owned(), "bob".to_owned());
    let mut document = Document::default();
    document.submit(&ada, 0, insert("a")).unwrap();
    document.submit(&bob, 1, insert("b")).unwrap();

    let catchup = document.catch_up(&bob, Some(1));

    let own = Known {
        own: true,
        operation: insert("b"),
    };
    let expected = Catchup::Operations {
        revision: 2,
        operations: vec![own],
    };
    assert_eq!(catchup, expected);
}

#[test]
fn the_history_has_a_length_and_a_size_and_who_is_older_gets_the_text() {
    let ada = "ada".to_owned();
    let mut document = Document::default();
    let long = "x".repeat(HISTORY_BYTES / 4);
    for revision in 0..5 {
        let shrink = Step::Delete(document.text.len());
        let operation = [shrink, Step::Insert(long.clone())].into_iter().collect();
        document.submit(&ada, revision, operation).unwrap();
    }
    assert_eq!(document.history.len(), 3);
    assert!(document.history_bytes <= HISTORY_BYTES);

    for revision in 5..=5 + HISTORY_LIMIT as u64 {
        document.submit(&ada, revision, insert("y")).unwrap();
    }

    assert_eq!(document.history.len(), HISTORY_LIMIT);
    let sizes = document.history.iter().map(|past| past.operation.size());
    assert_eq!(document.history_bytes, sizes.sum::<usize>());
    assert_eq!(
        document.submit(&ada, 5, insert("z")),
        Err(Refused::Outdated)
    );
    assert!(document.submit(&ada, 6, insert("z")).is_ok());
    let is_text = |revision| matches!(document.catch_up(&ada, revision), Catchup::Text { .. });
    assert!(is_text(Some(6)) && is_text(None) && !is_text(Some(7)));
}

#[test]
fn the_text_has_a_longest_length() {
    let ada = "ada".to_owned();
    let mut document = Document::default();
    let longest = "😀".repeat(TEXT_LIMIT / 2);
    assert_eq!(utf16_len(&longest), TEXT_LIMIT);
    document.submit(&ada, 0, insert(&longest)).unwrap();

    assert_eq!(document.submit(&ada, 1, insert("x")), Err(Refused::TooLong));
    assert_eq!(document.revision, 1);
    let smaller = [Step::Delete(2), Step::Insert("x".into())]
        .into_iter()
        .collect();
    assert!(document.submit(&ada, 1, smaller).is_ok());
}

#[test]
fn a_revision_of_the_future_is_refused() {
    let mut document = Document::default();

    let refused = document.submit(&"eve".to_owned(), 1, insert("x"));

    assert_eq!(refused, Err(Refused::Misfit));
    let catchup = document.catch_up(&"eve".to_owned(), Some(1));
    assert!(matches!(catchup, Catchup::Text { revision: 0, .. }));
}
