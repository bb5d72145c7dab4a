//! People and moderators in the public room.

use serde_json::{Value, json};

use crate::{
    client::{Client, serve},
    room,
};

const TOKEN: &str = "secret";

async fn start() -> u16 {
    serve(&room::server(TOKEN).unwrap()).await
}

/// Asks to come in; gives the connection and the answer.
async fn knock(port: u16, auth: &Value) -> (Client, String) {
    let mut client = Client::open(port).await;
    client.send(&format!("40{auth}")).await;
    let answer = client.read().await;
    (client, answer)
}

struct Member(Client);

impl Member {
    /// Comes in; gives the welcome, too.
    async fn enter(port: u16, auth: &Value) -> (Self, Value) {
        let (client, answer) = knock(port, auth).await;
        assert!(answer.starts_with("40{"), "{answer}");
        let mut member = Self(client);
        let welcome = member.next("welcome").await;
        (member, welcome[1].clone())
    }

    /// The next event, which has this name.
    async fn next(&mut self, name: &str) -> Value {
        let message = self.0.read().await;
        let event = message.strip_prefix("42").unwrap_or(&message);
        let event: Value = serde_json::from_str(event).unwrap();
        assert_eq!(event[0], name, "{message}");
        event
    }

    /// The answer to an event; events before it are lost.
    async fn ask(&mut self, event: Value) -> Value {
        self.0.send(&format!("427{event}")).await;
        loop {
            let message = self.0.read().await;
            if let Some(answer) = message.strip_prefix("437[") {
                return serde_json::from_str(answer.strip_suffix(']').unwrap()).unwrap();
            }
        }
    }
}

fn named(nickname: &str) -> Value {
    json!({ "nickname": nickname })
}

fn moderator(nickname: &str) -> Value {
    json!({ "nickname": nickname, "token": TOKEN })
}

fn accepted() -> Value {
    json!({ "ok": true })
}

