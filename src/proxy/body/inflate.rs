//! Inflates compressed bodies: gzip, deflate and zstd, one coding at most, under caps of size, ratio and window.

use std::io::{self, Cursor, Read};

use bytes::{Bytes, BytesMut};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use pooler_filter::{Reject, RejectKind};

use super::make_way;
use crate::config::Limits;
use crate::proxy::budget::{LARGE, Room};

/// Inflated bytes between two looks at the caps.
const STEP: usize = 16 * 1024;
/// Steps between two pauses in which other requests get their turn.
const STEPS_AT_ONCE: usize = 16;

/// What a decoder keeps beside its window, about.
const DECODER: usize = 512 * 1024;
/// What one of gzip or deflate keeps, its window of 32 KiB included.
const SMALL_DECODER: usize = 64 * 1024;

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

impl Coding {
    /// The coding that the headers name. Two codings are refused (docs/decisions.md, S15).
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Reject> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return if headers.contains_key(header::CONTENT_ENCODING) {
                Err(unsupported())
            } else {
                Ok(Self::Identity)
            };
        };
        match value.to_str().unwrap_or("?").trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "zstd" => Ok(Self::Zstd),
            _ => Err(unsupported()),
        }
    }

    /// What the decoder keeps once so many bytes came out: its window is memory as far as it was written to.
    fn keeps(self, text: usize, window_log: u32) -> usize {
        match self {
            Self::Identity => 0,
            Self::Gzip | Self::Deflate => SMALL_DECODER,
            Self::Zstd => DECODER + text.min(1 << window_log),
        }
    }

    fn reader(self, packed: Bytes, window_log: u32) -> io::Result<Box<dyn Read + Send>> {
        let source = Cursor::new(packed);
        Ok(match self {
            Self::Identity => Box::new(source),
            Self::Gzip => Box::new(MultiGzDecoder::new(source)),
            Self::Deflate => Box::new(ZlibDecoder::new(source)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
                decoder.window_log_max(window_log)?;
                Box::new(decoder)
            }
        })
    }
}

fn unsupported() -> Reject {
    Reject::new(RejectKind::UnsupportedMedia, "unsupported_content_encoding", "content encoding is not supported")
}

fn too_large() -> Reject {
    let message = "decompressed request body is too large";
    Reject::new(RejectKind::TooLarge, "decompressed_request_too_large", message)
}

fn ratio() -> Reject {
    let message = "request body compression ratio is too large";
    Reject::new(RejectKind::TooLarge, "decompression_ratio_exceeded", message)
}

/// Inflates a whole body. Room grows with what comes out, and a bomb is refused before it has grown.
pub(super) async fn inflate(coding: Coding, packed: Bytes, limits: &Limits, room: &mut Room) -> Result<Bytes, Reject> {
    let packed_len = packed.len();
    let most_by_ratio = packed_len.saturating_mul(limits.max_ratio as usize);
    let mut reader = coding.reader(packed, limits.zstd_window_log).map_err(|e| corrupt(&e))?;
    let mut text = BytesMut::new();
    let mut step = vec![0; STEP];
    for turn in 1_usize.. {
        let read = read_full(&mut reader, &mut step).map_err(|e| corrupt(&e))?;
        if text.len() + read > limits.max_body {
            return Err(too_large());
        }
        if text.len() + read > most_by_ratio {
            return Err(ratio());
        }
        if text.len() + read > LARGE {
            room.turn().await?;
        }
        let len = text.len() + read;
        room.grow_with(packed_len + len, coding.keeps(len, limits.zstd_window_log)).await?;
        make_way(&mut text, read, None, most_by_ratio.min(limits.max_body));
        text.extend_from_slice(&step[..read]);
        if read < STEP {
            break;
        }
        if turn % STEPS_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(reader);
    room.shrink_to(text.len());
    room.end_turn();
    Ok(text.freeze())
}

/// Fills the buffer as far as there is something to read.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

fn corrupt(error: &io::Error) -> Reject {
    // The zstd library names a window over the cap in words only.
    if error.to_string().contains("too much memory") {
        return too_large();
    }
    Reject::invalid("compressed request body is invalid")
}

#[cfg(test)]
mod tests;
