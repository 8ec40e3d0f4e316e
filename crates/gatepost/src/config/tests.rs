//! What a configuration may say, and how a wrong one is answered.

use std::path::Path;

use super::*;

fn refused(text: &str, message: &str, hint: &str) {
    let failure = parse(text, "here.toml").unwrap_err();
    assert!(failure.to_string().contains(message), "{text}: {failure}");
    let advice = failure.advice().unwrap_or_default();
    assert!(advice.contains(hint), "{text}: {advice}");
}

fn loaded(text: &str, base: &Path) -> Loaded {
    Loaded {
        origin: Some(base.join("config.toml")),
        file: parse(text, "config.toml").unwrap(),
        text: text.to_owned(),
        managed: Managed::default(),
    }
}

fn settings(text: &str, base: &Path) -> Result<Settings, Failure> {
    let data = Some(base.join("data"));
    loaded(text, base).settings(&Overrides { data, ..Overrides::default() })
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_one_that_was_meant() {
    refused(
        "\n[approvals]\ntimeuot = \"5m\"\n",
        "here.toml:3: unknown key `approvals.timeuot`",
        "did you mean `timeout`?",
    );
    refused("[aprovals]\n", "unknown key `aprovals`", "did you mean `approvals`?");
    refused("timeout = \"5m\"\n", "unknown key `timeout`", "belongs in `[approvals]`");
    refused("[hub]\nlisten = \"x\"\n", "unknown key `hub.listen`", "top of the file");
    refused(
        "[projects.demo]\npaht = \"/\"\n",
        "unknown key `projects.demo.paht`",
        "did you mean `path`?",
    );
    refused("[sandbox]\nxyzzy = 1\nfoo = 2\n", "and 1 more", "`read_only`");
}

#[test]
fn people_servers_and_channels_of_discord_are_numbers() {
    let text =
        "[discord]\nguilds = [3001]\nchannels = { \"4002\" = \"demo\" }\napprovers = [2001]\n";
    let discord = parse(text, "x").unwrap().discord;
    assert_eq!((discord.guilds, discord.approvers), (vec![3001], vec![2001]));
    assert_eq!(discord.channels["4002"], "demo");
    refused("[discord]\napprovers = [\"@ann\"]\n", "here.toml:2: invalid type", "config default");
    refused("[discord]\naprovers = [1]\n", "unknown key `discord.aprovers`", "`approvers`");
}

#[test]
fn agents_are_those_that_can_be_driven() {
    let agents = |text: &str| agents::settings(&loaded(text, Path::new("/etc/gatepost")));
    let none: Vec<_> = agents("").unwrap().into_keys().collect();
    assert_eq!(none, ["runbook"], "it needs nothing");
    let set = agents("[agents.claude]\nprogram = \"bin/claude\"\nmodel = \"opus\"\n").unwrap();
    assert_eq!(set["claude"].program, Some("/etc/gatepost/bin/claude".into()));
    let named = agents("[agents.claude]\nsilence = \"5m\"\n").unwrap();
    assert_eq!(named["claude"].program, Some("claude".into()), "looked for along PATH");
    assert_eq!(named["claude"].silence, Duration::from_secs(300));
    assert_eq!(agents("[agents.opencode]\n").unwrap()["opencode"].kind.name(), Some("opencode"));
    assert_eq!(agents("[agents.gemini]\n").unwrap()["gemini"].program, Some("gemini".into()));
    for text in ["[agents.claud]\n", "[agents.runbook]\ngating = \"sandbox-only\"\n"] {
        let error = agents(text).unwrap_err().to_string();
        assert!(error.contains("no agent that can be set up"), "{error}");
    }
    assert!(agents("[agents.claude]\nsilence = \"0s\"\n").is_err());
}

#[test]
fn a_program_that_nobody_knows_is_set_up_only_as_held_by_the_sandbox_alone() {
    let agents = |text: &str| agents::settings(&loaded(text, Path::new("/etc/gatepost")));
    let known = "program = \"goose\"\narguments = [\"acp\"]\nenvironment = { KEY = \"{token}\" }\n";
    let error = format!("{:?}", agents(&format!("[agents.goose]\n{known}")).unwrap_err());
    assert!(error.contains("sandbox-only"), "{error}");
    let set = agents(&format!("[agents.goose]\ngating = \"sandbox-only\"\n{known}")).unwrap();
    assert_eq!(set["goose"].kind, agents::AgentKind::Unlocked);
    assert_eq!(set["goose"].arguments, ["acp"]);
    assert!(set["goose"].kind.words().contains("may act without asking"));
    for text in [
        "[agents.goose]\ngating = \"sandbox-only\"\n",
        "[agents.claude]\ngating = \"sandbox-only\"\n",
        "[agents.claude]\narguments = [\"--dangerously-skip-permissions\"]\n",
    ] {
        assert!(agents(text).is_err(), "{text}");
    }
}

#[test]
fn people_and_groups_of_telegram_are_numbers() {
    let text = "[telegram]\nrequesters = [1001]\napprovers = [1001]\ngroups = [-100123]\n";
    let telegram = parse(text, "x").unwrap().telegram;
    assert_eq!((telegram.requesters, telegram.groups), (vec![1001], vec![-100_123]));
    refused("[telegram]\napprovers = [\"@ann\"]\n", "here.toml:2: invalid type", "config default");
    refused("[telegram]\naprovers = [1]\n", "unknown key `telegram.aprovers`", "`approvers`");
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    refused(
        "[approvals]\n\ntimeout = \"soon\"\n",
        "here.toml:3: `soon` is not a length",
        "config default",
    );
    refused(
        "[defaults]\nmode = \"reckless\"\n",
        "here.toml:2: unknown variant `reckless`",
        "config default",
    );
    refused("[projects.demo]\n", "missing field `path`", "config default");
    refused("listen = 8642\n", "here.toml:1: invalid type", "config default");
    refused("a = [1,\n", "here.toml:", "config default");
}

#[test]
fn lengths_of_time_are_read_as_people_write_them() {
    for (text, seconds) in
        [("2s", 2), ("30m", 1800), ("1h 30m", 5400), ("1h30m", 5400), ("90 s", 90)]
    {
        let file = parse(&format!("[approvals]\ntimeout = \"{text}\"\n"), "x").unwrap();
        assert_eq!(file.approvals.timeout.0.as_secs(), seconds, "{text}");
    }
    for text in ["30", "-5m", "", "5 parsecs"] {
        assert!(parse(&format!("[approvals]\ntimeout = \"{text}\"\n"), "x").is_err(), "{text}");
    }
}

#[test]
fn one_project_is_the_default_one_and_a_path_starts_at_the_file() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("demo")).unwrap();
    let settings = settings("[projects.demo]\npath = \"demo\"\n", &root).unwrap();
    assert_eq!(settings.default_project.as_deref(), Some("demo"));
    assert_eq!(settings.projects["demo"], root.join("demo"));
}

