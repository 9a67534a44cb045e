//! Answers of an upstream that may send anything: what they are must not depend on how they come.

use bytes::BytesMut;
use http::StatusCode;
use pooler_filter::testing::pieces;

use super::{Answer, Fault};

/// What became of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    status: Option<StatusCode>,
    headers: Vec<(String, Vec<u8>)>,
    body: BytesMut,
    /// Whether it was whole.
    end: Option<Result<(), Fault>>,
    /// Whether the connection serves on, and the bytes that came behind the answer.
    lasts: bool,
    behind: Vec<u8>,
}

/// A byte that says how the answer comes, then its bytes.
///
/// # Panics
/// When a property does not hold.
pub fn answer(input: &[u8]) {
    let Some((seed, bytes)) = input.split_first() else { return };
    let (whole, in_pieces) = (read(0, bytes), read(*seed, bytes));
    assert_eq!(whole, in_pieces, "the answer depends on how it came");
    assert!(whole.body.len() <= bytes.len());
    assert!(!whole.lasts || (whole.behind.is_empty() && whole.end == Some(Ok(()))));
    let folds = |value: &[u8]| memchr::memchr2(b'\r', b'\n', value).is_some();
    assert!(!whole.headers.iter().any(|(_, value)| folds(value)));
}

fn read(seed: u8, bytes: &[u8]) -> Told {
    let (mut answer, mut told) = (Answer::new(), Told::default());
    for piece in pieces(seed, bytes) {
        answer.bytes.extend_from_slice(piece);
        if take(&mut answer, &mut told).is_err() {
            // More of it was seen before its fault if it came in pieces.
            return Told { status: told.status, end: Some(Err("a fault")), ..Told::default() };
        }
    }
    told.lasts = answer.leaves_connection();
    told.behind = answer.bytes.to_vec();
    told.end = told.status.map(|_| answer.end());
    told
}

fn take(answer: &mut Answer, told: &mut Told) -> Result<(), Fault> {
    if told.status.is_none() {
        let Some(head) = answer.head()? else { return Ok(()) };
        told.status = Some(head.status);
        told.headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    }
    if !answer.is_done() {
        told.body.extend_from_slice(&answer.body()?);
    }
    Ok(())
}
