//! The gateway's end of the admin socket: one command a connection, from this user and from root only.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::backend::{Backend, Who};
use super::command::Command;
use super::reply::Refusal;
use super::socket::Listener;
use super::wire::{self, Asked, Line, MAX_LINE, VERSION};

/// Connections at the same time; more wait in the kernel's queue.
const CONNECTIONS: usize = 16;
/// How long a command may take to arrive, and each line of the answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long commands that run at shutdown may go on.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after a failed accept: without descriptors it would fail at once again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves commands until `shutdown` ends; commands that run then are finished first.
///
/// # Errors
/// When the socket cannot be used at all.
pub async fn serve(
    listener: Listener,
    backend: Arc<Backend>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let own = rustix::process::geteuid().as_raw();
    serve_those(listener, backend, shutdown, move |uid| admits(uid, own)).await
}

/// The user that the gateway runs as, and root, who could become that user.
pub(super) const fn admits(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

pub(super) async fn serve_those(
    listener: Listener,
    backend: Arc<Backend>,
    shutdown: impl Future<Output = ()> + Send,
    admits: impl Fn(u32) -> bool + Send,
) -> io::Result<()> {
    let socket = listener.to_tokio()?;
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) if admits(peer.uid()) => {
                        connections.spawn(answer(stream, Arc::clone(&backend), Who::peer(peer.uid()), closed.clone()));
                    }
                    Ok(peer) => {
                        tracing::warn!(uid = peer.uid(), "admin: a user was turned away");
                        connections.spawn(turn_away(stream));
                    }
                    Err(error) => tracing::warn!(%error, "admin: a connection without a user was turned away"),
                },
                Err(error) => {
                    tracing::warn!(%error, "admin: no connection was accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // Nobody who comes now finds a gateway; the file goes with the listener.
    drop((socket, listener));
    closing.send_replace(true);
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::warn!("admin: a command took too long and was left");
    }
    Ok(())
}

async fn turn_away(mut stream: UnixStream) {
    let refusal = Line::Refused(Refusal::new("forbidden", "the gateway runs as another user"));
    // It is courtesy only.
    let _ = tokio::time::timeout(PATIENCE, wire::write(&mut stream, &refusal)).await;
}

async fn answer(mut stream: UnixStream, backend: Arc<Backend>, who: Who, mut closed: watch::Receiver<bool>) {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let line = tokio::select! {
        line = tokio::time::timeout(PATIENCE, wire::read(&mut read, MAX_LINE + 1)) => line,
        _ = closed.wait_for(|closed| *closed) => return,
    };
    let result = match line {
        Ok(Ok(Some(line))) => match understand(&line) {
            Ok(command) => backend.execute(command, &who).await,
            Err(refusal) => Err(refusal),
        },
        Ok(Ok(None)) => return,
        Ok(Err(error)) => Err(Refusal::new("bad_request", format!("the command could not be read: {error}"))),
        Err(_) => Err(Refusal::new("timeout", "the command did not arrive in time")),
    };
    let (replies, end) = match result {
        Ok(replies) => (replies, Line::Done {}),
        Err(refusal) => (Vec::new(), Line::Refused(refusal)),
    };
    for line in replies.into_iter().map(|reply| Line::Reply(Box::new(reply))).chain([end]) {
        match tokio::time::timeout(PATIENCE, wire::write(&mut write, &line)).await {
            Ok(Ok(())) => {}
            // It was carried out; the one who asked has left.
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

fn understand(line: &[u8]) -> Result<Command, Refusal> {
    // What the parser says may quote the line, and the line may hold a secret.
    let refused = |what: &str| Refusal::new("bad_request", what);
    let asked: Asked<'_> = serde_json::from_slice(line).map_err(|_| refused("this is not a command"))?;
    if asked.version != VERSION {
        let theirs = asked.version;
        let message = format!(
            "the command speaks version {theirs} and the gateway version {VERSION}: use the gateway's own program"
        );
        return Err(Refusal::new("version", message));
    }
    serde_json::from_str(asked.command.get()).map_err(|_| refused("the gateway does not know this command"))
}
