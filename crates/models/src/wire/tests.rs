//! The same conversation in each form, and the same answer out of each.

use gatepost_domain::Usage;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::secret::KeySource;
use crate::talk::Message;
use crate::talk::Said;
use crate::talk::Stop;
use crate::talk::Tool;
use crate::talk::ToolResult;

fn endpoint(api: Api) -> Endpoint {
    Endpoint {
        name: "x".into(),
        api,
        base_url: "http://127.0.0.1:1".into(),
        key: KeySource::None,
        model: "m".into(),
        price: None,
        context: 8_000,
        max_output: 500,
    }
}

fn request() -> Request {
    let call = |id: &str| {
        Said::Call(ToolCall {
            id: id.into(),
            name: "exec".into(),
            input: Some(json!({"command": "ls"})),
        })
    };
    let result = |id: &str, is_error| ToolResult { id: id.into(), content: "no".into(), is_error };
    Request {
        system: "be brief".into(),
        messages: vec![
            Message::Person { text: "go".into() },
            Message::Model { said: vec![Said::Text { text: "well".into() }, call("a"), call("b")] },
            Message::Results { results: vec![result("a", false), result("b", true)] },
            Message::Person { text: "and quickly".into() },
        ],
        tools: vec![Tool { name: "exec", description: "runs", schema: json!({"type": "object"}) }],
        max_output: None,
    }
}

#[test]
fn roles_take_turns_and_the_cache_is_marked_for_anthropic() {
    let outgoing = outgoing(&endpoint(Api::Anthropic), &request());
    assert_eq!(outgoing.url, "http://127.0.0.1:1/v1/messages");
    let messages = outgoing.body["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let last = &messages[2]["content"];
    assert_eq!(last[0]["tool_use_id"], "a");
    assert_eq!((&last[1]["is_error"], &last[0]["is_error"]), (&json!(true), &json!(false)));
    assert_eq!(last[2]["text"], "and quickly");
    assert_eq!(last[2]["cache_control"]["type"], "ephemeral");
    assert_eq!(outgoing.body["system"][0]["cache_control"]["type"], "ephemeral");
    assert_eq!(outgoing.body["max_tokens"], 500);
}

#[test]
fn each_call_has_its_answer_in_openai_forms() {
    let chat = outgoing(&endpoint(Api::OpenAi), &request());
    assert_eq!(chat.url, "http://127.0.0.1:1/v1/chat/completions");
    let messages = chat.body["messages"].as_array().unwrap();
    assert_eq!(messages[2]["tool_calls"][1]["id"], "b");
    assert_eq!(
        (&messages[4]["tool_call_id"], &messages[4]["content"]),
        (&json!("b"), &json!("error: no"))
    );
    let responses = outgoing(&endpoint(Api::OpenAiResponses), &request());
    assert_eq!(responses.url, "http://127.0.0.1:1/v1/responses");
    let input = responses.body["input"].as_array().unwrap();
    assert_eq!((&input[3]["type"], &input[3]["call_id"]), (&json!("function_call"), &json!("b")));
    assert_eq!(input[5]["output"], "error: no");
    assert_eq!(responses.body["store"], false);
}

fn read(api: Api, events: &[Value]) -> (String, Option<Reply>) {
    let mut reader = Reader::new(api);
    let mut text = String::new();
    for event in events {
        text.extend(reader.take(&event.to_string()).unwrap());
    }
    (text, reader.end(true))
}

fn check(api: Api, events: &[Value], usage: Usage) {
    let (text, reply) = read(api, events);
    let reply = reply.unwrap();
    assert_eq!(text, "I look", "{api}");
    assert_eq!(reply.text(), "I look");
    let calls: Vec<_> = reply.calls().map(|call| (call.id.as_str(), call.input.clone())).collect();
    assert_eq!(calls, [("a", Some(json!({"command": "ls"}))), ("b", None)], "{api}");
    assert_eq!(reply.usage, usage, "{api}");
    assert_eq!(reply.stop, Stop::Done);
    for cut in 0..events.len() - 1 {
        assert_eq!(read(api, &events[..cut]).1, None, "{api}: an answer that was cut is none");
    }
}

#[test]
fn an_answer_is_read_out_of_each_form() {
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    check(
        Api::Anthropic,
        &[
            json!({"type": "message_start", "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 2, "output_tokens": 1}}}),
            start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
            delta(0, json!({"type": "signature_delta", "signature": "s"})),
            start(1, json!({"type": "text", "text": ""})),
            delta(1, json!({"type": "text_delta", "text": "I "})),
            json!({"type": "ping"}),
            delta(1, json!({"type": "text_delta", "text": "look"})),
            start(2, json!({"type": "tool_use", "id": "a", "name": "exec", "input": {}})),
            delta(2, json!({"type": "input_json_delta", "partial_json": "{\"command\":"})),
            delta(2, json!({"type": "input_json_delta", "partial_json": "\"ls\"}"})),
            start(3, json!({"type": "tool_use", "id": "b", "name": "exec", "input": {}})),
            delta(3, json!({"type": "input_json_delta", "partial_json": "{\"comm"})),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
            json!({"type": "message_stop"}),
        ],
        Usage { input: 5, output: 9, cache_read: 7, cache_write: 2 },
    );
    let piece = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    let call = |index: u64, id: &str, arguments: &str| {
        piece(
            json!({"tool_calls": [{"index": index, "id": id, "function": {"name": "exec", "arguments": arguments}}]}),
        )
    };
    check(
        Api::OpenAi,
        &[
            piece(json!({"role": "assistant", "content": "I "})),
            piece(json!({"content": "look"})),
            call(0, "a", "{\"command\":"),
            call(0, "a", "\"ls\"}"),
            call(1, "b", "{\"comm"),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 7}}}),
        ],
        Usage { input: 5, output: 9, cache_read: 7, cache_write: 0 },
    );
    let done = |item: Value| json!({"type": "response.output_item.done", "item": item});
    let function = |id: &str, arguments: &str| {
        done(
            json!({"type": "function_call", "call_id": id, "name": "exec", "arguments": arguments}),
        )
    };
    check(
        Api::OpenAiResponses,
        &[
            json!({"type": "response.created", "response": {}}),
            done(json!({"type": "reasoning", "encrypted_content": "x"})),
            json!({"type": "response.output_text.delta", "delta": "I look"}),
            done(
                json!({"type": "message", "content": [{"type": "output_text", "text": "I look"}]}),
            ),
            function("a", "{\"command\":\"ls\"}"),
            function("b", "{\"comm"),
            json!({"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 12, "output_tokens": 9, "input_tokens_details": {"cached_tokens": 7}}}}),
        ],
        Usage { input: 5, output: 9, cache_read: 7, cache_write: 0 },
    );
}

#[test]
fn gemini_gets_every_seal_back_on_the_part_it_came_with() {
    let part = |part: Value| json!({"candidates": [{"content": {"parts": [part]}}]});
    let end = json!({
        "candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": "s3"}]},
            "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 12, "cachedContentTokenCount": 7,
            "candidatesTokenCount": 6, "thoughtsTokenCount": 3},
    });
    let events = [
        part(json!({"text": "aloud", "thought": true})),
        part(json!({"text": "I "})),
        part(json!({"text": "look"})),
        part(json!({"functionCall": {"id": "a", "name": "exec", "args": {"command": "ls"}},
            "thoughtSignature": "s1"})),
        part(json!({"functionCall": {"name": "exec"}})),
        end,
    ];
    let (text, reply) = read(Api::Gemini, &events);
    let reply = reply.unwrap();
    assert_eq!((text.as_str(), reply.text().as_str()), ("I look", "I look"));
    assert_eq!(reply.usage, Usage { input: 5, output: 9, cache_read: 7, cache_write: 0 });
    for cut in 0..events.len() - 1 {
        assert_eq!(read(Api::Gemini, &events[..cut]).1, None, "an answer that was cut is none");
    }
    let results = reply.calls().map(|call| ToolResult {
        id: call.id.clone(),
        content: "no".into(),
        is_error: call.id == "a",
    });
    let results = results.collect();
    let request = Request {
        messages: vec![
            Message::Person { text: "go".into() },
            Message::Model { said: reply.said },
            Message::Results { results },
        ],
        ..request()
    };
    let outgoing = outgoing(&endpoint(Api::Gemini), &request);
    assert_eq!(outgoing.url, "http://127.0.0.1:1/v1beta/models/m:streamGenerateContent?alt=sse");
    assert_eq!(outgoing.key.0, "x-goog-api-key");
    assert_eq!(
        outgoing.body["contents"],
        json!([
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [
                {"text": "I look"},
                {"functionCall": {"id": "a", "name": "exec", "args": {"command": "ls"}},
                    "thoughtSignature": "s1"},
                {"functionCall": {"name": "exec", "args": {}}},
                {"text": "", "thoughtSignature": "s3"},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "a", "name": "exec", "response": {"error": "no"}}},
                {"functionResponse": {"name": "exec", "response": {"output": "no"}}},
            ]},
        ])
    );
}

