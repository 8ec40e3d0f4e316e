//! What is refused at the door, and in which words.

use std::path::PathBuf;
use std::time::Duration;

use gatepost_domain::Mode;
use gatepost_domain::TaskId;

use super::*;

fn config(projects: &[&str], default_project: Option<&str>) -> HubConfig {
    HubConfig {
        projects: projects
            .iter()
            .map(|name| ((*name).to_owned(), PathBuf::from("/srv").join(name)))
            .collect(),
        default_project: default_project.map(str::to_owned),
        agents: vec!["runbook".into()],
        default_agent: "runbook".into(),
        default_mode: Mode::AcceptEdits,
        max_running: 1,
        max_queued: 1,
        approval_timeout: Duration::from_secs(1),
        version: "0".into(),
    }
}

fn asked(project: Option<&str>) -> NewTask {
    let project = project.map(str::to_owned);
    NewTask { text: "$ x".into(), project, ..NewTask::default() }
}

#[test]
fn what_is_left_out_comes_from_the_configuration() {
    let check = |config: &HubConfig, project: Option<&str>, wanted: Result<&str, &str>| match (
        spec(config, Principal::console(), asked(project)),
        wanted,
    ) {
        (Ok(spec), Ok(wanted)) => {
            assert_eq!(spec.project, wanted);
            assert_eq!(spec.project_path, format!("/srv/{wanted}"));
            assert_eq!((spec.agent.as_str(), spec.mode), ("runbook", Mode::AcceptEdits));
        }
        (Err(error), Err(wanted)) => {
            assert!(format!("{} {}", error.message, error.hint).contains(wanted), "{error:?}");
        }
        (given, wanted) => panic!("{given:?}, not {wanted:?}"),
    };
    let one = config(&["demo"], None);
    let two = config(&["demo", "site"], None);
    check(&one, None, Ok("demo"));
    check(&two, None, Err("name one of `demo`, `site`"));
    check(&two, Some("site"), Ok("site"));
    check(&config(&["demo", "site"], Some("site")), None, Ok("site"));
    check(&two, Some("Demo"), Err("did you mean `demo`?"));
    check(&two, Some(&"q".repeat(5000)), Err("there are `demo`, `site`"));
}

#[test]
fn a_hostile_name_is_quoted_short() {
    let long = "q".repeat(5000);
    let error = spec(&config(&["demo"], None), Principal::console(), asked(Some(&long)));
    assert!(error.unwrap_err().message.len() < 120);
}

#[test]
fn texts_are_taken_as_far_as_everything_can_carry_them() {
    let limit = "x".repeat(MAX_TASK_TEXT);
    for text in ["$ x", "\u{1}\u{7f}\u{202e}\u{fffd}", limit.as_str()] {
        assert_eq!(check_message("task", text.into()), Ok(text.into()));
    }
    for text in ["", " \t\r\n\u{2003}", "a\0b", &format!("{limit}x")] {
        let error = check_message("task", text.into()).unwrap_err();
        assert_eq!(error.kind, RequestErrorKind::Invalid);
        assert!(!error.hint.is_empty());
    }
}

#[test]
fn files_come_with_safe_names_or_not_at_all() {
    let file = |name: &str, sha256: &str| gatepost_domain::Attachment {
        name: name.into(),
        size: 1,
        sha256: sha256.into(),
        media_type: None,
    };
    let with = |attachments: Vec<_>| Message { attachments, ..Message::default() };
    let digest = "ab".repeat(32);
    let alone = with(vec![file("a.txt", &digest)]);
    assert_eq!(check_message("task", alone.clone()), Ok(alone), "a file says something");
    for (name, sha256) in [("../a", digest.as_str()), (".a", &digest), ("a", "../journal.jsonl")] {
        assert!(check_message("task", with(vec![file(name, sha256)])).is_err(), "{name}");
    }
    assert!(check_message("task", with(vec![file("a", &digest); MAX_ATTACHMENTS + 1])).is_err());
}

#[test]
fn the_same_again_is_the_same_for_somebody_else() {
    let config = config(&["demo"], None);
    let first = spec(&config, Principal::console(), asked(None)).unwrap();
    let id = TaskId::from_entropy(1);
    let second = again(&config, Principal::terminal(), &first, id.clone()).unwrap();
    let wanted = TaskSpec { requester: Principal::terminal(), retry_of: Some(id), ..first };
    assert_eq!(second, wanted);
}
