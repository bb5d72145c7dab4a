//! Pages that edit one text.

use crate::{
    client::{Client, serve},
    editor,
};

struct Page(Client);

impl Page {
    /// Connects and opens the text at a revision; gives the answer, too.
    async fn open(port: u16, author: &str, revision: &str) -> (Self, String) {
        let mut client = Client::open(port).await;
        client.send(&format!(r#"40{{"author":"{author}"}}"#)).await;
        assert!(client.read().await.starts_with("40{"));
        client.send(&format!(r#"420["open",{revision}]"#)).await;
        let answer = client.read().await;
        assert!(client.read().await.starts_with(r#"42["pages","#));
        (Self(client), answer)
    }

    async fn send(&mut self, revision: u64, operation: &str) {
        let event = format!(r#"421["operation",{revision},{operation}]"#);
        self.0.send(&event).await;
    }

    /// The next message but the number of pages.
    async fn read(&mut self) -> String {
        loop {
            let message = self.0.read().await;
            if !message.starts_with(r#"42["pages""#) {
                return message;
            }
        }
    }
}

fn accepted(revision: u64) -> String {
    format!(r#"431[{{"ok":true,"revision":{revision}}}]"#)
}

fn refused(code: &str) -> String {
    format!(r#"431[{{"code":"{code}","ok":false}}]"#)
}

#[tokio::test]
async fn an_operation_is_answered_and_told_to_others_as_it_was_applied() {
    let port = serve(&editor::server()).await;
    let (mut ada, answer) = Page::open(port, "a", "null").await;
    assert_eq!(answer, r#"430[{"revision":0,"text":""}]"#);
    let (mut bob, _) = Page::open(port, "b", "null").await;

    ada.send(0, r#"["Hello"]"#).await;
    assert_eq!(ada.read().await, accepted(1));
    assert_eq!(bob.read().await, r#"42["operation",1,["Hello"]]"#);

    // Both change the same revision: the second one is moved.
    ada.send(1, r#"["> "]"#).await;
    assert_eq!(ada.read().await, accepted(2));
    bob.send(1, r#"[5,"😀"]"#).await;
    assert_eq!(bob.read().await, r#"42["operation",2,["> "]]"#);
    assert_eq!(bob.read().await, accepted(3));
    assert_eq!(ada.read().await, r#"42["operation",3,[7,"😀"]]"#);

    let (_, answer) = Page::open(port, "c", "null").await;
    assert_eq!(answer, r#"430[{"revision":3,"text":"> Hello😀"}]"#);
}

#[tokio::test]
async fn who_comes_back_gets_what_he_missed_and_speaks_for_himself_alone() {
    let port = serve(&editor::server()).await;
    let (mut old, _) = Page::open(port, "a", "null").await;
    let (mut bob, _) = Page::open(port, "b", "null").await;
    old.send(0, r#"["one"]"#).await;
    assert_eq!(old.read().await, accepted(1));
    bob.send(1, r#"[3," two"]"#).await;
    bob.read().await;
    assert_eq!(bob.read().await, accepted(2));

    // The answer to the first operation was lost, and the server thinks the old socket is there.
    let (mut new, answer) = Page::open(port, "a", "0").await;
    let missed = r#"{"own":true,"operation":["one"]},{"own":false,"operation":[3," two"]}"#;
    assert_eq!(
        answer,
        format!(r#"430[{{"revision":2,"operations":[{missed}]}}]"#)
    );

    old.read().await; // Bob's operation
    old.send(2, r#"["late"]"#).await;
    assert_eq!(old.read().await, refused("not_open"));
    new.send(2, r#"["in time: "]"#).await;
    assert_eq!(new.read().await, accepted(3));
}

#[tokio::test]
async fn what_cannot_be_applied_is_refused_with_a_code() {
    let port = serve(&editor::server()).await;
    let (mut page, _) = Page::open(port, "a", "null").await;
    page.send(0, r#"["😀"]"#).await;
    assert_eq!(page.read().await, accepted(1));

    let long = format!(r#"["{}"]"#, "x".repeat(100_000));
    for (revision, operation, code) in [
        (1, r#"[1,"x"]"#, "misfit"),
        (1, "[-3]", "misfit"),
        (2, "[]", "misfit"),
        (1, r#"{"retain":1}"#, "invalid"),
        (1, &long, "too_long"),
    ] {
        page.send(revision, operation).await;
        assert_eq!(page.read().await, refused(code), "{operation:.20}");
    }
    page.send(1, r#"[2,"!"]"#).await;
    assert_eq!(page.read().await, accepted(2));
}

#[tokio::test]
async fn a_page_says_who_it_is_and_everybody_learns_how_many_there_are() {
    let port = serve(&editor::server()).await;
    let mut nobody = Client::open(port).await;
    for auth in ["", r#"{"author":""}"#, r#"{"author":5}"#] {
        nobody.send(&format!("40{auth}")).await;
        assert_eq!(nobody.read().await, r#"44{"message":"no author"}"#);
    }

    let (mut ada, _) = Page::open(port, "a", "null").await;
    let (mut bob, _) = Page::open(port, "b", "null").await;
    assert_eq!(ada.0.read().await, r#"42["pages",2]"#);
    bob.0.send("41").await;
    assert_eq!(ada.0.read().await, r#"42["pages",1]"#);
}
