//! Hosted tools, refusals and citations, asked for by words, by the tool choice or by orders.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::{Fault, FaultSpec, Manner, Simulator, Who};
use super::client::{Answer, call, call_of, joined, post, turn, weather, with};
use super::simulator;

fn ask(prompt: &str, tools: Value) -> Value {
    let mut body = turn(prompt);
    body["tools"] = tools;
    body
}

fn kinds(answer: &Answer) -> Vec<String> {
    let response = answer.response();
    response["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap().to_owned()).collect()
}

fn is_png(text: &Value) -> bool {
    STANDARD.decode(text.as_str().unwrap()).unwrap().starts_with(b"\x89PNG\r\n\x1a\n")
}

#[tokio::test]
async fn makes_a_picture_when_it_has_to_or_is_asked_for_one() {
    let simulator = simulator().await;
    let tool = json!([{"type": "image_generation", "model": "gpt-image-2", "size": "1024x1536", "quality": "low",
                       "partial_images": 2}]);
    let mut body = ask("a boat", tool.clone());
    body["tool_choice"] = json!({"type": "image_generation"});
    let answer = post(&simulator, 0, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(kinds(&answer), ["image_generation_call"]);
    let names: Vec<_> = answer.names().into_iter().filter(|name| name.contains("image_generation_call")).collect();
    let about = |end: &str| format!("response.image_generation_call.{end}");
    let expected = ["in_progress", "generating", "partial_image", "partial_image", "completed"].map(about);
    assert_eq!(names, expected);
    let response = answer.response();
    let item = &response["output"][0];
    assert!(is_png(&item["result"]) && item["id"].as_str().unwrap().starts_with("ig_"));
    let told = ["background", "output_format", "quality", "size", "status"].map(|key| item[key].as_str().unwrap());
    assert_eq!(told, ["opaque", "png", "low", "1024x1536", "completed"]);
    let usage = &response["tool_usage"]["image_gen"];
    let number = |key: &str| usage[key].as_u64().unwrap();
    assert_eq!(number("total_tokens"), number("input_tokens") + number("output_tokens"));
    assert_eq!(answer.events()[0]["response"]["tool_usage"], Value::Null, "not before it is made");

    let asked = post(&simulator, 0, &ask("please draw a boat", tool.clone())).await;
    assert_eq!(kinds(&asked), ["image_generation_call", "message"]);
    assert_eq!(kinds(&post(&simulator, 0, &ask("a boat", tool)).await), ["message"]);

    let mut again = turn("thanks");
    again["input"].as_array_mut().unwrap().insert(0, item.clone());
    assert_eq!(post(&simulator, 0, &again).await.status, 200, "its own item comes back");
}

#[tokio::test]
async fn a_picture_fails_when_ordered() {
    let simulator = simulator().await;
    let fault = Fault::ImageFailed {
        kind: "invalid_request_error".into(),
        code: "moderation_blocked".into(),
        message: "no".into(),
    };
    simulator.fault(Who::All, fault);
    let mut body = ask("a boat", json!([{"type": "image_generation"}]));
    body["tool_choice"] = json!({"type": "image_generation"});
    let response = post(&simulator, 0, &body).await.response();
    let item = &response["output"][0];
    assert_eq!(
        (&response["status"], &item["status"], &item["result"]),
        (&json!("completed"), &json!("failed"), &Value::Null)
    );
    assert_eq!(item["error"]["code"], "moderation_blocked");
    assert_eq!(response["tool_usage"], Value::Null);
}

#[tokio::test]
async fn refuses_members_of_hosted_tools_that_do_not_fit() {
    let simulator = simulator().await;
    let rows = [
        (json!({"type": "image_generation", "n": 1}), "tools[0].n"),
        (json!({"type": "image_generation", "size": "512x512"}), "tools[0].size"),
        (json!({"type": "image_generation", "quality": 1}), "tools[0].quality"),
        (json!({"type": "image_generation", "model": "dall-e-3"}), "tools[0].model"),
        (json!({"type": "image_generation", "partial_images": 4}), "tools[0].partial_images"),
        (json!({"type": "image_generation", "background": null}), "tools[0].background"),
        (json!({"type": "web_search", "x": 1}), "tools[0].x"),
        (json!({"type": "web_search", "search_context_size": "huge"}), "tools[0].search_context_size"),
    ];
    for (tool, param) in rows {
        let answer = post(&simulator, 0, &ask("hello", json!([tool]))).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!(param)), "{tool}");
    }
}