#[tokio::test]
async fn who_comes_in_finds_the_history_and_hears_what_is_said() {
    let port = start().await;
    let (mut ada, welcome) = Member::enter(port, &named("Ada")).await;
    let empty = json!({ "moderator": false, "slow": 0, "members": ["Ada"], "history": [] });
    assert_eq!(welcome, empty);
    assert_eq!(ada.ask(json!(["say", "hello"])).await, accepted());

    let (mut bob, welcome) = Member::enter(port, &named("Bob")).await;
    assert_eq!(welcome["members"], json!(["Ada", "Bob"]));
    assert_eq!(welcome["history"][0]["text"], "hello");
    assert_eq!(ada.next("joined").await[1], "Bob");
    bob.0.send(r#"42["say","hi"]"#).await;
    assert_eq!(ada.next("message").await[1]["nickname"], "Bob");
    bob.0.send("41").await;
    assert_eq!(ada.next("left").await[1], "Bob");
}

#[tokio::test]
async fn a_nickname_and_a_token_are_checked_at_the_door() {
    let port = start().await;
    let _ada = Member::enter(port, &named("Ada")).await;
    let wrong = json!({ "nickname": "Eve", "token": "secre" });
    for (auth, code) in [
        (json!({}), "invalid_nickname"),
        (named(" "), "invalid_nickname"),
        (named("ADA"), "nickname_taken"),
        (wrong, "wrong_token"),
    ] {
        let (_, answer) = knock(port, &auth).await;
        let refusal: Value = serde_json::from_str(answer.strip_prefix("44").unwrap()).unwrap();
        assert_eq!(refusal["message"], code);
        assert_eq!(refusal["data"]["code"], code);
    }
}

#[tokio::test]
async fn who_floods_the_room_is_told_to_wait_and_then_sent_out() {
    let port = start().await;
    let (mut ada, _) = Member::enter(port, &named("Ada")).await;
    let (mut eve, _) = Member::enter(port, &named("Eve")).await;
    ada.next("joined").await;

    // All at once: it takes less than the second in which one more would be allowed, or a few more
    // seconds on a slow machine.
    let mut codes = Vec::new();
    for number in 0..100 {
        let answer = eve.ask(json!(["say", number.to_string()])).await;
        codes.push(answer["code"].as_str().unwrap_or("ok").to_owned());
        if codes.last().unwrap() == "flooding" {
            break;
        }
        assert!(answer["ok"] == true || answer["wait"].as_u64() <= Some(1000));
    }
    assert_eq!(codes[..5], ["ok"; 5]);
    assert_eq!(codes[codes.len() - 2..], ["too_fast", "flooding"]);
    eve.0.closed().await;
    for _ in 0..codes.iter().filter(|code| *code == "ok").count() {
        ada.next("message").await;
    }
    ada.next("left").await;
}

#[tokio::test]
async fn a_moderator_mutes_kicks_and_bans() {
    let port = start().await;
    let (mut moderator, welcome) = Member::enter(port, &moderator("Mod")).await;
    assert_eq!(welcome["moderator"], true);
    let (mut eve, _) = Member::enter(port, &named("Eve")).await;

    let kick = json!(["decide", { "action": "kick", "nickname": "Mod" }]);
    let answer = eve.ask(kick).await;
    assert_eq!(answer["code"], "not_allowed");

    let mute = json!({ "action": "mute", "nickname": "Eve", "seconds": 60 });
    assert_eq!(moderator.ask(json!(["decide", mute])).await, accepted());
    assert_eq!(eve.next("decided").await, json!(["decided", mute, "Mod"]));
    let answer = eve.ask(json!(["say", "x"])).await;
    assert_eq!(answer["code"], "muted");

    let kick = json!({ "action": "kick", "nickname": "Eve" });
    moderator.ask(json!(["decide", kick])).await;
    eve.next("decided").await;
    // He is told why before the connection closes, and may come back.
    assert_eq!(eve.0.read().await, "41");
    eve.0.closed().await;
    moderator.next("left").await;

    let (mut eve, _) = enter_again(port, &mut moderator, "Eve").await;
    let ban = json!({ "action": "ban", "nickname": "Eve", "seconds": 60 });
    moderator.ask(json!(["decide", ban])).await;
    eve.next("decided").await;
    assert_eq!(eve.0.read().await, "41");
    let (_, answer) = knock(port, &named("eve")).await;
    assert!(answer.starts_with(r#"44{"message":"banned""#), "{answer}");
}

/// A nickname is free once the last handler of its socket has ended, which is soon.
async fn enter_again(port: u16, witness: &mut Member, nickname: &str) -> (Member, Value) {
    for _ in 0..300 {
        let (client, answer) = knock(port, &named(nickname)).await;
        if answer.starts_with("40{") {
            witness.next("joined").await;
            let mut member = Member(client);
            let welcome = member.next("welcome").await;
            return (member, welcome);
        }
        assert!(answer.contains("nickname_taken"), "{answer}");
    }
    panic!("the nickname is still taken");
}

#[tokio::test]
async fn slow_mode_is_told_to_those_who_are_here_and_those_who_come() {
    let port = start().await;
    let (mut moderator, _) = Member::enter(port, &moderator("Mod")).await;
    let (mut ada, _) = Member::enter(port, &named("Ada")).await;
    let slow = json!({ "action": "slow", "seconds": 600 });
    moderator.ask(json!(["decide", slow])).await;
    ada.next("decided").await;

    assert_eq!(ada.ask(json!(["say", "one"])).await, accepted());
    let answer = ada.ask(json!(["say", "two"])).await;
    assert_eq!(answer["code"], "slow_mode");
    let (_, welcome) = Member::enter(port, &named("Bob")).await;
    assert_eq!(welcome["slow"], 600);
}

#[tokio::test]
async fn a_message_beyond_the_payload_closes_the_connection() {
    let port = start().await;
    let (mut eve, _) = Member::enter(port, &named("Eve")).await;
    let answer = eve.ask(json!(["say", "x".repeat(501)])).await;
    assert_eq!(answer["code"], "invalid_text");

    eve.0
        .send(&json!(["say", "x".repeat(17_000)]).to_string())
        .await;

    eve.0.closed().await;
}

#[tokio::test]
async fn who_sends_more_than_a_person_does_is_read_more_slowly() {
    let io = room::server(TOKEN).unwrap();
    let (mut eve, _) = Member::enter(serve(&io).await, &named("Eve")).await;

    // Nobody handles them, and they count all the same.
    for _ in 0..70 {
        eve.0.send(r#"42["nothing"]"#).await;
    }

    assert_eq!(eve.ask(json!(["say", "hello"])).await, accepted());
    assert!(io.statistics().delays > 0);
}
