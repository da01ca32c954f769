//! A ceremony of three departments with snarkjs, on the real circuits: begun, contributed to, ended, verified,
//! imported, put on the chain and proved with, in production; and what is refused on the way.
//!
//! Everybody knows the secrets of the first phase, so that it is prepared in seconds. All
//! that follows is as with any other. With `PROOFGATE_CEREMONY=full` in the environment the ceremony is about both
//! circuits, each of which is proved with, and snarkjs prepares a first phase to which two have contributed: that
//! takes 25 to 40 minutes.

#[path = "ceremony/first_phase.rs"]
mod first_phase;
#[path = "ceremony/stopping.rs"]
mod stopping;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use circuits::statement::CircuitId;
use serde_json::Value;

use self::first_phase::{full_phase_one, phase_one};

use crate::gateway::{Gateway, command, done, free_port, get, proofgate};
use crate::pair::{LAW, Pair, consent, service};
use crate::snarkjs;

const BEACON: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
const BEACON_OF_PHASE_ONE: &str =
    "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0";
/// A citizen of the sample data.
const CITIZEN: &str = "101146789348";

/// Whether everything is done as departments would.
fn is_full() -> bool {
    std::env::var("PROOFGATE_CEREMONY").is_ok_and(|it| it == "full")
}

/// What the ceremony is about.
fn circuits() -> &'static [CircuitId] {
    if is_full() { &CircuitId::ALL } else { &CircuitId::ALL[..1] }
}

/// Three departments, each with a gateway, and a ceremony's folder beside theirs.
struct Consortium {
    pair: Pair,
    snarkjs: PathBuf,
    gateways: Vec<Gateway>,
}

impl Consortium {
    /// Sets them up; nobody has put a key forward.
    fn running() -> Self {
        let pair = Pair::init();
        let consortium =
            Self { pair, snarkjs: snarkjs::command_line().to_owned(), gateways: Vec::new() };
        let (genesis, follow) = (consortium.pair.genesis(), consortium.pair.base());
        let listen = format!("127.0.0.1:{}", free_port());
        let init = ["init", "--department", "registry", "--listen", &listen];
        let join = ["--genesis", genesis.to_str().unwrap(), "--follow", &follow];
        done(proofgate(&consortium.folder("registry"), &[&init[..], &join].concat()));
        let tax = Gateway::serving(&consortium.folder("tax"));
        let mut gateways = vec![tax];
        // The second joins by the word of the first, the third by that of both.
        let approve = |department: &str, by: &[&str]| {
            let document = consortium.folder(department).join(department).join("department.json");
            for by in by {
                let approve = ["approve", document.to_str().unwrap()];
                done(proofgate(&consortium.folder(by), &approve));
            }
        };
        let welfare = Gateway::start(&consortium.folder("welfare"));
        welfare.says("waiting until ");
        // It lives, and says that it is not ready.
        let port = consortium.pair.ports.1;
        assert!(get(port, "/livez").starts_with("HTTP/1.1 200 "));
        for path in ["/readyz", "/v1/chain/tip"] {
            let answer = get(port, path);
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("not-ready") && answer.contains("admitted"), "{answer}");
        }
        // Whoever works on the folder meanwhile is told what it waits for.
        let waits = proofgate(&consortium.folder("welfare"), &["approve"]);
        refused(&waits, 75, &["welfare is not a department", "department.json"]);
        approve("welfare", &["tax"]);
        welfare.says("serving on ");
        gateways.push(welfare);
        approve("registry", &["tax", "welfare"]);
        // Its copy of the chain is as old as its folder.
        done(proofgate(&consortium.folder("registry"), &["approve"]));
        gateways.push(Gateway::serving(&consortium.folder("registry")));
        Self { gateways, ..consortium }
    }

    fn folder(&self, department: &str) -> PathBuf {
        self.pair.tax().with_file_name(department)
    }

    fn ceremony(&self) -> PathBuf {
        self.folder("ceremony")
    }

    /// A file of the circuit in the ceremony's folder.
    fn file(&self, name: &str) -> PathBuf {
        self.ceremony().join("identified").join(name)
    }

    /// `proofgate setup`, which takes a ceremony and snarkjs.
    fn command(&self, department: &str, step: &str, more: &[&str]) -> Command {
        let ceremony = self.ceremony();
        let setup = ["setup", step, "--ceremony", ceremony.to_str().unwrap()];
        let snarkjs = ["--snarkjs", self.snarkjs.to_str().unwrap()];
        let snarkjs = if step == "status" { &[][..] } else { &snarkjs };
        command(&self.folder(department), &[&setup[..], snarkjs, more].concat())
    }

    /// Runs it.
    fn setup(&self, department: &str, step: &str, more: &[&str]) -> Output {
        self.command(department, step, more).output().unwrap()
    }

    /// The same, with a file changed for the time.
    fn setup_with(
        &self,
        (department, step): (&str, &str),
        file: &Path,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Output {
        let kept = fs::read(file).unwrap();
        let mut changed = kept.clone();
        change(&mut changed);
        fs::write(file, changed).unwrap();
        let output = self.setup(department, step, &[]);
        fs::write(file, kept).unwrap();
        output
    }
}

