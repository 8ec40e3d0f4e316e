//! Requests checked against Discord's published description of its API, so that the fake cannot
//! drift into agreeing with the bot it tests.
//!
//! `GATEPOST_SPECS` names the folder with `discord-openapi.json`; without it only the fake's own
//! rules hold, and that is said.

use serde_json::Map;
use serde_json::Value;

/// Which fields an object may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fields {
    /// Those of the description.
    Known,
    /// Others as well.
    Any,
}

/// The description, if it is there.
#[derive(Debug)]
pub(super) struct Spec(Option<Value>);

impl Spec {
    pub(super) fn load() -> Self {
        let Some(folder) = std::env::var_os("GATEPOST_SPECS") else {
            eprintln!("GATEPOST_SPECS is not set: requests are not checked against the spec");
            return Self(None);
        };
        let path = std::path::Path::new(&folder).join("discord-openapi.json");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        Self(Some(serde_json::from_str(&text).unwrap()))
    }

    /// What is wrong with a call. `path` is without the version and the query.
    pub(super) fn faults(
        &self,
        method: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Vec<String> {
        let Some(spec) = &self.0 else { return Vec::new() };
        let Some((template, item, operation)) = operation(spec, method, path) else {
            return vec![format!("there is no {method} {path}")];
        };
        let mut faults = Vec::new();
        let known: Vec<_> = [item, operation]
            .iter()
            .flat_map(|owner| owner["parameters"].as_array().into_iter().flatten())
            .filter(|parameter| parameter["in"] == "query")
            .collect();
        for (name, text) in query {
            match known.iter().find(|parameter| parameter["name"] == name.as_str()) {
                None => faults.push(format!("`{name}` is no field of the query")),
                Some(parameter) => {
                    let value = serde_json::from_str(text).unwrap_or_else(|_| text.clone().into());
                    let as_text = Value::String(text.clone());
                    let schema = &parameter["schema"];
                    if !self.check(schema, &value, name, Fields::Known).is_empty() {
                        faults.extend(self.check(schema, &as_text, name, Fields::Known));
                    }
                }
            }
        }
        let wanted = &operation["requestBody"];
        match (wanted["content"]["application/json"].get("schema"), body) {
            (Some(schema), Some(body)) => {
                faults.extend(self.check(schema, body, "", Fields::Known));
            }
            (None, Some(_)) => faults.push("it takes no body".into()),
            (_, None) if wanted["required"] == true => faults.push("the body is missing".into()),
            (_, None) => {}
        }
        faults.into_iter().map(|fault| format!("{method} {template}: {fault}")).collect()
    }

    /// What is wrong with an answer that the fake is about to give.
    pub(super) fn answer_faults(
        &self,
        method: &str,
        path: &str,
        status: u16,
        body: &Value,
    ) -> Vec<String> {
        let Some(spec) = &self.0 else { return Vec::new() };
        let Some((template, _, operation)) = operation(spec, method, path) else {
            return Vec::new();
        };
        let answer = &operation["responses"][status.to_string()];
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Vec::new();
        }
        // What is more than described harms nobody.
        let faults = self.check(schema, body, "", Fields::Any).into_iter();
        faults.map(|fault| format!("the answer to {method} {template}: {fault}")).collect()
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match (schema["$ref"].as_str(), &self.0) {
            (Some(reference), Some(spec)) => {
                spec.pointer(reference.trim_start_matches('#')).unwrap()
            }
            _ => schema,
        }
    }

    /// What is wrong with a value at a place.
    fn check(&self, schema: &Value, value: &Value, at: &str, fields: Fields) -> Vec<String> {
        let schema = self.resolve(schema);
        let fault = |what: String| vec![format!("{at}: {what}")];
        if let Some(wanted) = schema.get("const")
            && wanted != value
        {
            return fault(format!("{value} is not {wanted}"));
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            return fault(format!("{value} is none of {values:?}"));
        }
        let mut faults = Vec::new();
        for all in schema["allOf"].as_array().into_iter().flatten() {
            faults.extend(self.check(all, value, at, fields));
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[key].as_array() {
                faults.extend(self.choose(choices, value, at, fields));
            }
        }
        if let Some(kinds) = kinds(schema)
            && !kinds.iter().any(|kind| is_of(kind, value))
        {
            return fault(format!("{value} is no {}", kinds.join(" or ")));
        }
        match value {
            Value::String(text) => {
                let length = text.chars().count() as u64;
                let too_long = schema["maxLength"].as_u64().is_some_and(|most| length > most);
                let too_short = schema["minLength"].as_u64().is_some_and(|least| length < least);
                if too_long || too_short {
                    faults.extend(fault(format!("a text of {length} characters")));
                }
                if schema["format"] == "snowflake" && !text.bytes().all(|b| b.is_ascii_digit()) {
                    faults.extend(fault(format!("{text} is no id")));
                }
            }
            Value::Number(number) => {
                let number = number.as_f64().unwrap();
                let low = schema["minimum"].as_f64().is_some_and(|least| number < least);
                let high = schema["maximum"].as_f64().is_some_and(|most| number > most);
                if low || high {
                    faults.extend(fault(format!("{number} is out of bounds")));
                }
            }
            Value::Array(items) => {
                let length = items.len() as u64;
                let many = schema["maxItems"].as_u64().is_some_and(|most| length > most);
                let few = schema["minItems"].as_u64().is_some_and(|least| length < least);
                if many || few {
                    faults.extend(fault(format!("{length} items")));
                }
                if let Some(of) = schema.get("items") {
                    for (n, item) in items.iter().enumerate() {
                        faults.extend(self.check(of, item, &format!("{at}.{n}"), fields));
                    }
                }
            }
            Value::Object(given) => faults.extend(self.object(schema, given, at, fields)),
            Value::Null | Value::Bool(_) => {}
        }
        faults
    }

