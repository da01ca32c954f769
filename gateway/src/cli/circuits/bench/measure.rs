//! Measuring one circuit: every phase repeated, every proof verified before its time counts.

use std::fmt;
use std::time::{Duration, Instant};

use ark_std::rand::{CryptoRng, RngCore};
use circuits::Fr;
use circuits::groth16::{
    self, Assignment, Claim, ConstraintSynthesizer, PROOF_BYTES, PreparedVerifyingKey, Proof,
    ProvingKey,
};
use circuits::query::Mode;
use circuits::sizing::{Size, SizedCircuit};
use circuits::statement::CircuitId;
use crypto::Digest;
use indicatif::ProgressBar;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::machine;
use super::snarkjs::{self, Tool};
use crate::circuit_report::{
    BatchFigure, CircuitFigures, ClauseFigure, FileSizes, Memory, Snarkjs, Timing, Variant,
};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

/// Sizes of the batches.
const BATCHES: [u32; 4] = [1, 8, 64, 512];
const LARGEST_BATCH: usize = 512;
/// How many different proofs a batch is filled with.
const DIFFERENT: usize = 16;

/// How often each phase runs, after a first time that is not counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repetitions {
    setup: u64,
    witness: u64,
    prove: u64,
    verify: u64,
    batch: u64,
    pub(super) snarkjs: u64,
}

impl Repetitions {
    /// For a report that is cited.
    pub(super) const FULL: Self =
        Self { setup: 3, witness: 15, prove: 15, verify: 51, batch: 11, snarkjs: 5 };
    /// To see that it works.
    pub(super) const QUICK: Self =
        Self { setup: 1, witness: 1, prove: 1, verify: 3, batch: 1, snarkjs: 1 };

    /// Runs of a circuit together.
    pub(super) const fn steps(self, snarkjs: bool) -> u64 {
        // Setup alone has no first run that is not counted: it has nothing to warm up, and is long.
        let snarkjs = if snarkjs { 3 * (self.snarkjs + 1) } else { 0 };
        let batches = 2 * BATCHES.len() as u64 * (self.batch + 1);
        self.setup
            + (self.witness + 1)
            + 2 * (self.prove + 1)
            + (self.verify + 1)
            + batches
            + snarkjs
    }

    /// Runs of a circuit of another size together.
    pub(super) const fn steps_of_size(self) -> u64 {
        self.prove + 2
    }
}

/// What measures.
pub(super) struct Measuring<'a, R> {
    repetitions: Repetitions,
    rng: R,
    tool: Option<Tool>,
    bar: &'a ProgressBar,
    one_thread: ThreadPool,
    all_threads: ThreadPool,
}

