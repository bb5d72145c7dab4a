//! Whether Node.js is there, and its packages.

use std::{
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

const MINIMUM: (u32, u32) = (20, 11);
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// Where the other side lies.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

/// Makes the packages ready. Without Node.js it says so and returns `false`; in continuous
/// integration that is a failure.
pub fn prepare() -> bool {
    static READY: OnceLock<bool> = OnceLock::new();
    *READY.get_or_init(prepare_once)
}

fn prepare_once() -> bool {
    if let Err(reason) = check_tools() {
        assert!(env::var_os("CI").is_none(), "tests/differential: {reason}");
        say(&format!("tests/differential SKIPPED: {reason}"));
        return false;
    }
    if !is_installed() {
        let child = npm().arg("ci").current_dir(folder()).spawn();
        assert!(wait(&mut child.expect("npm starts")), "npm ci failed");
    }
    true
}

/// Prints past the test harness, which would swallow it.
pub fn say(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

/// Whether the packages are those of the lock file: npm writes its own copy of it last.
fn is_installed() -> bool {
    let changed = |file: &str| fs::metadata(folder().join(file))?.modified();
    let Ok(installed) = changed("node_modules/.package-lock.json") else {
        return false;
    };
    ["package.json", "package-lock.json"]
        .iter()
        .all(|file| changed(file).is_ok_and(|time| time <= installed))
}

fn npm() -> Command {
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.stdin(Stdio::null()).stdout(Stdio::null());
    npm
}

fn wait(child: &mut Child) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < INSTALL_LIMIT {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.success();
        }
        thread::sleep(Duration::from_millis(50));
    }
    _ = child.kill();
    _ = child.wait();
    false
}

fn check_tools() -> Result<(), String> {
    let missing = |tool: &str| format!("{tool} is not installed (https://nodejs.org)");
    let node = Command::new("node").arg("--version").output();
    let node = node.map_err(|_| missing("node"))?;
    let npm = npm().arg("--version").status();
    if !npm.is_ok_and(|status| status.success()) {
        return Err(missing("npm"));
    }
    let version = String::from_utf8_lossy(&node.stdout).into_owned();
    let mut numbers = version.trim().trim_start_matches('v').split('.');
    let mut number = || numbers.next()?.parse::<u32>().ok();
    let found = number().zip(number());
    if found.is_some_and(|found| found >= MINIMUM) {
        return Ok(());
    }
    let (major, minor) = MINIMUM;
    let found = version.trim();
    Err(format!(
        "Node.js {found} is too old, {major}.{minor} is needed"
    ))
}