    fn object(
        &self,
        schema: &Value,
        given: &Map<String, Value>,
        at: &str,
        fields: Fields,
    ) -> Vec<String> {
        let Some(known) = schema["properties"].as_object() else { return Vec::new() };
        let mut faults = Vec::new();
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            if !given.contains_key(name) {
                faults.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, value) in given {
            match known.get(name) {
                Some(of) => {
                    faults.extend(self.check(of, value, &format!("{at}.{name}"), fields));
                }
                None if fields == Fields::Any => {}
                None => faults.push(format!("{at}.{name} is no field")),
            }
        }
        faults
    }

    /// The faults of the choice that was meant: one without any, or the one whose `type` fits.
    fn choose(&self, choices: &[Value], value: &Value, at: &str, fields: Fields) -> Vec<String> {
        let tried: Vec<_> = choices.iter().map(|one| self.check(one, value, at, fields)).collect();
        if tried.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let meant = choices.iter().position(|one| {
            let kind = &self.resolve(one)["properties"]["type"];
            value.get("type").is_some_and(|given| {
                kind["enum"].as_array().is_some_and(|kinds| kinds.contains(given))
            })
        });
        let fewest = || (0..tried.len()).min_by_key(|n| tried[*n].len());
        meant.or_else(fewest).map(|n| tried[n].clone()).unwrap_or_default()
    }
}

/// The operation of a path, with the template that it fits. Fixed parts go before others.
fn operation<'s>(
    spec: &'s Value,
    method: &str,
    path: &str,
) -> Option<(&'s str, &'s Value, &'s Value)> {
    let parts: Vec<_> = path.split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<_> = template.split('/').collect();
        wanted.len() == parts.len()
            && wanted.iter().zip(&parts).all(|(want, part)| want.starts_with('{') || want == part)
    };
    let paths = spec["paths"].as_object()?;
    let best = paths
        .iter()
        .filter(|(template, item)| fits(template) && item.get(method).is_some())
        .min_by_key(|(template, _)| template.matches('{').count())?;
    let (template, item) = best;
    Some((template, item, &item[method]))
}

fn kinds(schema: &Value) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(kind) => Some(vec![kind]),
        Value::Array(kinds) => Some(kinds.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        // Numbers may come as text.
        "integer" => {
            value.is_i64()
                || value.is_u64()
                || value.as_str().is_some_and(|text| text.parse::<i64>().is_ok())
        }
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(body: Value) -> Vec<String> {
        let row = json!({"type": "object", "required": ["type"], "properties": {
            "type": {"type": "integer", "enum": [1]}, "label": {"type": "string", "maxLength": 3},
        }});
        let menu = json!({"type": "object", "required": ["type", "options"], "properties": {
            "type": {"type": "integer", "enum": [3]}, "options": {"type": "array", "minItems": 1},
        }});
        let schema = json!({"type": "object", "properties": {
            "content": {"type": ["string", "null"], "maxLength": 5},
            "rows": {"type": "array", "items": {"oneOf": [row, menu]}},
        }});
        let spec = json!({"paths": {"/channels/{id}/messages": {"post": {
            "requestBody": {"required": true,
                "content": {"application/json": {"schema": schema}}},
            "parameters": [{"in": "query", "name": "wait", "schema": {"type": "boolean"}}],
        }}}});
        let query = [("wait".to_owned(), "true".to_owned())];
        Spec(Some(spec)).faults("post", "/channels/4/messages", &query, Some(&body))
    }

    #[test]
    fn each_kind_of_fault_is_found() {
        assert!(faults(json!({"content": null, "rows": [{"type": 1}]})).is_empty());
        for bad in [
            json!({"content": "too long"}),
            json!({"content": 5}),
            json!({"colour": "red"}),
            json!({"rows": [{"type": 3}]}),
            json!({"rows": [{"type": 1, "label": "long"}]}),
            json!({"rows": [{"type": 3, "options": []}]}),
            json!({"rows": [{}]}),
        ] {
            assert_eq!(faults(bad.clone()).len(), 1, "{bad}: {:?}", faults(bad.clone()));
        }
        assert!(faults(json!({"rows": [{"type": 3}]}))[0].contains("options is missing"));
    }
}