#[tokio::test]
async fn searches_and_cites_what_it_found() {
    let simulator = simulator().await;
    let mut body = ask("search for news", json!([{"type": "web_search", "search_context_size": "low"}]));
    body["include"] = json!(["web_search_call.action.sources"]);
    let answer = post(&simulator, 0, &body).await;
    assert_eq!(kinds(&answer), ["web_search_call", "message"]);
    let response = answer.response();
    let action = &response["output"][0]["action"];
    assert_eq!((&action["type"], &action["queries"][0]), (&json!("search"), &action["query"]));
    let part = &response["output"][1]["content"][0];
    let text: Vec<char> = part["text"].as_str().unwrap().chars().collect();
    let notes = part["annotations"].as_array().unwrap();
    assert_eq!(notes.len(), action["sources"].as_array().unwrap().len());
    for note in notes {
        let place = |key: &str| note[key].as_u64().unwrap() as usize;
        let cited: String = text[place("start_index")..place("end_index")].iter().collect();
        assert!(note["type"] == "url_citation" && cited.contains(note["url"].as_str().unwrap()), "{cited} {note}");
    }
    let added = answer.names().iter().filter(|name| *name == "response.output_text.annotation.added").count();
    assert_eq!(added, notes.len());
    let mut again = turn("thanks");
    again["input"].as_array_mut().unwrap().splice(0..0, response["output"].as_array().unwrap().clone());
    assert_eq!(post(&simulator, 0, &again).await.status, 200);
}

#[tokio::test]
async fn refuses_and_cites_when_it_is_told_to() {
    let simulator = simulator().await;
    let answer = post(&simulator, 0, &turn("please refuse")).await;
    let part = answer.response()["output"][0]["content"][0].clone();
    assert_eq!(
        (part["type"].as_str(), part["refusal"].as_str()),
        (Some("refusal"), Some(&*joined(&answer, "response.refusal.delta")))
    );
    assert!(answer.names().contains(&"response.refusal.done".to_owned()));
    let cited = post(&simulator, 0, &turn("with a citation")).await.response();
    assert_eq!(cited["output"][0]["content"][0]["annotations"][0]["type"], "url_citation");
}

#[tokio::test]
async fn calls_tools_in_parallel_unless_that_is_switched_off() {
    let simulator = simulator().await;
    let tools = json!([weather(), {"type": "custom", "name": "note"}]);
    let mut body = ask("use all in parallel", tools);
    let answer = post(&simulator, 0, &body).await;
    assert_eq!(kinds(&answer), ["function_call", "custom_tool_call"]);
    let calls = answer.response()["output"].as_array().unwrap().clone();
    assert_ne!(calls[0]["call_id"], calls[1]["call_id"]);
    let outputs = calls.iter().map(|call| {
        let kind = format!("{}_output", call["type"].as_str().unwrap());
        json!({"type": kind, "call_id": call["call_id"], "output": "x"})
    });
    let mut next = body.clone();
    next["input"].as_array_mut().unwrap().extend(calls.iter().cloned().chain(outputs));
    assert_eq!(kinds(&post(&simulator, 0, &next).await), ["message"]);
    body["parallel_tool_calls"] = json!(false);
    assert_eq!(kinds(&post(&simulator, 0, &body).await), ["message"]);
    let mut only = ask("twice in parallel", json!([weather()]));
    only["tool_choice"] = json!("required");
    assert_eq!(kinds(&post(&simulator, 0, &only).await), ["function_call", "function_call"]);
}

