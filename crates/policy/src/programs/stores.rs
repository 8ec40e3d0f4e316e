//! Clients of databases and clouds: what only looks is told from what changes or shows keys.
//!
//! Beside what stands here they ask, as the table says.

use crate::facts::Kind;
use crate::paths::UNKNOWN;
use crate::programs::positional;
use crate::walk::Stdin;
use crate::walk::Walker;

/// `None` when the program is none of them, or does more than look.
pub(super) fn judge(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> Option<Option<String>> {
    if args.iter().any(|arg| arg.contains(UNKNOWN)) {
        return None;
    }
    let (looks, what) = match name {
        "aws" => (aws(args), "looks at an account of a cloud"),
        "gcloud" => (grouped(args, GCLOUD, &["list", "describe"]), "looks at a project of a cloud"),
        "az" => (grouped(args, AZURE, &["list", "show"]), "looks at an account of a cloud"),
        "psql" | "mysql" | "mariadb" => {
            return database(walker, name, args, stdin, span).then_some(None);
        }
        "redis-cli" | "valkey-cli" => return redis(walker, args, span).then_some(None),
        _ => return None,
    };
    looks.then(|| {
        walker.add(Kind::Read, "read", span, what);
        None
    })
}

/// What shows keys although it only looks.
const KEYS: [&str; 9] = [
    "secret",
    "password",
    "token",
    "credential",
    "key",
    "login",
    "parameter",
    "object",
    "policy-document",
];

/// Flags that only say how the answer is shown, with a value or without.
const SHOWS: [&str; 11] = [
    "--output",
    "--query",
    "--region",
    "--max-items",
    "--page-size",
    "--filters",
    "--filter",
    "--format",
    "--limit",
    "--project",
    "--zone",
];
const SHOWS_ALONE: [&str; 6] = [
    "--no-paginate",
    "--no-cli-pager",
    "--human-readable",
    "--recursive",
    "--summarize",
    "--quiet",
];

/// The words of a client that is given nothing but words and flags of these two lists.
fn words(args: &[String], more: &[&str]) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (flag, joined) =
            arg.split_once('=').map_or((arg.as_str(), false), |(flag, _)| (flag, true));
        if !arg.starts_with('-') {
            words.push(arg.clone());
        } else if SHOWS.contains(&flag) || more.contains(&flag) {
            if !joined {
                rest.next();
            }
        } else if !SHOWS_ALONE.contains(&flag) {
            return None;
        }
    }
    // A value may be read out of a file of this machine, or be fetched.
    (!args.iter().any(|arg| arg.contains("://") && !arg.starts_with("s3://"))).then_some(words)
}

fn aws(args: &[String]) -> bool {
    let more = [
        "--instance-ids",
        "--stack-name",
        "--cluster",
        "--bucket",
        "--prefix",
        "--function-name",
        "--log-group-name",
        "--table-name",
        "--name",
        "--names",
        "--services",
        "--cluster-name",
    ];
    let Some(words) = words(args, &more) else { return false };
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["s3", "ls", ..] | ["sts", "get-caller-identity"] | ["configure", "list"] => true,
        ["secretsmanager" | "ssm" | "kms" | "cognito-idp" | "configure", ..] => false,
        [_, verb, ..] => {
            ["describe-", "list-", "get-"].iter().any(|begin| verb.starts_with(begin))
                && !KEYS.iter().any(|word| verb.contains(word))
        }
        _ => false,
    }
}

/// The groups of commands below which listing and describing shows no keys.
const GCLOUD: &[&str] = &[
    "compute",
    "instances",
    "disks",
    "networks",
    "subnets",
    "firewall-rules",
    "zones",
    "regions",
    "images",
    "snapshots",
    "addresses",
    "projects",
    "container",
    "clusters",
    "node-pools",
    "functions",
    "run",
    "services",
    "revisions",
    "sql",
    "databases",
    "storage",
    "buckets",
    "iam",
    "roles",
    "logging",
    "sinks",
    "dns",
    "managed-zones",
    "record-sets",
    "pubsub",
    "topics",
    "subscriptions",
    "artifacts",
    "repositories",
    "builds",
    "config",
    "configurations",
    "components",
    "app",
    "versions",
    "scheduler",
    "jobs",
];
const AZURE: &[&str] = &[
    "vm",
    "vmss",
    "group",
    "account",
    "network",
    "vnet",
    "subnet",
    "nsg",
    "nic",
    "public-ip",
    "storage",
    "aks",
    "webapp",
    "functionapp",
    "acr",
    "sql",
    "db",
    "server",
    "resource",
    "disk",
    "image",
    "snapshot",
    "monitor",
    "role",
    "definition",
    "deployment",
    "appservice",
    "plan",
    "cosmosdb",
    "redis",
];

