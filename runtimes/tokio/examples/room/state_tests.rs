//! The rules, rates, decisions and limits of the room.

use super::{
    super::bucket::{BURST, PERIOD},
    *,
};

/// A room with a moderator, Mod, and these people in it.
fn room(nicknames: &[&str]) -> Room {
    let mut room = Room::new();
    room.enter(0, "Mod", None, true).unwrap();
    for nickname in nicknames {
        room.enter(0, nickname, None, false).unwrap();
    }
    for nickname in nicknames.iter().chain(&["Mod"]) {
        room.welcome(0, nickname).unwrap();
    }
    room
}

fn decision(json: &str) -> Decision {
    serde_json::from_str(json).unwrap()
}

#[test]
fn nicknames_keep_the_rules_and_are_taken_until_their_owner_is_gone() {
    let mut room = room(&["Ada"]);
    let long = "é".repeat(NICKNAME_LENGTH + 1);
    for bad in ["", " ", " Ada", "A\nda", &long] {
        let refused = room.enter(0, bad, None, false);
        assert_eq!(refused, Err(Refused::InvalidNickname), "{bad:?}");
    }
    assert_eq!(
        room.enter(0, "aDA", None, false),
        Err(Refused::NicknameTaken)
    );
    assert!(room.leave("Ada"));
    assert_eq!(
        room.enter(0, "aDA", None, false),
        Err(Refused::NicknameTaken)
    );
    room.exit("Ada");
    assert_eq!(room.enter(0, "aDA", None, false), Ok(()));
}

#[test]
fn others_see_a_member_from_the_welcome_until_he_leaves() {
    let mut room = room(&["Ada"]);
    room.enter(0, "Bob", None, false).unwrap();
    assert!(!room.leave("Bob"));
    let members = |room: &mut Room| room.welcome(0, "Ada").unwrap().members;
    assert_eq!(members(&mut room), ["Ada", "Mod"]);
    assert_eq!(
        room.welcome(0, "Bob").unwrap().members,
        ["Ada", "Bob", "Mod"]
    );
    assert!(room.leave("Bob"));
    assert_eq!(members(&mut room), ["Ada", "Mod"]);
}

#[test]
fn the_room_takes_so_many_members_and_no_more() {
    let mut room = room(&[]);
    for number in 1..MEMBERS_LIMIT {
        room.enter(0, &number.to_string(), None, false).unwrap();
    }
    assert_eq!(room.enter(0, "x", None, false), Err(Refused::RoomFull));
    room.exit("1");
    assert_eq!(room.enter(0, "x", None, false), Ok(()));
}

#[test]
fn the_last_messages_are_remembered() {
    let mut room = room(&["Ada"]);
    for number in 0..=HISTORY_LIMIT as u64 {
        room.say(number * PERIOD, "Ada", &number.to_string())
            .unwrap();
    }
    let history = room.welcome(0, "Ada").unwrap().history;
    assert_eq!(history.len(), HISTORY_LIMIT);
    assert_eq!((&*history[0].text, history[0].at), ("1", PERIOD));

    for bad in ["", " \n", &"é".repeat(TEXT_LENGTH + 1)] {
        assert_eq!(room.say(0, "Ada", bad), Err(Refused::InvalidText));
    }
    assert_eq!(room.say(0, "nobody", "x"), Err(Refused::NotHere));
}

#[test]
fn who_is_too_fast_waits_and_who_goes_on_has_to_go() {
    let mut room = room(&["Ada"]);
    for _ in 0..BURST {
        assert!(room.say(0, "Ada", "x").is_ok());
    }
    let too_fast = Err(Refused::TooFast { wait: PERIOD });
    for _ in 0..PATIENCE {
        assert_eq!(room.say(0, "Ada", "x"), too_fast);
    }
    assert_eq!(room.say(0, "Ada", "x"), Err(Refused::Flooding));

    // To leave and come back does not help, and to wait does.
    room.exit("Ada");
    room.enter(0, "Ada", None, false).unwrap();
    assert_eq!(room.say(0, "Ada", "x"), Err(Refused::Flooding));
    assert!(room.say(PERIOD, "Ada", "x").is_ok());
    assert_eq!(room.say(PERIOD, "Ada", "x"), too_fast);
}

