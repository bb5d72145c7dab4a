//! Runs the tests that are written for Node.js: installs their packages, starts them, and ends
//! whatever was started.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

const INSTALL_LIMIT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(50);

/// Held while packages are installed: several tests may need the same ones.
static INSTALLING: Mutex<()> = Mutex::new(());

/// One folder of Node.js tests under `tests/` of the repository, with its packages installed.
pub(crate) struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// Makes a folder's packages ready. `None` if the tools are missing, which has been said then;
    /// in continuous integration that is a failure.
    pub(crate) fn prepare(folder: &str, minimum: (u32, u32)) -> Option<Self> {
        if let Err(reason) = check_tools(minimum) {
            skip(folder, &reason);
            return None;
        }
        let suite = Self {
            folder: repository().join("tests").join(folder),
        };
        let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        if !suite.is_installed() {
            let mut install = npm();
            install.arg("ci").current_dir(&suite.folder);
            let (succeeded, output) = run(install, INSTALL_LIMIT);
            assert!(succeeded, "npm ci in tests/{folder} failed:\n{output}");
        }
        Some(suite)
    }

    /// Where a file or folder of the suite lies.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.join(inside)
    }

    /// Runs the tests of a script with these variables, and fails with their output if one of them
    /// does.
    pub(crate) fn test(
        &self,
        name: &str,
        script: &str,
        variables: &[(&str, &str)],
        limit: Duration,
    ) {
        let begin = Instant::now();
        let mut test = npm();
        test.args(["run", script]).current_dir(&self.folder);
        test.envs(variables.iter().copied());
        let (succeeded, output) = run(test, limit);
        assert!(succeeded, "{name}:\n{output}");
        let count = |what: &str| count(&output, what);
        assert!(count("pass") > 0, "{name}: no test ran:\n{output}");
        say(&format!(
            "{name}: {} passed, {} skipped in {:.0} s",
            count("pass"),
            count("skipped"),
            begin.elapsed().as_secs_f64()
        ));
    }

    /// Whether the packages are those of the lock file: npm writes its own copy of it last.
    fn is_installed(&self) -> bool {
        let changed = |file: &str| fs::metadata(self.path(file))?.modified();
        let Ok(installed) = changed("node_modules/.package-lock.json") else {
            return false;
        };
        ["package.json", "package-lock.json"]
            .iter()
            .all(|file| changed(file).is_ok_and(|time| time <= installed))
    }
}

/// An example that cargo built along with this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a program knows where it lies");
    let profile = test.ancestors().nth(2).expect("<profile>/deps/<test>");
    let program = profile
        .join("examples")
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION);
    assert!(
        is_built(&program),
        "{} is missing or older than its sources: `cargo test` builds it when no test is named, \
         and so does `cargo build --examples`",
        program.display()
    );
    program
}

/// Whether a program is there and newer than the sources that cargo wrote down beside it.
fn is_built(program: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path)?.modified();
    let Ok(built) = changed(program) else {
        return false;
    };
    // `program: source source …`; a space in a path is escaped.
    let rule = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let sources = rule
        .trim_end()
        .split_once(": ")
        .map_or("", |(_, list)| list);
    let sources = sources.replace("\\ ", "\0");
    sources.split(' ').all(|source| {
        let source = source.replace('\0', " ");
        changed(Path::new(&source)).is_ok_and(|time| time <= built)
    })
}

/// A process, with all that it starts; it ends with this value.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null());
        let child = in_own_group(command).spawn();
        Self {
            child: child.expect("a program that is there starts"),
        }
    }

    /// The child itself.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the end; `None` if it does not come in time.
    fn wait(&mut self, limit: Duration) -> Option<bool> {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Some(status.success());
            }
            thread::sleep(POLL);
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_group(&mut self.child);
            _ = self.child.wait();
        }
    }
}

/// Says that tests were skipped, past the test harness, which would swallow it. Fails in
/// continuous integration.
pub(crate) fn skip(what: &str, reason: &str) {
    let is_ci = env::var("CI").is_ok_and(|value| value == "true");
    assert!(!is_ci, "tests/{what} cannot run: {reason}");
    say(&format!("tests/{what} SKIPPED: {reason}"));
}

fn say(line: &str) {
    _ = writeln!(io::stderr(), "\n{line}");
}

/// The root of the repository.
fn repository() -> &'static Path {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"));
    runtime.ancestors().nth(2).expect("runtimes/tokio")
}

fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// Whether Node.js and npm are there, and new enough.
fn check_tools(minimum: (u32, u32)) -> Result<(), String> {
    let missing = |tool: &str| format!("{tool} is not installed (https://nodejs.org)");
    let version =
        output_of(Command::new("node").arg("--version")).ok_or_else(|| missing("node"))?;
    output_of(npm().arg("--version")).ok_or_else(|| missing("npm"))?;
    let mut numbers = version.trim().trim_start_matches('v').split('.');
    let mut number = || numbers.next()?.parse::<u32>().ok();
    let found = number().zip(number());
    if found.is_some_and(|found| found >= minimum) {
        return Ok(());
    }
    let (major, minor) = minimum;
    let found = version.trim();
    Err(format!(
        "Node.js {found} is too old, {major}.{minor} is needed"
    ))
}

fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

/// Runs a command to its end, at most so long; gives whether it succeeded, and what it printed.
fn run(mut command: Command, limit: Duration) -> (bool, String) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(&mut command);
    let child = running.child();
    let output = Arc::default();
    let readers = [
        child.stdout.take().map(|stream| collect(stream, &output)),
        child.stderr.take().map(|stream| collect(stream, &output)),
    ];
    let ended = running.wait(limit);
    drop(running);
    for reader in readers.into_iter().flatten() {
        // A process that outlives its parent may keep the stream open.
        _ = reader.recv_timeout(Duration::from_secs(5));
    }
    let output = output.lock().expect("readers do not panic");
    let mut output = String::from_utf8_lossy(&output).into_owned();
    if ended.is_none() {
        _ = write!(output, "\nkilled after {} s", limit.as_secs());
    }
    (ended == Some(true), output)
}

/// Adds what a stream brings to an output; says when it has ended.
fn collect(
    mut stream: impl Read + Send + 'static,
    output: &Arc<Mutex<Vec<u8>>>,
) -> mpsc::Receiver<()> {
    let output = Arc::clone(output);
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            let mut output = output.lock().expect("readers do not panic");
            output.extend_from_slice(chunk.get(..length).unwrap_or_default());
        }
        _ = ended.send(());
    });
    end
}

/// Node's test runner ends with lines such as `# pass 12`.
fn count(output: &str, what: &str) -> u32 {
    let number = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == what).then(|| words.next()?.parse().ok())?
    };
    output.lines().rev().find_map(number).unwrap_or(0)
}

/// npm starts further processes; a group is ended whole.
#[cfg(unix)]
fn in_own_group(command: &mut Command) -> &mut Command {
    std::os::unix::process::CommandExt::process_group(command, 0)
}

#[cfg(not(unix))]
fn in_own_group(command: &mut Command) -> &mut Command {
    command
}

#[cfg(unix)]
fn kill_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    _ = Command::new("kill").args(["-KILL", "--", &group]).status();
}

#[cfg(not(unix))]
fn kill_group(child: &mut Child) {
    _ = child.kill();
}
