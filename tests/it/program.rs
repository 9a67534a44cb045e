//! The stock binary as a process of its own, a directory to run it on, and words for what tests do with both.
//!
//! Only processes that were started here are ended, each by its id, and every wait ends with [`PATIENCE`].

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codex_pooler::simulator::Simulator;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::client::Client;
use crate::support::{PATIENCE, codex, eventually};

/// What is to happen within a second, with room for a machine that compiles something meanwhile.
pub const SOON: Duration = Duration::from_millis(1500);

/// The slug of the pool that [`Site::furnish`] makes.
pub const POOL: &str = "team";

/// A process. Dropping it kills it.
pub struct Program {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

/// What a process that has ended left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Stops the test unless the process succeeded.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Its lines, each one a JSON object.
    pub fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

impl Program {
    /// The stock binary.
    pub fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut process = Process::new(env!("CARGO_BIN_EXE_codex-pooler"));
        process.args(args);
        Self::spawn(process, None)
    }

    /// Any program; what it reads from its standard input is given here.
    pub fn spawn(mut process: Process, input: Option<Vec<u8>>) -> Self {
        let mut child = process
            .env_remove("CODEX_POOLER_LOG")
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{process:?}: {e}"));
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // One that does not read to the end has its reasons.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let out = follow(child.stdout.take().unwrap());
        let err = follow(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    pub fn stdout(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    pub fn stderr(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits for a line that begins so, and gives the rest of it. Panics when the process ends before.
    pub async fn line(&mut self, start: &str) -> String {
        let since = Instant::now();
        loop {
            let ended = self.child.try_wait().unwrap();
            let out = self.stdout();
            let complete = out.rfind('\n').map_or("", |end| &out[..end]);
            if let Some(rest) = complete.lines().find_map(|line| line.trim_start().strip_prefix(start)) {
                return rest.trim().to_owned();
            }
            assert!(ended.is_none(), "ended before it said `{start}`: {ended:?}\n{out}\n{}", self.stderr());
            assert!(since.elapsed() < PATIENCE, "never said `{start}`\n{out}\n{}", self.stderr());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).expect("it still runs");
    }

    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end for as long as a test may.
    pub async fn end(self) -> Ended {
        self.end_within(PATIENCE).await
    }

    pub async fn end_within(mut self, time: Duration) -> Ended {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < time, "still runs after {time:?}\n{}\n{}", self.stdout(), self.stderr());
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        // The threads hold the other half until they have read everything.
        eventually("its output ends", || async {
            Arc::strong_count(&self.out) == 1 && Arc::strong_count(&self.err) == 1
        })
        .await;
        Ended { code: status.code(), out: self.stdout(), err: self.stderr() }
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub async fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.end().await.code, None);
    }

    /// A signal, then the end; the time between both.
    pub async fn stop(self, signal: Signal) -> (Ended, Duration) {
        let since = Instant::now();
        self.signal(signal);
        let ended = self.end().await;
        (ended, since.elapsed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            let mut text = shared.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}

/// A directory with a configuration file, and the simulated upstream of the accounts there.
pub struct Site {
    pub dir: TempDir,
    pub codex: Simulator,
}

/// A gateway that was started by `serve`.
pub struct Server {
    pub program: Program,
    pub address: SocketAddr,
    pub operations: SocketAddr,
}

impl Site {
    pub async fn new() -> Self {
        Self::with("", "").await
    }

    /// With further lines in `[gateway]`, and further text at the end of the file.
    pub async fn with(gateway: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = format!(
            "[gateway]\nlisten = [\"127.0.0.1:0\"]\n{gateway}\n[operations]\nlisten = \"127.0.0.1:0\"\n[data]\ndir = \"data\"\n{more}\n"
        );
        std::fs::write(dir.path().join("gateway.toml"), file).unwrap();
        Self { dir, codex: codex::start(3).await }
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("gateway.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn socket(&self) -> PathBuf {
        self.data().join("admin.sock")
    }

    /// A file beside the configuration.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn here(&self, args: &[&str]) -> Vec<String> {
        let config = ["--config".to_owned(), self.config().to_str().unwrap().to_owned()];
        args.iter().map(|arg| (*arg).to_owned()).chain(config).collect()
    }

    pub fn start(&self, args: &[&str]) -> Program {
        Program::start(self.here(args))
    }

    /// A command, to its end.
    pub async fn run(&self, args: &[&str]) -> Ended {
        self.start(args).end().await
    }

    /// A command that reads.
    pub async fn run_with(&self, args: &[&str], input: &str) -> Ended {
        let mut process = Process::new(env!("CARGO_BIN_EXE_codex-pooler"));
        process.args(self.here(args));
        Program::spawn(process, Some(input.as_bytes().to_vec())).end().await
    }

    /// A command that succeeds, and the objects it prints.
    pub async fn json(&self, args: &[&str]) -> Vec<Value> {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        self.run(&args).await.ok().json()
    }

    /// One pool with all accounts of the upstream, and the key that opens it.
    pub async fn furnish(&self) -> String {
        self.json(&["pool", "create", POOL]).await;
        for account in self.codex.accounts() {
            let file = self.file(&format!("{}.json", account.label()), &account.auth_json().to_string());
            self.import(account.label(), &file).await.ok();
        }
        self.new_key("test").await
    }

    pub async fn import(&self, label: &str, file: &str) -> Ended {
        self.run(&self.import_command(label, file, &self.codex.origin())).await
    }

    pub fn import_command<'a>(&self, label: &'a str, file: &'a str, origin: &'a str) -> [&'a str; 13] {
        [
            "account",
            "import",
            file,
            "--pool",
            POOL,
            "--label",
            label,
            "--origin",
            origin,
            "--issuer",
            origin,
            "--simulated",
            "--json",
        ]
    }

    pub async fn new_key(&self, name: &str) -> String {
        let made = self.json(&["key", "create", "--pool", POOL, "--name", name]).await;
        made[0]["key"].as_str().unwrap().to_owned()
    }

    /// `serve`, until it says where it listens.
    pub async fn serve(&self) -> Server {
        Server::listening(self.start(&["serve"])).await
    }

    /// All rows of the ledger, newest first.
    pub async fn ledger(&self) -> Vec<Value> {
        self.json(&["requests", "list", "--limit", "10000"]).await
    }

    /// Waits until the ledger has so many rows and none is open, and gives them, newest first.
    pub async fn settled(&self, rows: usize) -> Vec<Value> {
        eventually("all requests are settled", || async {
            let ledger = self.ledger().await;
            ledger.len() == rows && ledger.iter().all(|row| row["state"] != "open")
        })
        .await;
        self.ledger().await
    }
}

impl Server {
    pub async fn listening(mut program: Program) -> Self {
        let address = program.line("listening on http://").await.parse().unwrap();
        let operations = program.line("metrics and health on http://").await.parse().unwrap();
        Self { program, address, operations }
    }

    pub fn client(&self, key: &str) -> Client {
        Client { address: self.address, key: key.to_owned() }
    }

    /// The status of `/readyz`.
    pub async fn ready(&self) -> u16 {
        Client { address: self.operations, key: String::new() }.get("/readyz").await.status
    }
}
