//! What a model call used, read out of the provider's own answer as it passes.

use gatepost_domain::Usage;
use serde_json::Value;

use crate::endpoint::Api;

/// The most of one answer, or of one event of a stream, that is held to be read. What is longer
/// passes all the same, and is charged as it was estimated.
const HELD: usize = 16 << 20;

/// Reads an answer piece by piece.
#[derive(Debug)]
pub struct Meter {
    api: Api,
    /// Whether it comes line by line, as server-sent events and lines of JSON do.
    lines: bool,
    held: Vec<u8>,
    overlong: bool,
    usage: Option<Usage>,
    /// Whether it said that this was all.
    said_all: bool,
}

impl Meter {
    /// A meter for an answer with this `Content-Type`.
    #[must_use]
    pub fn new(api: Api, content_type: &str) -> Self {
        let lines = content_type.contains("event-stream") || content_type.contains("ndjson");
        Self { api, lines, held: Vec::new(), overlong: false, usage: None, said_all: false }
    }

    /// Takes the next piece.
    pub fn take(&mut self, piece: &[u8]) {
        if !self.lines {
            self.hold(piece);
            return;
        }
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.hold(part);
            if part.ends_with(b"\n") {
                self.line();
            }
        }
    }

    /// Whether an answer that is over broke off: it came line by line, and no line said that this
    /// was all.
    pub fn is_cut(&mut self) -> bool {
        self.line();
        self.lines && !self.said_all
    }

    /// What was used, once the answer is over; none when it did not say.
    #[must_use]
    pub fn finish(mut self) -> Option<Usage> {
        self.line();
        self.usage
    }

    fn hold(&mut self, piece: &[u8]) {
        if self.held.len() + piece.len() > HELD {
            self.overlong = true;
            self.held.clear();
        }
        if !self.overlong {
            self.held.extend_from_slice(piece);
        }
    }

    fn line(&mut self) {
        let line = std::mem::take(&mut self.held);
        if std::mem::take(&mut self.overlong) {
            return;
        }
        let data = line.strip_prefix(b"data:").unwrap_or(&line).trim_ascii();
        self.said_all |= data == b"[DONE]";
        // Other lines of a stream, such as `event: …`, are no JSON and say nothing.
        let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
        self.said_all |= is_last(self.api, &value);
        if let Some(found) = usage(self.api, &value) {
            self.usage = Some(self.usage.map_or(found, |before| later(self.api, before, found)));
        }
    }
}

/// Whether an event of a stream says that the answer, or an error in its place, is whole.
fn is_last(api: Api, event: &Value) -> bool {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let first = |list: &str, field: &str| {
        event.pointer(&format!("/{list}/0/{field}")).is_some_and(|reason| !reason.is_null())
    };
    event.get("error").is_some_and(|error| !error.is_null())
        || match api {
            Api::Anthropic => matches!(kind, "message_stop" | "error"),
            Api::OpenAi | Api::Ollama => {
                first("choices", "finish_reason") || event.get("done") == Some(&Value::Bool(true))
            }
            Api::OpenAiResponses => {
                let ends =
                    ["response.completed", "response.incomplete", "response.failed", "error"];
                ends.contains(&kind)
            }
            Api::Gemini => {
                first("candidates", "finishReason")
                    || event.pointer("/promptFeedback/blockReason").is_some()
            }
        }
}

/// What counts when an answer says it more than once. Anthropic's events each say a part, in
/// numbers that grow; those of the others say all of it, and the last of them the most.
fn later(api: Api, a: Usage, b: Usage) -> Usage {
    if api != Api::Anthropic {
        return if b.total() >= a.total() { b } else { a };
    }
    Usage {
        input: a.input.max(b.input),
        output: a.output.max(b.output),
        cache_read: a.cache_read.max(b.cache_read),
        cache_write: a.cache_write.max(b.cache_write),
    }
}

/// What an answer, or an event of a stream, says was used.
#[must_use]
pub fn usage(api: Api, answer: &Value) -> Option<Usage> {
    // Gemini without server-sent events streams a list.
    if let Some(list) = answer.as_array() {
        return list.iter().filter_map(|part| usage(api, part)).reduce(|a, b| later(api, a, b));
    }
    let number = |at: &Value, path: &str| at.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    match api {
        Api::Anthropic => {
            let found = object(answer, &["/usage", "/message/usage"])?;
            Some(Usage {
                input: number(found, "/input_tokens"),
                output: number(found, "/output_tokens"),
                cache_read: number(found, "/cache_read_input_tokens"),
                cache_write: number(found, "/cache_creation_input_tokens"),
            })
        }
        Api::OpenAi | Api::Ollama | Api::OpenAiResponses => {
            if let Some(found) = object(answer, &["/usage", "/response/usage"]) {
                let read = number(found, "/prompt_tokens") + number(found, "/input_tokens");
                let cached = number(found, "/prompt_tokens_details/cached_tokens")
                    + number(found, "/input_tokens_details/cached_tokens");
                return Some(Usage {
                    input: read.saturating_sub(cached),
                    output: number(found, "/completion_tokens") + number(found, "/output_tokens"),
                    cache_read: cached.min(read),
                    cache_write: 0,
                });
            }
            // Ollama's own routes say it at the top.
            answer.get("eval_count").or_else(|| answer.get("prompt_eval_count"))?;
            Some(Usage {
                input: number(answer, "/prompt_eval_count"),
                output: number(answer, "/eval_count"),
                cache_read: 0,
                cache_write: 0,
            })
        }
        Api::Gemini => {
            let found = object(answer, &["/usageMetadata"])?;
            let read =
                number(found, "/promptTokenCount") + number(found, "/toolUsePromptTokenCount");
            let cached = number(found, "/cachedContentTokenCount");
            Some(Usage {
                input: read.saturating_sub(cached),
                output: number(found, "/candidatesTokenCount")
                    + number(found, "/thoughtsTokenCount"),
                cache_read: cached.min(read),
                cache_write: 0,
            })
        }
    }
}

