//! Scripts to steps: each one complete command, with its text as it was.

use gatepost_policy::split_steps;

fn check(script: &str, expect: &[&str]) {
    assert_eq!(split_steps(script).unwrap(), expect, "{script:?}");
}

#[test]
fn each_line_is_a_step() {
    check("", &[]);
    check("\n\n  \n", &[]);
    check("# only a comment\n", &[]);
    check("ls", &["ls"]);
    check("ls\npwd\n", &["ls", "pwd"]);
    check("\n\nls\n\n\npwd", &["ls", "pwd"]);
    check("ls # why\npwd", &["ls # why", "pwd"]);
    check("# a\nls\n# b\n# c\npwd\n# d", &["ls", "pwd"]);
    check("  ls -l  \n\tpwd\t", &["ls -l", "pwd"]);
    check("echo 'a  b'   c", &["echo 'a  b'   c"]);
}

#[test]
fn one_line_is_one_step() {
    check("a; b", &["a; b"]);
    check("a; b; c\nd", &["a; b; c", "d"]);
    check("a & b", &["a & b"]);
    check("a && b || c", &["a && b || c"]);
    check("a; b; # c\nd;", &["a; b; # c", "d;"]);
    check("for i in 1 2; do echo $i; done; ls", &["for i in 1 2; do echo $i; done; ls"]);
}

#[test]
fn what_goes_on_stays_together() {
    check("a \\\n  b \\\n  c\nd", &["a \\\n  b \\\n  c", "d"]);
    check("a &&\n  b\nc", &["a &&\n  b", "c"]);
    check("a |\n  b\nc", &["a |\n  b", "c"]);
    check("if a\nthen\n  b\nfi\nc", &["if a\nthen\n  b\nfi", "c"]);
    check(
        "for i in 1 2\ndo\n\n  # in\n  a\ndone\nc",
        &["for i in 1 2\ndo\n\n  # in\n  a\ndone", "c"],
    );
    check("f() {\n  a\n}\nf", &["f() {\n  a\n}", "f"]);
    check("( a\nb )\nc", &["( a\nb )", "c"]);
    check("echo 'a\nb'\nc", &["echo 'a\nb'", "c"]);
    check("echo \"a\n#b\n\"\nc", &["echo \"a\n#b\n\"", "c"]);
    check("x=$(a\nb)\nc", &["x=$(a\nb)", "c"]);
    check("case x in\n a) b;;\nesac\nc", &["case x in\n a) b;;\nesac", "c"]);
}

#[test]
fn here_documents_stay_whole() {
    check("cat <<E\na\nE\nls", &["cat <<E\na\nE", "ls"]);
    check("cat <<'E'\n# a\n\n# b\nE\nls", &["cat <<'E'\n# a\n\n# b\nE", "ls"]);
    check("cat <<-E\n\ta\n\tE\nls", &["cat <<-E\n\ta\n\tE", "ls"]);
    check("cat <<A <<B\na\nA\nb\nB\nls", &["cat <<A <<B\na\nA\nb\nB", "ls"]);
    check("cat <<E | sort\nb\na\nE\nls", &["cat <<E | sort\nb\na\nE", "ls"]);
    check("cat <<E; ls\na\nE\npwd", &["cat <<E; ls\na\nE", "pwd"]);
    check("cat <<E\na\nE", &["cat <<E\na\nE"]);
    check("cat <<E > x\na 'b\nE\nls", &["cat <<E > x\na 'b\nE", "ls"]);
}

#[test]
fn text_is_kept_as_it_was() {
    check("echo ä; ls\necho 日本 # ö\nx", &["echo ä; ls", "echo 日本 # ö", "x"]);
    check(
        "echo \u{1f600}\ncat <<E\n\u{1f600}\nE\nls",
        &["echo \u{1f600}", "cat <<E\n\u{1f600}\nE", "ls"],
    );
    check("-ls", &["-ls"]);
    check("a='b' c  d", &["a='b' c  d"]);
}

#[test]
fn carriage_returns_end_lines_too() {
    check("ls\r\npwd\r\n", &["ls", "pwd"]);
    check("cat <<E\r\na\r\nE\r\nls\r\n", &["cat <<E\na\nE", "ls"]);
    check("a \\\r\n b\r\n", &["a \\\n b"]);
}

#[test]
fn what_is_not_complete_is_an_error_with_its_line() {
    for (script, line) in [
        ("echo 'x", 1),
        ("ls\necho \"x\n\n", 2),
        ("ls\npwd\nif a; then", 3),
        ("ls\ncat <<E\na", 2),
        ("ls\n)", 2),
        ("a\nb\nfor", 3),
        ("echo $(", 1),
        ("done", 1),
        ("ls\necho `x", 2),
        ("ls\npwd \\", 2),
        ("ls\necho ${x", 2),
    ] {
        let error = split_steps(script).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line}")), "{script:?}: {error}");
        assert!(!error.contains('\n') && !error.contains("peg"), "{error}");
    }
    assert!(split_steps("a\0b").is_err());
    assert!(split_steps(&"( ".repeat(10_000)).is_err());
}
