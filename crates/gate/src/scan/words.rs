//! The words in which a text gives orders to an agent, as signs that weigh something.
//!
//! A single sign stands in plenty of honest texts: documentation tells people what they must do,
//! and so do files that are written for agents. Only what sets earlier instructions aside is enough
//! by itself; other signs count where several stand close together.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::hidden::is_unseen;

/// How much is needed in a row for a text to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any sign: the text was hidden already.
    One,
    /// Signs that weigh three together.
    Three,
}

/// Signs so many words apart belong together: a paragraph.
const TOGETHER: usize = 80;

/// So many words may stand between two parts of a sign.
const GAP: usize = 3;

/// What a sign speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Sets aside what was said before.
    Override,
    /// Wants something kept from the person.
    Conceal,
    /// Speaks to a model or an agent as such.
    Address,
    /// Claims that somebody has permitted something.
    Permit,
    /// Gives an order or a new task.
    Order,
    /// Wants secrets sent somewhere.
    Leak,
}

impl Sign {
    fn weight(self) -> u32 {
        match self {
            Self::Override => 3,
            Self::Conceal | Self::Address => 2,
            Self::Permit | Self::Order | Self::Leak => 1,
        }
    }
}

/// Words in their order, each one of some, with at most `gap` others between two. A word that ends
/// in `*` stands for all that begin so.
struct Phrase {
    sign: Sign,
    gap: usize,
    parts: &'static [&'static [&'static str]],
}

const fn phrase(sign: Sign, parts: &'static [&'static [&'static str]]) -> Phrase {
    Phrase { sign, gap: GAP, parts }
}

/// The same with nothing between the words.
const fn tight(sign: Sign, parts: &'static [&'static [&'static str]]) -> Phrase {
    Phrase { sign, gap: 0, parts }
}

const AGENTS: &[&str] = &[
    "ai",
    "ais",
    "llm",
    "llms",
    "chatbot",
    "chatgpt",
    "claude",
    "copilot",
    "codex",
    "gemini",
    "assistant",
    "assistants",
    "agent",
    "agents",
    "ki",
    "ia",
    "sprachmodell",
    "modelo",
    "modello",
    "modèle",
    "taalmodel",
    "model",
    "агент",
    "ассистент",
    "ии",
];

const SECRETS: &[&str] = &[
    "credential*",
    "secret*",
    "password*",
    "token",
    "tokens",
    "env",
    "key",
    "keys",
    "id_rsa",
    "passwort*",
    "passwör*",
    "zugangsdaten",
    "contraseña*",
    "identifiant*",
    "senha*",
    "пароли",
];

const SEND: &[&str] = &[
    "send",
    "post",
    "upload",
    "exfiltrate",
    "forward",
    "email",
    "transmit",
    "leak",
    "sende",
    "schicke",
    "envoie",
    "envoyez",
    "envía",
    "envíe",
    "invia",
    "envie",
    "stuur",
    "wyślij",
    "отправь",
    "отправьте",
];

const PEOPLE: &[&str] = &[
    "user",
    "users",
    "human",
    "humans",
    "person",
    "developer",
    "operator",
    "owner",
    "maintainer",
    "nutzer",
    "benutzer",
    "anwender",
    "menschen",
    "utilisateur",
    "usuario",
    "utente",
    "usuário",
    "gebruiker",
    "użytkownik*",
    "пользовател*",
];

const PHRASES: &[Phrase] = &[
    // English
    phrase(
        Sign::Override,
        &[
            &["ignore", "disregard", "forget", "discard"],
            &["previous", "prior", "above", "earlier", "preceding", "your", "existing", "original"],
            &[
                "instruction",
                "instructions",
                "prompt",
                "prompts",
                "guideline*",
                "guardrail*",
                "directive*",
            ],
        ],
    ),
    phrase(
        Sign::Override,
        &[
            &["override", "bypass"],
            &["your", "system"],
            &["instructions", "prompt", "guideline*", "guardrail*"],
        ],
    ),
    phrase(
        Sign::Override,
        &[
            &["ignore", "disregard", "forget"],
            &["instructions", "guidelines", "prompts"],
            &["above", "before", "previously", "earlier"],
        ],
    ),
    phrase(
        Sign::Override,
        &[&["forget", "disregard", "ignore"], &["everything"], &["you"], &["were"], &["told"]],
    ),
    phrase(
        Sign::Conceal,
        &[
            &["don't", "not", "never", "without"],
            &[
                "tell",
                "telling",
                "mention",
                "mentioning",
                "inform",
                "informing",
                "reveal",
                "revealing",
            ],
            PEOPLE,
        ],
    ),
    phrase(Sign::Conceal, &[&["don't", "not", "never"], &["mention"], &["this", "these", "it"]]),
    phrase(Sign::Address, &[&["if", "when", "since", "because", "as"], &["you"], &["are"], AGENTS]),
    phrase(
        Sign::Address,
        &[
            &[
                "attention",
                "dear",
                "hey",
                "note",
                "message",
                "instruction",
                "instructions",
                "important",
            ],
            &["to", "for"],
            AGENTS,
        ],
    ),
    phrase(Sign::Address, &[&["attention", "dear", "hey"], AGENTS]),
    phrase(Sign::Address, &[&["you"], &["are"], &["now"]]),
    phrase(
        Sign::Permit,
        &[
            &["user", "owner", "person", "administrator", "admin"],
            &["already", "has", "have"],
            &[
                "approved",
                "authorized",
                "authorised",
                "consented",
                "agreed",
                "confirmed",
                "permitted",
            ],
        ],
    ),
    phrase(
        Sign::Permit,
        &[&["you"], &["are", "been"], &["authorized", "authorised", "permitted", "cleared"]],
    ),
    phrase(
        Sign::Permit,
        &[
            &["no"],
            &["approval", "confirmation", "permission"],
            &["is", "needed", "required", "necessary"],
        ],
    ),
    phrase(
        Sign::Order,
        &[&["run", "execute"], &["following", "this", "these"], &["command*", "script", "code"]],
    ),
    phrase(
        Sign::Order,
        &[&["new", "updated", "real", "actual"], &["instructions", "task", "objective", "goal"]],
    ),
    phrase(
        Sign::Order,
        &[&["before"], &["you"], &["continue", "proceed", "answer", "respond", "do"]],
    ),
    phrase(
        Sign::Order,
        &[&["you"], &["must", "should"], &["now", "immediately", "instead", "first"]],
    ),
    phrase(Sign::Order, &[&["your"], &["system"], &["prompt"]]),
    phrase(Sign::Order, &[&["curl", "wget"], &["http", "https"]]),
    phrase(Sign::Leak, &[SEND, SECRETS]),
    phrase(
        Sign::Leak,
        &[SEND, &["contents", "content", "output", "conversation", "history"], &["to"]],
    ),
    // Whoever poses as the one whose words count.
    tight(Sign::Address, &[&["you"], &["the"], &["assistant", "ai", "llm", "agent"]]),
    tight(
        Sign::Permit,
        &[&["me", "i"], &["the", "your"], &["user", "owner", "developer", "administrator"]],
    ),
    tight(Sign::Permit, &[&["without"], &["asking"], &["me", "first"]]),
    phrase(Sign::Order, &[&["task", "instructions"], &["i"], &["gave"], &["you"]]),
    phrase(Sign::Order, &[&["please", "must"], &["do"], &["following"]]),
    // German
    phrase(
        Sign::Override,
        &[
            &["ignorier*", "vergiss", "vergessen", "missachte*"],
            &["vorherig*", "bisherig*", "obig*", "vorangegangen*", "früher*", "vorig*", "deine"],
            &["anweisung*", "instruktion*", "vorgabe*", "befehl*", "prompt*"],
        ],
    ),
    phrase(
        Sign::Conceal,
        &[
            &["sage", "sag", "verrate", "erzähle", "informiere", "erwähne"],
            PEOPLE,
            &["nichts", "nicht"],
        ],
    ),
    phrase(Sign::Conceal, &[&["ohne"], PEOPLE, &["informieren", "fragen", "sagen"]]),
    phrase(Sign::Address, &[&["wenn", "falls", "als"], &["du", "sie"], AGENTS]),
    // French
    phrase(
        Sign::Override,
        &[
            &["ignore", "ignorez", "oublie", "oubliez"],
            &["instructions", "consignes", "directives"],
            &["précédent*", "antérieur*", "dessus", "antérieures"],
        ],
    ),
    phrase(
        Sign::Conceal,
        &[&["ne", "sans"], &["dis", "dites", "dire", "mentionne*", "informer", "informe*"], PEOPLE],
    ),
    phrase(Sign::Address, &[&["si", "comme"], &["tu", "vous"], &["es", "êtes"], AGENTS]),
    // Spanish
    phrase(
        Sign::Override,
        &[
            &["ignora", "ignore", "ignorá", "olvida", "olvide", "descarta"],
            &["instrucciones", "indicaciones", "órdenes"],
            &["anteriores", "previas", "precedentes"],
        ],
    ),
    phrase(
        Sign::Override,
        &[
            &["ignora", "ignore", "olvida", "olvide"],
            &["anteriores", "previas"],
            &["instrucciones", "indicaciones", "órdenes"],
        ],
    ),
    phrase(
        Sign::Conceal,
        &[&["no", "sin"], &["digas", "diga", "decir", "menciones", "informes", "informar"], PEOPLE],
    ),
    phrase(Sign::Address, &[&["si"], &["eres", "es"], AGENTS]),
    // Italian
    phrase(
        Sign::Override,
        &[
            &["ignora", "ignorate", "dimentica", "dimenticate"],
            &["istruzioni", "indicazioni", "direttive"],
            &["precedenti", "sopra", "ricevute"],
        ],
    ),
    phrase(
        Sign::Override,
        &[
            &["ignora", "ignorate", "dimentica"],
            &["precedenti"],
            &["istruzioni", "indicazioni", "direttive"],
        ],
    ),
    phrase(
        Sign::Conceal,
        &[&["non", "senza"], &["dire", "dirlo", "menzionare", "informare"], PEOPLE],
    ),
    phrase(Sign::Address, &[&["se"], &["sei", "siete"], AGENTS]),
    // Portuguese
    phrase(
        Sign::Override,
        &[
            &["ignore", "ignora", "esqueça", "esquece", "desconsidere"],
            &["instruções", "orientações", "comandos"],
            &["anteriores", "acima", "prévias"],
        ],
    ),
    phrase(
        Sign::Conceal,
        &[&["não", "sem"], &["diga", "conte", "mencione", "informe", "informar", "avisar"], PEOPLE],
    ),
    phrase(Sign::Address, &[&["se"], &["você", "tu"], &["é", "és", "for"], AGENTS]),
    // Dutch
    phrase(
        Sign::Override,
        &[
            &["negeer", "vergeet"],
            &["vorige", "eerdere", "voorgaande", "bovenstaande", "je"],
            &["instructies", "aanwijzingen", "opdrachten"],
        ],
    ),
    phrase(Sign::Conceal, &[&["vertel", "zeg", "meld"], PEOPLE, &["niets", "niet"]]),
    phrase(Sign::Address, &[&["als"], &["je", "u"], AGENTS]),
    // Polish
    phrase(
        Sign::Override,
        &[
            &["zignoruj*", "ignoruj*", "zapomnij*"],
            &["poprzedni*", "wcześniejsz*", "powyższ*"],
            &["instrukcj*", "poleceni*", "wytyczn*"],
        ],
    ),
    phrase(Sign::Conceal, &[&["nie"], &["mów", "informuj", "wspominaj"], PEOPLE]),
    // Czech and Slovak
    phrase(
        Sign::Override,
        &[
            &["ignoruj*", "zapomeň*", "zabudni*"],
            &["předchozí*", "predchádzajúc*", "dosavadní*", "výše"],
            &["pokyny", "instrukce", "inštrukcie", "příkazy"],
        ],
    ),
    // Swedish, Danish, Norwegian
    phrase(
        Sign::Override,
        &[
            &["ignorera", "ignorer", "glöm", "glem"],
            &["tidigare", "tidligere", "föregående", "foregående", "ovanstående"],
            &["instruktioner", "instrukser", "instruksjoner", "anvisningar"],
        ],
    ),
    // Russian and Ukrainian
    phrase(
        Sign::Override,
        &[
            &["игнорируй*", "проигнорируй*", "забудь*", "ігноруй*"],
            &["предыдущ*", "прежн*", "выше*", "попередн*", "все"],
            &["инструкци*", "указани*", "команд*", "інструкці*", "вказівк*"],
        ],
    ),
    phrase(Sign::Conceal, &[&["не"], &["говори*", "сообщай*", "упоминай*"], PEOPLE]),
    // Turkish
    phrase(
        Sign::Override,
        &[
            &["önceki", "yukarıdaki"],
            &["talimat*", "komut*", "yönerge*"],
            &["yok", "görmezden", "unut*", "dikkate"],
        ],
    ),
    // Korean
    phrase(
        Sign::Override,
        &[&["이전*", "위의", "앞선"], &["지시*", "명령*", "지침*", "프롬프트*"], &["무시*", "잊*"]],
    ),
    // Arabic
    phrase(Sign::Override, &[&["تجاهل*"], &["التعليمات", "الأوامر", "تعليمات"], &["السابقة"]]),
    // Hindi
    phrase(
        Sign::Override,
        &[&["पिछले", "पिछली", "पहले"], &["निर्देश*", "आदेश*"], &["अनदेखा", "भूल*", "नज़रअंदाज़"]],
    ),
];

/// The phrases by the letters that they may begin with.
static BY_FIRST: LazyLock<BTreeMap<char, Vec<&'static Phrase>>> = LazyLock::new(|| {
    let mut by_first: BTreeMap<char, Vec<&'static Phrase>> = BTreeMap::new();
    for phrase in PHRASES {
        let words = phrase.parts.first().copied().unwrap_or_default();
        let letters: BTreeSet<char> = words.iter().filter_map(|word| word.chars().next()).collect();
        for letter in letters {
            by_first.entry(letter).or_default().push(phrase);
        }
    }
    by_first
});

/// The same for languages that put no spaces between words: pieces in their order, with at most
/// [`NEAR`] characters from one to the next.
const PIECES: &[&[&[&str]]] = &[
    &[
        &["忽略", "无视", "無視", "忘记", "忘記", "不要理会"],
        &["之前", "以上", "先前", "上述", "前面", "此前"],
        &["指令", "指示", "提示", "命令", "说明"],
    ],
    &[
        &["以前", "これまで", "上記", "前の", "以上"],
        &["指示", "命令", "プロンプト"],
        &["無視", "忘れ"],
    ],
];

/// See [`PIECES`].
const NEAR: usize = 12;

struct Word {
    from: usize,
    to: usize,
    plain: String,
}

/// The places that give orders.
pub(super) fn orders(text: &str, wanted: Wanted) -> Vec<&str> {
    let words = words(text);
    let mut signs: Vec<(Sign, usize, usize)> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let first = word.plain.chars().next().and_then(|first| BY_FIRST.get(&first));
        for phrase in first.into_iter().flatten() {
            if let Some(last) = ends(&words, at, phrase) {
                signs.push((phrase.sign, at, last));
            }
        }
    }
    let mut found = Vec::new();
    let mut next = 0;
    for (i, (_, first, _)) in signs.iter().enumerate() {
        if *first < next {
            continue;
        }
        let near = signs.iter().skip(i).take_while(|(_, at, _)| at - first <= TOGETHER);
        let (mut kinds, mut end) = (Vec::new(), *first);
        let mut weight = 0;
        for (sign, _, last) in near {
            if !kinds.contains(sign) {
                kinds.push(*sign);
                weight += sign.weight();
                end = end.max(*last);
            }
        }
        let enough = match wanted {
            Wanted::One => 1,
            Wanted::Three => 3,
        };
        if weight >= enough {
            let span = words.get(*first).zip(words.get(end));
            found.extend(span.and_then(|(first, last)| text.get(first.from..last.to)));
            next = end + 1;
        }
    }
    found.extend(unspaced(text));
    found
}

