//! Prints the inputs as JSON, for parsers in other languages.

use parsers::inputs::{self, Packet};
use serde_json::{Value, json};

fn main() {
    let packet = |packet: &Packet| -> Value {
        json!({
            "name": packet.name,
            "text": packet.text,
            "attachments": packet.attachments.iter().map(|bytes| bytes.len()).collect::<Vec<_>>(),
        })
    };
    let list = |packets: Vec<Packet>| packets.iter().map(packet).collect::<Vec<_>>();
    let inputs = json!({
        "packets": list(inputs::packets()),
        "headers": list(inputs::headers()),
        "binary": list(inputs::binary_packets()),
        "body": inputs::body(),
        "base64Bytes": inputs::BASE64_BYTES,
    });
    println!("{inputs}");
}