#[test]
fn what_gemini_will_not_answer_is_a_refusal_and_a_slip_of_the_model_passes() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    assert_eq!(read(Api::Gemini, &[blocked]).1.unwrap().stop, Stop::Refused);
    let unsafe_end = json!({"candidates": [{"finishReason": "SAFETY"}]});
    assert_eq!(read(Api::Gemini, &[unsafe_end]).1.unwrap().stop, Stop::Refused);
    let slip = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]});
    let slip = Reader::new(Api::Gemini).take(&slip.to_string()).unwrap_err();
    assert!(slip.is_passing(), "{slip}");
    let busy = json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}});
    let busy = Reader::new(Api::Gemini).take(&busy.to_string()).unwrap_err();
    assert!(matches!(busy, ModelError::Overloaded { .. }), "{busy}");
}

#[test]
fn sealed_thinking_goes_back_as_it_came() {
    let (_, reply) = read(
        Api::Anthropic,
        &[
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "a"}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "b"}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}}),
            json!({"type": "message_stop"}),
        ],
    );
    let sealed = json!({"type": "thinking", "thinking": "ab", "signature": "s"});
    assert_eq!(reply.unwrap().said, [Said::Sealed { item: sealed }]);
}

#[test]
fn an_error_inside_a_stream_is_one_with_a_name() {
    let take = |api, event: Value| Reader::new(api).take(&event.to_string()).unwrap_err();
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    assert!(matches!(take(Api::Anthropic, overloaded), ModelError::Overloaded { .. }));
    let limited = json!({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "slow"}}});
    assert!(matches!(take(Api::OpenAiResponses, limited), ModelError::RateLimited { .. }));
    let long = json!({"error": {"code": "context_length_exceeded", "message": "too long"}});
    assert!(matches!(take(Api::OpenAi, long), ModelError::ContextTooLong { .. }));
    let garbage = Reader::new(Api::OpenAi).take("<html>").unwrap_err();
    assert!(matches!(garbage, ModelError::Unparseable { .. }), "{garbage}");
}
