//! The language models, as the configuration sets them up.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gatepost_domain::Event;
use gatepost_journal::JournalError;
use gatepost_models::Api;
use gatepost_models::Endpoint;
use gatepost_models::KeySource;
use gatepost_models::Price;
use gatepost_models::base_url;
use gatepost_models::budget::Budget;
use gatepost_models::budget::Ledger;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config;
use crate::config::Loaded;
use crate::config::schema::Model;
use crate::config::schema::Prices;
use crate::failure::Failure;

/// Every model by name. Their keys are not looked at: one that is missing is told where it is used.
pub(crate) fn endpoints(loaded: &Loaded) -> Result<BTreeMap<String, Endpoint>, Failure> {
    let models = &loaded.file.models;
    models.iter().map(|(name, model)| Ok((name.clone(), endpoint(loaded, name, model)?))).collect()
}

fn endpoint(loaded: &Loaded, name: &str, model: &Model) -> Result<Endpoint, Failure> {
    let wrong = |what: String, hint: &str| {
        Failure::new(format!("`models.{name}`: {what}")).hint(hint.to_owned())
    };
    if !config::is_name(name) {
        let hint = "use up to 64 letters, digits, `-`, `_` and `.`";
        return Err(wrong("this cannot name a model".into(), hint));
    }
    if model.model.trim().is_empty() {
        return Err(wrong("`model` is empty".into(), "write the model's name at the provider"));
    }
    let key = match (&model.key_file, &model.key_env) {
        (Some(_), Some(_)) => {
            let what = "it has both `key_file` and `key_env`".into();
            return Err(wrong(what, "take one of them out"));
        }
        (Some(path), None) => KeySource::File(loaded.resolve(path)),
        (None, Some(variable)) => KeySource::Env(variable.clone()),
        (None, None) if model.api == Api::Ollama || model.base_url.is_some() => KeySource::None,
        (None, None) => {
            let hint = "add `key_file` or `key_env`; only a server of your own needs none";
            return Err(wrong("it has no key".into(), hint));
        }
    };
    let base = model.base_url.as_deref().unwrap_or(model.api.public_url());
    let base_url = base_url(base).map_err(|error| {
        wrong(error.to_string(), "`gatepost config default` shows the form of a model")
    })?;
    if model.max_output >= model.context {
        let what = format!(
            "an answer of {} tokens leaves no room in a context of {}",
            model.max_output, model.context
        );
        return Err(wrong(what, "make `max_output` smaller, or `context` larger"));
    }
    Ok(Endpoint {
        name: name.to_owned(),
        api: model.api,
        base_url,
        key,
        model: model.model.trim().to_owned(),
        price: model.price.as_ref().map(price),
        context: model.context,
        max_output: model.max_output,
    })
}

/// What was spent so far, out of the journal, by each task and by all on this day; and what people
/// let it be.
pub(crate) fn ledger(budget: Budget, journal: &Path) -> Result<Ledger, JournalError> {
    let ledger = Ledger::new(budget, Arc::new(|| day(Timestamp::now())));
    if budget == Budget::default() {
        return Ok(ledger);
    }
    for record in gatepost_journal::read(journal)? {
        let record = record?;
        match (&record.task, &record.event) {
            (Some(task), Event::ModelUsed { metered, .. }) => {
                ledger.remember(task, day(record.at), metered);
            }
            (Some(task), Event::BudgetRaised { raise, .. }) => ledger.raise(task, raise),
            _ => {}
        }
    }
    Ok(ledger)
}

/// The day of this machine's time zone, as a number of its own.
fn day(at: Timestamp) -> i64 {
    let date = TimeZone::system().to_datetime(at).date();
    i64::from(date.year()) * 1_000 + i64::from(date.day_of_year())
}

fn price(prices: &Prices) -> Price {
    let input = prices.input.0;
    Price {
        input,
        output: prices.output.0,
        cache_read: prices.cache_read.map_or(input, |price| price.0),
        cache_write: prices.cache_write.map_or(input, |price| price.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn read(text: &str) -> Result<BTreeMap<String, Endpoint>, Failure> {
        let file = parse(text, "x").unwrap();
        let managed = crate::config::managed::Managed::default();
        let origin = Some("/etc/gatepost/x.toml".into());
        endpoints(&Loaded { origin, file, text: text.into(), managed })
    }

    #[test]
    fn a_model_is_set_up_with_little() {
        let text = "[models.a]\napi = \"anthropic\"\nkey_file = \"a.key\"\nmodel = \"m\"\n\
                    price = { input = 3, output = 15.0 }\n";
        let models = read(text).unwrap();
        let model = &models["a"];
        assert_eq!(model.url("messages"), "https://api.anthropic.com/v1/messages");
        assert_eq!(model.key, KeySource::File("/etc/gatepost/a.key".into()));
        let price = model.price.unwrap();
        assert_eq!(price.input.nanodollars(), 3_000);
        assert_eq!(price.cache_read, price.input);
        let local =
            "[models.b]\napi = \"openai\"\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"m\"\n";
        assert_eq!(read(local).unwrap()["b"].key, KeySource::None);
    }

    #[test]
    fn a_model_that_cannot_work_is_refused_with_what_to_do() {
        for (text, message) in [
            ("api = \"openai\"\nmodel = \"m\"", "it has no key"),
            ("api = \"openai\"\nkey_env = \"A\"\nkey_file = \"b\"\nmodel = \"m\"", "both"),
            ("api = \"openai\"\nkey_env = \"A\"\nmodel = \" \"", "`model` is empty"),
            (
                "api = \"openai\"\nkey_env = \"A\"\nbase_url = \"http://x.org\"\nmodel = \"m\"",
                "https",
            ),
            ("api = \"ollama\"\nmodel = \"m\"\nmax_output = 200000", "leaves no room"),
        ] {
            let failure = read(&format!("[models.a]\n{text}\n")).unwrap_err();
            assert!(failure.to_string().contains(message), "{text}: {failure}");
            assert!(failure.advice().is_some(), "{text}");
        }
        let wrong =
            "[models.a]\napi = \"anthropic\"\nmodel = \"m\"\nprice = { input = -1, output = 1 }\n";
        assert!(parse(wrong, "x").is_err());
    }
}
