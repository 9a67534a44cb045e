//! What the backend refuses, by table.

use serde_json::{Value, json};

use super::super::Simulator;
use super::client::{Answer, bearer, lite_turn, post, request, turn, with};
use super::simulator;

/// A request, and a member of its refusal.
struct Row {
    name: String,
    body: Value,
    pointer: &'static str,
    expected: Value,
}

/// A row whose refusal is `{"detail": text}`.
fn detail(name: &str, body: Value, text: &str) -> Row {
    Row { name: name.to_owned(), body, pointer: "/detail", expected: json!(text) }
}

/// A row whose refusal has this at `error.<key>`.
fn error(name: &str, body: Value, pointer: &'static str, value: &str) -> Row {
    Row { name: name.to_owned(), body, pointer, expected: json!(value) }
}

const CODE: &str = "/error/code";
const PARAM: &str = "/error/param";
const MESSAGE: &str = "/error/message";

fn part(part: &Value) -> Value {
    items(json!([{"type": "message", "role": "user", "content": [part]}]))
}

fn items(items: Value) -> Value {
    with("input", items)
}

fn without(key: &str) -> Value {
    let mut body = turn("hello");
    body.as_object_mut().unwrap().remove(key);
    body
}

fn function(strict: bool, parameters: &Value) -> Value {
    with("tools", json!([{"type": "function", "name": "f", "strict": strict, "parameters": parameters}]))
}

fn envelope_rows() -> Vec<Row> {
    let unknown = "The 'gpt-4' model is not supported when using Codex with a ChatGPT account.";
    let previous = "Unsupported parameter: previous_response_id";
    vec![
        detail("previous response without an output", with("previous_response_id", json!("resp_1")), previous),
        error("previous response as a number", with("previous_response_id", json!(1)), PARAM, "previous_response_id"),
        detail("store true", with("store", json!(true)), "Store must be set to false"),
        detail("store absent", without("store"), "Store must be set to false"),
        detail("stream false", with("stream", json!(false)), "Stream must be set to true"),
        detail("stream absent", without("stream"), "Stream must be set to true"),
        error("unknown parameter", with("nonsense", json!(1)), CODE, "unknown_parameter"),
        error("model absent", without("model"), PARAM, "model"),
        error("model unknown", with("model", json!("gpt-4")), MESSAGE, unknown),
        error("effort", with("reasoning", json!({"effort": "minimal"})), PARAM, "reasoning.effort"),
        error("reasoning key", with("reasoning", json!({"budget": 1})), PARAM, "reasoning.budget"),
        error("tier", with("service_tier", json!("fast")), PARAM, "service_tier"),
        error("include", with("include", json!(["everything"])), PARAM, "include"),
        error("number as metadata", with("client_metadata", json!({"a": 1})), PARAM, "client_metadata.a"),
        error("stream option", with("stream_options", json!({"x": true})), PARAM, "stream_options.x"),
    ]
}

