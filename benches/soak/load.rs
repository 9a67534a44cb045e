//! The load: connections that each do one thing after the other, of a mixture of all that clients do.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::dice::Dice;
use super::socket::Socket;
use super::tally::{Kind, Tally};
use super::wire::{self, Door, End, NATIVE_BODY};

/// Where the gateway takes requests of Codex.
const NATIVE: &str = "/backend-api/codex/responses";
const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data; boundary=soak";
/// Bytes of a file.
const FILE: usize = 64 << 10;
/// The longest pause of a client between two things, in milliseconds.
const PAUSE: usize = 100;
/// The most turns on one websocket.
const TURNS: usize = 5;
/// Refused by the gateway: no JSON, an unknown member, no model, one that nobody has, a wrong type, no messages.
const REFUSED: [(&str, &str); 6] = [
    ("/v1/responses", r#"{"model":"gpt-5.5","input":"#),
    ("/v1/responses", r#"{"model":"gpt-5.5","input":"Say hello","soak":true}"#),
    ("/v1/responses", r#"{"input":"Say hello"}"#),
    ("/v1/responses", r#"{"model":"no-such-model","input":"Say hello"}"#),
    ("/v1/responses", r#"{"model":"gpt-5.5","input":7}"#),
    ("/v1/chat/completions", r#"{"model":"gpt-5.5"}"#),
];

/// One client, until `to`.
pub(super) async fn client(door: Door, tally: Arc<Tally>, mut dice: Dice, to: Instant) -> io::Result<()> {
    let (mut open, mut buffer) = (None, Vec::new());
    while Instant::now() < to {
        let kind = Kind::any(&mut dice);
        match kind {
            Kind::Abort => abort(&door, &tally, &mut dice, &mut buffer).await?,
            Kind::Websocket => websocket(&door, &tally, &mut dice).await,
            Kind::Responses
            | Kind::ResponsesStream
            | Kind::Chat
            | Kind::ChatStream
            | Kind::Native
            | Kind::Refused
            | Kind::Upload => {
                let request = request(&door, kind, &mut dice);
                let stream = match &mut open {
                    Some(stream) => stream,
                    None => open.insert(door.connect().await?),
                };
                tally.sent(kind);
                let told = wire::exchange(stream, &request, &mut buffer, None).await;
                tally.ended(kind, &told);
                if !told.open {
                    open = None;
                }
            }
        }
        let pause = u64::try_from(dice.below(PAUSE)).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Ok(())
}

fn request(door: &Door, kind: Kind, dice: &mut Dice) -> Vec<u8> {
    // Some are large, none are equal.
    let words = "word ".repeat(if dice.below(20) == 0 { 20_000 } else { dice.below(200) });
    let number = dice.below(usize::MAX);
    let responses =
        |stream: bool| format!(r#"{{"model":"gpt-5.5","input":"Say hello {number} {words}","stream":{stream}}}"#);
    let chat = |stream: bool| {
        let message = format!(r#"{{"role":"user","content":"Say hello {number} {words}"}}"#);
        format!(r#"{{"model":"gpt-5.5","messages":[{message}],"stream":{stream}}}"#)
    };
    match kind {
        Kind::Responses => door.request("/v1/responses", JSON, responses(false).as_bytes()),
        Kind::ResponsesStream | Kind::Abort | Kind::Websocket => {
            door.request("/v1/responses", JSON, responses(true).as_bytes())
        }
        Kind::Chat => door.request("/v1/chat/completions", JSON, chat(false).as_bytes()),
        Kind::ChatStream => door.request("/v1/chat/completions", JSON, chat(true).as_bytes()),
        Kind::Native => door.request(NATIVE, JSON, NATIVE_BODY.as_bytes()),
        Kind::Refused => {
            let (path, body) = dice.of(&REFUSED);
            door.request(path, JSON, body.as_bytes())
        }
        Kind::Upload => door.request("/v1/files", FORM, &form(number)),
    }
}

fn form(number: usize) -> Vec<u8> {
    let begin = "--soak\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--soak\r\n\
                 content-disposition: form-data; name=\"file\"; filename=\"soak.bin\"\r\n\
                 content-type: application/octet-stream\r\n\r\n";
    let file: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(FILE).collect();
    [begin.as_bytes(), &file, b"\r\n--soak--\r\n"].concat()
}

/// A client that leaves: in the middle of its request, at once after it, after the head, or inside the answer.
async fn abort(door: &Door, tally: &Tally, dice: &mut Dice, buffer: &mut Vec<u8>) -> io::Result<()> {
    let kind = *dice.of(&[Kind::Responses, Kind::ResponsesStream, Kind::Chat, Kind::ChatStream, Kind::Native]);
    let request = request(door, kind, dice);
    let mut stream: TcpStream = door.connect().await?;
    tally.sent(Kind::Abort);
    match dice.below(4) {
        0 => {
            let part = &request[..request.len() - 1 - dice.below(request.len() / 2)];
            let _ = stream.write_all(part).await;
            tally.left();
        }
        1 => {
            let _ = stream.write_all(&request).await;
            tally.left();
        }
        2 => tally.ended(Kind::Abort, &wire::exchange(&mut stream, &request, buffer, Some(1)).await),
        _ => {
            let enough = 1 + dice.below(4_000);
            tally.ended(Kind::Abort, &wire::exchange(&mut stream, &request, buffer, Some(enough)).await);
        }
    }
    Ok(())
}

/// Some turns on a websocket of its own, which ends with the first that the model did not answer, or is left without a close frame.
async fn websocket(door: &Door, tally: &Tally, dice: &mut Dice) {
    let path = *dice.of(&["/v1/responses", NATIVE]);
    tally.sent(Kind::Websocket);
    let mut socket = match Socket::open(door, path).await {
        Ok(socket) => socket,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return tally.turn_ended(false, End::Hangs),
        // Its refusal was an answer, and left a row.
        Err(_) => return tally.turn_ended(false, End::Whole),
    };
    for turn in 0..=dice.below(TURNS) {
        if turn > 0 {
            tally.sent(Kind::Websocket);
        }
        let (good, end) = socket.turn().await;
        tally.turn_ended(good, end);
        if !good {
            return;
        }
    }
}