#[test]
fn a_project_that_cannot_be_one_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("data/work")).unwrap();
    std::fs::create_dir(root.join("demo")).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    for (path, wanted) in [
        ("gone", "does not exist"),
        ("file", "is not a directory"),
        (".", "holds gatepost's own data directory"),
        ("/", "holds gatepost's own data directory"),
        ("data/work", "lies in gatepost's data directory"),
    ] {
        let text = format!("[projects.p]\npath = {path:?}\n");
        let failure = settings(&text, &root).unwrap_err();
        assert!(failure.to_string().contains(wanted), "{path}: {failure}");
    }
    let failure = settings("[projects.\"a b\"]\npath = \"demo\"\n", &root).unwrap_err();
    assert!(failure.to_string().contains("cannot name a project"), "{failure}");
}

#[test]
fn what_decides_is_not_read_from_a_project() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("demo")).unwrap();
    let rules = "[projects.p]\npath = \"demo\"\n[policy]\nrules = \"demo/rules.toml\"\n";
    let failure = settings(rules, &root).unwrap_err();
    assert!(failure.to_string().contains("the rules"), "{failure}");
    let inside = Loaded {
        origin: Some(root.join("demo/gatepost.toml")),
        file: parse("[projects.p]\npath = \".\"\n", "x").unwrap(),
        text: String::new(),
        managed: Managed::default(),
    };
    let data = Some(root.join("data"));
    let failure = inside.settings(&Overrides { data, ..Overrides::default() }).unwrap_err();
    assert!(failure.to_string().contains("the configuration"), "{failure}");
}

#[test]
fn only_loopback_is_listened_on() {
    for good in ["127.0.0.1:0", "127.0.0.1:8642", "[::1]:8642", "localhost:80"] {
        assert!(listen_address(good).is_ok(), "{good}");
    }
    for bad in ["0.0.0.0:8642", "192.168.1.5:80", "[::]:80", "8642", "example.com:80", ""] {
        let failure = listen_address(bad).unwrap_err();
        assert!(failure.advice().unwrap().contains("--listen"), "{bad}: {failure}");
    }
}

#[test]
fn numbers_have_bounds() {
    let base = tempfile::tempdir().unwrap();
    for text in [
        "[hub]\nmax_running = 0\n",
        "[hub]\nmax_queued = 10001\n",
        "[sandbox]\nmemory_mib = 1\n",
        "[sandbox]\nprocesses = 0\n",
        "[sandbox]\nchanges_mib = 99999999999\n",
        "[sandbox]\ncpu_percent = 0\n",
        "[approvals]\ntimeout = \"0s\"\n",
        "[defaults]\nproject = \"gone\"\n",
    ] {
        assert!(settings(text, base.path()).is_err(), "{text}");
    }
}

#[test]
fn a_directory_becomes_a_project_under_a_name_of_its_own() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().canonicalize().unwrap();
    for path in ["demo", "other/demo", "odd näme"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    let mut settings = settings("[projects.demo]\npath = \"demo\"\n", &root).unwrap();
    assert_eq!(settings.adopt(&root.join("demo")).unwrap(), "demo");
    assert_eq!(settings.adopt(&root.join("other/demo")).unwrap(), "demo-2");
    assert_eq!(settings.adopt(&root.join("odd näme")).unwrap(), "odd-n-me");
    assert!(settings.adopt(&root).is_err(), "it holds the data directory");
}

#[test]
fn a_path_is_settled_as_far_as_it_exists() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("real")).unwrap();
    std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
    assert_eq!(settled(&root.join("link/a/b")), root.join("real/a/b"));
}

#[test]
fn a_budget_in_money_needs_the_price_of_every_model() {
    let model = "[models.a]\napi = \"openai\"\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"m\"\n";
    let settings =
        |text: &str| loaded(text, Path::new("/etc/gatepost")).settings(&Overrides::default());
    let failure = settings(&format!("{model}[budget]\nday = \"$5\"\n")).unwrap_err();
    assert!(failure.to_string().contains("`models.a` has no price"), "{failure}");
    let priced = format!("{model}price = {{ input = 0, output = 0 }}\n[budget]\nday = \"$5\"\n");
    assert!(settings(&priced).is_ok());
    assert!(settings(&format!("{model}[budget]\nday = \"100 tokens\"\n")).is_ok());
}
