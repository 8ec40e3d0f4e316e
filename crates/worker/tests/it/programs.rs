//! Agents that are programs in the sandbox: their life, their home, their ways to break off.

use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gatepost_agents::Agent;
use gatepost_agents::AgentError;
use gatepost_agents::Answer;
use gatepost_agents::Executor;
use gatepost_agents::Hired;
use gatepost_agents::Next;
use gatepost_agents::Place;
use gatepost_agents::Prepared;
use gatepost_agents::ProposalId;
use gatepost_agents::Roster;
use gatepost_agents::program::Bounds;
use gatepost_agents::program::Heard;
use gatepost_agents::program::Launch;
use gatepost_agents::program::Pipes;
use gatepost_agents::program::Program;
use gatepost_agents::program::ProgramError;
use gatepost_agents::program::Waiting;
use gatepost_domain::Action;
use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::action::Exec;
use gatepost_domain::approval::Settlement;
use gatepost_domain::outcome::Reason;

use crate::Test;
use crate::agents::exited;
use crate::agents::roster;
use crate::world::World;
use crate::world::owner;
use crate::world::run;

pub(crate) const TESTS: &[Test] = &[
    ("programs::a_program_works_once_it_may", a_program_works_once_it_may),
    ("programs::another_action_does_not_sweep_it_away", another_action_does_not_sweep_it_away),
    ("programs::its_home_is_its_own_and_kept", its_home_is_its_own_and_kept),
    ("programs::its_directory_is_read_only", its_directory_is_read_only),
    ("programs::a_crash_is_told_with_its_last_words", a_crash_is_told_with_its_last_words),
    ("programs::a_stop_kills_it", a_stop_kills_it),
    ("programs::a_program_that_is_not_there_is_told", a_program_that_is_not_there_is_told),
];

/// Waits until a file is there that the program makes.
async fn appears(file: &Path) {
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A program that speaks in lines: `want COMMAND` is answered with `yes` or `no`, after a `yes` it
/// says `did CODE`, and `bye` ends its work.
struct Lines {
    program: Program,
    cwd: String,
    asked: bool,
}

struct Script {
    directory: PathBuf,
    program: PathBuf,
    project: PathBuf,
    model: Option<&'static str>,
}

/// A roster with this shell script as its only agent.
fn script(root: &Path, text: &str) -> Arc<dyn Roster> {
    script_with(root, text, None)
}

/// The same with a model.
pub(crate) fn script_with(root: &Path, text: &str, model: Option<&'static str>) -> Arc<dyn Roster> {
    let directory = root.join("program");
    std::fs::create_dir(&directory).unwrap();
    let program = directory.join("agent.sh");
    std::fs::write(&program, text).unwrap();
    let project = root.join("project");
    roster(Hired::Program(Box::new(Script { directory, program, project, model })))
}

impl Prepared for Script {
    fn read_only(&self) -> Vec<PathBuf> {
        vec![self.directory.clone()]
    }

    fn model(&self) -> Option<&str> {
        self.model
    }

    fn launch(&self, place: &Place) -> Result<Launch, AgentError> {
        Ok(Launch {
            argv: vec!["/bin/bash".into(), self.program.clone().into()],
            cwd: self.project.clone(),
            env: [("PRIVATE".to_owned(), place.home.clone())]
                .into_iter()
                .chain(place.model.iter().flat_map(|model| {
                    [
                        ("URL".to_owned(), model.base_url.clone()),
                        ("TOKEN".to_owned(), model.token.clone()),
                    ]
                }))
                .collect(),
        })
    }

    fn attach(self: Box<Self>, _: &Place, pipes: Pipes) -> Result<Box<dyn Agent>, AgentError> {
        let bounds = Bounds { silence: Duration::from_secs(50), secrets: vec![] };
        Ok(Box::new(Lines {
            program: Program::new(pipes, bounds),
            cwd: self.project.to_str().unwrap().to_owned(),
            asked: false,
        }))
    }
}

impl Agent for Lines {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Next, AgentError>> + Send + '_>> {
        Box::pin(async {
            let waiting = if self.asked { Waiting::OnUs } else { Waiting::OnProgram };
            let line = match self.program.next(waiting).await? {
                Heard::Line(line) => line,
                Heard::Ended(ended) => return Err(ProgramError::Ended(ended).into()),
            };
            let id = ProposalId(1);
            match line.split_once(' ') {
                Some(("want", command)) => {
                    self.asked = true;
                    let (command, cwd) = (command.to_owned(), self.cwd.clone());
                    let action = Action::Exec(Exec { command, cwd, env: [].into() });
                    Ok(Next::Propose { id, action, by: Executor::Agent })
                }
                Some(("did", code)) => {
                    Ok(Next::Finished { id, result: exited(code.parse().unwrap()) })
                }
                _ if line == "bye" => {
                    Ok(Next::Done { outcome: Outcome::Succeeded, reason: Reason::Completed })
                }
                _ => Err(ProgramError::Garbage(self.program.quote(&line)).into()),
            }
        })
    }

    fn answer(&mut self, _: ProposalId, answer: Answer) {
        self.asked = false;
        self.program.say(match answer {
            Answer::Cleared { .. } => "yes",
            Answer::Ran { .. } | Answer::Refused { .. } => "no",
        });
    }

    fn message(&mut self, _: gatepost_agents::Words) {}

    fn interrupt(&mut self) {}

    fn resume_key(&self) -> String {
        "here".into()
    }
}