#[tokio::test]
async fn calls_shells_and_searches_tools_and_takes_their_outputs() {
    let simulator = simulator().await;
    let local = json!({"type": "local_shell_call_output", "output": "ok"});
    let shell = json!({"type": "shell_call_output", "output": [
        {"stdout": "ok", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]});
    let found =
        json!({"type": "tool_search_output", "status": "completed", "execution": "client", "tools": [weather()]});
    let rows = [
        ("local_shell", "try the shell", local),
        ("shell", "try the shell", shell),
        ("tool_search", "try tool_search", found),
    ];
    for (kind, prompt, mut output) in rows {
        let mut body = ask(prompt, json!([{"type": kind}]));
        let call = call_of(&post(&simulator, 0, &body).await);
        assert_eq!(call["type"], format!("{kind}_call"));
        output["call_id"] = call["call_id"].clone();
        body["input"].as_array_mut().unwrap().extend([call, output]);
        let answer = post(&simulator, 0, &body).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
        body["input"][2]["output"] = json!([{"stdout": 1}]);
        body["input"][2]["tools"] = json!("x");
        assert_eq!(post(&simulator, 0, &body).await.status, 400, "{kind}");
    }
}

async fn ordered(simulator: &Simulator, manner: Manner, body: &Value) -> Vec<String> {
    simulator.inject(FaultSpec::new(Who::All, Fault::Answer(manner)).times(1));
    kinds(&post(simulator, 0, body).await)
}

#[tokio::test]
async fn orders_win_over_words_as_far_as_the_tools_allow() {
    let simulator = simulator().await;
    let all = json!([weather(), {"type": "web_search"}, {"type": "image_generation"}]);
    let body = ask("use a tool", all);
    assert_eq!(ordered(&simulator, Manner::Text, &body).await, ["message"]);
    assert_eq!(ordered(&simulator, Manner::WebSearch, &body).await, ["web_search_call", "message"]);
    assert_eq!(ordered(&simulator, Manner::Image, &body).await, ["image_generation_call", "message"]);
    assert_eq!(ordered(&simulator, Manner::Call, &body).await, ["function_call"]);
    assert_eq!(ordered(&simulator, Manner::ParallelCalls, &body).await, ["function_call"; 2]);
    assert_eq!(ordered(&simulator, Manner::Image, &turn("hello")).await, ["message"]);
    let unknown = Manner::CallOf { tool: "nobody".to_owned(), input: "{}".to_owned() };
    assert_eq!(ordered(&simulator, unknown, &turn("hello")).await, ["message"]);
    simulator.inject(FaultSpec::new(Who::All, Fault::Answer(Manner::Refusal)).times(1));
    let refused = post(&simulator, 0, &turn("hello")).await.response();
    assert_eq!(refused["output"][0]["content"][0]["type"], "refusal");
}

#[tokio::test]
async fn a_call_can_be_ordered_to_the_letter() {
    let simulator = simulator().await;
    let exec = json!({"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]});
    let body = ask("hello", json!([weather(), exec]));
    let order = |tool: &str, input: &str| Manner::CallOf { tool: tool.to_owned(), input: input.to_owned() };
    for (manner, told) in [
        (
            order("weather", r#"{"city": "Bonn", "more": 1}"#),
            json!(["weather", null, r#"{"city": "Bonn", "more": 1}"#, null]),
        ),
        (order("exec", "text(1)"), json!(["exec", "functions", null, "text(1)"])),
    ] {
        simulator.inject(FaultSpec::new(Who::All, Fault::Answer(manner)).times(1));
        let answer = post(&simulator, 0, &body).await;
        let call = call_of(&answer);
        assert_eq!(
            json!([call["name"], call["namespace"], call["arguments"], call["input"]]),
            told,
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn makes_pictures_as_one_document() {
    let simulator = simulator().await;
    let order = json!({"prompt": "a boat", "background": "opaque", "model": "gpt-image-2", "quality": "auto",
                       "size": "auto"});
    let path = "/backend-api/codex/images/generations";
    let answer = call(&simulator, 0, path, &order).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert!(is_png(&body["data"][0]["b64_json"]));
    let told = ["background", "quality", "size"].map(|key| body[key].as_str().unwrap());
    assert_eq!(told, ["opaque", "medium", "1024x1024"]);
    let with = |key: &str, value: Value| {
        let mut changed = order.clone();
        changed[key] = value;
        changed
    };
    assert_eq!(call(&simulator, 0, path, &with("n", json!(3))).await.json()["data"].as_array().unwrap().len(), 3);
    for bad in [
        with("prompt", json!("")),
        with("model", json!("gpt-5.5")),
        with("n", json!(0)),
        with("x", json!(1)),
        with("images", json!([{"image_url": "data:image/png;base64,AA=="}])),
        json!({"prompt": "a boat"}),
    ] {
        assert_eq!(call(&simulator, 0, path, &bad).await.status, 400, "{bad}");
    }
    let edits = "/backend-api/codex/images/edits";
    let picture = with("images", json!([{"image_url": "data:image/png;base64,AA=="}]));
    assert_eq!(call(&simulator, 0, edits, &picture).await.status, 200);
    assert_eq!(call(&simulator, 0, edits, &order).await.status, 400);
    let foreign = with("images", json!([{"image_url": "sediment://file_x"}]));
    assert_eq!(call(&simulator, 0, edits, &foreign).await.status, 404);
    simulator.set_quota(0, 100.0, 0.0);
    assert_eq!(call(&simulator, 0, path, &order).await.status, 429);
}

#[tokio::test]
async fn takes_sounds_pictures_and_items_of_its_own_only_when_they_are_whole() {
    let simulator = simulator().await;
    let part = |value: Value| {
        let mut body = turn("hello");
        body["input"][0]["content"][0] = value;
        body
    };
    let item = |value: Value| with("input", json!([value, {"role": "user", "content": "x"}]));
    let letter = |content: Value| {
        item(json!({"type": "agent_message", "author": "/root", "recipient": "/root/one", "content": content}))
    };
    let rows = [
        (part(json!({"type": "input_audio", "audio_url": "data:audio/wav;base64,AA=="})), 200),
        (part(json!({"type": "input_audio", "audio_url": "data:text/plain;base64,AA=="})), 400),
        (part(json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}})), 400),
        (part(json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"})), 200),
        (part(json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "best"})), 400),
        (part(json!({"type": "input_image", "image_url": {"url": "https://x"}})), 400),
        (part(json!({"type": "input_image"})), 400),
        (part(json!({"type": "input_file", "file_data": "data:text/plain;base64,AA==", "filename": "a"})), 200),
        (part(json!({"type": "input_file", "filename": "a"})), 400),
        (item(json!({"type": "program", "call_id": "c", "code": "1"})), 200),
        (item(json!({"type": "program", "call_id": "c"})), 400),
        (item(json!({"type": "program_output", "call_id": "c", "result": "1"})), 200),
        (item(json!({"type": "program_output"})), 400),
        (item(json!({"type": "shell_call", "call_id": "c", "action": {"commands": []}})), 400),
        (item(json!({"type": "shell_call", "call_id": "c".repeat(65), "action": {"commands": ["x"]}})), 400),
        (
            letter(
                json!([{"type": "input_text", "text": "a"}, {"type": "encrypted_content", "encrypted_content": "b"}]),
            ),
            200,
        ),
        (letter(json!([{"type": "output_text", "text": "a"}])), 400),
        (letter(json!([{"type": "encrypted_content"}])), 400),
        (item(json!({"type": "agent_message", "author": "/root", "content": []})), 400),
        (item(json!({"type": "web_search_call", "status": "odd"})), 400),
        (item(json!({"type": "image_generation_call", "result": "x"})), 400),
        (item(json!({"type": "image_generation_call", "id": "ig_1", "result": null, "status": "failed"})), 200),
    ];
    for (body, status) in rows {
        let answer = post(&simulator, 0, &body).await;
        assert_eq!(answer.status, status, "{}: {}", body["input"], answer.text());
    }
}
