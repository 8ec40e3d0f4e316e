//! The newcomer's path in a real browser of phone size.

use gatepost_e2e::Browser;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;

const RISKY: &str = "$ echo one > log.txt\n$ touch .git/hooks/a\n$ echo two >> log.txt\n";

fn set_up() -> (tempfile::TempDir, Project, Setup) {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let setup = Setup::new(root.path()).project(project.path());
    (root, project, setup)
}

async fn hand_over(browser: &Browser, link: &str, text: &str) {
    browser.goto(link).await;
    browser.fill("composer-text", text).await;
    browser.click("composer-send").await;
}

#[tokio::test]
async fn task_card_approve_summary_apply_and_the_file_is_on_disk() {
    let (_root, project, setup) = set_up();
    let gatepost = setup.up();
    let browser = Browser::open().await;
    hand_over(&browser, gatepost.link(), RISKY).await;
    assert!(!browser.client().current_url().await.unwrap().as_str().contains("key="));
    let card = browser.says("approval-card", ".git/hooks/a").await;
    assert!(card.contains("touch .git/hooks/a"), "the whole action is on the card: {card}");
    browser.click("approve-once").await;
    browser.says("outcome", "succeeded").await;
    browser.says("summary", "log.txt").await;
    browser.says("diff", "+two").await;
    assert_eq!(project.text("log.txt"), None);
    browser.click("apply").await;
    let begun = std::time::Instant::now();
    while project.text("log.txt").is_none() {
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "{}", browser.text().await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(project.text("log.txt").as_deref(), Some("one\ntwo\n"));
    assert!(!project.path().join(".git/hooks/a").exists());
    browser.close().await;
}

#[tokio::test]
async fn deny_with_a_reason_stops_the_run_and_the_summary_says_so() {
    let (_root, project, setup) = set_up();
    let gatepost = setup.up();
    let browser = Browser::open().await;
    hand_over(&browser, gatepost.link(), RISKY).await;
    browser.says("approval-card", ".git/hooks/a").await;
    browser.click("deny-with-reason").await;
    browser.fill("deny-reason", "not my hooks").await;
    browser.click("deny").await;
    browser.says("outcome", "denied").await;
    browser.says("summary", "not my hooks").await;
    assert_eq!(project.text("log.txt"), None);
    browser.close().await;
}

#[tokio::test]
async fn an_action_is_changed_in_the_browser_and_runs_in_that_form_alone() {
    let (_root, project, setup) = set_up();
    let gatepost = setup.up();
    let browser = Browser::open().await;
    hand_over(&browser, gatepost.link(), "$ touch .git/hooks/a\n").await;
    browser.says("approval-card", ".git/hooks/a").await;
    browser.click("edit").await;
    browser.fill("edit-text", "rm -rf /").await;
    browser.click("edit").await;
    browser.says("outcome", "denied").await;
    let said = browser.says("summary", "edited by console:owner").await;
    assert!(said.contains("touch .git/hooks/a"), "what was asked stands beside it: {said}");

    hand_over(&browser, gatepost.link(), "$ touch .git/hooks/b && echo no > changed.txt\n").await;
    browser.says("approval-card", ".git/hooks/b").await;
    browser.click("edit").await;
    browser.fill("edit-text", "echo yes > changed.txt").await;
    browser.click("edit").await;
    browser.says("outcome", "succeeded").await;
    browser.says("diff", "+yes").await;
    assert!(!project.path().join(".git/hooks/b").exists());
    browser.close().await;
}

#[tokio::test]
async fn a_card_on_the_screen_survives_kill_9_and_its_button_still_works() {
    let (_root, _project, setup) = set_up();
    // The page must find the same address again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let setup = setup.listen(&format!("127.0.0.1:{port}"));
    let gatepost = setup.up();
    let browser = Browser::open().await;
    hand_over(&browser, gatepost.link(), RISKY).await;
    browser.says("approval-card", ".git/hooks/a").await;
    gatepost.kill_9();
    let gatepost = setup.up();
    browser.click("approve-once").await;
    browser.says("outcome", "succeeded").await;
    browser.says("summary", "log.txt").await;
    drop(gatepost);
    browser.close().await;
}

#[tokio::test]
async fn two_windows_tap_at_once_and_both_end_up_with_the_truth() {
    let (_root, _project, setup) = set_up();
    let gatepost = setup.up();
    let (one, two) = tokio::join!(Browser::open(), Browser::open());
    hand_over(&one, gatepost.link(), RISKY).await;
    one.says("approval-card", ".git/hooks/a").await;
    let address = one.client().current_url().await.unwrap();
    two.goto(gatepost.link()).await;
    two.goto(address.as_str()).await;
    two.says("approval-card", ".git/hooks/a").await;
    one.shown("approve-once").await;
    two.shown("deny").await;
    tokio::join!(one.click_if_there("approve-once"), two.click_if_there("deny"));
    let said = one.shown("outcome").await.text().await.unwrap();
    two.says("outcome", &said).await;
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let (_root, _project, setup) = set_up();
    let gatepost = setup.up();
    let browser = Browser::open().await;
    let text = "$ echo '<img src=x onerror=\"document.title=1337\">' && touch .git/hooks/a\n";
    hand_over(&browser, gatepost.link(), text).await;
    browser.says("approval-card", "<img src=x").await;
    assert_ne!(browser.script("return document.title").await, "1337");
    assert_eq!(browser.script("return document.querySelectorAll('img').length").await, 0);
    browser.close().await;
}

#[tokio::test]
async fn the_page_is_named_labelled_and_fits_a_phone() {
    let (_root, _project, setup) = set_up();
    let gatepost = setup.up();
    let browser = Browser::open().await;
    hand_over(&browser, gatepost.link(), RISKY).await;
    browser.shown("approval-card").await;
    let unnamed = browser
        .script(
            "return [...document.querySelectorAll('button, textarea, select, input')].filter(e => \
             e.offsetParent && !(e.innerText || e.ariaLabel || (e.labels && e.labels.length) || \
             e.getAttribute('aria-labelledby'))).map(e => e.outerHTML)",
        )
        .await;
    assert_eq!(unnamed, serde_json::json!([]), "controls without a name");
    let wide = browser
        .script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth",
        )
        .await;
    assert_eq!(wide, 0, "the page scrolls sideways");
    let small = browser
        .script(
            "return [...document.querySelectorAll('button')].filter(b => b.offsetParent && \
             b.getBoundingClientRect().height < 43.5).map(b => b.outerHTML)",
        )
        .await;
    assert_eq!(small, serde_json::json!([]), "buttons too small for a thumb");
    assert_eq!(browser.script("return !!document.querySelector('main')").await, true);
    assert_eq!(browser.script("return !!document.querySelector('[aria-live]')").await, true);
    assert_ne!(browser.script("return document.documentElement.lang").await, "");
    browser.close().await;
}
