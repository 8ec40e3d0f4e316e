//! The fakes themselves: what each takes, what it refuses, and what it says.

use serde_json::Value;
use serde_json::json;

use super::FakeChat;
use super::FakeGemini;
use super::Play;
use super::call;
use super::responses::FakeResponses;
use super::script::Fake;
use super::script::Protocol;
use super::text;

const KEY: &str = "sk-of-these-tests";

async fn post<P: Protocol>(fake: &Fake<P>, path: &str, body: &Value) -> (u16, String) {
    let request = reqwest::Client::new().post(format!("{}{path}", fake.url())).json(body);
    let request = request.header("x-goog-api-key", KEY).bearer_auth(KEY);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Each of these bodies is refused with a sentence that holds this.
async fn refuses<P: Protocol>(path: &str, bodies: Vec<(Value, &str)>) {
    for (body, why) in bodies {
        let fake = Fake::<P>::start(KEY, vec![]).await;
        let (status, said) = post(&fake, path, &body).await;
        assert!(status == 400 && said.contains(why), "{body}: {status} {said}");
        let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fake.seen()));
        assert!(kept.is_err(), "a test that did this fails: {body}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_before_anything_else() {
    let fake = FakeChat::start("another", vec![]).await;
    assert_eq!(post(&fake, "/v1/chat/completions", &json!({})).await.0, 401);
    let fake = FakeGemini::start("another", vec![]).await;
    assert_eq!(post(&fake, "/v1beta/models/m:generateContent", &json!({})).await.0, 401);
}

#[tokio::test]
async fn chat_wants_every_call_answered_once() {
    let made = json!({ "id": "a", "type": "function", "function": {
        "name": "exec", "arguments": "{}" } });
    let ask = |messages: Value| json!({ "model": "m", "messages": messages });
    let user = json!({ "role": "user", "content": "go" });
    let calls = json!({ "role": "assistant", "content": null, "tool_calls": [made] });
    let answer = json!({ "role": "tool", "tool_call_id": "a", "content": "done" });
    let path = "/v1/chat/completions";
    refuses::<super::chat::Chat>(
        path,
        vec![
            (json!({ "messages": [user] }), "model"),
            (json!({ "model": "m", "messages": [user], "stream_options": {} }), "stream_options"),
            (json!({ "model": "m", "messages": [user], "beam": 2 }), "Unrecognized"),
            (json!({ "model": "m", "messages": [user], "tools": [{ "type": "web" }] }), "provider"),
            (ask(json!([])), "too short"),
            (ask(json!([{ "role": "robot", "content": "x" }])), "role"),
            (ask(json!([user, calls])), "no response"),
            (ask(json!([user, calls, user])), "must be followed by tool messages"),
            (ask(json!([user, answer])), "must be a response"),
            (ask(json!([user, calls, answer, answer])), "must be a response"),
            (ask(json!([user, calls, answer, calls, answer])), "twice"),
            (ask(json!([user, { "role": "assistant" }])), "no content"),
        ],
    )
    .await;
    let fake = FakeChat::start(KEY, vec![Play::Turn(vec![text("well"), call("exec", json!({}))])]);
    let fake = fake.await;
    let (status, said) = post(&fake, path, &ask(json!([user, calls, answer]))).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &said["choices"][0]["message"]["content"]), (200, &json!("well")));
    assert_eq!(said["choices"][0]["message"]["tool_calls"][0]["id"], "call_000001");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn gemini_wants_its_seal_back_and_every_call_answered() {
    let user = json!({ "role": "user", "parts": [{ "text": "go" }] });
    let of_model = |seal: &str| {
        json!({ "role": "model", "parts": [{
            "functionCall": { "id": "a", "name": "exec", "args": {} }, "thoughtSignature": seal }] })
    };
    let answer = json!({ "role": "user", "parts": [{ "functionResponse": {
        "id": "a", "name": "exec", "response": { "output": "done" } } }] });
    let ask = |contents: Value| json!({ "contents": contents });
    refuses::<super::gemini::Gemini>(
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        vec![
            (json!({}), "contents"),
            (json!({ "contents": [user], "stream": true }), "Unknown name"),
            (json!({ "contents": [user], "tools": [{ "googleSearch": {} }] }), "provider"),
            (ask(json!([{ "role": "tool", "parts": [{ "text": "x" }] }])), "valid role"),
            (ask(json!([user, of_model("forged"), answer])), "thought_signature"),
            (ask(json!([user, of_model("sealed-a"), user])), "function response parts"),
            (ask(json!([user, answer])), "function response parts"),
            (ask(json!([user, of_model("sealed-a")])), "last turn"),
        ],
    )
    .await;
    let fake = FakeGemini::start(KEY, vec![Play::Turn(vec![text("well")]); 2]).await;
    let body = ask(json!([user, of_model("sealed-a"), answer]));
    let (status, said) = post(&fake, "/v1beta/models/m:generateContent", &body).await;
    assert!(status == 200 && said.contains("\"finishReason\":\"STOP\""), "{said}");
    let (status, said) = post(&fake, "/v1beta/models/m:streamGenerateContent", &body).await;
    let list: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (status, &list[0]["candidates"][0]["content"]["parts"][0]["text"]),
        (200, &json!("well"))
    );
}

#[tokio::test]
async fn responses_wants_the_thought_before_its_call() {
    let user = json!({ "role": "user", "content": "go" });
    let thought = json!({ "type": "reasoning", "summary": [], "encrypted_content": "sealed-a" });
    let made =
        json!({ "type": "function_call", "call_id": "a", "name": "exec", "arguments": "{}" });
    let output = json!({ "type": "function_call_output", "call_id": "a", "output": "done" });
    let ask = |input: Value| json!({ "model": "m", "store": false, "input": input });
    refuses::<super::responses::Responses>(
        "/v1/responses",
        vec![
            (json!({ "model": "m", "input": [user] }), "kept by the provider"),
            (ask(json!([user, made, output])), "reasoning"),
            (ask(json!([user, thought, made])), "no tool output"),
            (ask(json!([user, output])), "no tool call"),
        ],
    )
    .await;
    let fake = FakeResponses::start(KEY, vec![Play::Turn(vec![text("well")])]).await;
    let (status, said) =
        post(&fake, "/v1/responses", &ask(json!([user, thought, made, output]))).await;
    assert!(status == 200 && said.contains("output_text"), "{said}");
}

#[tokio::test]
async fn a_fault_is_said_in_the_words_of_each_api() {
    let body =
        json!({ "model": "m", "stream": true, "messages": [{ "role": "user", "content": "go" }] });
    let fake = FakeChat::start(KEY, vec![Play::TooLong, Play::Cut]).await;
    let (status, said) = post(&fake, "/v1/chat/completions", &body).await;
    assert!(status == 400 && said.contains("context_length_exceeded"), "{said}");
    let (status, said) = post(&fake, "/v1/chat/completions", &body).await;
    assert!(status == 200 && !said.contains("[DONE]"), "{said}");
    let fake = FakeGemini::start(KEY, vec![Play::Fail(429, Some(7))]).await;
    let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "go" }] }] });
    let (status, said) = post(&fake, "/v1beta/models/m:generateContent", &body).await;
    assert!(status == 429 && said.contains("\"retryDelay\":\"7s\""), "{said}");
}