impl<'a, R: RngCore + CryptoRng + Send> Measuring<'a, R> {
    pub(super) fn new(
        repetitions: Repetitions,
        rng: R,
        tool: Option<Tool>,
        bar: &'a ProgressBar,
    ) -> Result<Self, Failure> {
        let pool = |threads| {
            ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
                Failure::new(Exit::OsErr, format_args!("cannot start threads: {error}"))
            })
        };
        let (one_thread, all_threads) = (pool(1)?, pool(machine::threads())?);
        Ok(Self { repetitions, rng, tool, bar, one_thread, all_threads })
    }

    /// All figures of a circuit, from a satisfied statement of it.
    pub(super) fn circuit<C>(
        &mut self,
        id: CircuitId,
        (inputs, circuit): (Vec<Fr>, C),
    ) -> Result<CircuitFigures, Failure>
    where
        C: ConstraintSynthesizer<Fr> + Clone + Send + Sync,
    {
        let Repetitions { setup, witness, prove, verify, batch, .. } = self.repetitions;
        let (bar, rng) = (self.bar, &mut self.rng);
        let wrong = |what: &dyn fmt::Display, error: &dyn fmt::Display| {
            Failure::new(Exit::Failed, format_args!("{id}: {what}: {error}; nothing is reported"))
        };

        let mut made = None;
        let setup = runs(bar, &format!("{id}: setup"), setup, 0, || {
            made = Some(self.all_threads.install(|| id.development_key(rng)));
            Ok(())
        })?;
        let key: ProvingKey = made.expect("setup ran at least once");
        let prepared = PreparedVerifyingKey::from(key.verifying_key());

        let witness = runs(bar, &format!("{id}: witness"), witness, 1, || {
            groth16::check(&key, circuit.clone()).map_err(|error| wrong(&"the sample", &error))
        })?;

        let before = machine::resident_from_here();
        let mut proved = Vec::new();
        let mut timed = [&self.one_thread, &self.all_threads].map(|_| None);
        for (slot, pool) in timed.iter_mut().zip([&self.one_thread, &self.all_threads]) {
            let threads = pool.current_num_threads();
            *slot = Some(runs(bar, &format!("{id}: prove, threads: {threads}"), prove, 1, || {
                let proof = pool.install(|| groth16::prove(&key, circuit.clone(), rng));
                proved.push(proof.map_err(|error| wrong(&"a proof", &error))?);
                Ok(())
            })?);
        }
        let peak = machine::peak();
        for proof in &proved {
            groth16::verify(&prepared, &inputs, proof)
                .map_err(|error| wrong(&"a proof that was timed", &error))?;
        }
        let [Some(prove_one_thread), Some(prove_all_threads)] = timed else {
            unreachable!("each pool proved")
        };

        let proof = proved.swap_remove(0);
        let verify = runs(bar, &format!("{id}: verify"), verify, 1, || {
            let outcome = self.one_thread.install(|| groth16::verify(&prepared, &inputs, &proof));
            outcome.map_err(|error| wrong(&"a proof", &error))
        })?;

        // Other proofs of the same statement, again and again: they cost the same to verify as as many
        // different ones, and far less to make.
        let others: Vec<Proof> =
            (0..DIFFERENT).map(|_| proof.rerandomised(key.verifying_key(), rng)).collect();
        let claims = others.iter().cycle().take(LARGEST_BATCH);
        let claims: Vec<_> = claims.map(|proof| Claim { inputs: &inputs, proof }).collect();
        let mut batches = Vec::new();
        for proofs in BATCHES {
            let claims = &claims[..proofs as usize];
            let mut timed = [&self.one_thread, &self.all_threads].map(|_| None);
            for (slot, pool) in timed.iter_mut().zip([&self.one_thread, &self.all_threads]) {
                let threads = pool.current_num_threads();
                let name = format!("{id}: verify a batch of {proofs}, threads: {threads}");
                *slot = Some(runs(bar, &name, batch, 1, || {
                    pool.install(|| groth16::verify_batch(&prepared, claims, rng))
                        .map_err(|error| wrong(&"a batch", &error))
                })?);
            }
            let [Some(one), Some(all)] = timed else { unreachable!("each pool verified") };
            batches.push(BatchFigure {
                proofs: proofs.into(),
                per_proof: Timing::of_each(&one, proofs),
                per_proof_all_threads: Timing::of_each(&all, proofs),
            });
        }

        let r1cs = key.r1cs();
        let snarkjs = match &self.tool {
            Some(tool) => {
                let assignment =
                    Assignment::of(r1cs, circuit).map_err(|error| wrong(&"the sample", &error))?;
                snarkjs::measure(tool, id, &key, &assignment, self.repetitions, bar)?
            }
            None => Snarkjs::NotMeasured {
                reason: "there is no snarkjs on PATH, and none was named with --snarkjs".to_owned(),
            },
        };
        Ok(CircuitFigures {
            circuit: id,
            r1cs_sha256: Digest::from_bytes(r1cs.digest()),
            constraints: r1cs.constraints() as u64,
            private_wires: r1cs.witness_variables() as u64,
            public_inputs: r1cs.public_inputs() as u64,
            clauses: ClauseFigure::of(id, &id.constraints_by_clause()),
            bytes: FileSizes {
                proof: PROOF_BYTES as u64,
                verifying_key: key.verifying_key().to_bytes().len() as u64,
                proving_key: key.to_bytes().len() as u64,
                r1cs: r1cs.to_file().len() as u64,
            },
            setup: Timing::of(&setup),
            witness: Timing::of(&witness),
            prove_one_thread: Timing::of(&prove_one_thread),
            prove_all_threads: Timing::of(&prove_all_threads),
            verify: Timing::of(&verify),
            batches,
            // The kernel counts both a little late.
            prove_memory: before
                .zip(peak)
                .map(|(before, peak)| Memory { before, peak: peak.max(before) }),
            snarkjs,
        })
    }
}

impl<R: RngCore + CryptoRng + Send> Measuring<'_, R> {
    /// Constraints and time to prove of a circuit of another size.
    pub(super) fn size(&mut self, mode: Mode, size: Size, name: &str) -> Result<Variant, Failure> {
        let (bar, rng, pool) = (self.bar, &mut self.rng, &self.all_threads);
        let wrong = |error: &dyn fmt::Display| {
            Failure::new(Exit::Failed, format_args!("{name}: {error}; nothing is reported"))
        };
        let sample = SizedCircuit::sample(mode, size);
        let inputs = sample.public_inputs().map_err(|error| wrong(&error))?;
        let mut made = None;
        runs(bar, &format!("{name}: setup"), 1, 0, || {
            let key = pool.install(|| groth16::setup(&sample.blank(), rng));
            made = Some(key.map_err(|error| wrong(&error))?);
            Ok(())
        })?;
        let key: ProvingKey = made.expect("setup ran once");
        let mut proved = Vec::new();
        let prove = runs(bar, &format!("{name}: prove"), self.repetitions.prove, 1, || {
            let proof = pool.install(|| groth16::prove(&key, sample.clone(), rng));
            proved.push(proof.map_err(|error| wrong(&error))?);
            Ok(())
        })?;
        let prepared = PreparedVerifyingKey::from(key.verifying_key());
        for proof in &proved {
            groth16::verify(&prepared, &inputs, proof).map_err(|error| wrong(&error))?;
        }
        Ok(Variant {
            size: name.to_owned(),
            in_use: false,
            constraints: key.r1cs().constraints() as u64,
            prove: Timing::of(&prove),
        })
    }
}

/// The times of `counted` runs, after `first` ones that are not counted.
pub(super) fn runs(
    bar: &ProgressBar,
    name: &str,
    counted: u64,
    first: u64,
    mut run: impl FnMut() -> Result<(), Failure>,
) -> Result<Vec<Duration>, Failure> {
    bar.set_message(name.to_owned());
    let mut times = Vec::new();
    for place in 0..first + counted {
        let start = Instant::now();
        run()?;
        let time = start.elapsed();
        if place >= first {
            times.push(time);
        }
        bar.inc(1);
    }
    Ok(times)
}
