//! The pages of the examples in Chromium: two tabs through the official client, and through the
//! page's own; and pages of another origin.
//!
//! The tests are written for Node.js, in `tests/browser` of the repository.

mod node;

use std::{
    env,
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use node::{Running, Suite};

const START_LIMIT: Duration = Duration::from_secs(20);
const MODERATOR_TOKEN: &str = "open sesame";
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn pages_work_in_chromium() {
    let Some(suite) = Suite::prepare("browser", (20, 15)) else {
        return;
    };
    let Some(chromium) = find_chromium() else {
        let reason = "Chromium is not installed, and the variable CHROMIUM does not name it";
        return node::skip("browser", reason);
    };
    let library = suite.path("node_modules/socket.io-client/dist");
    let (open, closed) = (Interop::start("suite"), Interop::start("app"));
    let with_library = Example::start("chat", Some(&library));
    let without = Example::start("chat", None);
    let editor = Example::start("editor", Some(&library));
    let files = Example::start("files", Some(&library));
    let private = Example::start("private", Some(&library));
    let room = Example::start("room", Some(&library));
    let variables = [
        ("CHAT_URL", &*with_library.url),
        ("CHAT_FALLBACK_URL", &*without.url),
        ("EDITOR_URL", &*editor.url),
        ("FILES_URL", &*files.url),
        ("PRIVATE_URL", &*private.url),
        ("ROOM_URL", &*room.url),
        ("MODERATOR_TOKEN", MODERATOR_TOKEN),
        ("OPEN_URL", &*open.url),
        ("CLOSED_URL", &*closed.url),
        ("CHROMIUM", chromium.to_str().expect("the path is UTF-8")),
    ];
    suite.test("pages in Chromium", "test", &variables, LIMIT);
}

fn find_chromium() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders = env::var_os("PATH")?;
    let folders: Vec<_> = env::split_paths(&folders).collect();
    let candidates = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|path| path.exists())
}

/// The interop server on a free port; it ends with this value.
struct Interop {
    url: String,
    _running: Running,
}

impl Interop {
    /// Starts it in a mode and waits until it accepts connections.
    fn start(mode: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let mut command = Command::new(node::example("interop_server"));
        command.arg(mode).env("PORT", address.port().to_string());
        let running = Running::start(&mut command);
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < START_LIMIT, "{mode} does not start");
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            url: format!("http://{address}"),
            _running: running,
        }
    }
}

/// An example with a page, on a free port; it ends with this value.
struct Example {
    url: String,
    _running: Running,
}

impl Example {
    /// Starts the example and waits for the address that it prints. Without a library the page
    /// asks the public CDN, for which the test answers.
    fn start(name: &str, library: Option<&Path>) -> Self {
        let mut command = Command::new(node::example(name));
        command.args(["--port", "0"]).stdout(Stdio::piped());
        // For the moderators of the room.
        command.env("MODERATOR_TOKEN", MODERATOR_TOKEN);
        if let Some(folder) = library {
            command.arg("--client-folder").arg(folder);
        }
        let mut running = Running::start(&mut command);
        let stdout = running.child().stdout.take().expect("it is piped");
        let (found, url) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut words = line.split_whitespace();
                if let Some(url) = words.find(|word| word.starts_with("http://")) {
                    _ = found.send(url.to_owned());
                }
            }
        });
        let url = url
            .recv_timeout(START_LIMIT)
            .expect("an example prints its address");
        Self {
            url,
            _running: running,
        }
    }
}