#[test]
fn moderators_need_not_wait() {
    let mut room = room(&["Ada"]);
    room.decide(0, "Mod", &decision(r#"{"action":"slow","seconds":60}"#))
        .unwrap();
    for _ in 0..2 * BURST {
        assert!(room.say(0, "Mod", "x").is_ok());
    }
}

#[test]
fn in_slow_mode_everybody_waits_after_a_message() {
    let mut room = room(&["Ada", "Bob"]);
    room.decide(0, "Mod", &decision(r#"{"action":"slow","seconds":10}"#))
        .unwrap();
    assert_eq!(room.welcome(0, "Ada").unwrap().slow, 10);

    assert!(room.say(1_000, "Ada", "x").is_ok());
    let slow = Err(Refused::SlowMode { wait: 1 });
    assert_eq!(room.say(10_999, "Ada", "x"), slow);
    assert!(room.say(10_999, "Bob", "x").is_ok());
    assert!(room.say(11_000, "Ada", "x").is_ok());

    room.decide(0, "Mod", &decision(r#"{"action":"slow","seconds":0}"#))
        .unwrap();
    assert!(room.say(11_000, "Ada", "x").is_ok());
}

#[test]
fn who_is_muted_may_listen() {
    let mut room = room(&["Eve"]);
    let mute = decision(r#"{"action":"mute","nickname":"eve","seconds":60}"#);
    room.decide(0, "Mod", &mute).unwrap();
    assert_eq!(mute.removes(), None);

    assert_eq!(
        room.say(59_999, "Eve", "x"),
        Err(Refused::Muted { wait: 1 })
    );
    assert!(room.welcome(0, "Eve").is_some());
    assert!(room.say(60_000, "Eve", "x").is_ok());

    room.decide(60_000, "Mod", &mute).unwrap();
    let unmute = decision(r#"{"action":"unmute","nickname":"Eve"}"#);
    room.decide(60_000, "Mod", &unmute).unwrap();
    assert!(room.say(60_000, "Eve", "x").is_ok());
}

#[test]
fn who_is_banned_stays_outside_under_any_name() {
    let address = Some([192, 0, 2, 1].into());
    let mut room = room(&[]);
    room.enter(0, "Eve", address, false).unwrap();
    let ban = decision(r#"{"action":"ban","nickname":"Eve","seconds":60}"#);
    room.decide(0, "Mod", &ban).unwrap();
    assert_eq!(ban.removes(), Some("Eve"));
    // He was on his way in.
    assert_eq!(room.welcome(0, "Eve"), None);
    room.exit("Eve");

    let banned = Err(Refused::Banned { wait: 30_000 });
    assert_eq!(room.enter(30_000, "Mallory", address, false), banned);
    assert_eq!(room.enter(30_000, "eve", None, false), banned);
    assert_eq!(room.enter(30_000, "Mod 2", address, true), Ok(()));
    assert_eq!(room.enter(60_000, "Eve", address, false), Ok(()));
}

#[test]
fn only_moderators_decide_and_not_about_each_other() {
    let mut room = room(&["Ada", "Eve"]);
    room.enter(0, "Mod 2", None, true).unwrap();
    let kick = |nickname: &str| Decision::Kick {
        nickname: nickname.into(),
    };

    assert_eq!(
        room.decide(0, "Eve", &kick("Ada")),
        Err(Refused::NotAllowed)
    );
    assert_eq!(
        room.decide(0, "Mod", &kick("Mod 2")),
        Err(Refused::NotAllowed)
    );
    assert_eq!(
        room.decide(0, "Mod", &kick("nobody")),
        Err(Refused::NotHere)
    );
    assert_eq!(room.decide(0, "Mod", &kick("Eve")), Ok(()));
    for bad in [
        r#"{"action":"mute","nickname":"Eve","seconds":0}"#,
        r#"{"action":"ban","nickname":"Eve","seconds":86401}"#,
        r#"{"action":"slow","seconds":3601}"#,
    ] {
        assert_eq!(room.decide(0, "Mod", &decision(bad)), Err(Refused::Invalid));
    }
}

#[test]
fn who_left_long_ago_is_forgotten() {
    let mut room = room(&[]);
    for number in 0..=ABSENT_LIMIT {
        room.enter(0, &number.to_string(), None, false).unwrap();
        room.exit(&number.to_string());
    }
    assert_eq!(room.absent.len(), ABSENT_LIMIT);
    assert!(room.take_absent("0").is_none());
    assert!(room.take_absent("1").is_some());
}
