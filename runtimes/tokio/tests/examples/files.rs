//! Files that are sent and fetched.

use serde_json::{Value, json};
use sha1_smol::Sha1;

use crate::{
    client::{Client, serve},
    files,
};

const CHUNK: usize = 64 << 10;

/// A client that has read the list of files.
async fn enter(port: u16) -> Client {
    let mut client = Client::join(port).await;
    assert!(client.read().await.starts_with(r#"42["files",["#));
    client
}

/// The answer to a question; its id is 7.
async fn ask(client: &mut Client, event: Value) -> Value {
    client.send(&format!("427{event}")).await;
    answer(client).await
}

async fn answer(client: &mut Client) -> Value {
    loop {
        let message = client.read().await;
        if let Some(answer) = message.strip_prefix("437[") {
            return serde_json::from_str(answer.strip_suffix(']').unwrap()).unwrap();
        }
        assert!(message.starts_with(r#"42["files""#), "{message}");
    }
}

async fn send_chunk(client: &mut Client, token: &str, offset: usize, data: &[u8]) {
    let place = json!({ "_placeholder": true, "num": 0 });
    let event = json!(["chunk", token, offset, place]);
    client.send(&format!("451-7{event}")).await;
    client.send_bytes(data).await;
}

fn label(name: &str, data: &[u8]) -> Value {
    let hash = Sha1::from(data).digest().to_string();
    json!({ "name": name, "size": data.len(), "hash": hash })
}

/// Bytes that are not the same everywhere.
fn letter(size: usize) -> Vec<u8> {
    (0..=250)
        .flat_map(|byte| [byte; 7])
        .cycle()
        .take(size)
        .collect()
}

async fn upload(client: &mut Client, name: &str, data: &[u8]) -> Value {
    let terms = ask(client, json!(["upload", label(name, data)])).await;
    let token = terms["token"].as_str().unwrap();
    let mut last = Value::Null;
    for (number, chunk) in data.chunks(CHUNK).enumerate() {
        send_chunk(client, token, number * CHUNK, chunk).await;
        last = answer(client).await;
    }
    last
}

#[tokio::test]
async fn an_upload_goes_on_after_a_lost_connection_and_everybody_sees_the_file() {
    let port = serve(&files::server()).await;
    let mut witness = enter(port).await;
    let data = letter(3 * CHUNK + 100);

    let mut ada = enter(port).await;
    let terms = ask(&mut ada, json!(["upload", label("../letter", &data)])).await;
    assert_eq!(terms["chunk"], CHUNK);
    let token = terms["token"].as_str().unwrap();
    // The second one's answer is lost with the connection.
    send_chunk(&mut ada, token, 0, &data[..CHUNK]).await;
    assert_eq!(
        answer(&mut ada).await,
        json!({ "ok": true, "offset": CHUNK })
    );
    send_chunk(&mut ada, token, CHUNK, &data[CHUNK..2 * CHUNK]).await;
    answer(&mut ada).await;
    drop(ada);

    let mut ada = enter(port).await;
    let resumed = ask(&mut ada, json!(["resume", token])).await;
    assert_eq!(resumed, json!({ "ok": true, "offset": 2 * CHUNK }));
    send_chunk(&mut ada, token, 2 * CHUNK, &data[2 * CHUNK..3 * CHUNK]).await;
    answer(&mut ada).await;
    send_chunk(&mut ada, token, 3 * CHUNK, &data[3 * CHUNK..]).await;
    let end = json!({ "ok": true, "offset": data.len(), "file": 1 });
    assert_eq!(answer(&mut ada).await, end);
    assert_eq!(ask(&mut ada, json!(["resume", token])).await, end);

    let list = witness.read().await;
    let list: Value = serde_json::from_str(list.strip_prefix("42").unwrap()).unwrap();
    let mut file = label("../letter", &data);
    file["id"] = json!(1);
    assert_eq!(list, json!(["files", [file]]));
}

/// Reads the next chunk: its number of the acknowledgement, offset and data.
async fn read_chunk(client: &mut Client) -> (String, usize, Vec<u8>) {
    let message = client.read().await;
    let rest = message.strip_prefix("451-").unwrap();
    let (id, event) = rest.split_at(rest.find('[').unwrap());
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(event[0], "chunk");
    let offset = usize::try_from(event[2].as_u64().unwrap()).unwrap();
    (id.to_owned(), offset, client.read_bytes().await)
}

#[tokio::test]
async fn a_download_waits_for_acknowledgements_and_goes_on_where_the_receiver_says() {
    let port = serve(&files::server()).await;
    let mut ada = enter(port).await;
    let data = letter(6 * CHUNK + 1);
    assert_eq!(upload(&mut ada, "letter", &data).await["file"], 1);

    let mut bob = enter(port).await;
    assert_eq!(ask(&mut bob, json!(["download", 1, 0])).await["ok"], true);
    let mut ids = Vec::new();
    for number in 0..4 {
        let (id, offset, chunk) = read_chunk(&mut bob).await;
        assert_eq!(offset, number * CHUNK);
        assert_eq!(chunk, data[offset..offset + CHUNK]);
        ids.push(id);
    }
    // Four are on their way: whatever comes next is the answer to this, not a fifth.
    let unknown = ask(&mut bob, json!(["download", 2, 0])).await;
    assert_eq!(unknown["code"], "unknown_file");
    bob.send(&format!("43{}[true]", ids[0])).await;
    assert_eq!(read_chunk(&mut bob).await.1, 4 * CHUNK);
    drop(bob);

    let mut bob = enter(port).await;
    let again = ask(&mut bob, json!(["download", 1, 5 * CHUNK])).await;
    assert_eq!(again["file"]["size"], data.len());
    for (offset, end) in [(5 * CHUNK, 6 * CHUNK), (6 * CHUNK, data.len())] {
        let (_, from, chunk) = read_chunk(&mut bob).await;
        assert_eq!((from, &*chunk), (offset, &data[offset..end]));
    }
}

#[tokio::test]
async fn two_downloads_at_a_time_are_enough() {
    let port = serve(&files::server()).await;
    let mut ada = enter(port).await;
    upload(&mut ada, "letter", &letter(10)).await;

    let mut bob = enter(port).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        assert_eq!(ask(&mut bob, json!(["download", 1, 0])).await["ok"], true);
        ids.push(read_chunk(&mut bob).await.0);
    }
    let refused = ask(&mut bob, json!(["download", 1, 0])).await;
    assert_eq!(refused["code"], "too_many_downloads");

    // One that is not wanted any more ends, and makes room.
    bob.send(&format!("43{}[false]", ids[0])).await;
    for _ in 0..1000 {
        if ask(&mut bob, json!(["download", 1, 10])).await["ok"] == true {
            return;
        }
    }
    panic!("the place of the download that ended is still taken");
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_its_code() {
    let port = serve(&files::server()).await;
    let mut eve = enter(port).await;

    for (event, code) in [
        (json!(["upload", "letter"]), "invalid_label"),
        (
            json!(["upload", { "name": "", "size": 1, "hash": "" }]),
            "invalid_label",
        ),
        (
            json!(["upload", { "name": "a", "size": 1 << 30, "hash": "" }]),
            "too_large",
        ),
        (json!(["resume", "guessed"]), "unknown_upload"),
        (json!(["chunk", "guessed", 0, "text"]), "invalid_chunk"),
        (json!(["download", 9, 0]), "unknown_file"),
    ] {
        let answer = ask(&mut eve, event).await;
        assert_eq!(answer, json!({ "ok": false, "code": code }));
    }
    let mut wrong = label("letter", b"hello");
    wrong["hash"] = label("letter", b"hallo")["hash"].clone();
    let terms = ask(&mut eve, json!(["upload", wrong])).await;
    send_chunk(&mut eve, terms["token"].as_str().unwrap(), 0, b"hello").await;
    let damaged = json!({ "ok": false, "code": "damaged" });
    assert_eq!(answer(&mut eve).await, damaged);
}
