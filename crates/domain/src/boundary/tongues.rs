//! The same plain prohibitions and permissions in languages other than English.
//!
//! Word order differs too much between them for beginnings of sentences, so a sentence forbids
//! where a word of negation and the name of an effect stand close together, whatever else it says.
//! That may take a harmless sentence for a boundary, which then asks a person once too often, and
//! can be lifted. A permission must consist of nothing but known words.

use super::Effect;

/// So many words may stand between a negation and what it negates.
const GAP: usize = 3;

struct Tongue {
    /// Words that negate what comes after them, or before.
    not: &'static [&'static [&'static str]],
    /// Whether a negation may come after what it negates: "push nicht".
    after: bool,
    /// Words that turn the negation of a task into a reminder: "do not forget to push".
    reminders: &'static [&'static str],
    effects: &'static [(Effect, &'static [&'static str])],
    /// Beginnings of permissions.
    may: &'static [&'static [&'static str]],
    /// Words of a permission that say nothing about what is permitted.
    fillers: &'static [&'static str],
}

use Effect::Commit;
use Effect::Delete;
use Effect::Deploy;
use Effect::Install;
use Effect::Network;
use Effect::Publish;
use Effect::Push;

const TONGUES: &[Tongue] = &[
    // German
    Tongue {
        not: &[
            &["nicht"],
            &["nichts"],
            &["nie"],
            &["niemals"],
            &["kein"],
            &["keine"],
            &["keinen"],
            &["ohne"],
            &["bloß", "nicht"],
        ],
        after: true,
        reminders: &["vergiss", "vergesst", "vergessen"],
        effects: &[
            (Push, &["push", "pushe", "pushen", "pusht", "pushs", "gepusht", "hochladen"]),
            (
                Commit,
                &["commit", "commits", "committe", "committen", "committet", "commite", "commiten"],
            ),
            (Network, &["netzwerk", "internet", "netz", "herunterladen", "downloaden", "online"]),
            (
                Delete,
                &["lösche", "löschen", "löscht", "lösch", "entferne", "entfernen", "entfernt"],
            ),
            (Install, &["installiere", "installieren", "installiert", "installier"]),
            (
                Publish,
                &["veröffentliche", "veröffentlichen", "publiziere", "publizieren", "publishen"],
            ),
            (
                Deploy,
                &[
                    "deploy",
                    "deploye",
                    "deployen",
                    "deployt",
                    "deployment",
                    "deployments",
                    "ausrollen",
                ],
            ),
        ],
        may: &[
            &["du", "darfst"],
            &["du", "kannst"],
            &["ihr", "dürft"],
            &["sie", "dürfen"],
            &["sie", "können"],
            &["jetzt", "darfst", "du"],
            &["jetzt", "kannst", "du"],
        ],
        fillers: &[
            "jetzt", "nun", "wieder", "bitte", "ja", "es", "das", "ruhig", "gern", "gerne",
            "machen",
        ],
    },
    // French
    Tongue {
        not: &[
            &["ne"],
            &["n'"],
            &["pas"],
            &["rien"],
            &["jamais"],
            &["sans"],
            &["aucun"],
            &["aucune"],
        ],
        after: true,
        reminders: &["oublie", "oubliez", "oublier"],
        effects: &[
            (Push, &["push", "pousse", "poussez", "pousser", "pusher", "pushe", "pushez"]),
            (Commit, &["commit", "commits", "commite", "commitez", "commiter", "committer"]),
            (Network, &["réseau", "internet", "télécharge", "téléchargez", "télécharger"]),
            (Delete, &["supprime", "supprimez", "supprimer", "efface", "effacez", "effacer"]),
            (Install, &["installe", "installez", "installer"]),
            (Publish, &["publie", "publiez", "publier"]),
            (Deploy, &["déploie", "déployez", "déployer", "deploy", "déploiement"]),
        ],
        may: &[&["tu", "peux"], &["vous", "pouvez"], &["maintenant", "tu", "peux"]],
        fillers: &["maintenant", "faire", "un", "de", "nouveau", "à", "le", "la"],
    },
    // Spanish: a bare "no" is English too, so borrowed words want a verb of its own before them.
    Tongue {
        not: &[
            &["no", "hagas"],
            &["no", "haga"],
            &["no", "hacer"],
            &["no", "hagáis"],
            &["sin", "hacer"],
            &["nunca", "hagas"],
            &["no", "uses"],
            &["no", "use"],
            &["no", "usar"],
            &["sin", "usar"],
        ],
        after: false,
        reminders: &["olvides", "olvide", "olvidar"],
        effects: &[
            (Push, &["push"]),
            (Commit, &["commit", "commits"]),
            (Network, &["red", "internet"]),
            (Deploy, &["deploy", "despliegue", "despliegues"]),
        ],
        may: &[&["puedes"], &["ya", "puedes"], &["ahora", "puedes"], &["puede"]],
        fillers: &["hacer", "el", "ahora", "ya", "usar", "la", "un"],
    },
    Tongue {
        not: &[&["no"], &["nunca"], &["sin"], &["jamás"]],
        after: false,
        reminders: &["olvides", "olvide", "olvidar"],
        effects: &[
            (Push, &["pushees", "pushear", "subas", "subir", "empujes"]),
            (Commit, &["commitees", "commitear", "confirmes"]),
            (Network, &["descargues", "descargar"]),
            (Delete, &["borres", "borrar", "borre", "elimines", "eliminar", "elimine"]),
            (Install, &["instales", "instalar", "instale"]),
            (Publish, &["publiques", "publicar", "publique"]),
            (Deploy, &["despliegues", "desplegar", "despliegue"]),
        ],
        may: &[&["puedes"], &["ya", "puedes"], &["ahora", "puedes"], &["puede"]],
        fillers: &["ahora", "ya", "lo", "los", "archivos"],
    },
    // Italian
    Tongue {
        not: &[&["non"], &["mai"], &["senza"], &["niente"]],
        after: false,
        reminders: &["dimenticare", "dimenticate"],
        effects: &[
            (Push, &["push", "pushare", "pusha", "pushate"]),
            (Commit, &["commit", "committare", "committa"]),
            (Network, &["rete", "internet", "scaricare", "scarica"]),
            (
                Delete,
                &["cancellare", "cancella", "cancellate", "eliminare", "elimina", "rimuovere"],
            ),
            (Install, &["installare", "installa", "installate"]),
            (Publish, &["pubblicare", "pubblica", "pubblicate"]),
            (Deploy, &["deploy", "deployare", "rilasciare"]),
        ],
        may: &[&["puoi"], &["ora", "puoi"], &["adesso", "puoi"], &["potete"]],
        fillers: &["ora", "adesso", "fare", "il", "un", "pure"],
    },
    // Portuguese
    Tongue {
        not: &[&["não"], &["nunca"], &["sem"]],
        after: false,
        reminders: &["esqueça", "esquece", "esquecer"],
        effects: &[
            (Push, &["push", "pushar", "envie"]),
            (Commit, &["commit", "commits", "commitar", "comitar", "commite"]),
            (Network, &["rede", "internet", "baixe", "baixar"]),
            (
                Delete,
                &[
                    "apague", "apagar", "exclua", "excluir", "delete", "deletar", "remova",
                    "remover",
                ],
            ),
            (Install, &["instale", "instalar"]),
            (Publish, &["publique", "publicar"]),
            (Deploy, &["deploy", "implante", "implantar"]),
        ],
        may: &[&["você", "pode"], &["pode"], &["agora", "pode"], &["podes"]],
        fillers: &["agora", "fazer", "o", "um", "já"],
    },
    // Dutch
    Tongue {
        not: &[&["niet"], &["niets"], &["nooit"], &["geen"], &["zonder"]],
        after: true,
        reminders: &["vergeet"],
        effects: &[
            (Push, &["push", "pushen", "pusht"]),
            (Commit, &["commit", "commits", "committen"]),
            (Network, &["netwerk", "internet", "download", "downloaden"]),
            (Delete, &["verwijder", "verwijderen", "wis", "wissen"]),
            (Install, &["installeer", "installeren"]),
            (Publish, &["publiceer", "publiceren"]),
            (Deploy, &["deploy", "deployen", "uitrollen"]),
        ],
        may: &[&["je", "mag"], &["je", "kunt"], &["u", "mag"], &["nu", "mag", "je"]],
        fillers: &["nu", "weer", "het", "wel"],
    },
    // Polish
    Tongue {
        not: &[&["nie"], &["nigdy"], &["bez"]],
        after: false,
        reminders: &["zapomnij", "zapominaj"],
        effects: &[
            (Push, &["pushuj", "pushować", "wypychaj", "push", "pusha", "pushowania"]),
            (Commit, &["commituj", "commitować", "commit", "commitów", "commitowania"]),
            (Network, &["sieci", "internetu", "pobieraj"]),
            (Delete, &["usuwaj", "usuwać", "kasuj", "usuwania", "kasowania"]),
            (Install, &["instaluj", "instalować", "instalowania"]),
            (Publish, &["publikuj", "publikować", "publikowania"]),
            (Deploy, &["wdrażaj", "wdrażać", "deploy", "wdrażania"]),
        ],
        may: &[&["możesz"], &["teraz", "możesz"], &["możesz", "już"]],
        fillers: &["teraz", "już", "to"],
    },
    // Czech and Slovak negate within the verb.
    Tongue {
        not: &[
            &["žádný"],
            &["žádné"],
            &["bez"],
            &["nikdy"],
            &["nesmíš"],
            &["nesmíte"],
            &["nemůžeš"],
            &["nesmieš"],
        ],
        after: false,
        reminders: &["nezapomeň"],
        effects: &[
            (
                Push,
                &[
                    "push",
                    "pushe",
                    "pushování",
                    "pushovat",
                    "pushnout",
                    "pushnúť",
                    "nepushuj",
                    "nepushovat",
                ],
            ),
            (Commit, &["commit", "commity", "commitů", "commitovat", "commitnout", "necommituj"]),
            (Delete, &["mazání", "mazat", "smazat", "mazať", "zmazať", "nemaž", "nemazat"]),
            (Install, &["instalace", "instalovat", "nainstalovat", "inštalovať", "neinstaluj"]),
            (Publish, &["publikování", "publikovat", "publikovať", "nepublikuj"]),
            (Deploy, &["nasazení", "nasadit", "nasazovat", "nasadiť", "nenasazuj"]),
        ],
        may: &[
            &["můžeš"],
            &["můžete"],
            &["smíš"],
            &["smíte"],
            &["teď", "můžeš"],
            &["už", "můžeš"],
            &["nyní", "můžete"],
            &["môžeš"],
            &["môžete"],
            &["teraz", "môžeš"],
            &["už", "môžeš"],
        ],
        fillers: &["teď", "už", "nyní", "teraz", "to", "zase", "klidně", "prosím"],
    },
    // Swedish, Danish, Norwegian
    Tongue {
        not: &[
            &["inte"],
            &["ikke"],
            &["aldrig"],
            &["aldri"],
            &["utan"],
            &["uden"],
            &["uten"],
            &["inga"],
            &["ingen"],
        ],
        after: true,
        reminders: &["glöm", "glem"],
        effects: &[
            (Push, &["pusha", "push", "pushe"]),
            (Commit, &["committa", "commit", "commits", "committe"]),
            (
                Network,
                &["nätverket", "nätverk", "netværket", "nettverket", "internet", "internett"],
            ),
            (Delete, &["radera", "slet", "slett", "slette", "fjern", "fjerne"]),
            (Install, &["installera", "installer", "installere"]),
            (Publish, &["publicera", "publicer", "publiser", "publisere"]),
            (Deploy, &["deploya", "deploy", "deploye"]),
        ],
        may: &[&["du", "får"], &["du", "må"], &["du", "kan"], &["nu", "får", "du"]],
        fillers: &["nu", "nå", "gärna", "gerne"],
    },
    // Russian and Ukrainian
    Tongue {
        not: &[&["не"], &["ничего"], &["нічого"], &["никогда"], &["ніколи"], &["без"], &["нельзя"]],
        after: true,
        reminders: &["забудь", "забудьте", "забывай"],
        effects: &[
            (Push, &["пушь", "пушить", "пушьте", "пуш", "пуша", "пушай", "push"]),
            (Commit, &["коммить", "коммитить", "коммитьте", "коммить", "коміть", "commit"]),
            (
                Network,
                &["сеть", "сети", "интернет", "интернета", "скачивай", "скачивать", "мережу"],
            ),
            (
                Delete,
                &["удаляй", "удалять", "удаляйте", "стирай", "видаляй", "видаляти", "удаления"],
            ),
            (Install, &["устанавливай", "устанавливать", "ставь", "встановлюй"]),
            (Publish, &["публикуй", "публиковать", "публікуй"]),
            (Deploy, &["деплой", "деплоить", "деплойте", "разворачивай"]),
        ],
        may: &[&["можешь"], &["теперь", "можешь"], &["можно"], &["теперь", "можно"], &["можеш"]],
        fillers: &["теперь", "уже", "снова", "это", "тепер"],
    },
];

/// Names of effects that hold their negation themselves.
const NEGATED: &[&str] = &[
    "nepushuj",
    "nepushovat",
    "necommituj",
    "nemaž",
    "nemazat",
    "neinstaluj",
    "nepublikuj",
    "nenasazuj",
];

/// Pieces for languages that put no spaces between words, with what they name.
const NAMES: &[(Effect, &[&str])] = &[
    (Push, &["推送", "プッシュ", "푸시"]),
    (Commit, &["提交", "コミット", "커밋"]),
    (Network, &["联网", "上网", "聯網", "ネットワーク", "네트워크"]),
    (Delete, &["删除", "刪除", "削除", "삭제"]),
    (Install, &["安装", "安裝", "インストール", "설치"]),
    (Publish, &["发布", "發布", "公開", "게시"]),
    (Deploy, &["部署", "デプロイ", "배포"]),
];

/// What stands before such a name and forbids it.
const NOT_BEFORE: &[&str] = &["不要", "别", "別", "勿", "禁止", "不许", "不准", "不得"];

/// What stands right behind it and forbids it.
const NOT_BEHIND: &[&str] = &[
    "しないで",
    "するな",
    "しない",
    "は禁止",
    "禁止",
    "하지 마",
    "하지마",
    "하지 말",
    "하지말",
    "금지",
];

/// Pieces that permit, in the same languages.
const MAY: &[&str] = &[
    "可以",
    "允许",
    "允許",
    "准许",
    "してもいい",
    "していい",
    "してもよい",
    "してよい",
    "しても大丈夫",
    "してもかまいません",
    "しても構いません",
    "해도됩니다",
    "해도된다",
    "해도돼",
    "해도좋습니다",
    "해도좋아",
    "해도괜찮습니다",
    "해도괜찮아",
];

/// Pieces of a permission there that say nothing about what is permitted.
const FILLERS: &[&str] = &[
    "你",
    "您",
    "现在",
    "現在",
    "已经",
    "已經",
    "了",
    "吧",
    "请",
    "請",
    "再",
    "今",
    "もう",
    "これで",
    "は",
    "を",
    "です",
    "よ",
    "どうぞ",
    "이제",
    "지금",
    "다시",
    "는",
    "은",
    "를",
    "을",
    "요",
];

/// So many characters may stand between such a name and what forbids it.
const NEAR: usize = 4;

/// What a sentence forbids.
pub(super) fn forbidden(words: &str, tokens: &[String]) -> Vec<Effect> {
    let tokens = parted(tokens);
    let mut found = unspaced(words);
    for tongue in TONGUES {
        if tokens.iter().any(|token| tongue.reminders.contains(&token.as_str())) {
            continue;
        }
        for (effect, names) in tongue.effects {
            let named =
                tokens.iter().enumerate().filter(|(_, token)| names.contains(&token.as_str()));
            let negated = named.into_iter().any(|(at, token)| {
                NEGATED.contains(&token.as_str()) || is_negated(tongue, &tokens, at)
            });
            if negated && !found.contains(effect) {
                found.push(*effect);
            }
        }
    }
    found
}

/// The one effect that a sentence permits, where it says nothing else.
pub(super) fn permitted(words: &str, tokens: &[String]) -> Option<Effect> {
    let tokens = parted(tokens);
    // "You may not-push" permits nothing.
    if tokens.iter().any(|token| NEGATED.contains(&token.as_str())) {
        return None;
    }
    let spaced = TONGUES.iter().find_map(|tongue| {
        let begun =
            tongue.may.iter().filter(|may| begins(&tokens, may)).map(|may| may.len()).max()?;
        let mut found = None;
        for token in tokens.iter().skip(begun) {
            let named = tongue.effects.iter().find(|(_, names)| names.contains(&token.as_str()));
            match named {
                Some((effect, _)) if found.is_none_or(|before| before == *effect) => {
                    found = Some(*effect);
                }
                None if tongue.fillers.contains(&token.as_str()) => {}
                Some(_) | None => return None,
            }
        }
        found
    });
    spaced.or_else(|| permitted_unspaced(words))
}

/// The same where no spaces part words: every character belongs to a known piece, one of which
/// permits. A question mark is no such piece.
fn permitted_unspaced(words: &str) -> Option<Effect> {
    let is_end = |c: char| c.is_whitespace() || "。．，、！.,!".contains(c);
    let plain: String = words.chars().filter(|c| !is_end(*c)).collect();
    let (mut rest, mut found, mut may) = (plain.as_str(), None, false);
    while !rest.is_empty() {
        let longest = |pieces: &[&'static str]| {
            let fits = pieces.iter().copied().filter(|piece| rest.starts_with(piece));
            fits.max_by_key(|piece| piece.len())
        };
        let named = NAMES.iter().find_map(|(effect, names)| Some((*effect, longest(names)?)));
        let piece = if let Some((effect, name)) = named {
            if found.is_some_and(|before| before != effect) {
                return None;
            }
            found = Some(effect);
            name
        } else if let Some(piece) = longest(MAY) {
            may = true;
            piece
        } else {
            longest(FILLERS)?
        };
        rest = rest.strip_prefix(piece)?;
    }
    found.filter(|_| may)
}

fn is_negated(tongue: &Tongue, tokens: &[String], at: usize) -> bool {
    let reach = |from: usize, to: usize| {
        tokens.get(from..to).is_some_and(|between| between.iter().all(|token| token != ","))
    };
    (0..tokens.len()).any(|start| {
        let rest = tokens.get(start..).unwrap_or_default();
        let Some(not) = tongue.not.iter().find(|not| begins(rest, not)) else { return false };
        let end = start + not.len();
        let before = end <= at && at - end <= GAP && reach(end, at);
        let behind = tongue.after && at < start && start - at - 1 <= GAP && reach(at, start);
        before || behind
    })
}

fn begins(tokens: &[String], with: &[&str]) -> bool {
    tokens.len() >= with.len() && tokens.iter().zip(with).all(|(token, wanted)| token == wanted)
}

/// A French word that begins with its negation is two.
fn parted(tokens: &[String]) -> Vec<String> {
    let mut parted = Vec::new();
    for token in tokens {
        match token.strip_prefix("n'") {
            Some(rest) => parted.extend(["n'".to_owned(), rest.to_owned()]),
            None => parted.push(token.clone()),
        }
    }
    parted
}

fn unspaced(words: &str) -> Vec<Effect> {
    let mut found = Vec::new();
    for (effect, names) in NAMES {
        let forbids = names.iter().flat_map(|name| words.match_indices(name)).any(|(at, name)| {
            let before: Vec<char> =
                words.get(..at).unwrap_or_default().chars().rev().take(NEAR + 2).collect();
            let before: String = before.into_iter().rev().collect();
            let behind: String =
                words.get(at + name.len()..).unwrap_or_default().chars().take(NEAR + 4).collect();
            NOT_BEFORE.iter().any(|not| before.contains(not))
                || NOT_BEHIND.iter().any(|not| behind.contains(not))
        });
        if forbids {
            found.push(*effect);
        }
    }
    found
}
