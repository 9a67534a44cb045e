//! Accepts connections and runs HTTP/1.1 on them; everything ends with the task that runs it.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::control;
use super::routes;
use super::state::State;
use super::websocket::Slot;
use super::wire::{Line, Wire};

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Which of the surfaces a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    /// The simulated provider.
    Backend,
    /// The storage that upload URLs point to.
    Uploads,
    /// The control endpoint.
    Control,
}

/// Serves `listener` until the task is aborted; its connections end with it.
pub(super) async fn run(listener: TcpListener, state: Arc<State>, surface: Surface) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&state), surface));
                }
                // Out of descriptors, most likely: give connections time to end.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>, surface: Surface) {
    // Without it a small event can wait for an acknowledgement; the connection works either way.
    let _ = stream.set_nodelay(true);
    let line = Arc::new(Line::default());
    let io = TokioIo::new(Wire::new(stream, Arc::clone(&line)));
    // A connection that a fault or the client ended is no event here: the record says how it ended.
    let _ = match surface {
        Surface::Backend | Surface::Uploads => {
            let slot = Slot::default();
            let service = service_fn(|mut request: Request<Incoming>| {
                request.extensions_mut().insert(slot.clone());
                routes::serve(Arc::clone(&state), Arc::clone(&line), surface, request)
            });
            let served = http1::Builder::new().serve_connection(io, service).with_upgrades().await;
            if let Some(agreed) = slot.take() {
                agreed.run(&line).await;
            }
            served
        }
        Surface::Control => {
            let service = service_fn(|request| async { Ok::<_, Infallible>(control::serve(&state, request).await) });
            http1::Builder::new().serve_connection(io, service).await
        }
    };
}

/// Binds `address` with a backlog that a bench does not overrun.
pub(super) fn bind(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4_096)
}
