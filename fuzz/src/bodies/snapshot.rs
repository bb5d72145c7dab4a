//! Sessions that were saved for the next start.

use std::time::Duration;

use socketio_proto::{
    edge::Machine,
    socket::{Config, RecoveryConfig, Server},
    time::{Instant, UnixTime},
};

const MAX_BYTES: usize = 1 << 20;
const NOW: Instant = Instant::from_millis(1_000);

/// Whatever is imported is bounded, is exported and imported again as it is, and is gone after its
/// time; what is refused leaves nothing.
pub fn snapshot(input: &[u8]) {
    let mut server = server();
    let imported = server.import(NOW, input);
    let Ok(imported) = imported else {
        let kept = server.socket_statistics().recovery;
        assert_eq!((kept.sessions, kept.events, kept.bytes), (0, 0, 0));
        return;
    };
    let saved = server.export(NOW);
    let kept = server.socket_statistics().recovery;
    assert!(
        kept.sessions <= imported && kept.bytes <= MAX_BYTES,
        "{kept:?}"
    );
    let mut again = self::server();
    assert_eq!(again.import(NOW, &saved), Ok(kept.sessions));
    assert_eq!(again.export(NOW), saved);

    let later = NOW + Duration::from_secs(3_600);
    while server.poll_timeout().is_some_and(|due| due <= later) {
        server.handle_timeout(later);
    }
    let kept = server.socket_statistics().recovery;
    assert_eq!((kept.sessions, kept.events, kept.bytes), (0, 0, 0));
    while server.poll_output().is_some() {}
}

fn server() -> Server {
    let recovery = RecoveryConfig::new().max_bytes(MAX_BYTES);
    let config = Config::builder().recovery(recovery).build().unwrap();
    Server::new(config, [1; 32], UnixTime::default())
}
