//! Which words set and lift a boundary, and which do not.

use super::*;

fn set(text: &str) -> Vec<Option<Effect>> {
    spoken(text, &Principal::console(), &[]).set.into_iter().map(|set| set.effect).collect()
}

fn lifted(before: &str, text: &str) -> usize {
    let me = Principal::console();
    let in_force = spoken(before, &me, &[]).set;
    assert!(!in_force.is_empty(), "{before}");
    spoken(text, &me, &in_force).lifted.len()
}

#[test]
fn plain_prohibitions_are_recognised() {
    use Effect::*;
    for (text, effects) in [
        ("don't push", vec![Push]),
        ("Fix the test. Please don’t push yet!", vec![Push]),
        ("fix it, but do not push to main until I say so", vec![Push]),
        ("Never commit, push or deploy anything.", vec![Commit, Push, Deploy]),
        ("You must not delete files", vec![Delete]),
        ("no network, please", vec![Network]),
        ("Don't use the internet", vec![Network]),
        ("tidy up without deleting anything", vec![Delete]),
        ("ask me before you push", vec![Push]),
        ("I don't want you to install packages", vec![Install]),
        ("- never publish", vec![Publish]),
        ("hold off on deploying", vec![Deploy]),
        ("don't make any commits", vec![Commit]),
    ] {
        let effects: Vec<_> = effects.into_iter().map(Some).collect();
        assert_eq!(set(text), effects, "{text}");
    }
    for text in [
        "do not touch the migrations",
        "Leave the lock file alone.",
        "hands off the release notes",
        "fix it, and never change the public interface",
    ] {
        assert_eq!(set(text), [None], "{text}");
    }
}

#[test]
fn what_forbids_nothing_sets_nothing() {
    for text in [
        "fix the failing test",
        "don't worry about style",
        "Don't forget to push",
        "why don't you push?",
        "don't you think we should push?",
        "there is no test for this",
        "push it when you are done",
        "$ echo don't push",
        "> don't push",
        "```\ndon't push\n```",
        "the button does not push the dialog",
        "users do not see the button",
        "",
    ] {
        assert_eq!(set(text), [], "{text}");
    }
}

#[test]
fn only_plain_permissions_lift() {
    for (before, text) in [
        ("don't push", "you may push now"),
        ("don't push", "Ok, you can push."),
        ("don't push to main", "go ahead and push"),
        ("do not touch the migrations", "you may touch the migrations now"),
        ("no network", "feel free to use network"),
        ("please do not commit", "looks good. You can now commit it"),
    ] {
        let text_lifts = lifted(before, text);
        assert_eq!(text_lifts, usize::from(before != "no network"), "{before} / {text}");
    }
    for text in [
        "can you push?",
        "you can push?",
        "you may not push",
        "you can't push",
        "you may push when the tests pass",
        "you may push after I looked at it",
        "you may push, but not to main",
        "you may push only the docs",
        "did you push",
        "I pushed already",
        "the reviewer says you may push",
        "> you may push",
        "```\nyou may push\n```",
        "$ echo you may push",
        "you may commit now",
        "you may push to staging",
        "don't push. Tomorrow you may push",
        "you may push. No, do not push",
        "push",
        "",
    ] {
        assert_eq!(lifted("don't push", text), 0, "{text}");
    }
}

#[test]
fn a_boundary_on_several_effects_is_lifted_one_by_one() {
    let me = Principal::console();
    let in_force = spoken("don't commit or push", &me, &[]).set;
    assert_eq!(in_force.len(), 2);
    let lifted = spoken("you may commit", &me, &in_force).lifted;
    assert_eq!(lifted.len(), 1);
    assert_eq!(lifted.first().map(|(lifted, _)| lifted.effect), Some(Some(Effect::Commit)));
    assert!(spoken("don't commit or push", &me, &in_force).set.is_empty(), "once is enough");
}

#[test]
fn a_page_of_prohibitions_stays_bounded() {
    let me = Principal::console();
    let page: String = (0..500).map(|i| format!("do not touch file{i}. ")).collect();
    let spoken_once = spoken(&page, &me, &[]);
    assert_eq!(spoken_once.set.len(), MOST);
    assert!(spoken("do not touch more", &me, &spoken_once.set).set.is_empty());
    assert_eq!(spoken("don't push", &me, &spoken_once.set).set.len(), 1, "this one is enforced");
    let long = format!("do not touch {}", "x".repeat(5000));
    let set = spoken(&long, &me, &[]).set;
    assert!(set.iter().all(|boundary| boundary.words.chars().count() <= LONGEST));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,200}") {
        let me = Principal::console();
        let in_force = spoken("don't push", &me, &[]).set;
        let _spoken = spoken(&text, &me, &in_force);
    }
}

