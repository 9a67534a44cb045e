//! The least that can stand between two websockets: each message is taken from one and sent on the other, whatever it is.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

use super::{BACKEND, child};

type Socket = WebSocketStream<TcpStream>;

/// When messages go out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Flush {
    /// Each by itself.
    Each,
    /// Those that are ready together, together.
    Burst,
}

/// Read buffers of this size are those of the gateway.
pub(super) const SMALL: usize = 4096;

/// Serves until the parent is gone; `buffer`: for reading, in bytes, if not as large as tungstenite has it. With as many threads as the gateway has.
pub(super) fn run(upstream: SocketAddr, flush: Flush, buffer: Option<usize>) -> io::Result<()> {
    child::end_with_parent();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        let config = WebSocketConfig::default();
        let config = buffer.map_or(config, |size| config.read_buffer_size(size));
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that breaks is the other side's business.
            tokio::spawn(relay(stream, upstream, flush, config));
        }
    })
}

async fn relay(stream: TcpStream, upstream: SocketAddr, flush: Flush, config: WebSocketConfig) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let (to_client, from_client) = accept_async_with_config(stream, Some(config)).await?.split();
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = client_async_with_config(format!("ws://{upstream}{BACKEND}"), stream, Some(config)).await?;
    let (to_upstream, from_upstream) = socket.split();
    tokio::select! {
        ended = pass(from_client, to_upstream, flush) => ended,
        ended = pass(from_upstream, to_client, flush) => ended,
    }
}

async fn pass(mut from: SplitStream<Socket>, mut to: SplitSink<Socket, Message>, flush: Flush) -> Result<(), Error> {
    match flush {
        Flush::Each => {
            while let Some(message) = from.next().await {
                to.send(message?).await?;
            }
            Ok(())
        }
        Flush::Burst => from.forward(to).await,
    }
}
