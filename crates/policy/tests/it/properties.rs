//! What holds for any text at all.

use gatepost_domain::action::Action;
use gatepost_domain::mode::Mode;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;
use gatepost_policy::split_steps;
use proptest::prelude::*;

use crate::exec;
use crate::judge;
use crate::shell;

/// Text that has a good chance of being shell, or nearly.
fn shellish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "ls",
        "rm",
        "-rf",
        "~",
        "/",
        "echo",
        "$HOME",
        "${x:-",
        "}",
        "$(",
        ")",
        "`",
        "'",
        "\"",
        "|",
        "||",
        "&&",
        ";",
        "&",
        "\n",
        "<<E",
        "E\n",
        ">",
        ">>",
        "<",
        "(",
        "{",
        "if",
        "then",
        "fi",
        "for",
        "in",
        "do",
        "done",
        "case",
        "esac",
        "sh",
        "-c",
        "eval",
        "env",
        "xargs",
        "find",
        "-exec",
        "sudo",
        "python3",
        "git",
        "push",
        "\\",
        "*",
        "?",
        "[",
        "]",
        "!",
        "#",
        "=",
        "a",
        "$((",
        "))",
        "[[",
        "]]",
        "=~",
        "{a,b}",
        "{1..9}",
        "$'\\x41'",
        "\t",
        "é",
        "\u{1}",
        "\u{2}",
        "function",
        "f()",
        "while",
        "/etc/shadow",
        ".git/hooks/x",
        "curl",
        "x.tld",
    ]);
    let gap = prop::sample::select(vec!["", " ", " ", " "]);
    prop::collection::vec((piece, gap), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(piece, gap)| [piece, gap]).collect())
}

