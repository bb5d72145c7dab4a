//! Recovery where its edges are: each of these was once wrong.

use std::time::Duration;

use socketio_proto::socket::{Options, RecoveryConfig};

use super::recovery::{Client, missed, send, to_all, with};

#[test]
fn a_client_whose_last_pong_took_its_time_has_all_of_its_time_to_come_back() {
    let mut app = with(RecoveryConfig::new().max_disconnection(Duration::from_secs(2)));
    let mut client = Client::new(&mut app);
    to_all(&mut app, "early");
    client.run(&mut app);
    client.got();
    // Pings come every 300 ms; each is answered after 150 of 200 ms.
    app.driver.sleep(300);
    app.driver.run();
    app.driver.sleep(1);
    let rooms = ["of_others"];
    let to = app.group(&rooms, &[]);
    send(&mut app, to, "noise", Options::new());
    app.driver.run();
    app.driver.sleep(149);
    app.driver.text(client.transport, "3");
    app.driver.sleep(300);
    app.driver.run();
    app.driver.sleep(200);
    let lines = app.driver.run();
    assert!(
        lines.contains(&"closed: ping timeout".to_owned()),
        "{lines:?}"
    );
    app.driver.sleep(1_999);
    let (recovery, _) = client.come_back(&mut app);
    assert_eq!(missed(&recovery), Some(0));
}
