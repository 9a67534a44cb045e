//! `POST /backend-api/transcribe`: a form with a sound in, a text out that tells what came.

use hyper::body::Incoming;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::check::{missing, unknown, wrong_type};
use super::faults::Route;
use super::form::{self, Part};
use super::front;
use super::refusal::Refusal;
use super::reply::Reply;
use super::routes::Call;

/// Bytes of sound to the token.
const BYTES_PER_TOKEN: usize = 1_000;

/// A request that the backend would accept.
#[derive(Debug, Default)]
struct Order {
    sound: Option<bytes::Bytes>,
    prompt: Option<String>,
    keywords: Vec<String>,
    languages: Vec<String>,
}

/// Answers one recording.
pub(super) async fn serve(call: &Call<'_>, incoming: Incoming) -> Result<Reply, Refusal> {
    let (account, wire) = front::bytes(call, incoming).await?;
    let order = Order::read(form::parts(&call.parts.headers, wire).await?)?;
    let sound = order.sound.as_ref().ok_or_else(|| missing("file"))?;
    let faults = call.faults(Some(account), Route::Other);
    front::answer(call.state, account, &faults, None, || {
        let mut reply = Reply::json(200, &order.transcript(sound));
        let tokens = u64::try_from(sound.len().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX);
        front::stamp(call.state, account, &call.state.unique(), tokens, &mut reply);
        Ok(reply)
    })
    .await
}

impl Order {
    fn read(parts: Vec<Part>) -> Result<Order, Refusal> {
        let mut order = Order::default();
        for part in parts {
            let text = || match part.text() {
                Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
                _ => Err(wrong_type(&part.name, "a text that is not blank")),
            };
            match part.name.as_str() {
                "file" if order.sound.is_some() => return Err(twice("file")),
                "file" if part.file_name.is_none() || part.content.is_empty() => {
                    return Err(wrong_type("file", "a file that is not empty"));
                }
                "file" => order.sound = Some(part.content),
                "prompt" if order.prompt.is_some() => return Err(twice("prompt")),
                "prompt" => order.prompt = Some(text()?),
                "keywords[]" => order.keywords.push(text()?),
                "languages[]" => order.languages.push(text()?),
                other => return Err(unknown(other)),
            }
        }
        Ok(order)
    }

    /// The same order gets the same text; each part of it shows.
    fn transcript(&self, sound: &[u8]) -> Value {
        let mut text = format!("Simulated transcript of {} bytes, {}", sound.len(), mark(&[sound]));
        if let Some(prompt) = &self.prompt {
            text.push_str(&format!(", with prompt {}", mark(&[prompt.as_bytes()])));
        }
        if !self.keywords.is_empty() {
            text.push_str(&format!(", with {} keywords", self.keywords.len()));
        }
        text.push('.');
        let spoken = if self.languages.is_empty() { vec!["en".to_owned()] } else { self.languages.clone() };
        json!({"text": text, "languages": spoken})
    }
}

/// Eight hex digits that stand for content.
fn mark(content: &[&[u8]]) -> String {
    hex::encode(&Sha256::digest(content.concat())[..4])
}

fn twice(name: &str) -> Refusal {
    let message = format!("Duplicate field: '{name}'.");
    Refusal::invalid("duplicate_field", Some("invalid_value"), name.to_owned(), message)
}
