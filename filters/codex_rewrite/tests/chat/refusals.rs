//! Refusals, one row of the tables a test: status, code, param and message.

use pooler_filter::{ModelFacts, RejectKind};

use crate::harness::{gateway, messages, part, refuses, with};

/// Tests that send a body and expect 400 `code` `param` `message`.
macro_rules! refused {
    ($($name:ident: $body:expr => $code:literal, $param:expr, $message:expr;)+) => {
        $(
            #[test]
            fn $name() {
                refuses(&$body, 400, $code, Some($param), $message);
            }
        )+
    };
}

const SHAPE: &str = "messages must contain role/content objects";
const ARRAY: &str = "messages must be a non-empty array";
const EMPTY: &str = "message content must not be empty";
const PART: &str = "message content part is not translatable";
const CALL: &str = "tool call is not translatable";
const TOOL: &str = "tool shape is not translatable";
const FUNCTION: &str = "function tool requires nested function name and parameters";
const CUSTOM: &str = "custom tool requires nested custom properties";
const CHOICE: &str = "tool_choice shape is not translatable";
const MARK: &str = "prompt_cache_breakpoint must be an object with the mode explicit";
const MARKED: &str = "prompt_cache_breakpoint is not supported in assistant messages";
const IMAGE: &str =
    "input_image must be an https URL, a base64 data URL of a gif, jpeg, png or webp image, or a file_id";
const FILE: &str = "input_file.file_data must be a base64 data URL of application/pdf or text/plain";