/// Where the phrase ends that begins with this word, if it does.
fn ends(words: &[Word], at: usize, phrase: &Phrase) -> Option<usize> {
    let (first, rest) = phrase.parts.split_first()?;
    let mut last = at;
    if !words.get(at).is_some_and(|word| is_one(&word.plain, first)) {
        return None;
    }
    for part in rest {
        last = (last + 1..=last + 1 + phrase.gap)
            .find(|next| words.get(*next).is_some_and(|word| is_one(&word.plain, part)))?;
    }
    Some(last)
}

fn is_one(word: &str, of: &[&str]) -> bool {
    of.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(start) => word.starts_with(start),
        None => word == *wanted,
    })
}

/// The words in lower case, without what is not seen in them, and as ASCII where they are written
/// in its wide forms.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    for (at, written) in text.char_indices() {
        let c = match written {
            '\u{ff01}'..='\u{ff5e}' => {
                char::from_u32(u32::from(written) - 0xfee0).unwrap_or(written)
            }
            '’' | '‘' => '\'',
            c => c,
        };
        if is_unseen(c) {
            continue;
        }
        let mark = c == '\'' && open.is_some();
        if c.is_alphanumeric() || c == '_' || mark || is_joined(c) {
            let word = open.get_or_insert(Word { from: at, to: at, plain: String::new() });
            word.plain.extend(c.to_lowercase());
            word.to = at + written.len_utf8();
        } else {
            words.extend(open.take());
        }
    }
    words.extend(open);
    words
}

