//! An upstream that costs as little as possible: it answers every `response.create` with the same 50 events, in one burst, or one by one where
//! it reads that.

use std::io::{self, Write as _};
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use memchr::memmem;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::{child, wire};

const EVENTS: usize = 50;

/// Serves until the parent is gone.
pub(super) fn run() -> io::Result<()> {
    child::end_with_parent();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        let events: Arc<[Utf8Bytes]> = wire::messages(EVENTS).into_iter().map(Utf8Bytes::from).collect();
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that breaks is the other side's business.
            tokio::spawn(serve(stream, Arc::clone(&events)));
        }
    })
}

async fn serve(stream: TcpStream, events: Arc<[Utf8Bytes]>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        if memmem::find(text.as_bytes(), b"\"response.create\"").is_some() {
            let burst = memmem::find(text.as_bytes(), b"one by one").is_none();
            for event in events.iter() {
                socket.feed(Message::Text(event.clone())).await?;
                if !burst {
                    socket.flush().await?;
                    // All the other sockets have theirs before the next one.
                    tokio::task::yield_now().await;
                }
            }
            socket.flush().await?;
        }
    }
    Ok(())
}
