//! A headless Chromium of phone size, driven through ChromeDriver.

use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use fantoccini::Client;
use fantoccini::ClientBuilder;
use fantoccini::Locator;
use fantoccini::elements::Element;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::PATIENCE;

/// A browser window and the driver process behind it.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens one.
    ///
    /// # Panics
    /// When Chromium or ChromeDriver is missing; `cargo xtask test` installs them.
    pub async fn open() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: install the Debian package chromium-driver");
        let capabilities = json!({
            "goog:chromeOptions": {
                "binary": "/usr/bin/chromium",
                "args": [
                    "--headless",
                    // Chromium refuses its own sandbox as root, and it only sees our own page.
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--disable-dev-shm-usage",
                    "--window-size=412,915",
                    format!("--user-data-dir={}", profile.path().display()),
                ],
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities = capabilities.as_object().cloned().unwrap();
        let begun = Instant::now();
        let client = loop {
            let connected = ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities.clone())
                .connect(&format!("http://127.0.0.1:{port}"))
                .await;
            match connected {
                Ok(client) => break client,
                Err(error) => {
                    assert!(begun.elapsed() < PATIENCE, "no browser: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        Self { client, driver, _profile: profile }
    }

    /// Goes to an address.
    pub async fn goto(&self, address: &str) {
        self.client.goto(address).await.unwrap();
    }

    /// Waits for the element with this `data-testid` to be shown.
    ///
    /// # Panics
    /// When it does not come; the page's text is in the message.
    pub async fn shown(&self, testid: &str) -> Element {
        let selector = format!("[data-testid=\"{testid}\"]");
        let begun = Instant::now();
        loop {
            if let Ok(element) = self.client.find(Locator::Css(&selector)).await
                && element.is_displayed().await.unwrap_or(false)
            {
                return element;
            }
            if begun.elapsed() > PATIENCE {
                panic!("`{testid}` was not shown; the page says:\n{}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the element to be shown and clicks it.
    pub async fn click(&self, testid: &str) {
        self.shown(testid).await.click().await.unwrap();
    }

    /// Clicks the element if it is still there when the click arrives: the page may take a button
    /// away at any moment, because somebody else was faster.
    pub async fn click_if_there(&self, testid: &str) {
        let selector = format!("[data-testid=\"{testid}\"]");
        if let Ok(element) = self.client.find(Locator::Css(&selector)).await {
            let _gone_by_now = element.click().await;
        }
    }

    /// Types into the element.
    pub async fn fill(&self, testid: &str, text: &str) {
        self.shown(testid).await.send_keys(text).await.unwrap();
    }

    /// Waits until the element's text contains `wanted` and gives it whole.
    ///
    /// # Panics
    /// When it never does.
    pub async fn says(&self, testid: &str, wanted: &str) -> String {
        let begun = Instant::now();
        loop {
            let text = self.shown(testid).await.text().await.unwrap_or_default();
            if text.contains(wanted) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "`{testid}` says {text:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The page's visible text.
    pub async fn text(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => format!("no page: {error}"),
        }
    }

    /// Runs a script in the page and gives its result.
    pub async fn script(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// The client, for what has no helper.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Closes the window and its driver.
    pub async fn close(mut self) {
        let _already_gone = self.client.clone().close().await;
        let _already_dead = self.driver.kill();
        let _reaped = self.driver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A failed test does not reach `close`; the driver takes Chromium down with it.
        let _already_dead = self.driver.kill();
        let _reaped = self.driver.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
