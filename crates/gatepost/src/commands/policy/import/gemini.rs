//! Policy files of Gemini CLI: `[[rule]]` with the name of a tool, conditions and a priority.

use toml::Table;
use toml::Value;

use super::Import;
use super::Imported;

/// The tools whose rules have a form here, with that form.
const TOOLS: [(&str, &str); 12] = [
    ("run_shell_command", "Bash"),
    ("read_file", "Read"),
    ("read_many_files", "Read"),
    ("list_directory", "Read"),
    ("glob", "Read"),
    ("grep_search", "Read"),
    ("search_file_content", "Read"),
    ("write_file", "Edit"),
    ("replace", "Edit"),
    ("web_fetch", "WebFetch"),
    ("google_web_search", "WebSearch"),
    ("write_todos", "TodoWrite"),
];

/// Conditions that no rule has here.
const CONDITIONS: [(&str, &str); 7] = [
    (
        "argsPattern",
        "rules match commands, paths and hosts here, and not the text of the arguments",
    ),
    ("commandRegex", "a rule holds words and `*` here; write it as `Bash(…)`"),
    ("modes", "rules hold in every mode here"),
    ("interactive", "rules hold whether somebody is there or not; see the mode `unattended`"),
    ("subagent", "rules hold for every agent here"),
    ("toolAnnotations", "what a tool says of itself decides nothing here"),
    ("allowRedirection", "where a command writes is judged by the path here"),
];

/// Reads the file.
///
/// # Errors
/// It is no TOML.
pub(super) fn read(text: &str) -> Result<Import, String> {
    let file: Table = text.parse().map_err(|error: toml::de::Error| {
        format!("it is no policy file of Gemini CLI: {}", error.message())
    })?;
    let mut import = Import::default();
    for (name, value) in &file {
        match (name.as_str(), value) {
            ("rule", Value::Array(rules)) => all(&mut import, rules),
            _ => import.leave(name, "only `[[rule]]` has a form here"),
        }
    }
    if file.is_empty() {
        import.leave("the file", "it has no `[[rule]]`");
    }
    Ok(import)
}

fn all(import: &mut Import, rules: &[Value]) {
    let mut order: Vec<(i64, &str)> = Vec::new();
    for (i, value) in rules.iter().enumerate() {
        let what = format!("rule {}", i + 1);
        let made = value.as_table().ok_or_else(|| "it is no table".to_owned()).and_then(one);
        match made {
            Ok(made) => {
                let priority = value.get("priority").and_then(Value::as_integer).unwrap_or(0);
                for rule in made {
                    order.push((priority, rule.verdict));
                    import.take(&format!("{what} for `{}`", rule.rule), rule);
                }
            }
            Err(why) => import.leave(&what, &why),
        }
    }
    let of = |allow: bool| {
        let like = order.iter().filter(move |(_, verdict)| (*verdict == "allow") == allow);
        like.map(|(priority, _)| *priority)
    };
    if let Some(lowest) = of(false).min()
        && of(true).any(|priority| priority > lowest)
    {
        import.leave(
            "the priorities",
            "deny comes before ask and ask before allow here; where an allow of a higher priority \
             was meant as an exception, narrow the other rule",
        );
    }
}

fn one(rule: &Table) -> Result<Vec<Imported>, String> {
    let verdict = match rule.get("decision").and_then(Value::as_str) {
        Some("allow") => "allow",
        Some("ask_user") => "ask",
        Some("deny") => "deny",
        _ => return Err("its `decision` is none of allow, ask_user and deny".to_owned()),
    };
    for (name, why) in CONDITIONS {
        // What widens nothing here is no condition.
        if rule.contains_key(name) && name != "allowRedirection" {
            return Err(format!("it has `{name}`: {why}"));
        }
    }
    let known = ["decision", "priority", "denyMessage", "toolName", "mcpName", "commandPrefix"];
    let odd = rule.keys().find(|name| {
        !known.contains(&name.as_str()) && !CONDITIONS.iter().any(|(other, _)| other == name)
    });
    if let Some(name) = odd {
        return Err(format!("its `{name}` is not known"));
    }
    let reason = rule.get("denyMessage").and_then(Value::as_str).map(str::trim);
    let reason = reason.filter(|reason| !reason.is_empty());
    let reason = reason.unwrap_or("taken over from Gemini CLI's policy").to_owned();
    let tools = texts(rule, "toolName")?;
    let prefixes = texts(rule, "commandPrefix")?;
    let forms = match (rule.get("mcpName").map(Value::as_str), prefixes.is_empty()) {
        (Some(None), _) => return Err("its `mcpName` is no text".to_owned()),
        (Some(Some(_)), false) => return Err("it has `mcpName` and `commandPrefix`".to_owned()),
        (Some(Some(server)), true) => of_server(server, &tools)?,
        (None, false) => of_commands(&tools, &prefixes)?,
        (None, true) => of_tools(&tools)?,
    };
    Ok(forms
        .into_iter()
        .map(|form| Imported {
            rule: form,
            verdict,
            reason: reason.clone(),
            matches: Vec::new(),
            not_match: Vec::new(),
        })
        .collect())
}

/// One text or a list of them.
fn texts<'a>(rule: &'a Table, name: &str) -> Result<Vec<&'a str>, String> {
    let wrong = || format!("its `{name}` is neither a text nor a list of texts");
    match rule.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(list)) if !list.is_empty() => {
            list.iter().map(|text| text.as_str().ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn of_server(server: &str, tools: &[&str]) -> Result<Vec<String>, String> {
    let named = |name: &str| !name.is_empty() && !name.contains(['*', '(', ')']);
    if !named(server) {
        return Err("a rule names its server here; write one for each".to_owned());
    }
    if tools.is_empty() || *tools == ["*"] {
        return Ok(vec![format!("mcp__{server}")]);
    }
    tools
        .iter()
        .map(|tool| match named(tool) {
            true => Ok(format!("mcp__{server}__{tool}")),
            false => Err(format!("the tool `{tool}` is not named outright")),
        })
        .collect()
}

fn of_commands(tools: &[&str], prefixes: &[&str]) -> Result<Vec<String>, String> {
    if tools.iter().any(|tool| *tool != "run_shell_command") {
        return Err("it has a `commandPrefix` and is about another tool".to_owned());
    }
    prefixes
        .iter()
        .map(|prefix| match prefix.trim() {
            "" => Err("its `commandPrefix` is empty".to_owned()),
            plain if plain.contains('*') => Err("its `commandPrefix` holds a `*`".to_owned()),
            plain => Ok(format!("Bash({plain}:*)")),
        })
        .collect()
}

fn of_tools(tools: &[&str]) -> Result<Vec<String>, String> {
    if tools.is_empty() {
        return Err("it names no tool".to_owned());
    }
    let form = |tool: &&str| {
        let known = TOOLS.iter().find(|(name, _)| name == tool);
        known.map(|(_, form)| (*form).to_owned()).ok_or_else(|| {
            format!("the tool `{tool}` has no form here; for tools of a server use `mcpName`")
        })
    };
    tools.iter().map(form).collect()
}
