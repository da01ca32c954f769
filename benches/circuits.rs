//! Both circuits: check a witness, prove, verify one and many, load a key. Constraints, bytes and what a
//! proof costs in a batch are printed first.
//!
//! `cargo bench --bench circuits`. Every proof is verified before anything is timed.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use circuits::{
    Fr,
    eddsa::PrivateKey,
    encoding::Value,
    groth16::{
        self, Claim, ConstraintSynthesizer, PROOF_BYTES, PreparedVerifyingKey, Proof, ProvingKey,
        VerifyingKey,
    },
    query::{Basis, CompiledQuery, Mode, Query},
    record::{self, Opening},
    schema::Schema,
    statement::{
        CircuitId, consent_message, identified, pseudonym, pseudonymous, scope, subject_tag,
    },
    tree::{self, Leaf},
};
use criterion::{Criterion, criterion_group, criterion_main};

const SCHEMA: &str = r#"{
    "schema": "bench", "version": 1, "title": "Bench", "as_of": "2024-12-31",
    "primary_key": "id",
    "fields": [
        {"name": "id", "type": "integer", "nullable": false, "min": 0, "max": 999,
         "description": "Subject."},
        {"name": "income", "type": "integer", "nullable": false, "min": 0, "max": 1000000,
         "description": "Income."}
    ]
}"#;
/// Proofs that are verified together.
const BATCHES: [usize; 3] = [8, 64, 512];
const QUERY: &str = r#"[{"path": ["income"], "predicate": {"$lt": 50000}}]"#;

/// The element that stands for the schema's digest.
fn schema_element() -> Fr {
    Fr::from(1)
}

fn record_and_query(key: &PrivateKey) -> (Opening, CompiledQuery) {
    let schema = Schema::parse(SCHEMA).expect("a valid schema");
    let json = serde_json::from_str(QUERY).expect("valid JSON");
    let as_of = "2024-12-31".parse().expect("a valid date");
    let query = Query::parse(&json, &schema, as_of).expect("a valid query").compile();
    let opening = Opening {
        values: schema.elements(&[Value::Integer(7), Value::Integer(30_000)]),
        public_key: (key.public_key().x(), key.public_key().y()),
        pseudonym_key: Fr::from(111),
        blinding: Fr::from(222),
    };
    (opening, query)
}

fn identified_circuit() -> ([Fr; 4], identified::Circuit) {
    let (opening, query) = record_and_query(&PrivateKey::from_bytes(&[5; 32]));
    let (schema, nonce, basis) = (schema_element(), Fr::from(9), Basis::Consent);
    let statement = identified::Statement {
        commitment: record::commitment(schema, &opening),
        request: Fr::from(10),
        query: query.commitment(Mode::Identified, basis, schema, nonce),
        subject_tag: subject_tag(opening.values[0], nonce),
    };
    let witness = identified::Witness { schema, opening, nonce, query, basis };
    identified::check(&statement, &witness).expect("a satisfied statement");
    (statement.to_public_inputs(), identified::Circuit::new(statement, witness))
}

fn pseudonymous_circuit() -> ([Fr; 4], pseudonymous::Circuit) {
    let key = PrivateKey::from_bytes(&[5; 32]);
    let (opening, query) = record_and_query(&key);
    let (schema, scope) = (schema_element(), scope(Fr::from(8), Fr::from(9)));
    let leaf = Leaf::record(record::commitment(schema, &opening)).expect("a hash is not zero");
    let Ok(update) = tree::update(&BTreeMap::new(), 3, leaf);
    let nodes: BTreeMap<_, _> = update.writes.into_iter().collect();
    let Ok(path) = tree::path(&nodes, 3);
    let statement = pseudonymous::Statement {
        records_root: update.root,
        request: Fr::from(10),
        query: query.commitment(Mode::Pseudonymous, Basis::Consent, schema, scope),
        pseudonym: pseudonym(opening.pseudonym_key, scope),
    };
    let signature = key.sign(consent_message(statement.request, statement.query));
    let witness = pseudonymous::Witness { schema, opening, scope, query, path, signature };
    pseudonymous::check(&statement, &witness).expect("a satisfied statement");
    (statement.to_public_inputs(), pseudonymous::Circuit::new(statement, witness))
}

