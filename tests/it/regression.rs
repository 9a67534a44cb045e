//! Bugs that were fixed, each with the request that showed it.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Gateway, PATIENCE};

/// The backend answers `metadata: {}` because it never sees the client's; that hid the client's own.
#[tokio::test]
async fn metadata_is_echoed_although_the_backend_answers_an_empty_one() {
    let gateway = Gateway::start().await;
    let body = json!({"model": "gpt-5.5", "input": "hi", "metadata": {"run": "7"}, "stream": true});
    let events = gateway.client.create(body).await.events();
    for event in events.iter().filter(|event| event.data.get("response").is_some()) {
        assert_eq!(event.data["response"]["metadata"], json!({"run": "7"}), "{}", event.name);
    }
}

/// An HTTP/1.0 client without `keep-alive` reads to the end of the connection, which stayed open.
#[tokio::test]
async fn an_http_1_0_connection_is_closed_after_its_answer() {
    let gateway = Gateway::start().await;
    let mut stream = TcpStream::connect(gateway.client.address).await.unwrap();
    let request = format!("GET /v1/models HTTP/1.0\r\nauthorization: Bearer {}\r\n\r\n", gateway.client.key);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("the connection is closed").unwrap();
    assert!(answer.contains(" 200 ") && answer.contains("\"object\":\"list\""), "{answer}");
}