/// That a command was refused with this exit code, and what it said about it.
#[track_caller]
fn refused(output: &Output, code: i32, words: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} in {told}");
    }
}

#[test]
fn three_departments_make_a_key_and_prove_with_it_in_production() {
    let mut consortium = Consortium::running();
    let files = tempfile::tempdir().unwrap();
    let power = circuits().iter().map(|it| it.r1cs().domain_size().ilog2()).max().unwrap();
    let make = if is_full() { full_phase_one } else { phase_one };
    let (ptau, unprepared) = make(files.path(), power);
    let (small, _) = {
        let folder = files.path().join("small");
        fs::create_dir(&folder).unwrap();
        phase_one(&folder, 4)
    };
    let begin = |ptau: &Path, more: &[&str]| {
        let phase_one = ["--ptau", ptau.to_str().unwrap()];
        let circuits = circuits().iter().flat_map(|it| ["--circuit", it.name()]);
        let arguments: Vec<_> = phase_one.into_iter().chain(circuits).collect();
        consortium.setup("tax", "begin", &[&arguments[..], more].concat())
    };
    let all = ["--participants", "tax,welfare,registry"];

    refused(&begin(&small, &all), 65, &["phase1.ptau", "power 4", &format!("need {power}")]);
    refused(&begin(&unprepared, &all), 65, &["unprepared.ptau", "not prepared", "prepare phase2"]);
    refused(&begin(&ptau, &["--participants", "tax"]), 64, &["at least 2", "forge"]);
    refused(&begin(&ptau, &["--participants", "tax,tax"]), 64, &["tax is named twice"]);
    // What costs the operator minutes to mend is said last.
    refused(&begin(&unprepared, &["--participants", "tax,justice"]), 68, &["justice", "welfare"]);
    let first = files.path().join(if is_full() { "one.ptau" } else { "1.ptau" });
    refused(&begin(&first, &all), 65, &["1 contributed", "at least 2"]);
    let alone =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("circuits/vectors/snarkjs/small.ptau");
    refused(&begin(&alone, &all), 65, &["small.ptau", "power 4"]);
    let cut = files.path().join("cut.ptau");
    fs::write(&cut, &fs::read(&ptau).unwrap()[..1000]).unwrap();
    refused(&begin(&cut, &all), 65, &["cut.ptau", "byte "]);
    let wrong = files.path().join("wrong.ptau");
    let mut bytes = fs::read(&ptau).unwrap();
    // Two powers of τ change places: every point is one.
    let at = 12 + 12 + 44 + 12 + 64 * 100;
    let (one, other) = bytes[at..].split_at_mut(64);
    one[..64].swap_with_slice(&mut other[..64]);
    fs::write(&wrong, &bytes).unwrap();
    refused(&begin(&wrong, &all), 65, &["snarkjs powersoftau verify"]);
    assert!(!consortium.ceremony().exists(), "what was refused left nothing");

    done(begin(&ptau, &all));
    refused(&begin(&ptau, &all), 73, &["there already"]);
    contributions(&consortium);
    endings(&consortium);
    imports(&consortium);
    in_production(&mut consortium);
}

