//! Private messages between people in several browsers.

use serde_json::{Value, json};

use crate::{
    client::{Client, serve},
    private,
};

async fn start() -> u16 {
    serve(&private::server().unwrap()).await
}

/// Asks to come in; gives the connection and the answer.
async fn knock(port: u16, auth: &Value) -> (Client, String) {
    let mut client = Client::open(port).await;
    client.send(&format!("40{auth}")).await;
    let answer = client.read().await;
    (client, answer)
}

/// One browser of somebody.
struct Browser {
    client: Client,
    welcome: Value,
    /// What the client would send to be recovered.
    pid: Value,
    offset: Value,
}

impl Browser {
    async fn enter(port: u16, auth: &Value) -> Self {
        let (client, answer) = knock(port, auth).await;
        let answer = answer.strip_prefix("40").expect("it is let in");
        let answer: Value = serde_json::from_str(answer).unwrap();
        let (pid, welcome) = (answer["pid"].clone(), Value::Null);
        let mut browser = Self {
            client,
            welcome,
            pid,
            offset: Value::Null,
        };
        let event = browser.next("welcome").await;
        browser.welcome = event[1].clone();
        browser.offset = event[2].clone();
        browser
    }

    async fn named(port: u16, name: &str) -> Self {
        Self::enter(port, &json!({ "name": name })).await
    }

    /// One more browser of the same person.
    async fn another(&self, port: u16) -> Self {
        Self::enter(port, &self.token()).await
    }

    fn token(&self) -> Value {
        json!({ "token": self.welcome["token"] })
    }

    /// The next event, which has this name, without what a server adds for recovery.
    async fn next(&mut self, name: &str) -> Value {
        let message = self.client.read().await;
        let event = message.strip_prefix("42").unwrap_or(&message);
        let event: Value = serde_json::from_str(event).unwrap();
        assert_eq!(event[0], name, "{message}");
        event
    }

    /// Emits an event; the next message has to be its answer.
    async fn ask(&mut self, event: Value) -> Value {
        self.client.send(&format!("427{event}")).await;
        let message = self.client.read().await;
        let answer = message.strip_prefix("437[").expect(&message);
        serde_json::from_str(answer.strip_suffix(']').unwrap()).unwrap()
    }

    async fn presence(&mut self) -> (String, bool) {
        let event = self.next("presence").await;
        let name = event[1].as_str().unwrap().to_owned();
        (name, event[2].as_bool().unwrap())
    }
}

fn person(name: &str, online: bool, unread: usize) -> Value {
    json!({ "name": name, "online": online, "unread": unread })
}

#[tokio::test]
async fn only_a_name_that_is_free_or_a_token_opens_the_door() {
    let port = start().await;
    let ada = Browser::named(port, " Ada ").await;
    assert_eq!(ada.welcome["name"], "ada");
    assert_eq!(ada.another(port).await.welcome["name"], "ada");
    for (auth, message) in [
        (json!({}), "A name or a token is needed."),
        (json!({ "token": "" }), "Nobody has this token."),
        (json!({ "name": "ADA" }), "Somebody has this name already."),
        (json!({ "name": "" }), "A name has 1 to 24 letters."),
        (
            json!({ "name": "a b" }),
            "A name has letters, digits, - and _ only.",
        ),
    ] {
        let (_, answer) = knock(port, &auth).await;
        let refusal: Value = serde_json::from_str(answer.strip_prefix("44").unwrap()).unwrap();
        assert_eq!(refusal["message"], message);
    }
}

#[tokio::test]
async fn somebody_is_there_from_the_first_browser_to_the_last() {
    let port = start().await;
    let mut ada = Browser::named(port, "ada").await;
    let mut bob = Browser::named(port, "bob").await;
    assert_eq!(bob.welcome["people"], json!([person("ada", true, 0)]));
    assert_eq!(ada.presence().await, ("bob".to_owned(), true));

    let mut second = bob.another(port).await;
    bob.client.send("41").await;
    assert_eq!(
        second.ask(json!(["send", "ada", "hello"])).await,
        json!({ "number": 1 })
    );
    assert_eq!(ada.next("message").await[1]["text"], "hello");
    second.client.send("41").await;
    assert_eq!(ada.presence().await, ("bob".to_owned(), false));
}

#[tokio::test]
async fn a_message_reaches_all_browsers_of_both_and_nobody_else() {
    let port = start().await;
    let mut eve = Browser::named(port, "eve").await;
    let (mut ada, mut bob) = (
        Browser::named(port, "ada").await,
        Browser::named(port, "bob").await,
    );
    ada.presence().await;
    let (mut ada_too, mut bob_too) = (ada.another(port).await, bob.another(port).await);

    let answer = ada.ask(json!(["send", "bob", "hello"])).await;

    assert_eq!(answer, json!({ "number": 1 }));
    let message = json!({ "number": 1, "from": "ada", "to": "bob", "text": "hello" });
    for browser in [&mut ada_too, &mut bob, &mut bob_too] {
        assert_eq!(browser.next("message").await[1], message);
    }
    eve.presence().await;
    eve.presence().await;
    let nothing = json!({ "messages": [], "seen": 0 });
    for whose in ["ada", "bob", "eve", "nobody"] {
        assert_eq!(eve.ask(json!(["open", whose])).await, nothing);
        let read = eve.ask(json!(["read", whose, 1])).await;
        assert_eq!(read, json!({ "read": null }));
    }
}

