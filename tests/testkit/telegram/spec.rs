//! Requests checked against the published description of the Bot API, so that the fake cannot drift
//! into agreeing with the bot it tests.
//!
//! `GATEPOST_SPECS` names the folder with `telegram-bot-api.json`; without it only the fake's own
//! rules hold, and that is said.

use serde_json::Map;
use serde_json::Value;

/// The description, if it is there.
#[derive(Debug)]
pub(super) struct Spec(Option<Value>);

impl Spec {
    pub(super) fn load() -> Self {
        let Some(folder) = std::env::var_os("GATEPOST_SPECS") else {
            eprintln!("GATEPOST_SPECS is not set: requests are not checked against the spec");
            return Self(None);
        };
        let path = std::path::Path::new(&folder).join("telegram-bot-api.json");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        Self(Some(serde_json::from_str(&text).unwrap()))
    }

    /// What is wrong with a call.
    pub(super) fn faults(&self, method: &str, given: &Map<String, Value>) -> Vec<String> {
        if self.0.is_none() {
            return Vec::new();
        }
        let Some(method) = self.method(method) else {
            return vec![format!("there is no method {method}")];
        };
        let mut faults = Vec::new();
        self.object(&method["fields"], given, &mut faults);
        let name = method["name"].as_str().unwrap();
        faults.into_iter().map(|fault| format!("{name}: {fault}")).collect()
    }

    /// What is wrong with an answer that the fake is about to give.
    pub(super) fn result_faults(&self, method: &str, result: &Value) -> Vec<String> {
        let Some(method) = self.method(method) else { return Vec::new() };
        let kinds = names(&method["returns"]);
        if kinds.iter().any(|kind| self.fits(kind, result)) {
            return Vec::new();
        }
        kinds.iter().flat_map(|kind| self.type_faults(kind, result)).collect()
    }

    /// What is wrong with a value that should be of a type.
    pub(super) fn type_faults(&self, kind: &str, value: &Value) -> Vec<String> {
        if self.0.is_none() || self.fits(kind, value) {
            return Vec::new();
        }
        let Some(given) = value.as_object() else { return vec![format!("{value} is no {kind}")] };
        let mut faults = Vec::new();
        if let Some(spec) = &self.0 {
            self.object(&spec["types"][kind]["fields"], given, &mut faults);
        }
        faults
    }

    /// A field of a form, which comes as text, as the type that it has.
    pub(super) fn typed(&self, method: &str, field: &str, text: &str) -> Value {
        let fields = self.method(method).map(|method| &method["fields"]);
        let fields = fields.and_then(Value::as_array);
        let kinds = fields
            .and_then(|fields| fields.iter().find(|known| known["name"] == field))
            .map(|known| names(&known["types"]));
        let parsed = serde_json::from_str::<Value>(text).ok();
        match (kinds, parsed) {
            (Some(kinds), Some(parsed)) if kinds.iter().any(|kind| self.fits(kind, &parsed)) => {
                parsed
            }
            // Without the description what looks like a value is one, but for what people wrote.
            (None, Some(parsed)) if self.0.is_none() && field != "caption" => parsed,
            (Some(_) | None, _) => text.into(),
        }
    }

    fn method(&self, name: &str) -> Option<&Value> {
        let methods = self.0.as_ref()?["methods"].as_object()?;
        methods.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, m)| m)
    }

    fn object(&self, fields: &Value, given: &Map<String, Value>, faults: &mut Vec<String>) {
        let none = Vec::new();
        let fields = fields.as_array().unwrap_or(&none);
        for field in fields {
            let name = field["name"].as_str().unwrap();
            match given.get(name) {
                None if field["required"] == true => faults.push(format!("`{name}` is missing")),
                None => {}
                Some(value) => {
                    let types = names(&field["types"]);
                    if !types.iter().any(|kind| self.fits(kind, value)) {
                        faults.push(format!("`{name}` is no {}: {value}", types.join(" or ")));
                    }
                }
            }
        }
        for name in given.keys() {
            if !fields.iter().any(|field| field["name"] == name.as_str()) {
                faults.push(format!("`{name}` is no field"));
            }
        }
    }

    fn fits(&self, kind: &str, value: &Value) -> bool {
        if let Some(inner) = kind.strip_prefix("Array of ") {
            return value
                .as_array()
                .is_some_and(|all| all.iter().all(|value| self.fits(inner, value)));
        }
        match kind {
            "Integer" => value.is_i64() || value.is_u64(),
            "Float" => value.is_number(),
            "String" => value.is_string(),
            "Boolean" => value.is_boolean(),
            "True" => *value == Value::Bool(true),
            // A file of the form, or one that Telegram knows.
            "InputFile" => value.is_string(),
            _ => {
                let Some(Value::Object(known)) = self.0.as_ref().map(|spec| &spec["types"][kind])
                else {
                    return false;
                };
                if let Some(subtypes) = known.get("subtypes").and_then(Value::as_array) {
                    return subtypes.iter().any(|sub| self.fits(sub.as_str().unwrap(), value));
                }
                let Some(given) = value.as_object() else { return false };
                let mut faults = Vec::new();
                let none = Value::Array(Vec::new());
                self.object(known.get("fields").unwrap_or(&none), given, &mut faults);
                faults.is_empty()
            }
        }
    }
}

fn names(types: &Value) -> Vec<&str> {
    types.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(method: &str, given: Value) -> Vec<String> {
        let spec = json!({
            "methods": {"sendThing": {"name": "sendThing", "fields": [
                {"name": "chat_id", "types": ["Integer", "String"], "required": true},
                {"name": "keys", "types": ["Array of Array of Key"], "required": false},
            ]}},
            "types": {"Key": {"name": "Key", "fields": [
                {"name": "text", "types": ["String"], "required": true},
            ]}},
        });
        Spec(Some(spec)).faults(method, given.as_object().unwrap())
    }

    #[test]
    fn each_kind_of_fault_is_found() {
        let good = json!({"chat_id": 1, "keys": [[{"text": "a"}]]});
        assert!(faults("SendThing", good).is_empty());
        for bad in [
            json!({}),
            json!({"chat_id": true}),
            json!({"chat_id": 1, "colour": "red"}),
            json!({"chat_id": 1, "keys": [{"text": "a"}]}),
            json!({"chat_id": 1, "keys": [[{"text": "a", "size": 1}]]}),
        ] {
            assert_eq!(faults("sendThing", bad.clone()).len(), 1, "{bad}");
        }
        assert_eq!(faults("sendNothing", json!({})).len(), 1);
    }
}