/// Each in turn, and nobody else.
fn contributions(consortium: &Consortium) {
    let contribute = |department: &str| consortium.setup(department, "contribute", &[]);
    refused(&contribute("welfare"), 75, &["turn of tax"]);
    let beacon = ["--randomness", BEACON];
    refused(&consortium.setup("tax", "beacon", &beacon), 75, &["tax has yet"]);
    let missing = ["--snarkjs", "/nowhere/snarkjs"];
    let ceremony = consortium.ceremony();
    let setup = ["setup", "contribute", "--ceremony", ceremony.to_str().unwrap()];
    let output = proofgate(&consortium.folder("tax"), &[&setup[..], &missing].concat());
    refused(&output, 66, &["/nowhere/snarkjs", "npm install", "--snarkjs"]);
    let initial = consortium.file("0.zkey");
    let cut = consortium.setup_with(("tax", "contribute"), &initial, |it| it.truncate(5000));
    refused(&cut, 65, &["0.zkey", "byte ", "copied again"]);
    // Before snarkjs is set to work, which this one would not do.
    let idle =
        consortium.pair.file("snarkjs", "#!/bin/sh\necho snarkjs@0.7.6\n[ \"$1\" = --version ]\n");
    fs::set_permissions(&idle, PermissionsExt::from_mode(0o700)).unwrap();
    let kept = fs::read(&initial).unwrap();
    fs::write(&initial, &kept[..5000]).unwrap();
    let idle = [&setup[..], &["--snarkjs", idle.to_str().unwrap()]].concat();
    refused(&proofgate(&consortium.folder("tax"), &idle), 65, &["0.zkey", "byte "]);
    fs::write(&initial, kept).unwrap();
    refused(&proofgate(&consortium.folder("tax"), &idle), 65, &["snarkjs powersoftau verify"]);

    let phase_one = consortium.ceremony().join("phase1.ptau");
    let elsewhere = phase_one.with_extension("left out");
    fs::rename(&phase_one, &elsewhere).unwrap();
    refused(&contribute("tax"), 66, &["phase1.ptau", "not here as a whole"]);
    fs::rename(&elsewhere, &phase_one).unwrap();
    let other =
        consortium.setup_with(("tax", "contribute"), &phase_one, |it| *it.last_mut().unwrap() ^= 1);
    refused(&other, 65, &["phase1.ptau", "digest"]);
    let believed = ["--phase-one", &"00".repeat(32)];
    refused(&consortium.setup("tax", "contribute", &believed), 65, &["and not 0000"]);
    let foreign = consortium.setup_with(("tax", "contribute"), &initial, |it| swap_points(it));
    refused(&foreign, 65, &["snarkjs zkey verify"]);

    stopping::stopped(consortium);
    // What an interruption left there does not count.
    let half = consortium.file("1-tax.zkey");
    fs::copy(consortium.file("0.zkey"), &half).unwrap();
    let output = contribute("tax");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("1-tax.zkey") && told.contains("made anew"), "{told}");
    let told = done(output);
    assert!(told.contains("tax has contributed") && told.contains("to welfare, whose operator"));
    refused(&contribute("tax"), 65, &["tax has contributed already"]);
    let attestation = consortium.file("1-tax.json");
    let forged = consortium.setup_with(("welfare", "contribute"), &attestation, |it| {
        let digit = it.iter().rposition(u8::is_ascii_hexdigit).unwrap();
        it[digit] = if it[digit] == b'0' { b'1' } else { b'0' };
    });
    refused(&forged, 65, &["1-tax.json", "tax did not sign"]);
    done(contribute("welfare"));
    // The key before the last one, in the place of the last one.
    let first = fs::read(consortium.file("1-tax.zkey")).unwrap();
    let second = consortium.file("2-welfare.zkey");
    let skipped = consortium.setup_with(("registry", "contribute"), &second, |it| *it = first);
    refused(&skipped, 65, &["2-welfare.zkey", "tax, welfare, in this order"]);
    done(contribute("registry"));
    let left = fs::read_dir(consortium.file("")).unwrap().count();
    assert_eq!(left, 8, "constraints, four keys, three attestations, and nothing half made");
}