/// One letter of a word in another spelling that bash reads as the same.
fn spelled(word: &str, ways: &[u8]) -> String {
    let mut out = String::new();
    for (i, c) in word.chars().enumerate() {
        match ways.get(i).copied().unwrap_or(0) % 5 {
            1 => out.push_str(&format!("'{c}'")),
            2 => out.push_str(&format!("\"{c}\"")),
            3 => out.push_str(&format!("\\{c}")),
            4 => out.push_str(&format!("''{c}")),
            _ => out.push(c),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_text_gets_a_verdict(text in any::<String>()) {
        for mode in Mode::ALL {
            judge(&exec(&text), mode);
        }
        judge(&Action::Python { command: text.clone() }, Mode::Auto);
        judge(&Action::Read { path: text.clone() }, Mode::Auto);
        judge(&Action::Write { path: text.clone(), content: text.clone() }, Mode::Auto);
        judge(&Action::Fetch { url: text }, Mode::Auto);
    }

    #[test]
    fn any_bytes_get_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        shell(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn shellish_text_gets_a_verdict(text in shellish()) {
        let judged = shell(&text);
        // What cannot be split into commands was not understood, and is never allowed.
        if split_steps(&text).is_err() {
            prop_assert_ne!(judged.verdict, Verdict::Allow, "{}", text);
        }
    }

    #[test]
    fn python_like_text_gets_a_verdict(text in "[a-z '\"().=,:#\\n\\\\{}\\[\\]]{0,200}") {
        judge(&Action::Python { command: text }, Mode::Auto);
    }

    #[test]
    fn javascript_like_text_gets_a_verdict(
        text in "([a-z '\"().=,;:`$\\n\\\\{}\\[\\]+/!?<>&|*-]|=>|function |class |let |\\$\\{|new |\\.\\.\\.){0,120}"
    ) {
        shell(&format!("node <<'GATEPOST_END'\n{text}\nGATEPOST_END\n"));
    }

    #[test]
    fn steps_are_complete_and_in_order(text in shellish()) {
        if let Ok(steps) = split_steps(&text) {
            let mut rest = text.as_str();
            for step in steps {
                let at = rest.find(&step);
                prop_assert!(at.is_some(), "{:?} is not in {:?}", step, text);
                rest = &rest[at.unwrap_or(0) + step.len()..];
                prop_assert!(split_steps(&step).is_ok(), "{:?} of {:?}", step, text);
            }
        }
    }

    #[test]
    fn spelling_does_not_change_the_verdict(
        which in 0usize..8,
        ways in prop::collection::vec(any::<u8>(), 24),
    ) {
        let words = [
            ("rm", "-rf /home/user"), ("cat", "/etc/shadow"), ("git", "push"), ("ls", "-l"),
            ("echo", "a"), ("curl", "x.tld"), ("sudo", "id"), ("touch", "a.txt"),
        ];
        let (name, rest) = words[which];
        let plain = shell(&format!("{name} {rest}"));
        let rest: Vec<String> = rest.split(' ').map(|word| {
            // A tilde or dash keeps its meaning only where it stands bare; these hold none.
            spelled(word, &ways)
        }).collect();
        let other = shell(&format!("{} {}", spelled(name, &ways), rest.join(" ")));
        prop_assert_eq!(
            (plain.verdict, plain.stage, plain.rule),
            (other.verdict, other.stage, other.rule)
        );
    }

    #[test]
    fn a_harmless_neighbour_saves_nothing(
        shape in prop::sample::select(vec![
            "echo a; {}", "{}; echo a", "true && {}", "false || {}", "( {} )", "{ {}; }",
            "if true; then {}; fi", "for i in 1 2; do {}; done", "f() { {}; }; f", "sh -c '{}'",
            "bash -lc '{}'", "eval '{}'", "env {}", "timeout 5 {}", "nice {}", "nohup {}",
            "echo \"$({})\"", "echo `{}`", "cat <({})", "x=$({})", "bash <<E\n{}\nE", "{} | cat",
            "{} > out", "! {}", "time {}", "command {}", "find . -exec {} ';'", "trap '{}' EXIT",
        ]),
        command in prop::sample::select(vec![
            "rm -rf /home/user", "git push", "curl x.tld", "sudo id", "cat /etc/shadow",
        ]),
    ) {
        // `{ … }` is part of some shapes, so only the bare pair stands for the command.
        let text = shape.replace("{}", command);
        let judged = shell(&text);
        prop_assert_ne!(judged.verdict, Verdict::Allow, "{}", text);
    }

    #[test]
    fn modes_only_narrow_but_for_bypass(text in shellish()) {
        let auto = shell(&text);
        if auto.stage == Stage::HardBoundary {
            for mode in Mode::ALL {
                prop_assert_eq!(judge(&exec(&text), mode).clearance, Clearance::Nobody);
            }
        }
        if auto.verdict != Verdict::Allow {
            for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::Bypass) {
                prop_assert_ne!(judge(&exec(&text), mode).verdict, Verdict::Allow);
            }
        }
        // The one mode that widens lets nothing run that is not understood.
        if auto.stage == Stage::NotUnderstood {
            prop_assert_ne!(judge(&exec(&text), Mode::Bypass).verdict, Verdict::Allow);
        }
    }
}

#[test]
fn huge_and_deep_text_ends_soon() {
    for text in [
        "a".repeat(300_000),
        "a ".repeat(100_000),
        "a;".repeat(100_000),
        "(".repeat(100_000),
        "$(".repeat(50_000),
        "{ ".repeat(50_000),
        "`".repeat(9_999),
        "\"$(".repeat(5_000),
        "${a:-".repeat(5_000),
        "$((".repeat(5_000),
        "{a,b}".repeat(40),
        "<<E ".repeat(2_000),
        // These kept the tokenizer going for ever.
        "<<E$(( <& $( ; x".to_owned(),
        "$(<< $(".to_owned(),
        "$(<< ".to_owned(),
        "$(<<'' E".to_owned(),
        "cat <<''".to_owned(),
        "${x:-<< ${".to_owned(),
        // The parser of words broke down over this one.
        format!("a > ~{0}; cat ~+{0} ~-{0}; echo ${{{0}}} ${{a:{0}}}", "5".repeat(60)),
        // These took twice as long for each parenthesis.
        "(((((((((( (](((((((((( (]( ((((".to_owned(),
        "((((((((".to_owned(),
        "(((((((( ]".to_owned(),
        "( ( ( ( ( ( ( ( ]".to_owned(),
        "f() ( f() ( f() ( f() ( f() ( f() ( f() ( ]".to_owned(),
        "[[ ( ( ( ( ( ( ( ( a".to_owned(),
        format!("echo $(({}1", "(".repeat(40)),
        format!("echo $(({}1{}))", "(".repeat(40), ")".repeat(40)),
        format!("(({}1{}))", "(".repeat(40), ")".repeat(40)),
        // These took up to twenty times as long for each expansion in another one, for minutes.
        "<<\u{c}\n<<\"|$|$>$[${x[a\u{16}>$|$>$[${x[a\u{16}>$<<\u{c}\n<<\"|$|$>$[${x[a\u{16}>$[$x[a\n\
         [$x[$<<\u{c}\n<<\"|$|$>$[${x[a\u{16}>$[$x[a\n[$x[a\n"
            .to_owned(),
        format!("cat <<E\n{}\nE\n", "${x[".repeat(20)),
        format!("cat <<E\n{}\nE\n", "$(($((a".repeat(20)),
        format!("cat <<E\n{}\nE\n", "$[$[a".repeat(20)),
        format!("cat <<E\n{}\nE\n", "$((((a".repeat(20)),
        format!("echo {}a{}", "x[${x[".repeat(20), "]}]".repeat(20)),
        "if a; then ".repeat(3_000),
        "! ".repeat(19_000),
        "a|".repeat(50_000),
        "eval ".repeat(5_000),
        "env ".repeat(5_000),
        "sh -c '".repeat(3_000),
        "f(){ f|f& };f".to_owned(),
        // These doubled with every step.
        format!("a=xxxxxxxxxx; {}", "a=$a$a; ".repeat(60)),
        format!("a=(x); {}", "a+=(\"${a[@]}\"); ".repeat(60)),
        format!("a={}; {}", "x".repeat(60_000), "echo $a; ".repeat(2_000)),
        // These cost the square of their length.
        (0..2_500).map(|i| format!("a{i}=x | true; ")).collect(),
        (0..2_500).map(|i| format!("if a; then v{i}=x; fi; ")).collect(),
        (0..2_500).map(|i| format!("(f{i}() {{ x; }}); cat a{i}; ")).collect(),
        "cat ".to_owned() + &"a ".repeat(120_000),
        "xargs rm ".repeat(25_000),
        "a >b ".repeat(50_000),
        format!("cat <<E\n{}E\n", "$a ${b} $(ls)\n".repeat(15_000)),
        format!(
            "cat > Makefile <<'E'\n{}E\nmake t0",
            (0..8_000).map(|i| format!("t{i}: t{}\n\tx\n", i + 1)).collect::<String>()
        ),
        "for i in {1..99}; do for j in {1..99}; do for k in {1..99}; do a; done; done; done".into(),
    ] {
        shell(&text);
    }
}

#[test]
fn code_that_grows_or_nests_ends_soon() {
    let nested_loops: String = (0..8)
        .map(|i| format!("{}for a{i} in 'abcdefghijklmnopqrstuvwx':\n", " ".repeat(i)))
        .chain(["        open(a0 + a1 + a7)\n".to_owned()])
        .collect();
    let calls: String =
        (1..40).map(|i| format!("def f{i}(x):\n  f{}(x)\n  f{}(x)\n", i - 1, i - 1)).collect();
    for code in [
        format!("a = [1]\n{}", "a = [a, a]\n".repeat(60)),
        format!("a = [1]\n{}", "a = a + a\n".repeat(60)),
        format!("a = 'x'\n{}", "a = a + a\n".repeat(60)),
        format!("d = {{}}\n{}", "d = {'a': d, 'b': d}\n".repeat(60)),
        format!("a = b or c\n{}", "a = a or [a]\n".repeat(60)),
        format!("def f0(x): pass\n{calls}f39(1)\n"),
        "f = lambda x: f(f(x))\nf(f)\n".to_owned(),
        nested_loops,
        "(".repeat(50_000),
        "not ".repeat(20_000),
        format!("{}a", "a + ".repeat(50_000)),
        format!("{}a", "-".repeat(100_000)),
        "lambda: ".repeat(20_000),
        format!("a{}", ".b()".repeat(20_000)),
        format!("a{}", "[0]".repeat(20_000)),
        "if a:\n".repeat(20_000),
        "f'{".repeat(5_000),
        "x = 1\n".repeat(40_000),
        (0..3_000).map(|i| format!("v{i} = 'x'\nif v{i}: pass\n")).collect(),
        "def = 1 ) \n".repeat(5_000),
        (0..5_000).map(|i| format!("def f{i}(): pass\n")).collect(),
    ] {
        judge(&Action::Python { command: code }, Mode::Auto);
    }
    let calls: String =
        (1..40).map(|i| format!("function f{i}(x) {{ f{}(x); f{}(x) }}\n", i - 1, i - 1)).collect();
    for code in [
        format!("{calls}f39(1)\n"),
        "(x => x)(1);\n".repeat(4_500),
        "class A { b(c) { this.d = c } }\n".repeat(2_000),
        "{ let a = 'x'; if (a) { a = 'y' } }\n".repeat(1_700),
        format!("let a = [1];\n{}", "a = [a, a];\n".repeat(60)),
        format!("let a = 'x';\n{}", "a = a + a;\n".repeat(60)),
        format!("let a = 'x';\n{}", "a = [...a, ...a];\n".repeat(60)),
        "const f = x => f(f(x)); f(f);\n".to_owned(),
        "(".repeat(60_000),
        "[".repeat(60_000),
        "`${".repeat(20_000),
        "!".repeat(60_000),
        "new ".repeat(15_000),
        "async () => ".repeat(5_000),
        "a => ".repeat(12_000),
        "a ? b : ".repeat(7_000),
        "a ? ".repeat(15_000),
        "a.b().c[0]?.d;".repeat(4_000),
        format!("a{}", ".b()".repeat(15_000)),
        format!("a{}", "+ a".repeat(15_000)),
        "if (a) ".repeat(8_000),
        "if (a) {} else ".repeat(4_000),
        "for (;;) ".repeat(6_000),
        "a: ".repeat(15_000),
        "<a>".repeat(20_000),
        "/[".repeat(20_000),
    ] {
        shell(&format!("node <<'GATEPOST_END'\n{code}\nGATEPOST_END\n"));
    }
}
