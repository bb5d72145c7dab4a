//! A process that is told to end while it serves, as process managers do it.

use std::{
    env,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    signal::unix::{SignalKind, signal},
};

use super::{
    crowd::{Crowd, Manner},
    everything::{Done, open_websocket, server, soon},
};

/// Has the test below be a server.
const AS_SERVER: &str = "SOCKETIO_CLOSING_SERVER";

const SPREAD: Duration = Duration::from_millis(300);
const GRACE: Duration = Duration::from_secs(3);

#[allow(clippy::print_stdout, reason = "the other process reads it")]
#[tokio::test]
#[ignore = "the process that the other tests start"]
async fn the_server_of_the_other_tests() {
    if env::var_os(AS_SERVER).is_none() {
        return;
    }
    let io = server(&Arc::<Done>::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    println!("\nport {}", listener.local_addr().unwrap().port());
    socketio_tokio::serve(listener, io.service())
        .spread(SPREAD)
        .grace(GRACE)
        .until(async move { _ = terminate.recv().await })
        .await;
    println!("\nleft {}", io.statistics().sessions());
}

/// A server in a process of its own, which is killed with this value.
struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start() -> Self {
        let name = "process::the_server_of_the_other_tests";
        let mut child = Command::new(env::current_exe().unwrap())
            .args([name, "--exact", "--ignored", "--nocapture"])
            .env(AS_SERVER, "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What it says of something.
    async fn number(&mut self, of: &str) -> u16 {
        loop {
            let line = soon("a line", self.lines.next_line()).await.unwrap();
            if let Some(number) = line.unwrap().strip_prefix(of) {
                return number.trim().parse().unwrap();
            }
        }
    }

    async fn terminate(&self) {
        let mut kill = Command::new("kill");
        kill.arg("-TERM").arg(self.child.id().unwrap().to_string());
        assert!(soon("kill", kill.status()).await.unwrap().success());
    }
}

#[tokio::test]
async fn a_process_that_is_terminated_tells_its_clients_and_ends_well_before_its_deadline() {
    let mut server = Server::start();
    let address = ([127, 0, 0, 1], server.number("port ").await).into();
    let crowd = Crowd::new(address);
    let mut clients = [(Manner::Busy, true), (Manner::Busy, false)].repeat(10);
    clients.extend([(Manner::Entering, true), (Manner::Asked, false)]);
    let mut running = crowd.start(clients);
    soon("everybody's entering", crowd.until_ready(22)).await;

    let begin = Instant::now();
    server.terminate().await;

    let mut last = begin;
    while let Some(saw) = soon("a client", running.join_next()).await {
        last = last.max(saw.unwrap().closed);
    }
    assert!(last - begin >= SPREAD, "the last was told in its turn");
    assert_eq!(server.number("left ").await, 0);
    assert!(
        soon("the end", server.child.wait())
            .await
            .unwrap()
            .success()
    );
    assert!(begin.elapsed() < GRACE, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_process_that_is_terminated_ends_at_its_deadline_whatever_its_clients_do() {
    let mut server = Server::start();
    let address = ([127, 0, 0, 1], server.number("port ").await).into();
    // It answers no close frame.
    let _stubborn = open_websocket(address, Manner::Asked).await;
    let crowd = Crowd::new(address);
    let mut running = crowd.start(vec![(Manner::Busy, false)]);
    soon("the other's entering", crowd.until_ready(1)).await;

    let begin = Instant::now();
    server.terminate().await;

    assert!(
        soon("the client", running.join_next())
            .await
            .unwrap()
            .is_ok()
    );
    assert!(
        soon("the end", server.child.wait())
            .await
            .unwrap()
            .success()
    );
    let took = begin.elapsed();
    assert!(
        took >= GRACE && took < SPREAD + GRACE + Duration::from_secs(2),
        "{took:?}"
    );
}