/// Asks about each of these and does what it may, then ends.
fn wants(commands: &[&str]) -> String {
    let mut text = String::new();
    for command in commands {
        text.push_str(&format!(
            "echo 'want {command}'\nread answer\nif [ \"$answer\" = yes ]; then\n  {command} >/dev/null\n  \
             echo \"did $?\"\nfi\n"
        ));
    }
    text + "echo bye\n"
}

fn a_program_works_once_it_may() {
    run(async {
        let script_text = wants(&["touch made", "git push", "touch last"]);
        let world = World::start(|root| script(root, &script_text)).await;
        let approval = world.asked("git push").await;
        assert_eq!(world.story("touch made"), ["verdict", "started", "exit 0"]);
        let by_person = Settlement::Person {
            who: owner(),
            decision: Decision::Deny,
            reason: Some("not today".into()),
        };
        world.settle(approval, by_person).await;
        assert_eq!(world.end().await.0, Outcome::Succeeded);
        assert_eq!(world.story("touch last"), ["verdict", "started", "exit 0"]);
        let push = world.story("git push");
        assert!(!push.contains(&"started".to_owned()), "{push:?}");
        world.stop().await;
    });
}

fn another_action_does_not_sweep_it_away() {
    run(async {
        // Before every question about it the file is read in the sandbox, by a process that ends.
        let script_text = wants(&["bash deploy.sh", "bash deploy.sh", "touch last"]);
        let world = World::start(|root| script(root, &script_text)).await;
        assert_eq!(world.end().await.0, Outcome::Succeeded);
        assert_eq!(world.story("touch last"), ["verdict", "started", "exit 0"]);
        world.stop().await;
    });
}

fn its_home_is_its_own_and_kept() {
    run(async {
        let text = "echo kept >\"$PRIVATE/note\" && [ \"$PRIVATE\" = \"$HOME\" ] && echo bye\n";
        let world = World::start(|root| script(root, text)).await;
        assert_eq!(world.end().await.0, Outcome::Succeeded);
        let task = std::fs::read_dir(&world.runs).unwrap().next().unwrap().unwrap().path();
        let note = std::fs::read_to_string(task.join("workspace/home/note")).unwrap();
        assert_eq!(note, "kept\n");
        assert!(!world.project.join("note").exists());
        world.stop().await;
    });
}

fn its_directory_is_read_only() {
    run(async {
        let text = "echo evil >>\"$0\" || { [ -r \"$0\" ] && echo bye; }\n";
        let world = World::start(|root| script(root, text)).await;
        assert_eq!(world.end().await.0, Outcome::Succeeded);
        let now = std::fs::read_to_string(world.dir.path().join("program/agent.sh")).unwrap();
        assert_eq!(now, text);
        world.stop().await;
    });
}

fn a_crash_is_told_with_its_last_words() {
    run(async {
        let text = "echo 'want git push'\nread answer\n\
                    echo 'no memory left' >&2\nprintf 'want hal'\nexit 7\n";
        let world = World::start(|root| script(root, text)).await;
        let approval = world.asked("git push").await;
        let deny = Settlement::Person { who: owner(), decision: Decision::Deny, reason: None };
        world.settle(approval, deny).await;
        let (outcome, reason) = world.end().await;
        assert_eq!(outcome, Outcome::Failed);
        let words = reason.to_string();
        for part in ["exit 7", "no memory left", "want hal"] {
            assert!(words.contains(part), "{words}");
        }
        world.stop().await;
    });
}

fn a_stop_kills_it() {
    run(async {
        let text = "touch \"$HOME/here\"\necho 'want git push'\nread answer\n";
        let world = World::start(|root| script(root, text)).await;
        world.asked("git push").await;
        let task = std::fs::read_dir(&world.runs).unwrap().next().unwrap().unwrap().path();
        appears(&task.join("workspace/home/here")).await;
        world.cancel().await;
        assert_eq!(world.end().await.0, Outcome::Cancelled);
        let push = world.story("git push");
        assert!(push.contains(&"withdrawn, not run".to_owned()), "{push:?}");
        world.stop().await;
    });
}

fn a_program_that_is_not_there_is_told() {
    run(async {
        let world = World::start(|root| {
            let directory = root.join("program");
            std::fs::create_dir(&directory).unwrap();
            let program = directory.join("absent.sh");
            roster(Hired::Program(Box::new(Script {
                model: None,
                program,
                directory,
                project: root.join("project"),
            })))
        })
        .await;
        let (outcome, reason) = world.end().await;
        assert_eq!(outcome, Outcome::Failed);
        assert!(reason.to_string().contains("absent.sh"), "{reason}");
        world.stop().await;
    });
}