// Which of two wins.
refused! {
    logprobs_win_over_unknown_keys: with(r#""zzz":1,"logprobs":true"#)
        => "unsupported_parameter", "logprobs", "Unsupported parameter: logprobs";
    unknown_keys_win_over_the_model: r#"{"zzz":1,"aaa":2}"# => "unsupported_parameter", "zzz", "Unsupported parameter: zzz";
    images_win_over_sound_before_them:
        part(r#"{"type":"input_audio","input_audio":{"data":"!","format":"wav"}},{"type":"image_url","image_url":"x"}"#)
        => "unsupported_input_image_format", "messages", IMAGE;
    the_model_wins_over_unsupported_members: r#"{"n":2,"messages":[]}"# => "invalid_request", "model", "model is required";
    unsupported_members_win_over_messages: r#"{"model":"gpt-5.5","n":2,"messages":[]}"#
        => "unsupported_parameter", "n", "Unsupported parameter: n";
    cache_options_win_over_messages: r#"{"model":"gpt-5.5","prompt_cache_options":1,"messages":[]}"#
        => "invalid_request", "prompt_cache_options", "prompt_cache_options must be an object";
    messages_win_over_tools: r#"{"model":"gpt-5.5","messages":[],"tools":[{}]}"# => "invalid_request", "messages", ARRAY;
    tools_win_over_tool_choice: with(r#""tool_choice":1,"tools":[{}]"#) => "invalid_request", "tools", TOOL;
    tool_choice_wins_over_limits: with(r#""max_tokens":0,"tool_choice":{}"#) => "invalid_request", "tool_choice", CHOICE;
    limits_win_over_the_effort: with(r#""reasoning_effort":1,"max_tokens":0"#)
        => "invalid_request", "max_tokens", "max_tokens must be a positive integer";
    the_effort_wins_over_moderation: with(r#""moderation":1,"reasoning_effort":1"#)
        => "invalid_request", "reasoning_effort", "reasoning effort is not supported";
    moderation_wins_over_tiers: with(r#""service_tier":"ultrafast","moderation":1"#)
        => "invalid_request", "moderation", "moderation must be an object";
    tiers_win_over_stream_options: with(r#""stream_options":1,"service_tier":"ultrafast""#)
        => "invalid_request", "service_tier", "service_tier is not supported";
    stream_options_win_over_the_format: with(r#""verbosity":1,"stream_options":1"#)
        => "invalid_request", "stream_options", "stream_options must be an object";
    the_format_wins_over_media: r#"{"model":"gpt-5.5","verbosity":1,"messages":[{"role":"user","content":[{"type":"image_url","image_url":"x"}]}]}"#
        => "invalid_request", "verbosity", "verbosity is not supported";
}

// Members.
refused! {
    an_unknown_key_is_refused_even_when_null: with(r#""surprise":null"#)
        => "unsupported_parameter", "surprise", "Unsupported parameter: surprise";
    members_of_responses_are_unknown: with(r#""reasoning":{}"#)
        => "unsupported_parameter", "reasoning", "Unsupported parameter: reasoning";
    a_model_is_required: r#"{"messages":[{"role":"user","content":"x"}]}"# => "invalid_request", "model", "model is required";
    functions_are_legacy: with(r#""functions":[{"name":"f"}]"#)
        => "invalid_request", "functions", "legacy functions are not translatable";
    function_call_is_legacy: with(r#""function_call":"auto""#)
        => "invalid_request", "function_call", "legacy function_call is not translatable";
    the_older_limit_is_checked_beside_the_newer: with(r#""max_completion_tokens":5,"max_tokens":1.5"#)
        => "invalid_request", "max_tokens", "max_tokens must be a positive integer";
    a_limit_is_no_string: with(r#""max_completion_tokens":"5""#)
        => "invalid_request", "max_completion_tokens", "max_completion_tokens must be a positive integer";
    an_effort_is_well_formed: with(r#""reasoning_effort":"high--x""#)
        => "invalid_request", "reasoning_effort", "reasoning effort is not supported";
    an_effort_is_a_string_however_deep: with(&format!(r#""reasoning_effort":{}{}"#, "[".repeat(127), "]".repeat(127)))
        => "invalid_request", "reasoning_effort", "reasoning effort is not supported";
    verbosity_is_known: with(r#""verbosity":"loud""#) => "invalid_request", "verbosity", "verbosity is not supported";
    verbosity_is_checked_beside_a_format: with(r#""response_format":{"type":"text"},"verbosity":{}"#)
        => "invalid_request", "verbosity", "verbosity is not supported";
    a_format_is_known: with(r#""response_format":{"type":"grammar"}"#)
        => "unsupported_parameter", "response_format", "Unsupported parameter: response_format";
    a_format_is_an_object: with(r#""response_format":"json""#)
        => "unsupported_parameter", "response_format", "Unsupported parameter: response_format";
    a_schema_is_an_object: with(r#""response_format":{"type":"json_schema","json_schema":[]}"#)
        => "invalid_request", "response_format", "response_format json_schema must be an object";
    a_schema_is_there: with(r#""response_format":{"type":"json_schema"}"#)
        => "invalid_request", "response_format", "response_format json_schema must be an object";
    a_strict_schema_is_checked: with(r#""response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"object","properties":{"x":{"type":"string"}}}}}"#)
        => "invalid_json_schema", "response_format", "Invalid schema for response_format 'a': In context=(), 'additionalProperties' is required to be supplied and to be false.";
    stream_options_have_no_other_key: with(r#""stream_options":{"x":true}"#)
        => "invalid_request", "stream_options.x", "stream_options field is not supported";
    stream_options_are_switches: with(r#""stream_options":{"include_usage":1}"#)
        => "invalid_request", "stream_options.include_usage", "stream_options.include_usage must be a boolean";
    there_is_no_ultrafast_tier: with(r#""service_tier":" UltraFast ""#)
        => "invalid_request", "service_tier", "service_tier is not supported";
    tiers_are_known: with(r#""service_tier":"gold""#) => "invalid_request", "service_tier", "service_tier is not supported";
    stream_is_a_boolean: with(r#""stream":"true""#) => "invalid_request", "stream", "stream must be a boolean";
    moderation_has_no_other_key: with(r#""moderation":{"x":1}"#)
        => "invalid_request", "moderation.x", "moderation field is not supported";
}

#[test]
fn members_that_ask_for_what_there_is_not_are_refused() {
    for (name, value) in [
        ("n", "2"),
        ("n", "0"),
        ("n", r#""1""#),
        ("stop", r#"["x"]"#),
        ("stop", r#""x""#),
        ("stop", r#""""#),
        ("logprobs", "true"),
        ("logprobs", "0"),
        ("frequency_penalty", "0.5"),
        ("presence_penalty", "-1"),
        ("presence_penalty", "false"),
        ("logit_bias", r#"{"50256":-100}"#),
        ("top_logprobs", "2"),
        ("audio", r#"{"voice":"alloy","format":"wav"}"#),
        ("modalities", r#"["text","audio"]"#),
        ("modalities", r#""text""#),
        ("prediction", r#"{"type":"content","content":"x"}"#),
        ("web_search_options", "{}"),
    ] {
        let message = format!("Unsupported parameter: {name}");
        refuses(&with(&format!(r#""{name}":{value}"#)), 400, "unsupported_parameter", Some(name), &message);
    }
}

// Messages.
refused! {
    messages_are_required: r#"{"model":"gpt-5.5"}"# => "invalid_request", "messages", "messages is required";
    null_messages_are_none: r#"{"model":"gpt-5.5","messages":null,"input":null}"#
        => "invalid_request", "messages", "messages is required";
    messages_are_not_empty: r#"{"model":"gpt-5.5","messages":[],"input":null}"# => "invalid_request", "messages", ARRAY;
    messages_are_a_list: r#"{"model":"gpt-5.5","messages":"x","input":"y"}"# => "invalid_request", "messages", ARRAY;
    messages_are_no_object: r#"{"model":"gpt-5.5","messages":{}}"# => "invalid_request", "messages", ARRAY;
    a_message_is_an_object: messages("5") => "invalid_request", "messages", SHAPE;
    a_message_has_a_role: messages(r#"{"content":"x"}"#) => "invalid_request", "messages", SHAPE;
    a_role_is_a_string: messages(r#"{"role":1,"content":"x"}"#) => "invalid_request", "messages", SHAPE;
    a_role_comes_once: messages(r#"{"role":"user","role":"user","content":"x"}"#) => "invalid_request", "messages", SHAPE;
    a_role_is_known: messages(r#"{"role":"function","name":"f","content":"x"}"#)
        => "invalid_request", "messages", "message role is not supported";
    a_user_says_something: messages(r#"{"role":"user"}"#) => "invalid_request", "messages", SHAPE;
    a_tool_message_has_content: messages(r#"{"role":"tool","tool_call_id":"c"}"#) => "invalid_request", "messages", SHAPE;
    content_is_no_number: messages(r#"{"role":"user","content":5}"#) => "invalid_request", "messages", SHAPE;
    content_is_no_object: messages(r#"{"role":"assistant","content":{}}"#) => "invalid_request", "messages", SHAPE;
    a_users_content_is_not_null: messages(r#"{"role":"user","content":null}"#) => "invalid_request", "messages", EMPTY;
    a_users_content_is_not_empty: messages(r#"{"role":"user","content":[]}"#) => "invalid_request", "messages", EMPTY;
    a_system_text_is_not_empty: messages(r#"{"role":"system","content":""}"#) => "invalid_request", "messages", EMPTY;
    an_answers_function_call_is_legacy: messages(r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}"#)
        => "invalid_request", "messages", "legacy function_call is not translatable";
    an_answers_audio_is_refused: messages(r#"{"role":"assistant","content":null,"audio":{"id":"audio_1"}}"#)
        => "invalid_request", "messages", "audio of an earlier answer is not supported";
    users_call_no_tools: messages(r#"{"role":"user","content":"x","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}"#)
        => "invalid_request", "messages", "only assistant messages have tool_calls";
    a_tool_message_names_its_call: messages(r#"{"role":"tool","tool_call_id":" ","content":"x"}"#)
        => "invalid_request", "messages", "tool messages require a tool_call_id";
    a_tool_result_with_an_object_has_output: messages(r#"{"role":"tool","tool_call_id":"c","content":{"result":1}}"#)
        => "invalid_request", "messages", SHAPE;
    a_tool_result_is_no_number: messages(r#"{"role":"tool","tool_call_id":"c","content":1}"#)
        => "invalid_request", "messages", SHAPE;
    tool_calls_are_a_list: messages(r#"{"role":"assistant","tool_calls":{}}"#) => "invalid_request", "messages", CALL;
    a_call_has_an_id: messages(r#"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}"#)
        => "invalid_request", "messages", CALL;
    a_call_has_a_name: messages(r#"{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"","arguments":"{}"}}]}"#)
        => "invalid_request", "messages", CALL;
    arguments_are_a_string: messages(r#"{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":{}}}]}"#)
        => "invalid_request", "messages", CALL;
    a_call_is_of_a_known_type: messages(r#"{"role":"assistant","tool_calls":[{"id":"c","type":"mcp","mcp":{}}]}"#)
        => "invalid_request", "messages", CALL;
    an_inline_call_has_an_id: messages(r#"{"role":"assistant","content":[{"type":"tool_use","name":"f","input":{}}]}"#)
        => "invalid_request", "messages", CALL;
    an_inline_result_names_its_call: part(r#"{"type":"tool_result","content":"x"}"#)
        => "invalid_request", "messages", "tool result is not translatable";
    users_make_no_inline_calls: part(r#"{"type":"tool_use","id":"c","name":"f","input":{}}"#)
        => "invalid_request", "messages", PART;
    results_are_not_mixed_with_text: messages(r#"{"role":"tool","content":[{"type":"tool-result","toolCallId":"c","result":1},{"type":"text","text":"x"}]}"#)
        => "invalid_request", "messages", PART;
}

// Parts.
refused! {
    an_unknown_part_is_refused: part(r#"{"type":"video_url","video_url":"x"}"#) => "invalid_request", "messages", PART;
    a_part_is_an_object: part(r#""x""#) => "invalid_request", "messages", PART;
    a_text_part_has_text: part(r#"{"type":"text","text":null}"#) => "invalid_request", "messages", PART;
    an_image_part_has_a_url: part(r#"{"type":"image_url","image_url":{}}"#) => "invalid_request", "messages", PART;
    an_image_detail_is_a_string: part(r#"{"type":"image_url","image_url":{"url":"https://a.example","detail":1}}"#)
        => "invalid_request", "messages", PART;
    a_file_part_has_a_file: part(r#"{"type":"file","file_id":"file-1"}"#) => "invalid_request", "messages", PART;
    a_file_name_is_a_string: part(r#"{"type":"file","file":{"file_id":"f","filename":1}}"#) => "invalid_request", "messages", PART;
    an_audio_part_has_audio: part(r#"{"type":"input_audio"}"#) => "invalid_request", "messages", PART;
    assistants_send_no_images: messages(r#"{"role":"assistant","content":[{"type":"image_url","image_url":"https://a.example"}]}"#)
        => "invalid_request", "messages", PART;
    users_do_not_refuse: part(r#"{"type":"refusal","refusal":"no"}"#) => "invalid_request", "messages", PART;
    plain_http_images_are_refused: part(r#"{"type":"image_url","image_url":{"url":"http://a.example/i.png"}}"#)
        => "unsupported_input_image_format", "messages", IMAGE;
    other_image_types_are_refused: part(r#"{"type":"image_url","image_url":"data:image/tiff;base64,AAAA"}"#)
        => "unsupported_input_image_format", "messages", IMAGE;
    other_file_types_are_refused: part(r#"{"type":"file","file":{"file_data":"data:text/html;base64,AAAA"}}"#)
        => "unsupported_input_file_format", "messages", FILE;
    a_file_is_somewhere: part(r#"{"type":"file","file":{"file_id":" "}}"#)
        => "unsupported_input_file_format", "messages", FILE;
    audio_formats_are_known: part(r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"flac"}}"#)
        => "invalid_request", "messages", "input_audio format must be wav, mp3, m4a, webm or ogg";
    audio_is_base64: part(r#"{"type":"input_audio","input_audio":{"data":"A A=","format":"wav"}}"#)
        => "invalid_request", "messages", "input_audio data must be base64";
    a_breakpoint_is_explicit: part(r#"{"type":"text","text":"x","prompt_cache_breakpoint":{"mode":"implicit"}}"#)
        => "invalid_request", "messages", MARK;
    a_breakpoint_is_an_object: part(r#"{"type":"file","file":{"file_id":"f"},"prompt_cache_breakpoint":true}"#)
        => "invalid_request", "messages", MARK;
    an_answers_part_has_no_breakpoint: messages(r#"{"role":"assistant","content":[{"type":"text","text":"x","prompt_cache_breakpoint":{"mode":"explicit"}}]}"#)
        => "invalid_request", "messages", MARKED;
    an_answer_has_no_breakpoint: messages(r#"{"role":"assistant","content":"x","prompt_cache_breakpoint":{"mode":"explicit"}}"#)
        => "invalid_request", "messages", MARKED;
}

// Tools.
refused! {
    tools_are_a_list: with(r#""tools":{}"#) => "invalid_request", "tools", "tools must be an array";
    a_tool_is_an_object: with(r#""tools":[5]"#) => "invalid_request", "tools", TOOL;
    a_flat_function_is_refused: with(r#""tools":[{"type":"function","name":"f","parameters":{}}]"#)
        => "invalid_request", "tools", FUNCTION;
    a_function_has_parameters: with(r#""tools":[{"type":"function","function":{"name":"f"}}]"#)
        => "invalid_request", "tools", FUNCTION;
    a_functions_name_is_not_blank: with(r#""tools":[{"type":"function","function":{"name":" ","parameters":{}}}]"#)
        => "invalid_request", "tools", "function tool requires a non-empty name";
    a_function_has_no_other_key: with(r#""tools":[{"type":"function","function":{"name":"f","parameters":{},"zzz":1}}]"#)
        => "invalid_request", "tools", TOOL;
    a_tool_has_no_other_key: with(r#""tools":[{"type":"function","zzz":1,"function":{"name":"f","parameters":{}}}]"#)
        => "invalid_request", "tools", TOOL;
    a_name_stands_in_one_place: with(r#""tools":[{"type":"function","name":"g","function":{"name":"f","parameters":{}}}]"#)
        => "invalid_request", "tools", TOOL;
    a_flat_custom_tool_is_refused: with(r#""tools":[{"type":"custom","name":"c"}]"#) => "invalid_request", "tools", CUSTOM;
    a_custom_tool_has_an_object: with(r#""tools":[{"type":"custom","custom":null}]"#) => "invalid_request", "tools", CUSTOM;
    a_custom_tool_has_a_name: with(r#""tools":[{"type":"custom","custom":{}}]"#) => "invalid_request", "tools", TOOL;
    a_grammar_has_a_known_syntax: with(r#""tools":[{"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{"definition":"x","syntax":"peg"}}}}]"#)
        => "invalid_request", "tools", TOOL;
    a_grammar_has_a_type: with(r#""tools":[{"type":"custom","custom":{"name":"c","format":{"grammar":{"definition":"x","syntax":"lark"}}}}]"#)
        => "invalid_request", "tools", TOOL;
    a_namespace_holds_no_custom_tools: with(r#""tools":[{"type":"namespace","name":"n","description":"d","tools":[{"type":"custom","custom":{"name":"c"}}]}]"#)
        => "invalid_request", "tools", TOOL;
    a_namespace_holds_tools: with(r#""tools":[{"type":"namespace","name":"n","description":"d"}]"#)
        => "invalid_request", "tools", TOOL;
    other_tools_are_refused: with(r#""tools":[{"type":"programmatic_tool_calling"}]"#) => "invalid_request", "tools", TOOL;
    remote_tools_are_refused: with(r#""tools":[{"type":"mcp","server_label":"s"}]"#) => "invalid_request", "tools", TOOL;
    names_are_unique: with(r#""tools":[{"type":"function","function":{"name":"a","parameters":{}}},{"type":"custom","custom":{"name":"\u0061"}}]"#)
        => "invalid_request", "tools", "tool names must be unique";
    a_choice_is_a_known_mode: with(r#""tool_choice":"any""#) => "invalid_request", "tool_choice", CHOICE;
    a_choice_is_no_list: with(r#""tool_choice":[]"#) => "invalid_request", "tool_choice", CHOICE;
    a_flat_choice_is_refused: with(r#""tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":{"type":"function","name":"f"}"#)
        => "invalid_request", "tool_choice", CHOICE;
    a_chosen_function_is_declared: with(r#""tool_choice":{"type":"function","function":{"name":"f"}}"#)
        => "invalid_request", "tool_choice", CHOICE;
    a_choice_has_no_other_key: with(r#""tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":{"type":"function","function":{"name":"f"},"x":1}"#)
        => "invalid_request", "tool_choice", CHOICE;
    hosted_tools_are_not_chosen: with(r#""tool_choice":{"type":"web_search"}"#) => "invalid_request", "tool_choice", CHOICE;
}

#[test]
fn a_strict_function_is_checked_at_its_place() {
    let body = with(
        r#""tools":[{"type":"web_search"},{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{}}}}]"#,
    );
    let message = "Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be supplied and to be false.";
    refuses(&body, 400, "invalid_function_parameters", Some("tools.1.parameters"), message);
}

// An input without messages.
refused! {
    an_empty_input_is_refused: r#"{"model":"gpt-5.5","messages":[],"input":[]}"#
        => "invalid_request", "input", "input must be a non-empty string or array";
    an_inputs_items_are_known: r#"{"model":"gpt-5.5","input":[{"type":"x"}]}"#
        => "invalid_request", "input", "input item shape is not translatable";
    an_inputs_keys_are_known: r#"{"model":"gpt-5.5","input":"x","zzz":1}"#
        => "unsupported_parameter", "zzz", "Unsupported parameter: zzz";
    an_inputs_effort_is_checked: r#"{"model":"gpt-5.5","input":"x","reasoning":{"effort":"-"},"reasoning_effort":"low"}"#
        => "invalid_request", "reasoning.effort", "reasoning effort is not supported";
    an_inputs_continuation_needs_an_output: r#"{"model":"gpt-5.5","input":"x","previous_response_id":"resp_1"}"#
        => "invalid_request", "previous_response_id", "previous_response_id requires a tool-output continuation";
}

#[test]
fn a_model_without_images_takes_none() {
    let blind = ModelFacts {
        id: "blind".into(),
        upstream_id: "blind".into(),
        context_window: None,
        supports_reasoning_summary: true,
        supports_images: false,
        service_tiers: None,
        lite: false,
        sources: None,
        native_sources: None,
    };
    let image = part(r#"{"type":"image_url","image_url":"https://a.example/i.png"}"#).replace("gpt-5.5", "blind");
    let reject = gateway().model("blind", blind).send(&image).err().expect("the model takes no images");
    assert_eq!(reject.kind, RejectKind::Invalid);
    assert_eq!((reject.code_str(), reject.param.as_deref()), ("unsupported_model_capability", Some("messages")));
}