/// Vowel signs, which some scripts write as characters of their own.
fn is_joined(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{903}' | '\u{93a}'..='\u{94f}')
}

fn unspaced(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for pieces in PIECES {
        let Some((first, rest)) = pieces.split_first() else { continue };
        for (start, piece) in first.iter().flat_map(|piece| text.match_indices(piece)) {
            let mut end = start + piece.len();
            let whole = rest.iter().all(|part| {
                let after = text.get(end..).unwrap_or_default();
                let near = after.char_indices().nth(NEAR).map_or(after.len(), |(at, _)| at);
                let near = after.get(..near).unwrap_or_default();
                let hit =
                    part.iter().filter_map(|piece| Some(near.find(piece)? + piece.len())).min();
                end += hit.unwrap_or_default();
                hit.is_some()
            });
            if whole {
                found.extend(text.get(start..end));
            }
        }
    }
    found
}

/// Marks with which chat templates and agents begin a turn; a text that has one followed by prose
/// wants to be taken for that turn. In code they stand before a quotation mark or a brace.
const TURNS: &[&str] = &[
    "<|im_start|>system",
    "<|im_start|>user",
    "<|start_header_id|>system<|end_header_id|>",
    "<|start_header_id|>user<|end_header_id|>",
    "<start_of_turn>user",
    "<|system|>",
    "<|user|>",
    "<<sys>>",
    "<system-reminder>",
    "</function_results>",
    "</tool_result>",
    "<system_message>",
];