fn object<'v>(answer: &'v Value, paths: &[&str]) -> Option<&'v Value> {
    paths.iter().find_map(|path| answer.pointer(path).filter(|found| found.is_object()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metered(api: Api, kind: &str, text: &str, cut: usize) -> Option<Usage> {
        let mut meter = Meter::new(api, kind);
        for piece in text.as_bytes().chunks(cut) {
            meter.take(piece);
        }
        meter.finish()
    }

    #[test]
    fn every_api_says_what_was_used_in_its_own_words() {
        let anthropic = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":\
            {\"usage\":{\"input_tokens\":7,\"cache_creation_input_tokens\":20,\
            \"cache_read_input_tokens\":100,\"output_tokens\":1}}}\n\nevent: message_delta\n\
            data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":42}}\n\n";
        let chat = "data: {\"choices\":[],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":\
            {\"prompt_tokens\":107,\"completion_tokens\":42,\"prompt_tokens_details\":\
            {\"cached_tokens\":100}}}\n\ndata: [DONE]\n\n";
        let responses = "data: {\"type\":\"response.completed\",\"response\":{\"usage\":\
            {\"input_tokens\":107,\"output_tokens\":42,\"input_tokens_details\":\
            {\"cached_tokens\":100}}}}\n\n";
        let gemini = "data: {\"usageMetadata\":{\"promptTokenCount\":107}}\r\n\r\n\
            data: {\"usageMetadata\":{\"promptTokenCount\":107,\"cachedContentTokenCount\":100,\
            \"candidatesTokenCount\":40,\"thoughtsTokenCount\":2}}\r\n\r\n";
        let ollama = "{\"done\":false}\n{\"done\":true,\"prompt_eval_count\":107,\
            \"eval_count\":42}\n";
        let cached = Usage { input: 7, output: 42, cache_read: 100, cache_write: 0 };
        for (api, kind, text, wanted) in [
            (Api::Anthropic, "text/event-stream", anthropic, Usage { cache_write: 20, ..cached }),
            (Api::OpenAi, "text/event-stream", chat, cached),
            (Api::OpenAiResponses, "text/event-stream; charset=utf-8", responses, cached),
            (Api::Gemini, "text/event-stream", gemini, cached),
            (
                Api::Ollama,
                "application/x-ndjson",
                ollama,
                Usage { input: 107, cache_read: 0, ..cached },
            ),
        ] {
            for cut in [1, 7, 4096] {
                assert_eq!(metered(api, kind, text, cut), Some(wanted), "{api} in {cut}s");
            }
        }
        let whole = "{\"usage\":{\"input_tokens\":7,\"output_tokens\":42}}";
        let wanted = Usage { input: 7, output: 42, ..Usage::default() };
        assert_eq!(metered(Api::Anthropic, "application/json", whole, 3), Some(wanted));
        let list = "[{\"usageMetadata\":{\"promptTokenCount\":5}},\
                    {\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":2}}]";
        let wanted = Usage { input: 5, output: 2, ..Usage::default() };
        assert_eq!(metered(Api::Gemini, "application/json", list, 3), Some(wanted));
    }

    #[test]
    fn an_answer_that_breaks_off_is_told_from_one_that_ended() {
        let stream = "text/event-stream";
        for (api, kind, begin, end) in [
            (
                Api::Anthropic,
                stream,
                "data: {\"type\":\"message_delta\"}\n\n",
                "event: message_stop\ndata: {\"type\":\"message_stop\"}",
            ),
            (
                Api::OpenAi,
                stream,
                "data: {\"choices\":[{\"finish_reason\":null}]}\n\n",
                "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n",
            ),
            (Api::OpenAi, stream, "data: {\"choices\":[]}\n\n", "data: [DONE]\r\n"),
            (
                Api::OpenAiResponses,
                stream,
                "data: {\"type\":\"response.created\"}\n\n",
                "data: {\"type\":\"response.incomplete\"}\n\n",
            ),
            (
                Api::Gemini,
                stream,
                "data: {\"candidates\":[{}]}\n\n",
                "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n",
            ),
            (Api::Ollama, "application/x-ndjson", "{\"done\":false}\n", "{\"done\":true}\n"),
        ] {
            let cut = |text: &str| {
                let mut meter = Meter::new(api, kind);
                meter.take(text.as_bytes());
                meter.is_cut()
            };
            assert!(cut("") && cut(begin), "{api}");
            assert!(!cut(&format!("{begin}{end}")), "{api}");
            assert!(!cut("data: {\"error\":{\"code\":500}}\n\n"), "{api} by an error");
        }
        assert!(!Meter::new(Api::Anthropic, "application/json").is_cut());
    }

    #[test]
    fn an_answer_that_does_not_say_is_none_and_not_zero() {
        for text in
            ["", "data: {\"type\":\"ping\"}\n", "<html>", "{\"usage\":null}", "{\"usage\":1}"]
        {
            for api in [Api::Anthropic, Api::OpenAi, Api::Gemini, Api::OpenAiResponses] {
                assert_eq!(metered(api, "text/event-stream", text, 5), None, "{text}");
            }
        }
    }
}