fn endings(consortium: &Consortium) {
    // What others wrote into the folder moves nobody's cursor.
    let plan = consortium.ceremony().join("ceremony.json");
    let output = consortium.setup_with(("tax", "status"), &plan, |it| {
        it.splice(..1, *b"{\"\\u001b[2J\": 1,");
    });
    refused(&output, 65, &["ceremony.json", "[2J"]);
    assert!(!output.stderr.contains(&0x1b), "{output:?}");
    refused(&consortium.setup("tax", "import", &[]), 75, &["beacon is missing"]);
    let beacon =
        |randomness: &str| consortium.setup("welfare", "beacon", &["--randomness", randomness]);
    refused(&beacon("no hex"), 64, &["--randomness"]);
    refused(&beacon(BEACON_OF_PHASE_ONE), 64, &["known before the last contribution"]);
    // As a source may write it.
    let told = done(beacon(&format!("0x{}", BEACON.to_uppercase())));
    assert!(told.contains("setup import"), "{told}");
    refused(&beacon(BEACON), 65, &["has ended"]);
    let status: Value =
        serde_json::from_str(&done(consortium.setup("registry", "status", &["--json"]))).unwrap();
    assert_eq!((&status["contributed"], &status["ended"]), (&Value::from(3), &Value::from(true)));
}