#[test]
fn plain_prohibitions_are_recognised_in_other_languages_and_lifted_in_them() {
    use Effect::*;
    for (text, effect, permission) in [
        ("Bitte nicht pushen", Push, "du darfst jetzt pushen"),
        ("Behebe den Test, aber pushe noch nicht.", Push, "Du kannst jetzt pushen."),
        ("Räum auf, ohne etwas zu löschen", Delete, "du darfst löschen"),
        ("Mach keine Commits", Commit, "jetzt darfst du committen"),
        ("Ne pousse pas", Push, "tu peux pousser maintenant"),
        ("n'installe rien", Install, "vous pouvez installer"),
        ("Corrige le test sans supprimer de fichiers", Delete, "tu peux supprimer"),
        ("No hagas push", Push, "ya puedes hacer push"),
        ("Arregla la prueba y no borres nada", Delete, "puedes borrar"),
        ("non fare push", Push, "ora puoi fare push"),
        ("Não faça deploy", Deploy, "agora pode fazer deploy"),
        ("niet pushen", Push, "je mag nu pushen"),
        ("Nie usuwaj plików", Delete, "możesz już usuwać"),
        ("Не пушь пока", Push, "теперь можно пушить"),
        ("Pusha inte", Push, "du får pusha nu"),
        ("nepushuj", Push, "teď můžeš pushnout"),
        ("Oprav test, ale nic nemaž", Delete, "Už můžeš mazat."),
        ("Nesmíš nic publikovat", Publish, "Teraz môžeš publikovať"),
        ("不要推送", Push, "现在可以推送了。"),
        ("請不要刪除檔案", Delete, "你可以刪除了"),
        ("ファイルを削除しないで", Delete, "もう削除してもいいですよ"),
        ("プッシュしないでください", Push, "プッシュしていいです。"),
        ("커밋하지 마세요", Commit, "이제 커밋해도 됩니다"),
        ("배포하지 마", Deploy, "이제 배포해도 돼요."),
    ] {
        assert_eq!(set(text), [Some(effect)], "{text}");
        assert_eq!(lifted(text, permission), 1, "{permission}");
        assert_eq!(lifted(text, &format!("{permission}?")), 0, "a question permits nothing");
    }
}

#[test]
fn what_forbids_nothing_in_other_languages_sets_and_lifts_nothing() {
    for text in [
        "Vergiss nicht zu pushen",
        "Pushe, wenn alles fertig ist",
        "N'oublie pas de pousser",
        "¿No hiciste push?",
        "there is no commit to push",
        "no test covers the deploy script",
        "push it and commit the rest",
        "Не забудь запушить",
        "推送之后告诉我",
        "the user may not install it twice",
    ] {
        assert_eq!(set(text), [], "{text}");
    }
    for no_permission in [
        "du darfst pushen, wenn die Tests grün sind",
        "du darfst nicht pushen",
        "tu peux pousser après la revue",
        "wann darfst du pushen?",
        "можешь пушить, но не в main",
    ] {
        assert_eq!(lifted("nicht pushen", no_permission), 0, "{no_permission}");
    }
    for (before, no_permission) in [
        ("nepushuj", "můžeš nepushovat"),
        ("nepushuj", "můžeš pushnout, až projdou testy"),
        ("nepushuj", "nemůžeš pushnout"),
        ("nepushuj", "můžeš mazat"),
        ("不要推送", "可以推送吗"),
        ("不要推送", "可以推送？"),
        ("不要推送", "测试通过后可以推送"),
        ("不要推送", "现在不可以推送"),
        ("不要推送", "可以删除了"),
        ("不要推送", "推送"),
        ("プッシュしないで", "テストが通ったらプッシュしていいです"),
        ("プッシュしないで", "プッシュしていいですか"),
        ("푸시하지 마세요", "테스트가 통과하면 푸시해도 됩니다"),
        ("푸시하지 마세요", "푸시해도 됩니까"),
        ("푸시하지 마세요", "푸시하면 안 됩니다"),
    ] {
        assert_eq!(set(before).len(), 1, "{before}");
        assert_eq!(lifted(before, no_permission), 0, "{no_permission}");
    }
}
