//! The models that judge actions and read results, as the configuration names them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use gatepost_gate::classifier::Answering;
use gatepost_gate::classifier::Model;
use gatepost_gate::classifier::NoVerdict;
use gatepost_gate::classifier::Prompt;
use gatepost_gate::classifier::Said;
use gatepost_gate::classifier::Step;
use gatepost_models::Client;
use gatepost_models::Endpoint;
use gatepost_models::Message;
use gatepost_models::ModelError;
use gatepost_models::Patience;
use gatepost_models::Price;
use gatepost_models::Request;
use gatepost_models::Stop;
use gatepost_models::budget::BYTES_PER_TOKEN;
use gatepost_worker::Classifier;
use gatepost_worker::Reader;

use crate::config::Loaded;
use crate::config::auto_mode::AutoMode;
use crate::failure::Failure;

/// A model that judges.
struct Judge {
    client: Client,
    timeout: Duration,
}

/// The classifier; none where no model is set.
///
/// # Errors
/// A list cannot be used, or a model is named that there is not.
pub(crate) fn classifier(
    loaded: &Loaded,
    models: &BTreeMap<String, Endpoint>,
) -> Result<Option<Classifier>, Failure> {
    let auto = &loaded.file.auto_mode;
    let prose = crate::commands::auto_mode::prose(loaded)?;
    let names: Vec<&String> = auto.model.iter().chain(&auto.second_model).collect();
    if auto.model.is_none() && auto.second_model.is_some() {
        return Err(Failure::new("`auto_mode.second_model` is set and `auto_mode.model` is not")
            .hint("set `model`; the second one is asked where the first has no verdict"));
    }
    if names.is_empty() {
        return Ok(None);
    }
    let judges = names.into_iter().map(|name| judge(auto, models, name));
    Ok(Some(Classifier {
        models: judges.collect::<Result<_, _>>()?,
        prose: Arc::new(prose),
        nobody_there: auto.nobody_there(),
        projects: loaded
            .file
            .projects
            .iter()
            .map(|(name, project)| (name.clone(), project.facts()))
            .collect(),
    }))
}

/// Who reads what tools return; none where no model is set for it.
///
/// # Errors
/// A model is named that there is not.
pub(crate) fn reader(
    loaded: &Loaded,
    models: &BTreeMap<String, Endpoint>,
) -> Result<Option<Reader>, Failure> {
    let auto = &loaded.file.auto_mode;
    let reader = auto.scan_model.as_ref().map(|name| judge(auto, models, name).map(Reader::new));
    reader.transpose()
}

fn judge(
    auto: &AutoMode,
    models: &BTreeMap<String, Endpoint>,
    name: &str,
) -> Result<Arc<dyn Model>, Failure> {
    let endpoint = models.get(name).ok_or_else(|| {
        Failure::new(format!("`auto_mode` names the model `{name}`, which there is not"))
            .hint(format!("add `[models.{name}]`, or name one that is there"))
    })?;
    let timeout = auto.timeout.0;
    let patience = Patience {
        connect: timeout.min(Duration::from_secs(5)),
        first: timeout,
        idle: timeout,
        tries: 3,
        pause: Duration::from_millis(300),
        longest_pause: timeout / 2,
    };
    let client = Client::new(endpoint.clone(), patience)
        .map_err(|error| Failure::new(format!("the classifier cannot be used: {error}")))?;
    Ok(Arc::new(Judge { client, timeout }))
}

impl Model for Judge {
    fn name(&self) -> &str {
        &self.client.endpoint().name
    }

    fn ask(&self, prompt: Arc<Prompt>, step: Step) -> Answering {
        let (client, timeout) = (self.client.clone(), self.timeout);
        Box::pin(async move {
            let words = |text: &str| Message::Person { text: text.to_owned() };
            let request = Request {
                system: prompt.system.clone(),
                messages: vec![words(&prompt.case), words(step.instruction())],
                tools: Vec::new(),
                max_output: Some(u64::from(step.most_tokens())),
            };
            let begun = Instant::now();
            let reply = tokio::time::timeout(timeout, client.reply(&request))
                .await
                .map_err(|_| NoVerdict::TimedOut)?
                .map_err(no_verdict)?;
            match reply.stop {
                Stop::Refused => Err(NoVerdict::Refused("it would not answer".into())),
                // A first word that is cut off flags; a verdict that is cut off does not read.
                Stop::Done | Stop::Length => Ok(Said {
                    text: reply.text(),
                    used: client.endpoint().metered(reply.usage),
                    took: begun.elapsed(),
                }),
            }
        })
    }

    fn room(&self) -> usize {
        let endpoint = self.client.endpoint();
        let tokens = endpoint.context.saturating_sub(u64::from(Step::Reason.most_tokens()));
        usize::try_from(tokens.saturating_mul(BYTES_PER_TOKEN)).unwrap_or(usize::MAX)
    }

    fn price(&self) -> Option<Price> {
        self.client.endpoint().price
    }
}

fn no_verdict(error: ModelError) -> NoVerdict {
    match error {
        ModelError::Timeout { .. } => NoVerdict::TimedOut,
        ModelError::ContextTooLong { .. } => NoVerdict::TooLong,
        ModelError::Unparseable { detail } => NoVerdict::Unparseable(detail),
        error => NoVerdict::Down(error.to_string()),
    }
}
