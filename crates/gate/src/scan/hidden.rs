//! What a person who looks at a text does not see: characters without a shape, and encodings.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;

/// So many characters in a row that nobody sees carry a message; text in many languages has single
/// ones in good faith.
const RUN: usize = 8;

/// The shortest piece in an encoding that is looked into, in characters: three words or so.
const ENCODED: usize = 24;

/// The same where an action holds it: a short command.
const PAYLOAD: usize = 12;

/// So often an encoding is looked for in what another one held.
const DEEP: usize = 3;

/// So many pieces of one text are looked into, so that a long table of digests costs little.
const PIECES: usize = 500;

/// The black flag, after which tag characters name a region.
const FLAG: char = '\u{1f3f4}';

/// Whether a character has no shape of its own: joiners, direction marks, tags, selectors.
pub(super) fn is_unseen(c: char) -> bool {
    is_tag(c)
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{e0100}'..='\u{e01ef}'
        )
}

/// The characters that repeat ASCII without a shape.
fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// Runs of characters that nobody sees, as what they spell where they spell something, and marks
/// that turn the order of words round where nothing is written from right to left.
pub(super) fn unseen(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut run: Vec<char> = Vec::new();
    let mut before = None;
    for c in text.chars().chain([' ']) {
        // One of the two selects how an emoji is drawn, in rows of them too.
        if is_unseen(c) && !matches!(c, '\u{fe0e}' | '\u{fe0f}') {
            run.push(c);
            continue;
        }
        let is_region = before == Some(FLAG) && run.iter().all(|c| is_tag(*c)) && run.len() <= RUN;
        if run.len() >= RUN && !is_region {
            found.push(spelt(&run));
        }
        run.clear();
        before = Some(c);
    }
    let turned = text.chars().any(|c| matches!(c, '\u{202d}' | '\u{202e}'));
    if turned && !text.chars().any(is_right_to_left) {
        found.push("marks that turn the order of characters round".to_owned());
    }
    found
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

fn spelt(run: &[char]) -> String {
    let letters = run.iter().filter(|c| is_tag(**c)).filter_map(|c| {
        char::from_u32(u32::from(*c).wrapping_sub(0xe_0000)).filter(|c| !c.is_control())
    });
    let spelt: String = letters.collect();
    if spelt.is_empty() { format!("{} of them in a row", run.len()) } else { spelt }
}

/// What pieces of the text say that stand in base64 or in hexadecimal, where they say something;
/// and what is spelt in characters that nobody sees.
pub(super) fn decoded(text: &str) -> Vec<String> {
    encoded(text, ENCODED, 3).into_iter().chain(unseen(text)).collect()
}

/// What an action's text holds in base64 or hexadecimal, also in one another.
pub(crate) fn payloads(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut texts = vec![text.to_owned()];
    for _ in 0..DEEP {
        texts = texts.iter().flat_map(|text| encoded(text, PAYLOAD, 1)).collect();
        found.extend(texts.iter().filter(|text| text.contains(char::is_whitespace)).cloned());
    }
    found.sort();
    found.dedup();
    found
}

/// What pieces of at least so many characters say, where they say so many words.
fn encoded(text: &str, least: usize, words: usize) -> Vec<String> {
    let is_piece = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    let alone = text.split(|c: char| !is_piece(c)).map(str::to_owned);
    let wrapped = wrapped(text, is_piece);
    let pieces = alone.chain(wrapped).filter(|piece| piece.len() >= least);
    let texts = pieces.take(PIECES).filter_map(|piece| hex(&piece).or_else(|| base64(&piece)));
    texts.filter(|text| text.split_whitespace().nth(words - 1).is_some()).collect()
}

/// Pieces that go over several lines, put together.
fn wrapped(text: &str, is_piece: impl Fn(char) -> bool) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut open = Vec::new();
    for line in text.lines().map(str::trim).chain([""]) {
        if !line.is_empty() && line.chars().all(&is_piece) {
            open.push(line);
        } else {
            if open.len() > 1 {
                pieces.push(open.concat());
            }
            open.clear();
        }
    }
    pieces
}

fn base64(piece: &str) -> Option<String> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if piece.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let engine = GeneralPurpose::new(&alphabet, config);
    readable(engine.decode(piece).ok()?)
}

fn hex(piece: &str) -> Option<String> {
    let digits = piece.as_bytes();
    if digits.len() % 2 == 1 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let bytes = digits.chunks_exact(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    });
    readable(bytes.collect::<Option<Vec<u8>>>()?)
}

/// The text, if it is one. A digest, a key or a picture is none.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let is_text = text.chars().all(|c| !c.is_control() || c.is_whitespace());
    is_text.then_some(text)
}
