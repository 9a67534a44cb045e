//! The demo as a process: what it tells, what a second start finds again, whom it refuses.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::program::{Program, SOON};
use crate::support::client::Client;
use crate::support::codex::event;
use crate::support::eventually;

/// A place for the demo; the directory of its data is made by the first start.
struct Stage {
    dir: TempDir,
}

/// A demo that answers, and the lines of its env file.
struct Demo {
    program: Program,
    env: HashMap<String, String>,
}

impl Stage {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("demo")
    }

    fn env(&self) -> PathBuf {
        self.dir.path().join("env")
    }

    fn start(&self, more: &[&str]) -> Program {
        let (data, env) = (self.data(), self.env());
        let args = ["demo", "--port", "0", "--data", data.to_str().unwrap(), "--env", env.to_str().unwrap()];
        Program::start(args.iter().chain(more))
    }

    /// Waits for the env file, as a script would.
    async fn answering(&self, more: &[&str]) -> Demo {
        let _ = std::fs::remove_file(self.env());
        let mut program = self.start(more);
        eventually("the env file is there", || {
            assert!(program.runs(), "{}", program.stderr());
            std::future::ready(self.env().exists())
        })
        .await;
        let text = std::fs::read_to_string(self.env()).unwrap();
        let pair = |line: &str| {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no NAME=value: {line}"));
            (name.to_owned(), value.to_owned())
        };
        Demo { program, env: text.lines().map(pair).collect() }
    }

    /// What a command says of the demo's store.
    async fn json(&self, args: &[&str]) -> Vec<Value> {
        let data = self.data();
        let args = args.iter().copied().chain(["--json", "--data", data.to_str().unwrap()]);
        Program::start(args).end().await.ok().json()
    }

    /// The rows of requests for a response, newest first; the demo itself asks for the models when it starts.
    async fn responses(&self) -> Vec<Value> {
        let mut rows = self.json(&["requests", "list"]).await;
        rows.retain(|row| row["route"] == "POST /v1/responses");
        rows
    }
}

impl Demo {
    fn address(&self, name: &str) -> SocketAddr {
        let url = self.env[name].strip_prefix("http://").unwrap();
        url.split('/').next().unwrap().parse().unwrap()
    }

    fn client(&self) -> Client {
        Client { address: self.address("BASE_URL"), key: self.env["KEY"].clone() }
    }

    /// An order to the simulator.
    async fn order(&self, path: &str, body: &Value) {
        let control = Client { address: self.address("SIMULATOR_CONTROL_URL"), key: String::new() };
        let answer = control.post(path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Refuses all access tokens that were given out so far.
    async fn expire_all(&self) {
        for account in 0..3 {
            self.order(&format!("/accounts/sim-{account}/expire"), &json!({})).await;
        }
    }
}

#[tokio::test]
async fn the_lines_for_scripts_and_for_people_lead_to_an_answer() {
    let stage = Stage::new();
    let demo = stage.answering(&[]).await;
    for (name, end) in [("BASE_URL", "/v1"), ("BACKEND_URL", "/backend-api/codex"), ("METRICS_URL", "/metrics")] {
        assert!(demo.env[name].starts_with("http://127.0.0.1:") && demo.env[name].ends_with(end), "{:?}", demo.env);
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&stage.env()), mode(&stage.data().join("demo.toml"))), (0o600, 0o600));
    // It listens a moment before it says so.
    eventually("people are told too", || {
        let told = demo.program.stdout();
        std::future::ready(
            told.contains(&demo.env["BASE_URL"]) && told.contains(&demo.env["KEY"]) && told.contains("-d '"),
        )
    })
    .await;
    let told = demo.program.stdout();

    // What the printed curl line sends.
    let body = "{\"model\":\"gpt-5.5\",\"input\":\"Say hello\"}";
    let line = format!("curl {}/responses -H 'Authorization: Bearer {}'", demo.env["BASE_URL"], demo.env["KEY"]);
    assert!(told.contains(&line) && told.contains(&format!("-d '{body}'")), "{told}");
    let client = demo.client();
    let headers = [("user-agent", "curl/8.5.0"), ("accept", "*/*"), ("content-type", "application/json")];
    let answer = client.send(client.request("POST", "/v1/responses", &headers, body.as_bytes())).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("completed")), "{}", answer.text());
    let metrics = Client { address: demo.address("METRICS_URL"), key: String::new() }.get("/metrics").await;
    assert!(metrics.status == 200 && metrics.text().contains("\n# TYPE "), "{}", metrics.text());
    // Where this machine has IPv6, the same port answers there.
    if told.contains("http://[::1]:") {
        let address = SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), client.address.port());
        assert_eq!(Client { address, ..client }.get("/v1/models").await.status, 200);
    }
}

