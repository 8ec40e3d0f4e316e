//! What developers type in many ecosystems all day, what attacks look like, and what is no attack
//! and still a person's to decide. One command a line, `\\n` for the ends of lines in it.

use crate::check;

fn commands(text: &str) -> Vec<String> {
    text.lines().map(|line| line.replace("\\n", "\n")).collect()
}

fn judged(text: &str, expect: bool) {
    let commands = commands(text);
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    check(&commands, expect);
}

#[test]
fn everyday_commands_of_many_ecosystems_run() {
    judged(include_str!("commands/everyday.txt"), true);
}

#[test]
fn no_attack_runs_by_itself() {
    judged(include_str!("commands/attacks.txt"), false);
}

#[test]
fn what_is_a_persons_to_decide_asks() {
    judged(include_str!("commands/asks.txt"), false);
}
