//! Refusals, one row of the tables a test: status, code, param and message.

use crate::harness::{input, item, part, refuses, with};

/// Tests that send a body and expect 400 `code` `param` `message`.
macro_rules! refused {
    ($($name:ident: $body:expr => $code:literal, $param:expr, $message:expr;)+) => {
        $(
            #[test]
            fn $name() {
                refuses(&$body, 400, $code, $param, $message);
            }
        )+
    };
}

/// Tests that send one tool.
macro_rules! refused_tool {
    ($($name:ident: $tool:literal => $message:expr;)+) => {
        $(
            #[test]
            fn $name() {
                let body = with(concat!(r#""tools":["#, $tool, "]"));
                refuses(&body, 400, "invalid_request", Some("tools"), $message);
            }
        )+
    };
}

/// Tests that send one input item.
macro_rules! refused_item {
    ($($name:ident: $item:literal => $message:expr;)+) => {
        $(
            #[test]
            fn $name() {
                refuses(&item($item), 400, "invalid_request", Some("input"), $message);
            }
        )+
    };
}

const ITEM: &str = "input item shape is not translatable";
const PART: &str = "message content part is not translatable";
const BREAKPOINT: &str = "prompt_cache_breakpoint must be an object with the mode explicit";
const TOOL: &str = "tool shape is not translatable";
const CHOICE: &str = "tool_choice shape is not translatable";
const STORED: &str =
    "Responses are not stored here: send the item itself (AI SDK: providerOptions.openai.store = false)";
const IMAGE: &str =
    "input_image must be an https URL, a base64 data URL of a gif, jpeg, png or webp image, or a file_id";
const AUDIO_FORMAT: &str = "input_audio format must be wav, mp3, m4a, webm or ogg";
const TRIGGER: &str = "compaction_trigger must be the final input item and must follow visible input";
const FILE: &str = "input_file.file_data must be a base64 data URL of application/pdf or text/plain";

refused! {
    a_model_is_required: r#"{"input":"x"}"# => "invalid_request", Some("model"), "model is required";
    a_null_model_is_none: r#"{"model":null,"input":"x"}"# => "invalid_request", Some("model"), "model is required";
    a_blank_model_is_none: r#"{"model":"  ","input":"x"}"# => "invalid_request", Some("model"), "model is required";
    a_model_is_a_string: r#"{"model":5,"input":"x"}"# => "invalid_request", Some("model"), "model is required";
    logprobs_win_over_unknown_keys: with(r#""zzz":1,"logprobs":true"#)
        => "unsupported_parameter", Some("logprobs"), "Unsupported parameter: logprobs";
    unknown_keys_win_over_the_model: r#"{"zzz":1,"aaa":2,"input":"x"}"#
        => "unsupported_parameter", Some("zzz"), "Unsupported parameter: zzz";
    the_model_wins_over_unsupported_keys: r#"{"background":true,"input":"x"}"#
        => "invalid_request", Some("model"), "model is required";
    unsupported_keys_win_over_the_input: r#"{"model":"gpt-5.5","background":true,"input":[]}"#
        => "unsupported_parameter", Some("background"), "Unsupported parameter: background";
    cache_options_win_over_the_input: r#"{"model":"gpt-5.5","prompt_cache_options":1,"input":[]}"#
        => "invalid_request", Some("prompt_cache_options"), "prompt_cache_options must be an object";
    the_input_wins_over_the_continuation: r#"{"model":"gpt-5.5","previous_response_id":"r","input":[]}"#
        => "invalid_request", Some("input"), "input must be a non-empty string or array";
    the_continuation_wins_over_tools: with(r#""previous_response_id":"r","tools":1"#)
        => "invalid_request", Some("previous_response_id"), "previous_response_id requires a tool-output continuation";
    tools_win_over_tool_choice: with(r#""tools":1,"tool_choice":1"#)
        => "invalid_request", Some("tools"), "tools must be an array";
    tool_choice_wins_over_limits: with(r#""tool_choice":1,"max_output_tokens":0"#)
        => "invalid_request", Some("tool_choice"), CHOICE;
    limits_win_over_reasoning: with(r#""max_output_tokens":0,"reasoning":1"#)
        => "invalid_request", Some("max_output_tokens"), "max_output_tokens must be a positive integer";
    reasoning_wins_over_moderation: with(r#""reasoning":1,"moderation":1"#)
        => "invalid_request", Some("reasoning"), "reasoning must be an object";
    moderation_wins_over_tiers: with(r#""moderation":1,"service_tier":1"#)
        => "invalid_request", Some("moderation"), "moderation must be an object";
    tiers_win_over_truncation: with(r#""service_tier":1,"truncation":1"#)
        => "invalid_request", Some("service_tier"), "service_tier is not supported";
    truncation_wins_over_stream_options: with(r#""truncation":1,"stream_options":1"#)
        => "unsupported_parameter", Some("truncation"), "Unsupported parameter: truncation";
    stream_options_win_over_media: r#"{"model":"gpt-5.5","stream_options":1,"input":[{"role":"user","content":[{"type":"input_image"}]}]}"#
        => "invalid_request", Some("stream_options"), "stream_options must be an object";
}

refused! {
    cache_options_have_no_other_key: with(r#""prompt_cache_options":{"size":null}"#)
        => "invalid_request", Some("prompt_cache_options.size"), "prompt_cache_options field is not supported";
    cache_mode_is_known: with(r#""prompt_cache_options":{"mode":"x"}"#)
        => "invalid_request", Some("prompt_cache_options.mode"), "prompt_cache_options.mode must be implicit or explicit";
    cache_ttl_is_half_an_hour: with(r#""prompt_cache_options":{"mode":"implicit","ttl":"1h"}"#)
        => "invalid_request", Some("prompt_cache_options.ttl"), "prompt_cache_options.ttl must be 30m";
    reasoning_has_no_other_key: with(r#""reasoning":{"effort":"low","depth":null}"#)
        => "invalid_request", Some("reasoning.depth"), "reasoning field is not supported";
    reasoning_effort_is_a_string: with(r#""reasoning":{"effort":1}"#)
        => "invalid_request", Some("reasoning.effort"), "reasoning effort is not supported";
    reasoning_summary_is_known: with(r#""reasoning":{"summary":"long"}"#)
        => "invalid_request", Some("reasoning.summary"), "reasoning summary is not supported";
    reasoning_context_is_known: with(r#""reasoning":{"context":"some"}"#)
        => "invalid_request", Some("reasoning.context"), "reasoning context is not supported";
    native_reasoning_aliases_are_unknown_keys: with(r#""reasoning_effort":"low""#)
        => "unsupported_parameter", Some("reasoning_effort"), "Unsupported parameter: reasoning_effort";
    moderation_has_no_other_key: with(r#""moderation":{"model":"m","x":1}"#)
        => "invalid_request", Some("moderation.x"), "moderation field is not supported";
    moderation_has_a_model: with(r#""moderation":{"model":" "}"#)
        => "invalid_request", Some("moderation.model"), "moderation.model must be a non-empty string";
    tiers_are_known: with(r#""service_tier":"gold""#)
        => "invalid_request", Some("service_tier"), "service_tier is not supported";
    stream_options_have_no_other_key: with(r#""stream_options":{"x":true}"#)
        => "invalid_request", Some("stream_options.x"), "stream_options field is not supported";
    stream_options_are_switches: with(r#""stream_options":{"include_usage":1}"#)
        => "invalid_request", Some("stream_options.include_usage"), "stream_options.include_usage must be a boolean";
    include_is_a_list: with(r#""include":"x""#)
        => "invalid_request", Some("include"), "include must be an array of strings";
    include_lists_strings: with(r#""include":[1]"#)
        => "invalid_request", Some("include"), "include must be an array of strings";
    instructions_are_a_string: with(r#""instructions":["x"]"#)
        => "invalid_request", Some("instructions"), "instructions must be a string";
    stream_is_a_boolean: with(r#""stream":"true""#) => "invalid_request", Some("stream"), "stream must be a boolean";
    text_is_an_object: with(r#""text":"x""#) => "invalid_request", Some("text"), "text must be an object";
    parallel_tool_calls_is_a_boolean: with(r#""parallel_tool_calls":1"#)
        => "invalid_request", Some("parallel_tool_calls"), "parallel_tool_calls must be a boolean";
    prompt_cache_key_is_a_string: with(r#""prompt_cache_key":1"#)
        => "invalid_request", Some("prompt_cache_key"), "prompt_cache_key must be a string";
    client_metadata_is_an_object: with(r#""client_metadata":[]"#)
        => "invalid_request", Some("client_metadata"), "client_metadata must be an object";
    previous_response_id_is_a_string: with(r#""previous_response_id":5"#)
        => "invalid_request", Some("previous_response_id"), "previous_response_id must be a string";
}

refused! {
    an_empty_input_is_refused: input("[]")
        => "invalid_request", Some("input"), "input must be a non-empty string or array";
    input_is_no_object: input("{}") => "invalid_request", Some("input"), "input must be a string or array";
    input_is_no_number: input("1") => "invalid_request", Some("input"), "input must be a string or array";
    an_unknown_part_is_refused: part(r#"{"type":"image_url","image_url":{"url":"https://a.example"}}"#)
        => "invalid_request", Some("input"), PART;
    a_part_without_type_is_refused: part(r#"{"text":"x"}"#) => "invalid_request", Some("input"), PART;
    a_part_is_an_object: part("5") => "invalid_request", Some("input"), PART;
    a_text_part_has_text: part(r#"{"type":"input_text","text":5}"#) => "invalid_request", Some("input"), PART;
    a_text_part_has_no_other_key: part(r#"{"type":"input_text","text":"x","zzz":1}"#)
        => "invalid_request", Some("input"), PART;
    thinking_is_for_assistants: part(r#"{"type":"thinking","thinking":"x"}"#) => "invalid_request", Some("input"), PART;
    a_breakpoint_is_explicit: part(r#"{"type":"input_text","text":"x","prompt_cache_breakpoint":{"mode":"implicit"}}"#)
        => "invalid_request", Some("input"), "prompt_cache_breakpoint must be an object with the mode explicit";
    a_breakpoint_is_an_object: part(r#"{"type":"input_text","text":"x","prompt_cache_breakpoint":true}"#)
        => "invalid_request", Some("input"), "prompt_cache_breakpoint must be an object with the mode explicit";
    plain_http_images_are_refused: part(r#"{"type":"input_image","image_url":"http://a.example/i.png"}"#)
        => "unsupported_input_image_format", Some("input"), IMAGE;
    other_image_types_are_refused: part(r#"{"type":"input_image","image_url":"data:image/svg+xml;base64,AAAA"}"#)
        => "unsupported_input_image_format", Some("input"), IMAGE;
    images_in_data_urls_are_base64: part(r#"{"type":"input_image","image_url":"data:image/png;base64,A A"}"#)
        => "unsupported_input_image_format", Some("input"), IMAGE;
    an_empty_data_url_is_no_image: part(r#"{"type":"input_image","image_url":"data:image/png;base64,"}"#)
        => "unsupported_input_image_format", Some("input"), IMAGE;
    an_image_is_somewhere: part(r#"{"type":"input_image","image_url":null,"file_id":" "}"#)
        => "unsupported_input_image_format", Some("input"), IMAGE;
    other_file_types_are_refused: part(r#"{"type":"input_file","file_data":"data:text/html;base64,AAAA"}"#)
        => "unsupported_input_file_format", Some("input"), FILE;
    files_are_not_fetched: part(r#"{"type":"input_file","file_url":"https://a.example/a.pdf"}"#)
        => "unsupported_input_file_format", Some("input"), FILE;
    audio_has_a_known_format: part(r#"{"type":"input_audio","data":"AAAA","format":"flac"}"#)
        => "invalid_request", Some("input"), AUDIO_FORMAT;
    audio_has_a_format: part(r#"{"type":"input_audio","data":"AAAA"}"#) => "invalid_request", Some("input"), AUDIO_FORMAT;
    audio_is_base64: part(r#"{"type":"input_audio","data":"A A=","format":"wav"}"#)
        => "invalid_request", Some("input"), "input_audio data must be base64";
    audio_has_data: part(r#"{"type":"input_audio","input_audio":{"format":"wav"}}"#)
        => "invalid_request", Some("input"), "input_audio data must be base64";
    audio_has_no_other_key: part(r#"{"type":"input_audio","data":"AAAA","format":"wav","zzz":1}"#)
        => "invalid_request", Some("input"), PART;
    audio_stands_in_one_place: part(r#"{"type":"input_audio","data":"AAAA","input_audio":{"data":"AAAA","format":"wav"}}"#)
        => "invalid_request", Some("input"), PART;
    audio_urls_have_a_known_format: part(r#"{"type":"input_audio","audio_url":"https://a.example/a.wav"}"#)
        => "invalid_request", Some("input"), "input_audio audio_url must be a base64 data URL of a known audio format";
    media_win_over_audio: input(r#"[{"role":"user","content":[{"type":"input_audio","data":"?","format":"wav"},{"type":"input_image"}]}]"#)
        => "unsupported_input_image_format", Some("input"), IMAGE;
    schemas_win_over_audio: format!(r#"{{"text":{{"format":{{"type":"json_schema","name":"n","strict":true,"schema":{{}}}}}},{}"#, part(r#"{"type":"input_audio","data":"?","format":"wav"}"#).trim_start_matches('{'))
        => "invalid_json_schema", Some("text.format.schema"), "Invalid schema for response_format 'n': In context=(), schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.";
    a_file_without_data_and_id_is_refused: part(r#"{"type":"input_file","file_id":" ","filename":"a"}"#)
        => "unsupported_input_file_format", Some("input"), FILE;
    a_file_has_no_url_beside_its_id: part(r#"{"type":"input_file","file_id":"file_1","file_url":"https://a.example/a"}"#)
        => "unsupported_input_file_format", Some("input"), FILE;
    data_beside_an_id_is_looked_at: part(r#"{"type":"input_file","file_id":"file_1","file_data":"x"}"#)
        => "unsupported_input_file_format", Some("input"), FILE;
    a_file_id_is_a_string: part(r#"{"type":"input_file","file_id":5}"#) => "invalid_request", Some("input"), PART;
    an_image_id_is_a_string: part(r#"{"type":"input_image","file_id":["file_1"]}"#) => "invalid_request", Some("input"), PART;
}

refused_item! {
    an_item_is_an_object: "5" => ITEM;
    an_item_of_unknown_type_is_refused: r#"{"type":"computer_call","id":"x_1"}"# => ITEM;
    an_item_without_type_and_role_is_refused: r#"{"content":"x"}"# => ITEM;
    an_unknown_role_is_refused: r#"{"role":"critic","content":"x"}"# => ITEM;
    a_message_without_role_is_refused: r#"{"type":"message","content":"x"}"# => ITEM;
    an_unknown_key_of_a_message_is_refused: r#"{"role":"user","content":"x","zzz":1}"# => ITEM;
    a_key_that_comes_twice_is_refused: r#"{"role":"user","content":"x","content":"y"}"# => ITEM;
    an_unknown_key_of_a_call_is_refused: r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}","zzz":1}"# => ITEM;
    content_is_no_number: r#"{"role":"user","content":5}"# => ITEM;
    empty_content_is_refused: r#"{"role":"user","content":[]}"# => "message content must not be empty";
    an_empty_text_is_refused: r#"{"role":"user","content":""}"# => "message content must not be empty";
    absent_content_is_refused: r#"{"role":"user"}"# => "message content must not be empty";
    an_empty_text_of_a_developer_is_refused: r#"{"role":"developer","content":""}"# => "message content must not be empty";
    an_empty_text_of_the_system_is_refused: r#"{"role":"system","content":"","status":"completed"}"# => "message content must not be empty";
    an_id_of_another_form_does_not_make_an_answer: r#"{"type":"function_call","id":"call_1","call_id":"c","name":"f","arguments":"{}","status":null,"zzz":1}"# => ITEM;
    an_answer_has_no_listed_key_twice: r#"{"type":"function_call","id":"fc_1","call_id":"c","name":"f","name":"g","arguments":"{}"}"# => ITEM;
    an_unknown_key_of_a_custom_call_is_refused: r#"{"type":"custom_tool_call","call_id":"c","name":"f","input":"","zzz":1}"# => ITEM;
    an_unknown_key_of_an_output_is_refused: r#"{"type":"function_call_output","call_id":"c","output":"1","zzz":1}"# => ITEM;
    a_breakpoint_in_a_function_output_is_explicit: r#"{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"x","prompt_cache_breakpoint":{}}]}"# => BREAKPOINT;
    a_breakpoint_in_a_custom_output_is_an_object: r#"{"type":"custom_tool_call_output","call_id":"c","output":[{"type":"input_image","prompt_cache_breakpoint":true}]}"# => BREAKPOINT;
    users_call_no_tools: r#"{"role":"user","content":"x","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}"# => ITEM;
    a_chat_call_has_an_id: r#"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}"# => ITEM;
    a_chat_call_has_arguments: r#"{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]}"# => ITEM;
    legacy_function_calls_are_refused: r#"{"role":"assistant","content":"x","function_call":{"name":"f"}}"# => ITEM;
    a_chat_call_has_no_other_key: r#"{"role":"assistant","tool_calls":[{"id":"c","zzz":1,"function":{"name":"f","arguments":"{}"}}]}"# => ITEM;
    a_tool_result_with_an_object_has_output: r#"{"role":"tool","tool_call_id":"c","content":{"result":1}}"# => ITEM;
    a_tool_result_has_an_id: r#"{"role":"tool","content":"x"}"# => ITEM;
    a_call_has_a_name: r#"{"type":"function_call","call_id":"c","name":" ","arguments":"{}"}"# => ITEM;
    arguments_are_a_string: r#"{"type":"function_call","call_id":"c","name":"f","arguments":{}}"# => ITEM;
    a_call_has_some_id: r#"{"type":"function_call","call_id":" ","name":"f","arguments":"{}"}"# => ITEM;
    an_output_without_a_call_to_repair_from_is_refused: r#"{"type":"function_call_output","call_id":"","output":"x"}"# => ITEM;
    a_function_call_output_has_output: r#"{"type":"function_call_output","call_id":"c"}"# => "function_call_output requires output";
    a_custom_tool_call_output_has_output: r#"{"type":"custom_tool_call_output","call_id":"c"}"# => "custom_tool_call_output requires output";
    executed_tool_calls_is_reserved: r#"{"role":"user","content":"x","internal_chat_message_metadata_passthrough":{"executed_tool_calls":[]}}"# => "executed_tool_calls is reserved";
    references_are_refused: r#"{"type":"item_reference","id":"msg_1"}"# => STORED;
    compactions_have_content: r#"{"type":"compaction","id":"cmp_1","encrypted_content":" "}"# => ITEM;
    a_citation_has_exactly_its_keys: r#"{"role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":"url_citation","url":"https://a.example"}]}]}"# => PART;
    compaction_summaries_have_content: r#"{"type":"compaction_summary","id":"cmp_1"}"# => ITEM;
    a_trigger_alone_is_refused: r#"{"type":"compaction_trigger"}"# => TRIGGER;
    a_file_item_is_checked: r#"{"type":"input_file","file_id":"file_1","zzz":1}"# => PART;
    a_program_has_code: r#"{"type":"program","id":"prog_1","call_id":"c","fingerprint":"f"}"# => ITEM;
    a_program_has_a_fingerprint: r#"{"type":"program","id":"prog_1","call_id":"c","code":"x"}"# => ITEM;
    a_program_has_a_call_id: r#"{"type":"program","id":"prog_1","call_id":" ","code":"x","fingerprint":"f"}"# => ITEM;
    a_program_of_the_client_has_no_other_key: r#"{"type":"program","call_id":"c","code":"x","fingerprint":"f","zzz":1}"# => ITEM;
    a_program_output_has_a_result: r#"{"type":"program_output","call_id":"c","status":"completed"}"# => ITEM;
    a_shell_call_has_an_action: r#"{"type":"shell_call","call_id":"c"}"# => ITEM;
    a_shell_call_has_commands: r#"{"type":"shell_call","call_id":"c","action":{"timeout_ms":1}}"# => ITEM;
    shell_commands_are_strings: r#"{"type":"shell_call","call_id":"c","action":{"commands":[1]}}"# => ITEM;
    shell_timeouts_are_numbers: r#"{"type":"shell_call","call_id":"c","action":{"commands":[],"timeout_ms":"1"}}"# => ITEM;
    a_shell_call_has_no_other_key: r#"{"type":"shell_call","call_id":"c","action":{"commands":[]},"zzz":1}"# => ITEM;
    a_shell_call_has_a_known_caller: r#"{"type":"shell_call","call_id":"c","action":{"commands":[]},"caller":{"type":"x"}}"# => ITEM;
    a_shell_environment_is_known: r#"{"type":"shell_call","call_id":"c","action":{"commands":[]},"environment":{"type":"remote"}}"# => ITEM;
    a_shell_container_has_an_id: r#"{"type":"shell_call","call_id":"c","action":{"commands":[]},"environment":{"type":"container_reference"}}"# => ITEM;
    a_shell_skill_is_whole: r#"{"type":"shell_call","call_id":"c","action":{"commands":[]},"environment":{"type":"local","skills":[{"name":"n"}]}}"# => ITEM;
    a_shell_output_has_output: r#"{"type":"shell_call_output","call_id":"c"}"# => "shell_call_output requires output";
    a_shell_output_is_a_list: r#"{"type":"shell_call_output","call_id":"c","output":"x"}"# => ITEM;
    a_shell_output_tells_how_it_ended: r#"{"type":"shell_call_output","call_id":"c","output":[{"stdout":"","stderr":""}]}"# => ITEM;
    a_shell_exit_has_a_code: r#"{"type":"shell_call_output","call_id":"c","output":[{"stdout":"","stderr":"","outcome":{"type":"exit"}}]}"# => ITEM;
    additional_tools_have_tools: r#"{"type":"additional_tools","role":"developer"}"# => ITEM;
    additional_tools_are_the_developers: r#"{"type":"additional_tools","role":"user","tools":[]}"# => ITEM;
    additional_tools_are_a_list: r#"{"type":"additional_tools","role":"developer","tools":{}}"# => "tools must be an array";
    additional_tools_are_checked: r#"{"type":"additional_tools","role":"developer","tools":[{"type":"file_search"}]}"# => TOOL;
    additional_tools_have_unique_names: r#"{"type":"additional_tools","role":"developer","tools":[{"type":"custom","name":"c"},{"type":"custom","name":"c"}]}"# => "tool names must be unique";
    additional_tools_reach_no_server: r#"{"type":"additional_tools","role":"developer","tools":[{"type":"mcp"}]}"# => "remote MCP tools are not supported";
}

refused! {
    nothing_follows_a_trigger: input(r#"[{"role":"user","content":"x"},{"type":"compaction_trigger"},{"role":"user","content":"y"}]"#)
        => "invalid_request", Some("input"), TRIGGER;
    there_is_one_trigger: input(r#"[{"role":"user","content":"x"},{"type":"compaction_trigger"},{"type":"compaction_trigger"}]"#)
        => "invalid_request", Some("input"), TRIGGER;
    a_trigger_has_no_other_key: input(r#"[{"role":"user","content":"x"},{"type":"compaction_trigger","id":null}]"#)
        => "invalid_request", Some("input"), TRIGGER;
    blank_texts_are_not_visible: input(r#"[{"role":"user","content":" \n"},{"type":"compaction_trigger"}]"#)
        => "invalid_request", Some("input"), TRIGGER;
    lifted_texts_are_not_visible: input(r#"[{"role":"developer","content":"x"},{"type":"compaction_trigger"}]"#)
        => "invalid_request", Some("input"), TRIGGER;
    schemas_of_additional_tools_are_named_by_their_place: input(r#"[{"role":"user","content":"x"},{"type":"additional_tools","role":"developer","tools":[{"type":"custom","name":"c"},{"type":"function","name":"f","strict":true,"parameters":{}}]}]"#)
        => "invalid_function_parameters", Some("input.1.tools.1.parameters"), "Invalid schema for function 'f': In context=(), schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.";
}

refused_tool! {
    parameters_are_a_schema: r#"{"type":"function","name":"f","parameters":"x"}"# => "function parameters must be a JSON schema";
    parameters_are_no_list: r#"{"type":"function","name":"f","parameters":[],"strict":false}"# => "function parameters must be a JSON schema";
    a_tool_is_an_object: "5" => TOOL;
    an_unknown_tool_is_refused: r#"{"type":"file_search","vector_store_ids":["v"]}"# => TOOL;
    tool_search_is_refused: r#"{"type":"tool_search"}"# => TOOL;
    a_nested_function_is_refused: r#"{"type":"function","function":{"name":"f","parameters":{}}}"# => "function tool requires flat name and parameters";
    a_function_has_parameters: r#"{"type":"function","name":"f"}"# => "function tool requires flat name and parameters";
    a_function_has_a_name: r#"{"type":"function","name":" ","parameters":{}}"# => "function tool requires a non-empty name";
    a_function_has_no_other_key: r#"{"type":"function","name":"f","parameters":{},"zzz":1}"# => TOOL;
    strict_is_a_boolean: r#"{"type":"function","name":"f","parameters":{},"strict":"yes"}"# => TOOL;
    callers_are_known: r#"{"type":"function","name":"f","parameters":{},"allowed_callers":["x"]}"# => TOOL;
    a_custom_tool_has_a_name: r#"{"type":"custom","name":""}"# => TOOL;
    a_grammar_has_a_known_syntax: r#"{"type":"custom","name":"c","format":{"type":"grammar","syntax":"peg","definition":"x"}}"# => TOOL;
    a_grammar_has_a_definition: r#"{"type":"custom","name":"c","format":{"type":"grammar","syntax":"lark"}}"# => TOOL;
    a_namespace_has_a_description: r#"{"type":"namespace","name":"n","description":"","tools":[{"type":"custom","name":"c"}]}"# => TOOL;
    a_namespace_has_tools: r#"{"type":"namespace","name":"n","description":"d","tools":[]}"# => TOOL;
    a_namespace_holds_callable_tools: r#"{"type":"namespace","name":"n","description":"d","tools":[{"type":"web_search"}]}"# => TOOL;
    names_in_a_namespace_are_unique: r#"{"type":"namespace","name":"n","description":"d","tools":[{"type":"custom","name":"c"},{"type":"custom","name":"c"}]}"# => "tool names must be unique";
    a_search_has_no_other_key: r#"{"type":"web_search","depth":1}"# => TOOL;
    a_domain_filter_names_a_domain: r#"{"type":"web_search","filters":{"allowed_domains":[]}}"# => TOOL;
    image_settings_are_known: r#"{"type":"image_generation","partial_images":2}"# => TOOL;
}

#[test]
fn a_domain_filter_names_at_most_a_hundred() {
    let domains = |count: usize| vec![r#""a.example""#; count].join(",");
    let body = |count| {
        with(&format!(r#""tools":[{{"type":"web_search","filters":{{"blocked_domains":[{}]}}}}]"#, domains(count)))
    };
    assert!(crate::harness::send(&body(100)).is_ok());
    refuses(&body(101), 400, "invalid_request", Some("tools"), TOOL);
}

refused! {
    tool_choice_is_a_known_mode: with(r#""tool_choice":"any""#) => "invalid_request", Some("tool_choice"), CHOICE;
    a_chosen_function_is_declared: with(r#""tool_choice":{"type":"function","name":"f"}"#)
        => "invalid_request", Some("tool_choice"), CHOICE;
    a_chosen_function_is_no_custom_tool: with(r#""tools":[{"type":"custom","name":"f"}],"tool_choice":{"type":"function","name":"f"}"#)
        => "invalid_request", Some("tool_choice"), CHOICE;
    a_nested_choice_is_refused: with(r#""tools":[{"type":"custom","name":"f"}],"tool_choice":{"type":"custom","custom":{"name":"f"}}"#)
        => "invalid_request", Some("tool_choice"), CHOICE;
    an_unknown_hosted_choice_is_refused: with(r#""tool_choice":{"type":"file_search"}"#)
        => "invalid_request", Some("tool_choice"), CHOICE;
    allowed_tools_have_a_mode: with(r#""tool_choice":{"type":"allowed_tools","tools":[{"type":"web_search"}]}"#)
        => "invalid_request", Some("tool_choice"), CHOICE;
    allowed_tools_are_listed: with(r#""tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]}"#)
        => "invalid_request", Some("tool_choice"), CHOICE;
    allowed_tools_are_declared: with(r#""tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}"#)
        => "invalid_request", Some("tool_choice"), CHOICE;
}
