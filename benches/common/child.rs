//! Processes that are measured: started here, ended here by their id, and asked for the CPU time of all their threads.

#![allow(dead_code, reason = "each bench uses its own part")]

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The kernel tells CPU time in these, whatever its own clock is (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// How long a process may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process; dropping it ends it and removes its directory.
pub(crate) struct Child {
    process: std::process::Child,
    #[allow(dead_code, reason = "held until the process has ended")]
    dir: Option<TempDir>,
}

impl Child {
    pub(crate) fn spawn(command: &mut Command, dir: Option<TempDir>) -> io::Result<Self> {
        Ok(Self { process: command.stdin(Stdio::piped()).spawn()?, dir })
    }

    /// The same, and its directory goes with it.
    pub(crate) fn holding(self, dir: TempDir) -> Self {
        let mut child = self;
        child.dir = Some(dir);
        child
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// CPU time of the process and of its children, such as nginx's workers: user and system, all threads.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let id = self.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        children.chain([id]).try_fold(Duration::ZERO, |sum, id: u32| Ok(sum + cpu_of(id)?))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A parent of workers has to end them itself, so it is asked and not killed.
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let asked = id.is_some_and(|id| kill_process(id, Signal::TERM).is_ok());
        if asked {
            let _ = self.process.wait();
        }
    }
}

fn cpu_of(id: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name may hold anything, but it ends with the last parenthesis. User and system time are the 14th and 15th field.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u32 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(TICK * ticks)
}

/// This program again in another role; its first line tells where it listens.
pub(crate) fn role(role: &str, args: &[String]) -> io::Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--role", role]).args(args).stdout(Stdio::piped());
    let mut child = Child::spawn(&mut command, None)?;
    let line = lines(&mut child, 1)?.pop().unwrap_or_default();
    let address = line.parse().map_err(|_| io::Error::other(format!("{role} said `{line}`")))?;
    Ok((child, address))
}

/// The first lines that a process writes.
pub(crate) fn lines(child: &mut Child, count: usize) -> io::Result<Vec<String>> {
    let stdout = child.process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    BufReader::new(stdout).lines().take(count).collect()
}

/// Ends this process when the one that started it is gone.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        let mut line = String::new();
        // The parent never writes: whatever comes is its end.
        let _ = io::stdin().read_line(&mut line);
        std::process::exit(0);
    });
}

/// A port that was free just now.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Waits until somebody listens.
pub(crate) async fn wait_for(address: SocketAddr) -> io::Result<()> {
    let listens = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, listens).await.map_err(|_| io::ErrorKind::TimedOut.into())
}

/// A directory on the disk that holds the build: the one for temporary files may be memory, where flushes cost nothing.
pub(crate) fn directory() -> io::Result<TempDir> {
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))
}