/// The median time of some runs.
fn median(mut run: impl FnMut()) -> Duration {
    let times = (0..11).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// What a proof costs in a batch, next to a verification of its own in the same run.
fn print_batches(key: &PreparedVerifyingKey, claims: &[Claim<'_>]) {
    let rng = &mut groth16::rng_from_seed([2; 32]);
    let Claim { inputs, proof } = claims[0];
    let alone = median(|| groth16::verify(key, inputs, proof).expect("it verifies"));
    println!("  verify alone        {:>9.3} ms", alone.as_secs_f64() * 1e3);
    for n in BATCHES {
        let claims = &claims[..n];
        let whole = median(|| groth16::verify_batch(key, claims, rng).expect("all verify"));
        let each = whole.as_secs_f64() / n as f64;
        println!(
            "  in a batch of {n:<5} {:>9.3} ms a proof, {:.2} of alone",
            each * 1e3,
            each / alone.as_secs_f64()
        );
    }
}

fn bench<C>(criterion: &mut Criterion, id: CircuitId, inputs: [Fr; 4], circuit: &C)
where
    C: ConstraintSynthesizer<Fr> + Clone,
{
    let rng = &mut groth16::rng_from_seed([1; 32]);
    let key = id.development_key(rng);
    let prepared = PreparedVerifyingKey::from(key.verifying_key());
    let proof = groth16::prove(&key, circuit.clone(), rng).expect("a satisfied circuit");
    groth16::verify(&prepared, &inputs, &proof).expect("a proof of this statement");

    let (proving_bytes, verifying_bytes) = (key.to_bytes(), key.verifying_key().to_bytes());
    println!("{id}");
    println!("  constraints         {:>9}", key.r1cs().constraints());
    println!("  witness variables   {:>9}", key.r1cs().witness_variables());
    println!("  public inputs       {:>9}", key.r1cs().public_inputs());
    println!("  proving key bytes   {:>9}", proving_bytes.len());
    println!("  verifying key bytes {:>9}", verifying_bytes.len());
    println!("  proof bytes         {PROOF_BYTES:>9}");
    let proofs: Vec<Proof> = (0..BATCHES[BATCHES.len() - 1])
        .map(|_| proof.rerandomised(key.verifying_key(), rng))
        .collect();
    let claims: Vec<_> = proofs.iter().map(|proof| Claim { inputs: &inputs, proof }).collect();
    print_batches(&prepared, &claims);

    let mut group = criterion.benchmark_group(id.name());
    group.sample_size(10);
    group.bench_function("witness", |bencher| {
        bencher.iter(|| groth16::check(&key, black_box(circuit.clone())));
    });
    group.bench_function("prove", |bencher| {
        bencher.iter(|| groth16::prove(&key, black_box(circuit.clone()), rng));
    });
    group.bench_function("verify", |bencher| {
        bencher.iter(|| groth16::verify(&prepared, black_box(&inputs), &proof));
    });
    for n in BATCHES {
        group.bench_function(format!("verify_batch/{n}"), |bencher| {
            bencher.iter(|| groth16::verify_batch(&prepared, black_box(&claims[..n]), rng));
        });
    }
    group.bench_function("load_proving_key", |bencher| {
        bencher.iter(|| ProvingKey::from_bytes(key.r1cs().clone(), black_box(&proving_bytes)));
    });
    group.bench_function("load_verifying_key", |bencher| {
        bencher.iter(|| VerifyingKey::from_bytes(black_box(&verifying_bytes), inputs.len()));
    });
    group.finish();
}

fn identified_v1(criterion: &mut Criterion) {
    let (inputs, circuit) = identified_circuit();
    bench(criterion, CircuitId::IdentifiedV1, inputs, &circuit);
}

fn pseudonymous_v1(criterion: &mut Criterion) {
    let (inputs, circuit) = pseudonymous_circuit();
    bench(criterion, CircuitId::PseudonymousV1, inputs, &circuit);
}

criterion_group!(benches, identified_v1, pseudonymous_v1);
criterion_main!(benches);