fn input_rows() -> Vec<Row> {
    let call = json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"});
    let output = |kind: &str| json!({"type": kind, "call_id": "c1", "output": "x"});
    let breakpoint = json!({"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}});
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let mut foreign = reasoning.clone();
    foreign["encrypted_content"] = json!("gAAAAABxx");
    vec![
        detail("input string", items(json!("hi")), "Input must be a list"),
        detail("input absent", without("input"), "Input must be a list"),
        detail("system", items(json!([{"role": "system", "content": "x"}])), "System messages are not allowed"),
        error("breakpoint", part(&breakpoint), MESSAGE, "prompt_cache_breakpoint is not supported on this model"),
        error("wrong side", part(&json!({"type": "output_text", "text": "x"})), CODE, "invalid_value"),
        error("part without text", part(&json!({"type": "input_text"})), CODE, "missing_required_parameter"),
        error("bare id", items(json!([{"role": "user", "id": "abc", "content": "x"}])), PARAM, "input[0].id"),
        error("foreign content", items(json!([foreign])), CODE, "invalid_encrypted_content"),
        error("no output", items(json!([call])), MESSAGE, "No tool output found for function call c1."),
        error(
            "no call",
            items(json!([output("function_call_output")])),
            MESSAGE,
            "No tool call found for function call output with call_id c1.",
        ),
        error(
            "output of another kind",
            items(json!([call, output("custom_tool_call_output")])),
            MESSAGE,
            "No tool call found for custom tool call output with call_id c1.",
        ),
        error(
            "output before the call",
            items(json!([output("function_call_output"), call])),
            MESSAGE,
            "No tool call found for function call output with call_id c1.",
        ),
    ]
}

fn tool_rows() -> Vec<Row> {
    let twice = json!([{"type": "custom", "name": "a"}, {"type": "custom", "name": "a"}]);
    let open = json!({"type": "object", "properties": {}});
    let format = json!({"type": "json_schema", "name": "n", "strict": true, "schema": {"type": "object"}});
    vec![
        error("required of none", with("tool_choice", json!("required")), PARAM, "tool_choice"),
        error("choice of none", with("tool_choice", json!({"type": "function", "name": "f"})), PARAM, "tool_choice"),
        error("open strict tool", function(true, &open), CODE, "invalid_function_parameters"),
        error("array schema", function(false, &json!({"type": "array"})), CODE, "invalid_function_parameters"),
        error("name", with("tools", json!([{"type": "function", "name": "a b"}])), PARAM, "tools[0].name"),
        error("name twice", with("tools", twice), PARAM, "tools[1]"),
        error("format", with("text", json!({"format": {"type": "xml"}})), PARAM, "text.format.type"),
        error("open strict format", with("text", json!({"format": format})), CODE, "invalid_json_schema"),
    ]
}

fn parameter_rows() -> Vec<Row> {
    let parameters = [
        "max_output_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "user",
        "truncation",
        "metadata",
        "safety_identifier",
        "prompt_cache_retention",
        "prompt_cache_options",
        "context_management",
        "generate",
    ];
    let tools =
        ["file_search", "code_interpreter", "computer_use", "computer_use_preview", "web_search_preview", "mcp"];
    let parameter = |name: &&str| detail(name, with(name, json!(null)), &format!("Unsupported parameter: {name}"));
    let tool =
        |kind: &&str| detail(kind, with("tools", json!([{"type": kind}])), &format!("Unsupported tool type: {kind}"));
    parameters.iter().map(parameter).chain(tools.iter().map(tool)).collect()
}

#[tokio::test]
async fn refuses_every_row_of_the_tables() {
    let simulator = simulator().await;
    for row in [envelope_rows(), input_rows(), tool_rows(), parameter_rows()].into_iter().flatten() {
        let answer = post(&simulator, 0, &row.body).await;
        assert_eq!(answer.status, 400, "{}: {}", row.name, answer.text());
        assert_eq!(answer.json().pointer(row.pointer), Some(&row.expected), "{}: {}", row.name, answer.text());
        assert!(simulator.requests().last().unwrap().refused.is_some(), "{}", row.name);
    }
}

#[tokio::test]
async fn does_not_find_items_that_were_never_stored() {
    let simulator = simulator().await;
    for item in
        [json!({"type": "item_reference", "id": "rs_1"}), json!({"type": "reasoning", "id": "rs_1", "summary": []})]
    {
        let answer = post(&simulator, 0, &items(json!([item]))).await;
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains("'rs_1' not found"));
    }
}

#[tokio::test]
async fn accepts_what_codex_sends() {
    let simulator = simulator().await;
    let mut body = turn("hello");
    body["tools"] = json!([
        {"type": "function", "name": "exec_command", "description": "d", "strict": false, "parameters": {"type": "object",
         "properties": {"cmd": {"type": "string"}}}},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "namespace", "name": "image_gen", "description": "d", "tools": [{"type": "function", "name": "imagegen"}]},
        {"type": "tool_search", "execution": "client", "description": "d", "parameters": {}},
        {"type": "web_search", "external_web_access": false}]);
    body["tool_choice"] = json!("auto");
    body["parallel_tool_calls"] = json!(true);
    body["reasoning"] = json!({"effort": "medium"});
    body["include"] = json!(["reasoning.encrypted_content"]);
    body["prompt_cache_key"] = json!("k");
    body["text"] = json!({"verbosity": "low"});
    body["client_metadata"] = json!({"session_id": "s"});
    body["service_tier"] = json!("priority");
    let answer = post(&simulator, 0, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.response()["service_tier"], "priority");
}