#[tokio::test]
async fn a_second_start_after_a_crash_serves_the_same_key_ledger_and_tokens() {
    let stage = Stage::new();
    let demo = stage.answering(&[]).await;
    let key = demo.env["KEY"].clone();
    let first = demo.client().ask().await;
    assert_eq!(first.status, 200);
    // One refresh before the crash: what the directory holds now is not the first generation of tokens.
    demo.expire_all().await;
    assert_eq!(demo.client().ask().await.status, 200);
    // What was not settled yet when it is killed would be lost.
    eventually("both requests are settled", || async {
        stage.responses().await.iter().filter(|row| row["state"] == "settled").count() == 2
    })
    .await;
    demo.program.kill().await;

    let demo = stage.answering(&[]).await;
    assert_eq!(demo.env["KEY"], key);
    assert_eq!(demo.client().ask().await.status, 200, "the refreshed token is honoured");
    demo.expire_all().await;
    assert_eq!(demo.client().ask().await.status, 200, "and so is the refresh token that came with it");
    eventually("all requests are settled", || async {
        stage.responses().await.iter().all(|row| row["state"] == "settled")
    })
    .await;
    let rows = stage.responses().await;
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(rows[3]["request_id"], first.header("x-request-id").unwrap());
    assert!(rows.iter().all(|row| row["outcome"] == "succeeded"), "{rows:?}");
    for refreshed in [&rows[0], &rows[2]] {
        let attempts = refreshed["attempts"].as_array().unwrap();
        let results: Vec<&str> = attempts.iter().map(|attempt| attempt["result"].as_str().unwrap()).collect();
        assert_eq!(results, ["unauthorized", "served"], "{refreshed}");
        assert_eq!(attempts[0]["account"], attempts[1]["account"], "{refreshed}");
    }
    let accounts = stage.json(&["account", "list"]).await;
    assert!(accounts.len() == 3 && accounts.iter().all(|account| account["status"] == "active"), "{accounts:?}");
    let versions: u64 = accounts.iter().map(|account| account["token_version"].as_u64().unwrap()).sum();
    assert_eq!(versions, 3 + 2, "two refreshes in all: {accounts:?}");
}

#[tokio::test]
async fn a_directory_that_the_demo_did_not_make_is_refused() {
    let stage = Stage::new();
    std::fs::create_dir(stage.data()).unwrap();
    std::fs::write(stage.data().join("thesis.txt"), "x").unwrap();
    let refused = stage.start(&[]).end().await;
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.err.contains(stage.data().to_str().unwrap()), "{refused:?}");
    assert!(!stage.env().exists() && std::fs::read_dir(stage.data()).unwrap().count() == 1, "it is left alone");
}

#[tokio::test]
async fn a_demo_that_runs_already_is_told() {
    let stage = Stage::new();
    let demo = stage.answering(&[]).await;
    let second = stage.start(&[]).end().await;
    assert_eq!((second.code, second.out.as_str()), (Some(75), ""), "{second:?}");
    assert_eq!(demo.client().ask().await.status, 200);
}

#[tokio::test]
async fn ctrl_c_ends_it_within_a_second_also_during_a_stream() {
    let stage = Stage::new();
    let demo = stage.answering(&[]).await;
    let (ended, took) = demo.program.stop(Signal::INT).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(took < SOON, "{took:?}");

    let demo = stage.answering(&[]).await;
    demo.order("/faults", &json!({"fault": {"kind": "stall", "after_events": 6, "for_ms": 60_000}})).await;
    let mut stream = demo.client().open_stream().await;
    assert_eq!(stream.event().await.unwrap().name, "response.created");
    let (ended, took) = demo.program.stop(Signal::INT).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(took < SOON, "{took:?}");
}

/// An upstream that answers every request for a response with the same few events.
struct Upstream {
    origin: String,
    heads: tokio::sync::mpsc::UnboundedReceiver<String>,
    _task: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (told, heads) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Some(head) = answer(stream).await {
                    let _ = told.send(head);
                }
            }
        });
        Self { origin, heads, _task: AbortOnDrop(task) }
    }
}

/// Reads one request and answers it; gives its head.
async fn answer(mut stream: TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let head = loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break head;
            }
        }
    };
    let item = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "Hello from elsewhere", "annotations": []}]
    });
    let response = |status: &str, output: &[&Value]| {
        let usage = (status == "completed").then(|| json!({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}));
        json!({"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5.5", "status": status,
               "output": output, "usage": usage})
    };
    let events = [
        json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress", &[])}),
        json!({"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": item}),
        json!({"type": "response.completed", "sequence_number": 2, "response": response("completed", &[&item])}),
    ];
    let body: String = events.iter().map(event).collect();
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.ok()?;
    Some(head)
}

#[tokio::test]
async fn the_models_of_the_simulated_accounts_are_offered() {
    let stage = Stage::new();
    let demo = stage.answering(&[]).await;
    let client = demo.client();
    eventually("the accounts have told their models", || async {
        let models = client.get("/v1/models").await.json();
        let ids: Vec<&str> = models["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
        ids == ["gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-5.6-sol", "gpt-5.5"]
    })
    .await;
    assert_eq!(client.ask().await.status, 200);
}

#[tokio::test]
async fn another_upstream_is_used_with_accounts_that_are_made_up() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::new();
    let demo = stage.answering(&["--upstream", &upstream.origin]).await;
    assert!(!demo.env.contains_key("SIMULATOR_CONTROL_URL"), "there is no simulator");
    let models = demo.client().get("/v1/models").await.json();
    let models: Vec<&Value> = models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(models, ["gpt-5.5"]);
    let answer = demo.client().ask().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["output"][0]["content"][0]["text"], "Hello from elsewhere");
    let head = upstream.heads.recv().await.unwrap();
    assert!(head.starts_with("post /backend-api/codex/responses "), "{head}");
    let accounts = stage.json(&["account", "list"]).await;
    assert!(accounts.iter().all(|account| account["origin"] == upstream.origin), "{accounts:?}");
}

#[tokio::test]
async fn made_up_accounts_are_not_shown_to_the_real_upstream() {
    for origin in ["https://chatgpt.com", "https://auth.openai.com", "https://CHATGPT.com", "https://chatgpt.com:443"] {
        let stage = Stage::new();
        let refused = stage.start(&["--upstream", origin]).end().await;
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{origin}: {refused:?}");
        assert!(refused.err.contains("makes its accounts up"), "{origin}: {refused:?}");
    }
    let stage = Stage::new();
    let refused = stage.start(&["--upstream", "http://example.com"]).end().await;
    assert_eq!(refused.code, Some(2), "plain HTTP beyond this machine: {refused:?}");
}
