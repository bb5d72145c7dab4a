use super::{MAX_IN_CONVERSATION, MAX_MESSAGES, MAX_TEXT_BYTES, Mail};

fn numbers(mail: &Mail, reader: &str, other: &str) -> Vec<u64> {
    let view = mail.view(reader, other);
    view.messages.iter().map(|it| it.number).collect()
}

fn post(mail: &mut Mail, from: &str, to: &str) -> u64 {
    mail.post(from, to, "hello".to_owned()).unwrap().number
}

#[test]
fn numbers_count_within_a_conversation_whoever_writes() {
    let mut mail = Mail::default();
    assert_eq!(post(&mut mail, "ada", "bob"), 1);
    assert_eq!(post(&mut mail, "bob", "ada"), 2);
    assert_eq!(post(&mut mail, "ada", "eve"), 1);
    assert_eq!(numbers(&mail, "bob", "ada"), [1, 2]);
    assert_eq!(numbers(&mail, "bob", "eve"), [0; 0]);
}

#[test]
fn a_text_has_a_limit_and_something_in_it() {
    let mut mail = Mail::default();
    let mut post = |text: String| mail.post("ada", "bob", text).is_ok();
    assert!(!post(" \n".to_owned()));
    assert!(post("x".repeat(MAX_TEXT_BYTES)));
    assert!(!post("x".repeat(MAX_TEXT_BYTES + 1)));
}

#[test]
fn reading_goes_forward_and_no_further_than_the_last_message() {
    let mut mail = Mail::default();
    assert_eq!(mail.read("bob", "ada", 1), None);
    for _ in 0..3 {
        post(&mut mail, "ada", "bob");
    }
    assert_eq!(mail.unread("bob", "ada"), 3);
    assert_eq!(mail.read("bob", "ada", 2), Some(2));
    assert_eq!(mail.read("bob", "ada", 1), None);
    assert_eq!(mail.unread("bob", "ada"), 1);
    assert_eq!(mail.read("bob", "ada", u64::MAX), Some(3));
    assert_eq!(mail.read("bob", "ada", u64::MAX), None);
    assert_eq!(mail.view("ada", "bob").seen, 3);
    assert_eq!(mail.view("bob", "ada").seen, 0);
}

#[test]
fn what_one_wrote_oneself_is_not_unread() {
    let mut mail = Mail::default();
    post(&mut mail, "bob", "ada");
    assert_eq!(mail.unread("bob", "ada"), 0);
    assert_eq!(mail.unread("ada", "bob"), 1);
}

#[test]
fn of_a_conversation_the_latest_messages_are_kept() {
    let mut mail = Mail::default();
    for _ in 0..=MAX_IN_CONVERSATION {
        post(&mut mail, "ada", "bob");
    }
    let kept = numbers(&mail, "ada", "bob");
    assert_eq!((kept.len(), kept.first()), (MAX_IN_CONVERSATION, Some(&2)));
    assert_eq!(mail.messages, MAX_IN_CONVERSATION);
}

#[test]
fn the_conversation_that_was_silent_for_longest_makes_room() {
    let mut mail = Mail::default();
    let conversations = MAX_MESSAGES / MAX_IN_CONVERSATION;
    for other in 0..conversations {
        for _ in 0..MAX_IN_CONVERSATION {
            post(&mut mail, "ada", &other.to_string());
        }
    }
    // It speaks again, so that the next one is the oldest; a full conversation takes no more room,
    // but where nothing is free, that is not asked.
    assert_eq!(mail.messages, MAX_MESSAGES);
    post(&mut mail, "ada", "bob");

    assert_eq!(numbers(&mail, "ada", "0"), [0; 0]);
    assert_eq!(numbers(&mail, "ada", "1").len(), MAX_IN_CONVERSATION);
    assert_eq!(mail.messages, MAX_MESSAGES - MAX_IN_CONVERSATION + 1);
    assert_eq!(mail.silent.len(), mail.conversations.len());
}
