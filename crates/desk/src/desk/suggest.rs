//! What fits into the field of a command, while somebody fills it in.

use gatepost_domain::request::RequestError;

use super::Desk;
use super::until_given_up;
use crate::inbound::Field;
use crate::inbound::Suggest;

/// How many are offered: as many as a platform shows at most
/// (<https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object-autocomplete>).
const OFFERED: usize = 25;

impl Desk {
    /// Says what fits, to somebody who has a role; to anybody else nothing does.
    pub(super) async fn suggest(&mut self, suggest: Suggest) -> Result<(), RequestError> {
        let Suggest { id, from, field, begun } = suggest;
        let all: Vec<String> = if self.people.knows(&self.person(from)) {
            match field {
                Field::Project => self.hub.projects(),
                Field::Agent => {
                    self.hub.agents().await?.into_iter().map(|agent| agent.name).collect()
                }
                Field::Task => {
                    self.hub.tasks().await?.iter().map(|task| task.id().to_string()).collect()
                }
            }
        } else {
            Vec::new()
        };
        let fits = fitting(all, &begun);
        let offered = self.surface.suggest(id, fits);
        self.tracker.spawn(until_given_up(self.stop.clone(), async move {
            if let Err(trouble) = offered.await {
                tracing::debug!(%trouble, "nobody waits for what fits any more");
            }
        }));
        Ok(())
    }
}

/// Those that hold what was written, in their order.
fn fitting(all: Vec<String>, begun: &str) -> Vec<String> {
    let begun = begun.trim().to_lowercase();
    all.into_iter().filter(|one| one.to_lowercase().contains(&begun)).take(OFFERED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_holds_what_was_written_and_is_no_more_than_can_be_shown() {
        let all: Vec<_> = (0..40).map(|n| format!("Task{n}")).collect();
        assert_eq!(
            fitting(all.clone(), " tASK3"),
            [
                "Task3", "Task30", "Task31", "Task32", "Task33", "Task34", "Task35", "Task36",
                "Task37", "Task38", "Task39"
            ]
        );
        assert_eq!(fitting(all, "").len(), OFFERED);
    }
}