/// Two points of a key's section for the quotient change places: every point is one, and the key is not the
/// circuit's any more.
fn swap_points(zkey: &mut [u8]) {
    const QUOTIENT: u32 = 9;
    let mut at = 12;
    loop {
        let kind = u32::from_le_bytes(zkey[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(zkey[at + 4..at + 12].try_into().unwrap());
        at += 12;
        if kind == QUOTIENT {
            break;
        }
        at += usize::try_from(length).unwrap();
    }
    let (one, other) = zkey[at..at + 128].split_at_mut(64);
    assert!(one != other);
    one.swap_with_slice(other);
}

/// What does not verify is not imported, in whole or in part.
fn imports(consortium: &Consortium) {
    let import = |file: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let refused = consortium.setup_with(("tax", "import"), &consortium.file(file), change);
        assert!(!consortium.folder("tax").join("proving/ceremony").exists(), "{file}");
        refused
    };
    refused(&import("final.zkey", &|it| it.truncate(it.len() - 1)), 65, &["final.zkey", "byte "]);
    let other = fs::read(consortium.file("2-welfare.json")).unwrap();
    let attested = import("1-tax.json", &|it| it.clone_from(&other));
    refused(&attested, 65, &["1-tax.json", "tax did not sign"]);
    let before_beacon = fs::read(consortium.file("3-registry.zkey")).unwrap();
    let unended = import("final.zkey", &|it| it.clone_from(&before_beacon));
    refused(&unended, 65, &["final.zkey", "and one more"]);
    // Of a beacon that was known before the last contribution, whoever ended it with that.
    let spent = consortium.file("spent.zkey");
    let beacon = ["zkey", "beacon", "3-registry.zkey", "spent.zkey", BEACON_OF_PHASE_ONE, "10"];
    snarkjs::succeeds(&consortium.file(""), &[&beacon[..], &["--name=beacon"]].concat());
    let known = fs::read(&spent).unwrap();
    fs::remove_file(spent).unwrap();
    let known = import("final.zkey", &|it| it.clone_from(&known));
    refused(&known, 65, &["known before the last contribution"]);
    let phase_one = consortium.ceremony().join("phase1.ptau");
    let other =
        consortium.setup_with(("tax", "import"), &phase_one, |it| *it.last_mut().unwrap() ^= 1);
    refused(&other, 65, &["phase1.ptau", "digest"]);
    // Every point is one, the contributions are a chain, and only the first phase shows that the key is not
    // the circuit's.
    refused(&import("final.zkey", &|it| swap_points(it)), 65, &["snarkjs zkey verify"]);

    // In production nothing is served with development keys.
    let config = consortium.folder("tax").join("proofgate.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("# production = false"));
    let publish = proofgate(&consortium.folder("tax"), &["setup", "publish"]);
    refused(&publish, 66, &["setup import"]);
    // All at once: each has a folder of its own to work in.
    let importing = ["tax", "welfare", "registry"].map(|department| {
        let mut command = consortium.command(department, "import", &["--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    for child in importing {
        let imported: Value =
            serde_json::from_str(&done(child.wait_with_output().unwrap())).unwrap();
        assert_eq!(imported["circuits"][0]["circuit"], "identified/v1");
        assert_eq!(imported["circuits"][0]["beacon"], BEACON);
    }
    let listed = done(proofgate(&consortium.folder("tax"), &["circuits", "list"]));
    let keys = [
        "not in production",
        "identified/v1    a key of tax, welfare, registry and a beacon",
        "which runs with other keys",
        "not put forward yet",
    ];
    assert!(keys.iter().all(|it| listed.contains(it)), "{listed}");
    let listed = done(proofgate(&consortium.folder("tax"), &["circuits", "list", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["key"]["kind"], "ceremony");
    let other = if is_full() { "ceremony" } else { "development" };
    assert_eq!(listed[1]["key"]["kind"], other);
    refused(&consortium.setup("tax", "import", &[]), 73, &["already"]);
    let status = done(consortium.setup("tax", "status", &[]));
    assert!(status.contains("has its keys") && status.contains("setup publish"), "{status}");
}

/// Who asks and who answers run on the key and refuse others; the third approves it.
fn in_production(consortium: &mut Consortium) {
    let registry = consortium.gateways.pop().unwrap();
    let _: Vec<_> = consortium.gateways.drain(..).map(Gateway::stop).collect();
    for department in ["tax", "welfare"] {
        let config = consortium.folder(department).join("proofgate.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(config, text.replace("# production = false", "production = true")).unwrap();
    }
    // A step asks the chain alone: what a key is that production does not use, is nothing to it.
    let unused = consortium.folder("tax").join("proving/identified-v1.development.key");
    fs::write(unused, "cut").unwrap();
    let setup = ["setup", "begin", "--ceremony", "another", "--ptau", "phase1.ptau"];
    let snarkjs = ["--snarkjs", consortium.snarkjs.to_str().unwrap()];
    let unknown = ["--participants", "tax,justice"];
    let begin = proofgate(&consortium.folder("tax"), &[&setup[..], &snarkjs, &unknown].concat());
    refused(&begin, 68, &["justice is not a department", "registry"]);
    let without = consortium.folder("welfare").join("proving/ceremony");
    let kept = without.with_file_name("kept");
    fs::rename(&without, &kept).unwrap();
    let (status, log) = Gateway::start(&consortium.folder("welfare")).closed();
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("development keys") && log.contains("setup"), "{log}");
    fs::rename(&kept, &without).unwrap();
    // A transcript that does not verify: one department less.
    let names = circuits().iter().map(|it| it.name().replace('/', "-"));
    let import = without.join(names.collect::<Vec<_>>().join("+"));
    let document = import.join("identified-v1.json");
    let good = fs::read_to_string(&document).unwrap();
    let mut changed: Value = serde_json::from_str(&good).unwrap();
    changed["provenance"]["attestations"].as_array_mut().unwrap().pop();
    fs::write(&document, changed.to_string()).unwrap();
    let (status, log) = Gateway::start(&consortium.folder("welfare")).closed();
    assert_eq!(status.code(), Some(65), "{log}");
    assert!(log.contains("identified-v1.json") && log.contains("attest"), "{log}");
    fs::write(&document, good).unwrap();

    let folders = ["tax", "welfare", "registry"].map(|it| consortium.folder(it));
    consortium.gateways = folders[..2].iter().map(|it| Gateway::start(it)).collect();
    for gateway in &consortium.gateways {
        let told = gateway.says("in production: ");
        assert!(told.contains("identified/v1 with a key of tax, welfare, registry"), "{told}");
        gateway.says("serving on ");
    }
    consortium.gateways.push(registry);
    for folder in &folders[..2] {
        let output = proofgate(folder, &["setup", "publish", "--json"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            told.contains("nothing was put forward for pseudonymous/v1"),
            !is_full(),
            "{told}"
        );
        let published = done(output);
        let entries = published.matches("\"entry\"").count();
        assert_eq!(entries, circuits().len(), "an entry for each circuit: {published}");
    }
    // Registry's gateway has run since before the import.
    let unknown = proofgate(&folders[2], &["approve", "--all"]);
    refused(&unknown, 65, &["not approved", "setup import"]);
    refused(&proofgate(&folders[2], &["setup", "publish"]), 75, &["start the gateway again"]);
    consortium.gateways.pop().unwrap().stop();
    consortium.gateways.push(Gateway::serving(&folders[2]));
    let approved = done(proofgate(&folders[2], &["setup", "publish", "--json"]));
    assert!(approved.contains("\"approved\": true"), "{approved}");
    let pair = &consortium.pair;
    let service = pair.file("service.json", &service().to_string());
    done(proofgate(&pair.tax(), &["service", "publish", service.to_str().unwrap()]));
    let records = pair.file("records.csv", include_str!("../../gateway/data/tax.csv"));
    done(proofgate(&pair.tax(), &["import", "--dataset", "wages", records.to_str().unwrap()]));
    let request = pair.ask(CITIZEN, 100_000_000_000, &["--law", LAW]);
    verified(pair, &request);
    if is_full() {
        let wallet = pair.wallet(CITIZEN);
        let (request, offer) = pair.offer(100_000_000_000);
        consent(&wallet, &["approve", "--yes", "--offer", offer.to_str().unwrap()]);
        verified(pair, &request);
    } else {
        // Whose answer nobody would believe is not asked.
        let words = ["pseudonymous/v1", "proofgate setup publish"];
        refused(&pair.ask_of_a_wallet(100_000_000_000), 65, &words);
        // A development key that somebody puts forward is left, and keeps nothing else from being approved.
        done(proofgate(&folders[2], &["circuits", "propose"]));
        let output = proofgate(&folders[1], &["approve", "--all"]);
        refused(&output, 65, &["not approved", "development key"]);
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(listed.contains("pseudonymous/v1"), "{listed}");
    }
}

/// Welfare holds an answer to the question, and what it filed verifies offline by the same standard.
fn verified(pair: &Pair, request: &str) {
    let shown = done(proofgate(&pair.welfare(), &["request", "show", "--wait", "300", request]));
    assert!(shown.contains("verified") && !shown.contains("development"), "{shown}");
    let bundle = done(proofgate(&pair.welfare(), &["request", "bundle", request]));
    let bundle = pair.file("answer.json", bundle.trim_end());
    let genesis = pair.genesis();
    let verify = ["verify", bundle.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()];
    let told = done(proofgate(Path::new("."), &[&verify[..], &["--production"]].concat()));
    assert!(!told.contains("development key"), "{told}");
}
