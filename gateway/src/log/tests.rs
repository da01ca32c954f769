use std::sync::{Arc, Mutex};

use circuits::groth16;
use circuits::statement::CircuitId;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;

use super::*;
use crate::department::tests::proving_keys;
use crate::exchange::fixture::{self, Form};
use crate::exchange::{issuer::Ground, proving};

/// So much of a log is read.
const ENOUGH_BYTES: usize = 1 << 20;

/// Everything that was written.
#[derive(Clone, Debug, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }

    fn writer(&self) -> impl for<'a> MakeWriter<'a> + Send + Sync + 'static {
        let buffer = self.clone();
        move || buffer.clone()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines for events and for spans, more than [`lines`] writes, until there are enough: each span of a
/// gadget shows all of the constraint system so far, which comes to gigabytes.
fn everything<S>(buffer: &Buffer) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(buffer.writer()).with_ansi(false);
    let begun = buffer.clone();
    let begun = dynamic_filter_fn(move |_, _| begun.0.lock().unwrap().len() < ENOUGH_BYTES);
    lines.with_span_events(FmtSpan::FULL).with_filter(begun)
}

/// What is written at the most detailed levels that there are, and at more exact ones.
fn all_levels() -> Targets {
    let text = "trace,gr1cs=trace,r1cs=trace,ark_relations::gr1cs=trace,gr1cs::any=trace";
    levels(Ok(text.to_owned()), LevelFilter::INFO).unwrap()
}

/// Proves a statement about the fixture's record under `subscriber`, and says so.
fn prove_under(subscriber: impl Subscriber + Send + Sync + 'static) {
    let form = Form::Identified;
    let ground = Ground::Consent { entry: fixture::id("consent"), signature: form.signature() };
    let (request, standing) = (form.request(), fixture::Chain::new().standing());
    let record = &fixture::scene().record;
    // Made by now: a key's making has spans too, but no values.
    let keys = proving_keys();
    let key = &keys[&CircuitId::IdentifiedV1];
    let rng = &mut groth16::rng_from_seed([1; 32]);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("proof", request = %request.digest()).in_scope(|| {
            proving::prove(&request, record, standing, &ground, key, rng).unwrap();
            tracing::trace!("proved");
        });
    });
}

/// The spellings under which the record's wages would be found.
fn wages() -> [String; 3] {
    let (field, _) = fixture::schema().field("total_wages_cents").unwrap();
    let wages = fixture::scene().record.opening.values[field];
    [fixture::WAGES_CENTS.to_string(), wages.to_string(), format!("{wages:?}")]
}

#[test]
fn a_proof_writes_nothing_of_the_record() {
    let buffer = Buffer::default();
    prove_under(guarded(all_levels(), everything(&buffer)));
    let text = buffer.text();
    assert!(text.contains("proved") && text.contains("proof{request="));
    assert!(!text.contains("r1cs"));
    assert!(wages().iter().all(|wages| !text.contains(wages)));
}

#[test]
fn without_the_guard_a_proof_writes_the_record() {
    let buffer = Buffer::default();
    prove_under(tracing_subscriber::registry().with(everything(&buffer)));
    let text = buffer.text();
    assert!(text.contains("gr1cs"));
    assert!(wages().iter().any(|wages| text.contains(wages)));
}

#[test]
fn levels_are_the_operators_and_info_if_nothing_is_said() {
    let written = |variable: Result<&str, VarError>| {
        let buffer = Buffer::default();
        let levels = levels(variable.map(str::to_owned), LevelFilter::INFO).unwrap();
        let subscriber = guarded(levels, lines(Format::Text, buffer.writer(), false));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "gateway::http", "a");
            tracing::info!(target: "gateway::http", "b");
            tracing::debug!(target: "gateway::http", "c");
            tracing::info!(target: "gateway::store", "d");
            tracing::error!(target: "ark_ff::fields", "e");
        });
        let text = buffer.text();
        text.lines().map(|line| line.chars().last().unwrap()).collect::<String>()
    };
    assert_eq!(written(Err(VarError::NotPresent)), "abd");
    assert_eq!(written(Ok("")), "abd");
    assert_eq!(written(Ok("warn")), "a");
    assert_eq!(written(Ok("off")), "");
    assert_eq!(written(Ok("warn,gateway::http=debug")), "abc");
    assert_eq!(written(Ok("trace,ark_ff=trace")), "abcd");
}

#[test]
fn levels_that_are_none_are_named() {
    let got = OsString::from("gateway=loud");
    let error = levels(Ok("gateway=loud".to_owned()), LevelFilter::INFO).unwrap_err();
    assert_eq!(error, LogError::Levels { got: got.clone() });
    assert!(error.to_string().starts_with("PROOFGATE_LOG: expected"));
    for misspelt in ["inof", "in fo", "warn,gateway::http", "warn,"] {
        let error = levels(Ok(misspelt.to_owned()), LevelFilter::INFO).unwrap_err();
        assert_eq!(error, LogError::Levels { got: misspelt.into() });
    }
    assert_eq!(levels(Err(VarError::NotUnicode(got)), LevelFilter::INFO).unwrap_err(), error);
}

#[test]
fn a_line_of_json_is_an_object() {
    let buffer = Buffer::default();
    let levels = levels(Err(VarError::NotPresent), LevelFilter::INFO).unwrap();
    let subscriber = guarded(levels, lines(Format::Json, buffer.writer(), true));
    tracing::subscriber::with_default(subscriber, || tracing::info!(height = 7, "a block"));
    let text = buffer.text();
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["fields"], serde_json::json!({"message": "a block", "height": 7}));
    assert_eq!(text.lines().count(), 1);
}
