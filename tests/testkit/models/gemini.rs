//! A fake of Google's `generateContent` and `streamGenerateContent`
//! (<https://ai.google.dev/api/generate-content>). It seals the first call of each turn with a
//! `thoughtSignature` and wants it back, as Gemini 3 does
//! (<https://ai.google.dev/gemini-api/docs/thought-signatures>).

use axum::http::HeaderMap;
use serde_json::Value;
use serde_json::json;

use super::script;
use super::script::Asked;
use super::script::CACHED;
use super::script::Fake;
use super::script::INPUT;
use super::script::OUTPUT;
use super::script::Protocol;
use super::script::event;
use super::script::morsels;

/// The running fake.
pub type FakeGemini = Fake<Gemini>;

/// The form of the Gemini API.
#[derive(Debug)]
pub enum Gemini {}

/// The fields of a request, in both spellings that the API takes.
const FIELDS: [&str; 11] = [
    "contents",
    "tools",
    "toolConfig",
    "tool_config",
    "safetySettings",
    "safety_settings",
    "systemInstruction",
    "system_instruction",
    "generationConfig",
    "generation_config",
    "cachedContent",
];

impl Protocol for Gemini {
    fn serves(path: &str) -> bool {
        let rest = path.strip_prefix("/v1beta/models/").or(path.strip_prefix("/v1/models/"));
        let method = rest
            .and_then(|rest| rest.rsplit_once(':'))
            .filter(|(model, _)| !model.is_empty() && !model.contains('/'));
        method.is_some_and(|(_, method)| {
            ["generateContent", "streamGenerateContent"].contains(&method)
        })
    }

    fn key<'a>(asked: &Asked<'a>) -> Option<&'a str> {
        let header = asked.headers.get("x-goog-api-key").and_then(|key| key.to_str().ok());
        header.or_else(|| query(asked).find_map(|pair| pair.strip_prefix("key=")))
    }

    fn check(asked: &Asked<'_>) -> Result<(), String> {
        let request = asked.body;
        if let Some(field) = script::unknown(request, &FIELDS) {
            return Err(format!("Invalid JSON payload received. Unknown name \"{field}\""));
        }
        let either = |one: &str, other: &str| request.get(one).or(request.get(other)).cloned();
        if let Some(system) = either("systemInstruction", "system_instruction")
            && system["parts"][0]["text"].as_str().is_none_or(str::is_empty)
        {
            return Err("systemInstruction.parts must have a text".into());
        }
        if let Some(config) = either("generationConfig", "generation_config")
            && config
                .get("maxOutputTokens")
                .is_some_and(|most| most.as_u64().is_none_or(|most| most == 0))
        {
            return Err("generationConfig.maxOutputTokens must be positive".into());
        }
        check_tools(request)?;
        check_contents(request["contents"].as_array().ok_or("contents is not specified")?)
    }

    fn streams(asked: &Asked<'_>) -> bool {
        asked.uri.path().ends_with(":streamGenerateContent")
    }

    fn whole(blocks: &[Value]) -> Value {
        chunk(parts(blocks), true)
    }

    fn pieces(asked: &Asked<'_>, blocks: &[Value]) -> Vec<String> {
        let mut chunks = Vec::new();
        for part in parts(blocks) {
            match part["text"].as_str() {
                Some(text) => {
                    let texts = morsels(text).into_iter();
                    chunks.extend(texts.map(|text| chunk(vec![json!({ "text": text })], false)));
                }
                None => chunks.push(chunk(vec![part], false)),
            }
        }
        // The end comes with a last, empty text.
        chunks.push(chunk(vec![json!({ "text": "" })], true));
        if query(asked).any(|pair| pair == "alt=sse") {
            return chunks.iter().map(event).collect();
        }
        // Without `alt=sse` the same comes as one growing list.
        let last = chunks.len() - 1;
        let piece = |(at, chunk): (usize, &Value)| {
            let (before, after) =
                (if at == 0 { "[" } else { ",\r\n" }, if at == last { "]" } else { "" });
            format!("{before}{chunk}{after}")
        };
        chunks.iter().enumerate().map(piece).collect()
    }

    fn failure(status: u16, message: &str, retry_after: Option<u64>) -> (HeaderMap, Value) {
        let kind = match status {
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        // Google says it here and not in a header.
        let details: Vec<Value> = retry_after
            .map(|seconds| {
                json!({
                    "@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": format!("{seconds}s"),
                })
            })
            .into_iter()
            .collect();
        let error =
            json!({ "code": status, "message": message, "status": kind, "details": details });
        (HeaderMap::new(), json!({ "error": error }))
    }

    fn too_long() -> (u16, &'static str) {
        (
            400,
            "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
        )
    }
}

fn query<'a>(asked: &Asked<'a>) -> impl Iterator<Item = &'a str> {
    asked.uri.query().unwrap_or_default().split('&')
}

fn seal(id: &Value) -> String {
    format!("sealed-{}", id.as_str().unwrap_or_default())
}

