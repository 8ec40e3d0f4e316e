//! Answers of a model that are kept in a file, so that a score can be had again without the model.
//!
//! One JSON object a line. Its key is a digest of the model's name and of every byte of the
//! question: an answer to another question, another policy or another model is never found.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

use gatepost_domain::Metered;
use gatepost_domain::Price;
use gatepost_gate::classifier::Answering;
use gatepost_gate::classifier::Model;
use gatepost_gate::classifier::NoVerdict;
use gatepost_gate::classifier::Prompt;
use gatepost_gate::classifier::Said;
use gatepost_gate::classifier::Step;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;
use tokio::sync::OnceCell;

use crate::failure::Failure;

/// Why there is no verdict where an answer is not in the file.
const MISSING: &str = "its answer is not in the file of answers";

/// What came of each question, by its digest; a question on its way has its place already.
type Known = BTreeMap<String, Arc<OnceCell<Came>>>;

/// Where answers come from.
#[derive(Debug)]
pub(super) struct Answers {
    known: Mutex<Known>,
    asks: Asks,
    /// The first thing that went wrong with the file.
    broken: OnceLock<String>,
}

/// Whether a model may be asked.
#[derive(Debug)]
enum Asks {
    /// Only what is in the file counts.
    Never,
    /// It is asked, and nothing is kept.
    Forgets,
    /// It is asked, and what it says is written down.
    Keeps(Mutex<File>),
}

/// What came of a question. What may be otherwise the next time (no connection, no time) is not
/// kept, so that the next run asks it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Came {
    /// It answered.
    Answer { text: String, used: Metered, took_ms: u64 },
    /// Its provider would not have it answered.
    Refused(String),
    /// The question was longer than it takes.
    TooLong,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    model: String,
    step: String,
    came: Came,
}

/// A model whose answers may be known already.
struct Kept {
    inner: Arc<dyn Model>,
    /// The model's name at its provider: what is configured under one name may change.
    model: String,
    answers: Arc<Answers>,
}

/// Whether there is no verdict only because the file lacks it.
pub(super) fn is_missing(none: &NoVerdict) -> bool {
    matches!(none, NoVerdict::Down(why) if why == MISSING)
}

impl Answers {
    /// A model is asked, and each question once.
    pub(super) fn live() -> Self {
        Self { known: Mutex::default(), asks: Asks::Forgets, broken: OnceLock::new() }
    }

    /// The answers of a file and no others.
    ///
    /// # Errors
    /// It cannot be read, or a line is no answer.
    pub(super) fn replay(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("cannot read `{shown}`: {error}"))
                .hint("name a file that `gatepost eval --classifier --record` wrote")
        })?;
        let (known, _) = read(&text, &shown.to_string())?;
        Ok(Self { known: Mutex::new(known), asks: Asks::Never, broken: OnceLock::new() })
    }

    /// The answers of a file, to which new ones are added.
    ///
    /// # Errors
    /// It cannot be read or written, a line is no answer, or another run writes it.
    pub(super) fn record(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let wrong = |error: std::io::Error| {
            Failure::new(format!("cannot keep answers in `{shown}`: {error}"))
                .hint("name a file that can be written, or one that is not there yet")
        };
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(wrong)?;
        file.try_lock().map_err(|_| {
            Failure::new(format!("another `gatepost eval` writes `{shown}`"))
                .hint("wait for it, or name another file")
        })?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(wrong)?;
        let (known, whole) = read(&text, &shown.to_string())?;
        // A run that was killed in the middle of a line leaves its beginning.
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(wrong)?;
        let asks = Asks::Keeps(Mutex::new(file));
        Ok(Self { known: Mutex::new(known), asks, broken: OnceLock::new() })
    }

    /// These models, asked by way of the answers that are known. `models`: with their names at
    /// their providers.
    pub(super) fn of(
        self: &Arc<Self>,
        models: Vec<(Arc<dyn Model>, String)>,
    ) -> Vec<Arc<dyn Model>> {
        let kept = models.into_iter().map(|(inner, model)| {
            Arc::new(Kept { inner, model, answers: Arc::clone(self) }) as Arc<dyn Model>
        });
        kept.collect()
    }

    /// How many are known.
    pub(super) fn count(&self) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|cell| cell.initialized()).count()
    }

    /// Whether everything that was to be kept is in the file.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn kept(&self) -> Result<(), Failure> {
        match self.broken.get() {
            Some(why) => Err(Failure::new(format!("answers could not be kept: {why}"))
                .hint("make room and run the same again; what was kept is not asked again")),
            None => Ok(()),
        }
    }

    fn cell(&self, key: &str) -> Arc<OnceCell<Came>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(key.to_owned()).or_default())
    }

    fn keep(&self, line: &Line) {
        let Asks::Keeps(file) = &self.asks else { return };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_string(line)
            .map_err(std::io::Error::from)
            .and_then(|text| file.write_all(format!("{text}\n").as_bytes()));
        if let Err(error) = written {
            // The first one says it; later ones say the same.
            let _first = self.broken.set(error.to_string());
        }
    }
}

