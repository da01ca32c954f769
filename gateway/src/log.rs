//! The gateway's log: lines on standard error, for its operator.
//!
//! Which lines is the operator's to say, in `PROOFGATE_LOG`. What arkworks would write is not: its
//! gadgets record their arguments in spans, and in a proof those are the values of a citizen's record.
//! So those spans never come into being, whatever the operator asks for.

use std::env::{self, VarError};
use std::ffi::OsString;
use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// The environment variable that says what is logged: `info`, or `warn,gateway::http=debug`.
pub const LEVELS_VARIABLE: &str = "PROOFGATE_LOG";
/// What the targets begin with that are never logged: the constraint systems' spans, and arkworks.
const NEVER: [&str; 3] = ["gr1cs", "r1cs", "ark_"];

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people; in colours if standard error is a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogError {
    /// The variable is no list of levels.
    #[error(
        "{LEVELS_VARIABLE}: expected levels such as info, or warn,gateway::http=debug, got {got:?}"
    )]
    Levels {
        /// What it is.
        got: OsString,
    },
    /// The process has a log already.
    #[error("the log was begun before")]
    Begun,
}

/// Begins the log of this process, at the levels of `PROOFGATE_LOG`; at `default` if that says nothing.
///
/// # Errors
/// [`LogError`] if the variable is no list of levels, or if there is a log already.
pub fn init(format: Format, default: LevelFilter) -> Result<(), LogError> {
    let levels = levels(env::var(LEVELS_VARIABLE), default)?;
    let lines = lines(format, io::stderr, io::stderr().is_terminal());
    guarded(levels, lines).try_init().map_err(|_| LogError::Begun)?;
    // What a panic says may name anybody; where it happened is enough to find it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic");
    }));
    Ok(())
}

/// The levels that the variable's text says.
fn levels(variable: Result<String, VarError>, default: LevelFilter) -> Result<Targets, LogError> {
    match variable {
        Ok(text) if !text.is_empty() => {
            let levels = text.parse().ok().filter(|_| has_levels(&text));
            levels.ok_or_else(|| LogError::Levels { got: text.into() })
        }
        Ok(_) | Err(VarError::NotPresent) => Ok(Targets::new().with_default(default)),
        Err(VarError::NotUnicode(got)) => Err(LogError::Levels { got }),
    }
}

/// Whether every part has a level: a misspelt level alone would pass for a target, and turn the log off.
fn has_levels(text: &str) -> bool {
    let has_level = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    text.split(',').all(|part| !part.is_empty() && has_level(part))
}

/// Lines in `format`, written to `writer`.
fn lines<S, W>(format: Format, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().boxed(),
    }
}

/// `lines` at `levels`, over a registry in which what is [never](NEVER) logged does not exist.
///
/// The two filters are apart, so that no more exact target among `levels` undoes the other.
fn guarded<L>(levels: Targets, lines: L) -> impl Subscriber + Send + Sync
where
    L: Layer<Layered<Targets, Registry>> + Send + Sync,
{
    let never = NEVER.map(|target| (target, LevelFilter::OFF));
    let rest = Targets::new().with_default(LevelFilter::TRACE).with_targets(never);
    tracing_subscriber::registry().with(rest).with(lines.with_filter(levels))
}

#[cfg(test)]
mod tests;