fn parts(blocks: &[Value]) -> Vec<Value> {
    let mut sealed = false;
    let part = |block: &Value| {
        if block["type"] == "text" {
            return json!({ "text": block["text"] });
        }
        let call = json!({ "id": block["id"], "name": block["name"], "args": block["input"] });
        let mut part = json!({ "functionCall": call });
        if !std::mem::replace(&mut sealed, true) {
            part["thoughtSignature"] = seal(&block["id"]).into();
        }
        part
    };
    blocks.iter().map(part).collect()
}

fn chunk(parts: Vec<Value>, last: bool) -> Value {
    let mut candidate = json!({ "content": { "role": "model", "parts": parts }, "index": 0 });
    let mut used = json!({
        "promptTokenCount": INPUT + CACHED, "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": 1, "totalTokenCount": INPUT + CACHED + 1,
    });
    if last {
        candidate["finishReason"] = "STOP".into();
        used["candidatesTokenCount"] = OUTPUT.into();
        used["totalTokenCount"] = (INPUT + CACHED + OUTPUT).into();
    }
    json!({
        "candidates": [candidate], "usageMetadata": used, "modelVersion": "fake",
        "responseId": "r1",
    })
}

fn check_tools(request: &Value) -> Result<(), String> {
    for tool in request["tools"].as_array().into_iter().flatten() {
        let known = ["functionDeclarations", "function_declarations"];
        if let Some(kind) = script::unknown(tool, &known) {
            return Err(format!("tools: `{kind}` would run at the provider"));
        }
        let declared = known.iter().filter_map(|name| tool[*name].as_array()).flatten();
        for declared in declared {
            if !script::is_name(&declared["name"]) {
                return Err("functionDeclarations: name is invalid".into());
            }
            let schemas = ["parameters", "parametersJsonSchema"];
            let schemas: Vec<_> = schemas.iter().filter_map(|name| declared.get(name)).collect();
            if schemas.len() > 1 || schemas.iter().any(|schema| !schema.is_object()) {
                return Err("functionDeclarations: one of parameters, parametersJsonSchema".into());
            }
        }
    }
    Ok(())
}

/// The roles, and that every call is answered once, in the turn right after it.
fn check_contents(contents: &[Value]) -> Result<(), String> {
    // Contents of one role after another are one turn.
    let mut turns: Vec<(String, Vec<Value>)> = Vec::new();
    for (at, content) in contents.iter().enumerate() {
        let role = content["role"].as_str().unwrap_or("user");
        if !["user", "model"].contains(&role) {
            return Err(format!("contents[{at}]: please use a valid role: user, model"));
        }
        let parts = content["parts"].as_array().cloned().unwrap_or_default();
        if parts.is_empty() {
            return Err(format!("contents[{at}].parts must not be empty"));
        }
        match turns.last_mut() {
            Some((before, all)) if before == role => all.extend(parts),
            _ => turns.push((role.to_owned(), parts)),
        }
    }
    let mut owed: Vec<(Value, Value)> = Vec::new();
    for (at, (role, parts)) in turns.iter().enumerate() {
        if at == 0 && role != "user" {
            return Err("contents: the first turn must be the user's".into());
        }
        let mut answered = Vec::new();
        for part in parts {
            let kinds = ["text", "functionCall", "functionResponse", "inlineData", "fileData"];
            if kinds.iter().filter(|kind| part.get(**kind).is_some()).count() != 1 {
                return Err(format!(
                    "turn {at}: a part must have exactly one kind of data: {part}"
                ));
            }
            let (call, response) = (&part["functionCall"], &part["functionResponse"]);
            let fits = match role.as_str() {
                "model" => response.is_null(),
                _ => call.is_null() && part["text"] != "",
            };
            if !fits {
                return Err(format!("turn {at}: not a part of role {role}: {part}"));
            }
            if !response.is_null() {
                if !script::is_name(&response["name"]) || !response["response"].is_object() {
                    return Err(format!("turn {at}: functionResponse needs name and response"));
                }
                answered.push((response["id"].clone(), response["name"].clone()));
            }
        }
        if role == "user" {
            if answered != std::mem::take(&mut owed) {
                return Err(format!(
                    "turn {at}: please ensure that the number of function response parts is equal \
                     to the number of function call parts of the function call turn"
                ));
            }
        } else {
            owed = check_calls(at, parts)?;
        }
    }
    if turns.last().is_none_or(|(role, _)| role != "user") {
        return Err("contents: please ensure that the last turn is the user's".into());
    }
    Ok(())
}

fn check_calls(at: usize, parts: &[Value]) -> Result<Vec<(Value, Value)>, String> {
    let mut owed = Vec::new();
    for part in parts.iter().filter(|part| part.get("functionCall").is_some()) {
        let call = &part["functionCall"];
        if !script::is_name(&call["name"]) || !call["args"].is_object() {
            return Err(format!("turn {at}: functionCall needs name and args"));
        }
        if owed.is_empty() && part["thoughtSignature"] != seal(&call["id"]) {
            return Err(format!(
                "Function call `{}` in turn {at} is missing a `thought_signature`, or it is another",
                call["name"]
            ));
        }
        owed.push((call["id"].clone(), call["name"].clone()));
    }
    Ok(owed)
}
