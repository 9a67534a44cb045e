//! Server-Sent Events: cutting a byte stream into blocks (WHATWG HTML, "Interpreting an event stream") without changing
//! it.
//!
//! Lines end with CR, LF or CRLF, mixed at will and split anywhere between chunks. Joined again, the blocks and what
//! [`Framer::finish`] hands out are the stream byte for byte. `Debug` of these types tells sizes, never contents.

mod block;
mod fields;
mod framer;
mod plain;
mod terminal;

pub use self::block::Block;
pub use self::framer::{BlockTooLarge, Framer, Limits};

#[cfg(test)]
mod tests;
