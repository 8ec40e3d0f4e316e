//! The steps a message holds: the content of its shell code blocks, or its lines that start with
//! `$ `.

/// Splits a script into complete shell commands, each with its exact words. Given from outside, so
/// that there is one reading of shell text in Gatepost and not two.
pub type Splitter = fn(&str) -> Result<Vec<String>, SplitError>;

/// Why a script cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SplitError(pub String);

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// One complete shell command.
    pub command: String,
    /// Whether the run goes on when it fails or is refused, as with a leading `-` in make.
    pub may_fail: bool,
}

/// A message whose commands cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a step cannot be understood as shell: {why}, in `{near}`")]
pub struct StepsError {
    why: String,
    near: String,
}

/// The mark of a command on a line of its own.
const PROMPT: &str = "$ ";

/// Names of code blocks that hold shell; a block without a name does too.
const SHELLS: [&str; 8] =
    ["", "sh", "bash", "shell", "console", "shell-session", "terminal", "shellscript"];

/// The steps of a message, in order; none when it holds no command.
///
/// # Errors
/// [`StepsError`] quotes what is no complete shell command.
pub fn steps_of(text: &str, split: Splitter) -> Result<Vec<Step>, StepsError> {
    let mut steps = Vec::new();
    for block in shell_blocks(text) {
        let prompted = block.lines().any(|line| prompted(line).is_some());
        // A block copied from a terminal holds output between its commands.
        if prompted {
            lines(&block, split, &mut steps)?
        } else {
            script(&block, split, &mut steps)?
        }
    }
    if steps.is_empty() {
        lines(text, split, &mut steps)?;
    }
    Ok(steps)
}

fn script(text: &str, split: Splitter, steps: &mut Vec<Step>) -> Result<(), StepsError> {
    let commands = split(text).map_err(|error| error_in(text, error))?;
    steps.extend(commands.into_iter().filter_map(|command| step(&command)));
    Ok(())
}

/// Each marked line begins a command; the lines after it belong to it for as long as it is not
/// complete without them.
fn lines(text: &str, split: Splitter, steps: &mut Vec<Step>) -> Result<(), StepsError> {
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        let Some(first) = prompted(line) else { continue };
        let mut command = first.to_owned();
        let first_error = loop {
            match split(&command) {
                Ok(commands) => {
                    steps.extend(commands.into_iter().filter_map(|command| step(&command)));
                    break None;
                }
                // A here-document may hold lines that look like commands; nothing else may.
                Err(error) => match rest
                    .next_if(|line| prompted(line).is_none() || is_in_document(&command))
                {
                    Some(line) => {
                        command.push('\n');
                        command.push_str(line.trim_end_matches('\r'));
                    }
                    None => break Some(error),
                },
            }
        };
        if let Some(error) = first_error {
            return Err(error_in(first, error));
        }
    }
    Ok(())
}

/// Whether a command that is not complete waits for the end of a here-document: its first line
/// begins one, and is complete but for that.
fn is_in_document(command: &str) -> bool {
    let first = command.lines().next().unwrap_or_default();
    let quotes = |mark| first.matches(mark).count() % 2 == 0;
    first.contains("<<") && !first.contains("<<<") && quotes('\'') && quotes('"')
}

fn step(command: &str) -> Option<Step> {
    let command = command.trim();
    let (command, may_fail) = match command.strip_prefix('-') {
        Some(rest) => (rest.trim_start(), true),
        None => (command, false),
    };
    (!command.is_empty()).then(|| Step { command: command.to_owned(), may_fail })
}

fn prompted(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix(PROMPT)
}

fn error_in(text: &str, error: SplitError) -> StepsError {
    let first = text.trim().lines().next().unwrap_or_default();
    StepsError { why: error.0, near: first.chars().take(80).collect() }
}

/// The content of every code block that holds shell. Fences are those of CommonMark 0.31, section
/// 4.5: three or more backticks or tildes, closed by at least as many of the same.
fn shell_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(char, usize, Option<String>)> = None;
    for line in text.lines() {
        let line = line.trim_end_matches('\r');
        open = match open.take() {
            None => fence(line).map(|(mark, count, info)| {
                let name = info.split_whitespace().next().unwrap_or_default().to_lowercase();
                (mark, count, SHELLS.contains(&name.as_str()).then(String::new))
            }),
            Some((mark, count, content)) => match fence(line) {
                Some((closing, length, "")) if closing == mark && length >= count => {
                    blocks.extend(content);
                    None
                }
                Some(_) | None => {
                    let content = content.map(|mut content| {
                        content.push_str(line);
                        content.push('\n');
                        content
                    });
                    Some((mark, count, content))
                }
            },
        };
    }
    // A block that is never closed runs to the end of the message.
    blocks.extend(open.and_then(|(_, _, content)| content));
    blocks
}

fn fence(line: &str) -> Option<(char, usize, &str)> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let line = line.trim_start_matches(' ');
    let mark = line.chars().next().filter(|mark| ['`', '~'].contains(mark))?;
    let rest = line.trim_start_matches(mark);
    let count = line.len() - rest.len();
    (indent < 4 && count >= 3 && !(mark == '`' && rest.contains('`'))).then_some((
        mark,
        count,
        rest.trim(),
    ))
}
