//! What goes wrong below HTTP, in words that quote nothing of what a peer sent.

use std::io;
use std::time::Duration;

use pingora_error::Error;

/// What went wrong below HTTP.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No address could be reached; no byte was sent.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, String),
    /// A connection of the pool that was closed before a byte of an answer came. It was idle, so that most likely nobody has read the
    /// request: it may be sent again.
    #[error("the connection was stale")]
    Stale,
    /// The request could not be written, or no whole answer came back.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Nothing came in time, or nothing was taken.
    #[error("nothing came within {0:?}")]
    TimedOut(Duration),
    /// The answer is larger than its cap.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// What may be told of an error: its type, and the kind of the I/O error behind it. Its own text may quote the peer.
pub(super) fn told(error: &Error) -> String {
    let name = error.etype().as_str();
    match error.root_cause().downcast_ref::<io::Error>() {
        Some(cause) => format!("{name}, {}", cause.kind()),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pingora_error::ErrorType;

    use super::*;

    #[test]
    fn a_text_quotes_nothing_of_the_peer() {
        let quoting = Error::because(ErrorType::InvalidHTTPHeader, "buf: CANARY", "CANARY");
        assert_eq!(told(&quoting), "InvalidHTTPHeader");
        let io = io::Error::new(io::ErrorKind::ConnectionReset, "CANARY");
        let reset = Error::because(ErrorType::ReadError, "CANARY", io).more_context("CANARY");
        assert_eq!(told(&reset), "ReadError, connection reset");
    }
}
