//! What only one account has: reasoning that comes back (docs/decisions.md, T19), and files.

use codex_pooler::simulator::Recorded;
use serde_json::json;

use super::failover::tried;
use crate::support::Gateway;
use crate::support::client::{Answer, Client};

/// An input as a client may write it, with reasoning of nobody we know before, between and after what stays.
const INPUT: &str = "[ \t{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"one\"}\r\n , \n{\"role\":\"user\" , \"content\":\"a ] , [\"}\t,\
                     {\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"two\"} ,\n{\"role\":\"user\",\"content\":\"b\"}\n\n, \
                     {\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"three\"}, \
                     {\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"four\"}\t\r\n ]";

async fn send(client: &Client, stream: bool) -> Answer {
    let body = format!("{{ \"stream\" : {stream},\n \"input\" :\n {INPUT} , \"model\":\"gpt-5.5\" }}");
    let kind = ("content-type", "application/json");
    client.send(client.request("POST", "/v1/responses", &[kind], body.as_bytes())).await
}

fn sent(gateway: &Gateway) -> Vec<Recorded> {
    gateway.codex.requests().into_iter().filter(|r| r.path.ends_with("/responses")).collect()
}

fn kinds(request: &Recorded) -> Vec<&str> {
    let input = &request.body.as_ref().expect("a body that is JSON")["input"];
    input.as_array().expect("a list").iter().map(|item| item["type"].as_str().unwrap_or("message")).collect()
}

#[tokio::test]
async fn reasoning_of_nobody_is_cut_out_whatever_stands_around_it() {
    let gateway = Gateway::start().await;
    for stream in [false, true] {
        let answer = send(&gateway.client, stream).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for request in sent(&gateway) {
        assert_eq!(kinds(&request), ["message", "message"], "{:?}", request.body);
    }
    assert_eq!(sent(&gateway).len(), 2, "each at the first try");
}

#[tokio::test]
async fn reasoning_that_the_only_account_refuses_is_left_out_in_a_second_try() {
    let gateway = Gateway::builder().accounts(1).start().await;
    for stream in [false, true] {
        let answer = send(&gateway.client, stream).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let kinds: Vec<usize> = sent(&gateway).iter().map(|request| kinds(request).len()).collect();
    assert_eq!(kinds, [6, 2, 6, 2]);
    for row in gateway.settled(2).await {
        let refused = ("refused", Some(400), Some("invalid_encrypted_content"));
        assert_eq!(tried(&row), [refused, ("served", None, None)]);
    }
}

#[tokio::test]
async fn a_request_that_names_a_file_goes_to_the_account_that_has_it() {
    let gateway = Gateway::start().await;
    let body = "--b\r\ncontent-disposition: form-data; name=purpose\r\n\r\nuser_data\r\n\
                --b\r\ncontent-disposition: form-data; name=file; filename=a.txt\r\ncontent-type: text/plain\r\n\r\nx\r\n--b--";
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let file = gateway.client.send(gateway.client.request("POST", "/v1/files", &[kind], body.as_bytes())).await.json();
    let owner = gateway.codex.files()[0].account;
    let content = json!([{"type": "input_file", "file_id": file["id"]}, {"type": "input_text", "text": "what?"}]);
    let ask = json!({"model": "gpt-5.5", "input": [{"role": "user", "content": content}]});
    for _ in 0..4 {
        let answer = gateway.client.create(ask.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let mut counts = [0; 3];
    counts[owner] = 4;
    assert_eq!(gateway.upstream_counts(), counts);
    let stranger = gateway.client_with(&gateway.new_key("other", None).await);
    let refused = stranger.create(ask).await;
    assert_eq!((refused.refusal(), &refused.error()["param"]), ((404, "file_not_found".into()), &json!("file_id")));
}
