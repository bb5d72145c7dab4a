//! The names, limits and histories of the chat.

use socketio_tokio::Binary;

use super::{super::message::Picture, *};

/// A chat with these people in the lobby.
fn lobby(nicknames: &[&str]) -> State {
    let mut state = State::new(7);
    for nickname in nicknames {
        state.enter(nickname).unwrap();
        state.join(nickname, LOBBY).unwrap();
    }
    state
}

fn text(text: impl Into<String>) -> Content {
    Content::Text(text.into())
}

fn picture(media_type: &str, size: usize) -> Content {
    Content::Picture(Picture {
        media_type: media_type.to_owned(),
        data: Binary::from(vec![0; size]),
    })
}

fn sizes(state: &State) -> Vec<(String, usize)> {
    let rooms = state.rooms().into_iter();
    rooms.map(|room| (room.name, room.members)).collect()
}

#[test]
fn nicknames_and_rooms_keep_the_rules() {
    let long = "é".repeat(NICKNAME_LENGTH + 1);
    for bad in ["", " ", " Ada", "Ada\u{2003}", "A\nda", "A\u{7f}da", &long] {
        let mut state = State::new(0);
        assert_eq!(state.enter(bad), Err(Refused::InvalidNickname), "{bad:?}");
    }
    let long = "é".repeat(ROOM_LENGTH + 1);
    for bad in ["", " ", "a ", "a\0", &long] {
        let refused = lobby(&["Ada"]).join("Ada", bad).unwrap_err();
        assert_eq!(refused, Refused::InvalidRoom, "{bad:?}");
    }
    let mut state = lobby(&["A", "Ada Lovelace", &"é".repeat(NICKNAME_LENGTH)]);
    assert!(state.join("A", &"é".repeat(ROOM_LENGTH)).unwrap().is_new);
}

#[test]
fn a_nickname_is_taken_in_any_case_until_its_owner_is_gone() {
    let mut state = lobby(&["Ämilie"]);

    assert_eq!(state.enter("äMILIE"), Err(Refused::NicknameTaken));

    state.leave_all("Ämilie");
    state.exit("Ämilie");
    assert_eq!(state.enter("äMILIE"), Ok(()));
}

#[test]
fn the_chat_takes_so_many_clients_and_no_more() {
    let mut state = State::new(0);
    for i in 0..CLIENT_LIMIT {
        state.enter(&i.to_string()).unwrap();
    }

    assert_eq!(state.enter("one more"), Err(Refused::ChatFull));

    state.exit("0");
    assert_eq!(state.enter("one more"), Ok(()));
}

#[test]
fn rooms_come_and_go_with_their_members_and_the_lobby_stays() {
    let mut state = lobby(&["Ada", "Bob"]);
    state.join("Ada", "garden").unwrap();
    state.join("Bob", "garden").unwrap();
    state.say(1, "Bob", "garden", text("hello")).unwrap();

    assert!(state.leave("Ada", "garden"));
    assert!(!state.leave("Ada", "garden"));
    assert!(!state.leave("Ada", "nowhere"));
    let expected = [("garden".to_owned(), 1), ("lobby".to_owned(), 2)];
    assert_eq!(sizes(&state), expected);

    assert_eq!(state.leave_all("Bob"), ["garden", "lobby"]);
    assert_eq!(state.leave_all("Ada"), ["lobby"]);
    assert_eq!(sizes(&state), [("lobby".to_owned(), 0)]);
    // It is a new room, without the old one's history.
    assert_eq!(state.join("Ada", "garden").unwrap().history, []);
}

#[test]
fn to_join_again_changes_nothing() {
    let mut state = lobby(&["Ada", "Bob"]);

    let joined = state.join("Bob", LOBBY).unwrap();

    assert!(!joined.is_new);
    assert_eq!(joined.members, ["Ada", "Bob"]);
    assert_eq!(sizes(&state), [("lobby".to_owned(), 2)]);
}

