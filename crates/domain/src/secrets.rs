//! Masks what is plainly a secret, and nothing else.
//!
//! INVARIANT (no cover): a mask only ever replaces characters of [`is_token`], none of which means
//! anything to a shell, and never something that looks like a path. So no text can use a mask to
//! hide what it does.

/// Beginnings that the issuers of keys chose so that keys can be told, with the fewest characters
/// that follow.
const PREFIXES: [(&str, usize); 24] = [
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 16),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("xoxs-", 16),
    ("xapp-", 16),
    ("sk-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("ya29.", 16),
    ("npm_", 30),
    ("pypi-", 30),
    ("hf_", 20),
    ("dop_v1_", 30),
    ("eyJ", 40),
];

/// Names whose value is a secret; a longer name that ends in one counts too.
const NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "secret_key",
    "private_key",
];

/// The fewest characters of a named value that are worth masking.
const SHORTEST: usize = 4;

/// The text with its secrets masked, and how many there were.
#[must_use]
pub fn mask(text: &str) -> (String, usize) {
    let mut out = String::with_capacity(text.len());
    let mut masked = 0;
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        if let Some(found) = find(rest, before) {
            masked += 1;
            let (kept, after) = rest.split_at(found.keep);
            let (secret, after) = after.split_at(found.hide);
            out.push_str(kept);
            out.push_str(&format!("‹secret, {} characters›", secret.chars().count()));
            before = secret.chars().last();
            rest = after;
        } else {
            out.push(c);
            before = Some(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    (out, masked)
}

/// A secret at the beginning of a text: how many bytes before it stay, and how many it has.
struct Found {
    keep: usize,
    hide: usize,
}

fn find(rest: &str, before: Option<char>) -> Option<Found> {
    let starts_word = before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
    private_key(rest)
        .or_else(|| if starts_word { prefixed(rest).or_else(|| bot_token(rest)) } else { None })
        .or_else(|| if starts_word { header(rest) } else { None })
        .or_else(|| named(rest, before))
        .or_else(|| user_info(rest))
}

fn prefixed(rest: &str) -> Option<Found> {
    PREFIXES.iter().find_map(|(prefix, least)| {
        let secret = rest.strip_prefix(prefix)?;
        let hide = run(secret, |c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        let secret = secret.get(..hide)?;
        // A branch called `sk-some-words` has no digit; a key without one does not occur.
        (hide >= *least && secret.bytes().any(|byte| byte.is_ascii_digit()))
            .then_some(Found { keep: prefix.len(), hide })
    })
}

/// `123456789:` and 35 characters, as Telegram's bots have.
fn bot_token(rest: &str) -> Option<Found> {
    let digits = run(rest, |c| c.is_ascii_digit());
    if !(8..=10).contains(&digits) {
        return None;
    }
    let secret = rest.get(digits..)?.strip_prefix(':')?;
    let hide = run(secret, |c| c.is_ascii_alphanumeric() || "_-".contains(c));
    (hide == 35).then_some(Found { keep: digits + 1, hide })
}

/// The lines between the two marks of a private key, if they hold nothing but base 64.
fn private_key(rest: &str) -> Option<Found> {
    let after = rest.strip_prefix("-----BEGIN ")?;
    let kind = run(after, |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ');
    let body = after.get(kind..)?.strip_prefix("-----")?;
    if !after.get(..kind)?.ends_with("PRIVATE KEY") {
        return None;
    }
    let hide = run(body, |c| c.is_ascii_alphanumeric() || "+/=\r\n".contains(c));
    let ends = body.get(hide..)?.starts_with("-----END ");
    (ends && hide > 0).then_some(Found { keep: rest.len() - body.len(), hide })
}

fn header(rest: &str) -> Option<Found> {
    let name = ["authorization:", "x-api-key:", "proxy-authorization:"]
        .into_iter()
        .find(|name| starts_with_ignoring_case(rest, name))?;
    let value = rest.get(name.len()..)?;
    let mut keep = name.len() + run(value, |c| c == ' ');
    let value = rest.get(keep..)?;
    let scheme = run(value, |c| c.is_ascii_alphabetic());
    if value.get(scheme..)?.starts_with(' ') {
        keep += scheme + 1;
    }
    let hide = run(rest.get(keep..)?, is_token);
    (hide >= SHORTEST).then_some(Found { keep, hide })
}

/// `password=…`, `--token …`, `"api_key": "…"`.
fn named(rest: &str, before: Option<char>) -> Option<Found> {
    let name = NAMES.into_iter().find(|name| starts_with_ignoring_case(rest, name))?;
    let mut keep = name.len();
    let mut quoted = false;
    let mut at = rest.get(keep..)?;
    if at.starts_with(['"', '\'']) {
        keep += 1;
        at = rest.get(keep..)?;
    }
    let spaces = run(at, |c| c == ' ');
    let separator = at.get(spaces..)?.chars().next();
    let tight = match separator {
        Some('=') if spaces == 0 => true,
        Some('=' | ':') => false,
        // `--password x` is how a command line writes it.
        _ if before == Some('-') && spaces > 0 => true,
        _ => return None,
    };
    keep += spaces;
    if matches!(separator, Some('=' | ':')) {
        keep += 1;
    }
    let after = run(rest.get(keep..)?, |c| c == ' ');
    if tight && after > 0 {
        return None;
    }
    keep += after;
    if rest.get(keep..)?.starts_with(['"', '\'']) {
        keep += 1;
        quoted = true;
    }
    let value = rest.get(keep..)?;
    let hide = run(value, is_token);
    let value = value.get(..hide)?;
    let digit = value.bytes().any(|byte| byte.is_ascii_digit());
    // `token: String` is a line of a program, `token=abcd` a setting.
    let likely = hide >= SHORTEST && (tight || quoted || digit) && !is_path(value);
    (likely && !value.starts_with('-')).then_some(Found { keep, hide })
}

/// The password of `scheme://user:password@host`.
fn user_info(rest: &str) -> Option<Found> {
    let after = rest.strip_prefix("://")?;
    let user = run(after, |c| is_token(c) && !"/@:".contains(c));
    let secret = after.get(user..)?.strip_prefix(':')?;
    let hide = run(secret, |c| is_token(c) && !"/@:".contains(c));
    // What tells by itself what it is keeps its telling beginning.
    if prefixed(secret).is_some() {
        return None;
    }
    let host_follows = secret.get(hide..)?.starts_with('@');
    (hide > 0 && host_follows).then_some(Found { keep: 3 + user + 1, hide })
}

/// Characters that a shell leaves alone wherever they stand.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.+/=@%:,".contains(c)
}

/// A slash makes a path, unless what it stands in is long and mixed as only base 64 is.
fn is_path(value: &str) -> bool {
    let mixed = value.bytes().any(|byte| byte.is_ascii_uppercase())
        && value.bytes().any(|byte| byte.is_ascii_lowercase())
        && value.bytes().any(|byte| byte.is_ascii_digit());
    let base64 = value.len() >= 20 && mixed && !value.starts_with('/') && !value.contains('.');
    value.contains('/') && !base64
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}