/// `client group … verb`: each word before the verb must be a group of the list.
fn grouped(args: &[String], groups: &[&str], verbs: &[&str]) -> bool {
    let more = ["--resource-group", "-g", "--name", "-n", "-o", "--region", "--subscription"];
    let Some(words) = words(args, &more) else { return false };
    let mut words = words.iter().map(String::as_str).skip_while(|word| groups.contains(word));
    let first = args.first().is_some_and(|first| groups.contains(&first.as_str()));
    first && words.next().is_some_and(|verb| verbs.contains(&verb))
}

/// Statements for a database server; true where they only read one of this machine.
fn database(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> bool {
    let code = if name == "psql" { ["-c", "--command"] } else { ["-e", "--execute"] };
    let port = if name == "psql" { "-p" } else { "-P" };
    let values = ["-U", "-u", "-d", "-D", "--dbname", "--username", "--user", "--port", port];
    let (mut hosts, mut texts) = (Vec::new(), Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (flag, joined) = match arg.split_once('=').filter(|_| arg.starts_with("--")) {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        if code.contains(&flag) {
            texts.extend(joined.or_else(|| rest.next().cloned()));
        } else if ["-h", "--host"].contains(&flag) {
            hosts.extend(joined.or_else(|| rest.next().cloned()));
        } else if values.contains(&flag) {
            let value = joined.or_else(|| rest.next().cloned()).unwrap_or_default();
            // A name may be a whole address.
            if value.contains([':', '=']) {
                hosts.push(value);
            }
        } else if !arg.starts_with('-') {
            if arg.contains([':', '=']) {
                hosts.push(arg.clone());
            }
        } else if !["-t", "-A", "-q", "-X", "-At", "-qAt", "-tA", "-l", "-N", "-B", "-s", "-Atc"]
            .contains(&flag)
        {
            return false;
        }
    }
    if let (true, Stdin::Text(text)) = (texts.is_empty(), stdin) {
        texts.push(text.clone());
    }
    let lists = name == "psql" && args.iter().any(|arg| arg == "-l");
    if texts.is_empty() && !lists || !texts.iter().all(|text| only_reads(text)) {
        return false;
    }
    for host in &hosts {
        if host.contains('=') {
            return false;
        }
        walker.network(host, span, false);
    }
    walker.add(Kind::Contained, "contained", span, "reads a database");
    true
}

/// Words that let a statement that reads reach further.
const REACHES: [&str; 16] = [
    "pg_read",
    "pg_ls",
    "pg_stat_file",
    "pg_execute",
    "lo_",
    "copy",
    "dblink",
    " into",
    "outfile",
    "dumpfile",
    "load_file",
    "load data",
    "sleep",
    "terminate",
    "setval",
    "nextval",
];

fn only_reads(text: &str) -> bool {
    let lower = text.to_lowercase();
    if REACHES.iter().any(|word| lower.contains(word)) || text.contains(UNKNOWN) {
        return false;
    }
    let mut parts = lower.split(';').map(str::trim).filter(|part| !part.is_empty()).peekable();
    parts.peek().is_some()
        && parts.all(|part| {
            let mut words = part.split_whitespace();
            match words.next() {
                Some("select" | "show" | "values") => !part.contains('\\'),
                Some("explain") => words.next() == Some("select") && !part.contains('\\'),
                Some("describe" | "desc") => !part.contains('\\'),
                Some(meta) => {
                    ["\\d", "\\dt", "\\d+", "\\dt+", "\\l", "\\dn", "\\di", "\\dv", "\\conninfo"]
                        .contains(&meta)
                        && !part.contains(['|', '`', '!'])
                        && part.matches('\\').count() == 1
                }
                None => true,
            }
        })
}

/// Commands of redis that only look.
const REDIS: [&str; 26] = [
    "get",
    "mget",
    "keys",
    "scan",
    "exists",
    "ttl",
    "pttl",
    "type",
    "strlen",
    "llen",
    "lrange",
    "lindex",
    "hget",
    "hgetall",
    "hkeys",
    "hlen",
    "smembers",
    "scard",
    "sismember",
    "zrange",
    "zcard",
    "dbsize",
    "ping",
    "info",
    "time",
    "xlen",
];

fn redis(walker: &mut Walker<'_>, args: &[String], span: &str) -> bool {
    let values = ["-h", "-p", "-n"].map(str::to_owned);
    let known = ["-h", "-p", "-n", "--raw", "--no-raw", "--json"];
    let flags = args.iter().filter(|arg| arg.starts_with('-'));
    let words = positional(args, &values);
    let looks = words.first().is_some_and(|verb| REDIS.contains(&verb.to_lowercase().as_str()));
    if !looks || !flags.clone().all(|flag| known.contains(&flag.as_str())) {
        return false;
    }
    for host in crate::programs::flag_values(args, "-h") {
        walker.network(&host, span, false);
    }
    walker.add(Kind::Contained, "contained", span, "reads a database");
    true
}