#[test]
fn there_are_so_many_rooms_and_no_more() {
    let mut state = lobby(&["Ada", "Bob", "Eve"]);
    for i in 1..ROOMS_OF_ONE_LIMIT {
        state.join("Ada", &format!("a{i}")).unwrap();
        state.join("Bob", &format!("b{i}")).unwrap();
    }
    let refused = state.join("Ada", "one more").unwrap_err();
    assert_eq!(refused, Refused::TooManyRooms);

    state.join("Eve", "the last").unwrap();
    assert_eq!(state.rooms().len(), ROOM_LIMIT);
    let refused = state.join("Eve", "one more").unwrap_err();
    assert_eq!(refused, Refused::TooManyRooms);
    assert_eq!(state.rooms().len(), ROOM_LIMIT);

    // Rooms that are there can still be joined, and joined again.
    assert!(state.join("Eve", "a1").unwrap().is_new);
    assert!(!state.join("Ada", "a1").unwrap().is_new);
}

#[test]
fn only_members_say_something_and_it_keeps_the_rules() {
    let mut state = lobby(&["Ada"]);
    state.enter("Bob").unwrap();
    let mut say = |nickname, room, content| state.say(1, nickname, room, content).map(drop);

    assert_eq!(say("Bob", LOBBY, text("hi")), Err(Refused::NotInRoom));
    assert_eq!(say("Ada", "nowhere", text("hi")), Err(Refused::NotInRoom));
    for bad in ["", " \n\u{3000}", &"é".repeat(2_001)] {
        assert_eq!(say("Ada", LOBBY, text(bad)), Err(Refused::InvalidText));
    }
    assert_eq!(say("Ada", LOBBY, text("é".repeat(2_000))), Ok(()));
    for (media_type, size) in [
        ("image/svg+xml", 1),
        ("image/png", 0),
        ("image/png", 900_001),
    ] {
        let refused = say("Ada", LOBBY, picture(media_type, size));
        assert_eq!(refused, Err(Refused::InvalidPicture));
    }
    assert_eq!(say("Ada", LOBBY, picture("image/webp", 900_000)), Ok(()));
}

#[test]
fn a_message_says_who_when_and_where_and_its_id_is_new() {
    let mut state = lobby(&["Ada"]);
    state.join("Ada", "garden").unwrap();

    let first = state.say(100, "Ada", LOBBY, text("one")).unwrap();
    let second = state.say(100, "Ada", "garden", text("two")).unwrap();

    assert_eq!([&*first.id, &*second.id], ["7-1", "7-2"]);
    assert_eq!(
        (&*second.room, &*second.nickname, second.at),
        ("garden", "Ada", 100)
    );
    assert_eq!(state.join("Ada", "garden").unwrap().history, [second]);
}

#[test]
fn the_history_forgets_the_oldest_messages() {
    let mut state = lobby(&["Ada"]);
    for i in 0..HISTORY_LIMIT + 3 {
        state.say(1, "Ada", LOBBY, text(i.to_string())).unwrap();
    }

    let history = state.join("Ada", LOBBY).unwrap().history;

    assert_eq!(history.len(), HISTORY_LIMIT);
    assert_eq!(history[0].content, text("3"));
    assert_eq!(history[HISTORY_LIMIT - 1].content, text("52"));
}

#[test]
fn the_history_forgets_the_oldest_pictures() {
    let mut state = lobby(&["Ada"]);
    for size in 1..=PICTURES_LIMIT + 2 {
        state.say(1, "Ada", LOBBY, text("look")).unwrap();
        let content = picture("image/png", size);
        state.say(1, "Ada", LOBBY, content).unwrap();
    }

    let history = state.join("Ada", LOBBY).unwrap().history;

    let is_picture = |message: &&Message| message.is_picture();
    let pictures: Vec<_> = history.iter().filter(is_picture).collect();
    assert_eq!(history.len(), 2 * PICTURES_LIMIT + 2);
    assert_eq!(pictures.len(), PICTURES_LIMIT);
    assert_eq!(pictures[0].content, picture("image/png", 3));
}

#[test]
fn messages_have_the_shape_that_the_page_expects() {
    let mut state = lobby(&["Ada"]);
    let said = state.say(100, "Ada", LOBBY, text("hello")).unwrap();

    let json = serde_json::to_string(&said).unwrap();

    let expected = r#"{"id":"7-1","room":"lobby","nickname":"Ada","at":100,"text":"hello"}"#;
    assert_eq!(json, expected);
}