/// Lines that begin so pose as a turn where an order stands in them.
const SPEAKERS: &[&str] =
    &["system:", "[system]", "[system message]", "system message:", "system prompt:"];

/// The places that pose as a turn of the conversation.
pub(super) fn turns(text: &str) -> Vec<&str> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for mark in TURNS {
        for (at, _) in lower.match_indices(mark) {
            let rest = text.get(at + mark.len()..).unwrap_or_default();
            let prose = rest.trim_start().chars().next().is_some_and(char::is_alphabetic);
            let begins = text.get(..at).unwrap_or_default().chars().next_back();
            // Inside a word of a program it is one of its constants.
            if prose && begins.is_none_or(char::is_whitespace) {
                found.extend(head(text, at));
            }
        }
    }
    for line in text.lines() {
        let line = line.trim_start_matches([' ', '\t', '#', '*', '>']);
        let start: String = line.chars().take(24).collect::<String>().to_ascii_lowercase();
        if SPEAKERS.iter().any(|speaker| start.starts_with(speaker))
            && !orders(line, Wanted::One).is_empty()
        {
            found.extend(head(line, 0));
        }
    }
    found
}

/// The beginning of what stands there.
fn head(text: &str, at: usize) -> Option<&str> {
    let rest = text.get(at..)?;
    let end = rest.char_indices().nth(super::SPAN).map_or(rest.len(), |(end, _)| end);
    rest.get(..end)
}