#[tokio::test]
async fn messages_wait_for_who_is_away_and_are_unread_until_they_are_read() {
    let port = start().await;
    let mut ada = Browser::named(port, "ada").await;
    let mut bob = Browser::named(port, "bob").await;
    ada.presence().await;
    bob.client.send("41").await;
    ada.presence().await;
    for text in ["hello", "are you there?"] {
        ada.ask(json!(["send", "bob", text])).await;
    }

    let (mut bob, mut bob_too) = (bob.another(port).await, bob.another(port).await);
    assert_eq!(bob.welcome["people"], json!([person("ada", true, 2)]));
    ada.presence().await;
    let view = bob.ask(json!(["open", "ada"])).await;
    assert_eq!(view["messages"][1]["text"], "are you there?");
    assert_eq!(
        bob.ask(json!(["read", "ada", 9])).await,
        json!({ "read": 2 })
    );
    for browser in [&mut ada, &mut bob_too] {
        let read = browser.next("read").await;
        let read = read.as_array().unwrap().get(1..4).unwrap();
        assert_eq!(read, [json!("bob"), json!("ada"), json!(2)]);
    }
    assert_eq!(ada.ask(json!(["open", "bob"])).await["seen"], 2);
    // What was read before, is told nobody again.
    bob.ask(json!(["read", "ada", 1])).await;
    bob.ask(json!(["send", "ada", "yes"])).await;
    ada.next("message").await;
}

#[tokio::test]
async fn who_comes_back_soon_is_sent_what_was_missed_and_nothing_else() {
    let port = start().await;
    let mut ada = Browser::named(port, "ada").await;
    let bob = Browser::named(port, "bob").await;
    ada.presence().await;
    let (token, pid) = (bob.welcome["token"].clone(), bob.pid.clone());
    let offset = bob.offset.clone();
    drop(bob.client);
    assert_eq!(ada.presence().await, ("bob".to_owned(), false));
    ada.ask(json!(["send", "bob", "hello"])).await;

    let mut client = Client::open(port).await;
    let auth = json!({ "token": token, "pid": pid, "offset": offset });
    client.send(&format!("40{auth}")).await;

    let mut missed = Vec::new();
    let answer = loop {
        let message = client.read().await;
        match message.strip_prefix("42") {
            Some(event) => missed.push(serde_json::from_str::<Value>(event).unwrap()),
            None => break message,
        }
    };
    let answer: Value = serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap();
    assert_eq!(answer["pid"], pid);
    assert_eq!(ada.presence().await, ("bob".to_owned(), true));
    let names: Vec<_> = missed.iter().map(|event| &event[0]).collect();
    assert_eq!(names, ["presence", "message"]);
    assert_eq!(missed[1][1]["text"], "hello");
    // No second welcome; it hears that it is here, as everybody does.
    assert!(
        client
            .read()
            .await
            .starts_with(r#"42["presence","bob",true"#)
    );
    client.send(r#"427["send","ada","I am back"]"#).await;
    assert_eq!(client.read().await, r#"437[{"number":2}]"#);
    assert_eq!(ada.next("message").await[1]["from"], "bob");
}

#[tokio::test]
async fn what_does_not_fit_is_answered_and_told_nobody() {
    let port = start().await;
    let mut bob = Browser::named(port, "bob").await;
    let mut ada = Browser::named(port, "ada").await;
    bob.presence().await;
    for (event, error) in [
        (json!(["send", "ada", "hello"]), "That is you."),
        (json!(["send", "nobody", "hello"]), "Nobody has that name."),
        (json!(["send", "bob", " "]), "There is nothing in it."),
        (json!(["send", "bob"]), "To whom, and what?"),
        (
            json!(["send", "bob", "x".repeat(1_001)]),
            "A message has at most 1000 bytes.",
        ),
        (json!(["open", 5]), "Whose messages?"),
        (
            json!(["read", "bob", -1]),
            "Whose messages, and up to which?",
        ),
    ] {
        assert_eq!(ada.ask(event).await, json!({ "error": error }));
    }
    ada.ask(json!(["send", "bob", "hello"])).await;
    assert_eq!(bob.next("message").await[1]["number"], 1);
}

#[tokio::test]
async fn one_browser_too_many_is_sent_away() {
    let port = start().await;
    let ada = Browser::named(port, "ada").await;
    let mut others = Vec::new();
    for _ in 1..private::MAX_SOCKETS_OF_ONE {
        others.push(ada.another(port).await);
    }

    let (mut surplus, answer) = knock(port, &ada.token()).await;

    assert!(answer.starts_with("40"));
    assert_eq!(surplus.read().await, "41");
}