impl Model for Kept {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn ask(&self, prompt: Arc<Prompt>, step: Step) -> Answering {
        let key = key(&self.model, &prompt, step);
        let (answers, model) = (Arc::clone(&self.answers), self.model.clone());
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let cell = answers.cell(&key);
            // Rows that ask the very same share one answer, now and from the file.
            let came = cell.get_or_try_init(|| async {
                match answers.asks {
                    Asks::Never => return Err(NoVerdict::Down(MISSING.into())),
                    Asks::Forgets | Asks::Keeps(_) => {}
                }
                let came = came(inner.ask(prompt, step).await)?;
                let step = step.as_str().to_owned();
                answers.keep(&Line { key: key.clone(), model, step, came: came.clone() });
                Ok(came)
            });
            match came.await?.clone() {
                Came::Answer { text, used, took_ms } => {
                    Ok(Said { text, used, took: Duration::from_millis(took_ms) })
                }
                Came::Refused(why) => Err(NoVerdict::Refused(why)),
                Came::TooLong => Err(NoVerdict::TooLong),
            }
        })
    }

    fn room(&self) -> usize {
        self.inner.room()
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }
}

/// What is worth keeping of an answer; what may be otherwise the next time is not.
fn came(said: Result<Said, NoVerdict>) -> Result<Came, NoVerdict> {
    match said {
        Ok(Said { text, used, took }) => {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            Ok(Came::Answer { text, used, took_ms })
        }
        Err(NoVerdict::Refused(why)) => Ok(Came::Refused(why)),
        Err(NoVerdict::TooLong) => Ok(Came::TooLong),
        Err(
            none @ (NoVerdict::Down(_)
            | NoVerdict::Spent { .. }
            | NoVerdict::TimedOut
            | NoVerdict::Unparseable(_)),
        ) => Err(none),
    }
}

/// The digest of a question: each part with its length before it, so that none runs into the next.
fn key(model: &str, prompt: &Prompt, step: Step) -> String {
    let mut digest = Sha256::new();
    for part in [model, step.as_str(), &prompt.system, &prompt.case, step.instruction()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    format!("{:x}", digest.finalize())
}

/// The answers of a file, and the length of its whole lines.
fn read(text: &str, shown: &str) -> Result<(Known, u64), Failure> {
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut known = BTreeMap::<String, Came>::new();
    let lines = text.get(..whole).unwrap_or_default().lines().enumerate();
    for (i, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: &str| {
            Failure::new(format!("{shown}:{}: {why}", i + 1))
                .hint("take that line out, or record the answers anew into another file")
        };
        let line: Line = serde_json::from_str(line).map_err(|e| wrong(&e.to_string()))?;
        match known.get(&line.key) {
            Some(before) if *before != line.came => {
                return Err(wrong("the same question has another answer above"));
            }
            _ => known.insert(line.key, line.came),
        };
    }
    let cells =
        known.into_iter().map(|(key, came)| (key, Arc::new(OnceCell::new_with(Some(came)))));
    Ok((cells.collect(), whole as u64))
}

#[cfg(test)]
mod tests;