#[tokio::test]
async fn refuses_a_model_that_is_not_in_the_plan() {
    let simulator = simulator().await;
    let mut body = lite_turn("hello", &json!([]));
    body["model"] = json!("gpt-6-astra");
    assert_eq!(post(&simulator, 0, &body).await.status, 200);
    assert_eq!(post(&simulator, 1, &body).await.json()["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn takes_its_own_reasoning_back_from_the_same_account_only() {
    let simulator = simulator().await;
    let first = post(&simulator, 0, &with("reasoning", json!({"effort": "low"}))).await;
    let mut body = turn("hello");
    body["input"].as_array_mut().unwrap().insert(0, first.response()["output"][0].clone());
    assert_eq!(post(&simulator, 0, &body).await.status, 200);
    let foreign = post(&simulator, 1, &body).await;
    assert_eq!((foreign.status, foreign.error_code()), (400, json!("invalid_encrypted_content")));
    let sealed = body["input"][0]["encrypted_content"].as_str().unwrap().to_owned();
    body["input"][0]["encrypted_content"] = json!(sealed.replacen(&sealed[80..81], "-", 1));
    assert_eq!(post(&simulator, 0, &body).await.status, 400);
}

#[tokio::test]
async fn goes_on_from_its_own_responses_on_the_same_account_only() {
    let simulator = simulator().await;
    let mut asks = function(false, &json!({"type": "object"}));
    asks["tool_choice"] = json!("required");
    let first = post(&simulator, 0, &asks).await.response();
    let goes_on = |previous: &Value, call_id: &Value| {
        let mut body = items(json!([{"type": "function_call_output", "call_id": call_id, "output": "4"}]));
        body["previous_response_id"] = previous.clone();
        body
    };
    let body = goes_on(&first["id"], &first["output"][0]["call_id"]);
    let second = post(&simulator, 0, &body).await;
    assert_eq!((second.status, &second.response()["previous_response_id"]), (200, &first["id"]), "{}", second.text());
    assert_eq!(second.response()["output"][0]["type"], "message");
    let stranger = goes_on(&json!("resp_1"), &first["output"][0]["call_id"]);
    for (account, body) in [(1, &body), (0, &stranger)] {
        let refused = post(&simulator, account, body).await;
        assert_eq!((refused.status, refused.error_code()), (400, json!("previous_response_not_found")));
    }
    let other_call = post(&simulator, 0, &goes_on(&first["id"], &json!("call_x"))).await;
    assert!(other_call.text().contains("No tool call found"), "{}", other_call.text());
}

#[tokio::test]
async fn takes_a_turn_state_back_from_the_same_account_only() {
    let simulator = simulator().await;
    let state = post(&simulator, 0, &turn("hello")).await.header("x-codex-turn-state").unwrap().to_owned();
    for (account, status) in [(0, 200), (1, 400)] {
        let (id, bearer) = (simulator.accounts()[account].id(), bearer(&simulator.accounts()[account]));
        let headers = [
            ("authorization", bearer.as_str()),
            ("chatgpt-account-id", id),
            ("content-type", "application/json"),
            ("x-codex-turn-state", &state),
        ];
        assert_eq!(send(&simulator, &headers, turn("hello").to_string().as_bytes()).await.status, status);
    }
}

async fn send(simulator: &Simulator, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    request(simulator.address(), "POST", "/backend-api/codex/responses", headers, body).await
}

#[tokio::test]
async fn wants_a_good_bearer_and_its_account_id() {
    let simulator = simulator().await;
    let (one, other) = (&simulator.accounts()[0], &simulator.accounts()[1]);
    let good = bearer(one);
    let expired = format!("Bearer {}", one.access_token(std::time::Duration::ZERO));
    let refresh = format!("Bearer {}", one.login().refresh_token);
    let id_token = format!("Bearer {}", one.login().id_token);
    let forged = format!("{}x", &good[..good.len() - 1]);
    for bad in ["", "Bearer x", &good[7..], &expired, &refresh, &id_token, &forged] {
        let headers = [("authorization", bad), ("chatgpt-account-id", one.id()), ("content-type", "application/json")];
        let answer = send(&simulator, &headers, turn("hello").to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.json()), (401, json!({"detail": "Unauthorized"})), "{bad}");
    }
    for headers in
        [vec![("authorization", good.as_str())], vec![("authorization", &good), ("chatgpt-account-id", other.id())]]
    {
        assert_eq!(send(&simulator, &headers, b"{}").await.status, 403);
    }
}

#[tokio::test]
async fn reads_json_in_three_codings_and_nothing_else() {
    use std::io::Write;
    let simulator = simulator().await;
    let (id, bearer) = (simulator.accounts()[0].id().to_owned(), bearer(&simulator.accounts()[0]));
    let plain = turn("hello").to_string().into_bytes();
    let zstd = zstd::stream::encode_all(&plain[..], 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let rows: [(&str, &str, &[u8], u16); 10] = [
        ("application/json", "identity", &plain, 200),
        ("application/json; charset=utf-8", "zstd", &zstd, 200),
        ("application/json", "gzip", &gzip, 200),
        ("application/json", "br", &plain, 415),
        ("application/json", "zstd", &plain, 400),
        ("application/json", "gzip", &zstd, 400),
        ("text/plain", "identity", &plain, 415),
        ("application/json", "identity", b"[1]", 400),
        ("application/json", "identity", b"{\"a\":", 400),
        ("application/json", "identity", b"", 400),
    ];
    for (kind, coding, body, status) in rows {
        let headers = [
            ("authorization", bearer.as_str()),
            ("chatgpt-account-id", &id),
            ("content-type", kind),
            ("content-encoding", coding),
        ];
        assert_eq!(send(&simulator, &headers, body).await.status, status, "{kind} {coding} {body:?}");
    }
}

#[tokio::test]
async fn answers_unknown_paths_and_methods_with_404_and_405() {
    let simulator = simulator().await;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("POST", "/backend-api/codex/responses/other", 404),
        ("GET", "/backend-api/codex/responses/compact", 405),
        ("GET", "/backend-api/transcribe", 405),
        ("PUT", "/backend-api/codex/images/edits", 405),
        ("PUT", "/backend-api/codex/responses", 405),
        ("GET", "/oauth/token", 405),
        ("POST", "/backend-api/codex/models", 405),
    ] {
        assert_eq!(request(simulator.address(), method, path, &[], b"").await.status, status, "{method} {path}");
    }
}
