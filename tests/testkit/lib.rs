//! What the end-to-end tests share: a running gatepost, its HTTP client, a browser.
