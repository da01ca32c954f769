//! The real binary, serving the demo's network: four departments, 2,000 citizens, one gateway.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use gateway::http::local_client::LocalClient;
use gateway::http::{BaseUrl, ClientLimits};
use serde_json::Value;
use zeroize::Zeroizing;

/// How long the demo may take to play and to serve: it takes about a minute.
const START: Duration = Duration::from_secs(600);
const SERVING: &str = "== Serving on ";

/// Waits for the end of its input, which is the end of the test process however that ends, and then
/// ends the gateway and removes its folder.
const KEEPER: &str = r#"trap "" INT TERM; read -r _; kill -9 "$1"; sleep 1; rm -rf "$2""#;

/// A running gateway. It ends with the test process: between two tests nobody may be using it, and to
/// start it again takes a minute.
pub(crate) struct Network {
    folder: PathBuf,
    _gateway: Child,
    /// Its input is open as long as this is there.
    _keeper: Child,
    /// Where it is.
    pub(crate) base: BaseUrl,
}

impl Network {
    /// The one network of this test process.
    pub(crate) fn running() -> Arc<Self> {
        static RUNNING: OnceLock<Arc<Network>> = OnceLock::new();
        Arc::clone(RUNNING.get_or_init(|| Arc::new(Self::start())))
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut child = Command::new(env!("CARGO_BIN_EXE_proofgate"))
            .args(["demo", "--json", "--port", "0", "--dir"])
            .arg(folder.join("network"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let keeper = keep(&child, &folder);
        let mut stdout = child.stdout.take().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        let (sender, told) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Whoever waits for the address has it by then, or is gone.
                let _: Result<(), mpsc::SendError<String>> = sender.send(line);
            }
        });
        let mut narration = Vec::new();
        let address = loop {
            let line = match told.recv_timeout(START) {
                Ok(line) => line,
                Err(error) => panic!("{error}; the demo said:\n{}", narration.join("\n")),
            };
            if let Some(rest) = line.strip_prefix(SERVING) {
                break rest.split(' ').next().unwrap().to_owned();
            }
            narration.push(line);
        };
        let base = address.parse().unwrap();
        Self { folder, _gateway: child, _keeper: keeper, base }
    }

    /// The network's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.join("network")
    }

    /// The system of a department, with the department's own token.
    pub(crate) fn system(&self, department: &str) -> LocalClient {
        let token = std::fs::read_to_string(self.folder().join(department).join("local.token"));
        let token = Zeroizing::new(token.unwrap().trim().to_owned());
        LocalClient::new(self.base.clone(), token, ClientLimits::default())
    }

    /// What `GET target` answers, with its status.
    pub(crate) async fn get(&self, target: &str) -> (u16, Vec<u8>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let authority = self.base.to_string().replace("http://", "");
        let mut stream = tokio::net::TcpStream::connect(&authority).await.unwrap();
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let status = std::str::from_utf8(&bytes[9..12]).unwrap().parse().unwrap();
        (status, bytes.split_off(end + 4))
    }

    /// What `GET target` answers, which must be JSON.
    pub(crate) async fn json(&self, target: &str) -> Value {
        let (status, body) = self.get(target).await;
        assert_eq!(status, 200, "{target}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Runs the binary.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let command = Command::new(env!("CARGO_BIN_EXE_proofgate")).args(arguments).output();
        command.expect("the binary was built for this test")
    }

    /// Runs `proofgate consent` on a wallet; what it printed.
    pub(crate) fn consent(&self, wallet: &Path, arguments: &[&str]) -> String {
        let wallet = wallet.to_str().expect("temporary folders have UTF-8 names");
        let output = self.command(&[&["consent", "--wallet", wallet], arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Ends `child` and removes `folder` once the returned process has no input any more.
fn keep(child: &Child, folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", KEEPER, "sh", &child.id().to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is a shell wherever this is tested")
}

/// The tax authority's sample records, as (citizen number, wages in cents).
pub(crate) fn wages() -> Vec<(String, u64)> {
    let csv = include_str!("../../gateway/data/tax.csv");
    let mut lines = csv.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    let column = header.iter().position(|name| *name == "total_wages_cents").unwrap();
    let row = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        Some((fields[0].to_owned(), fields[column].parse().ok()?))
    };
    lines.filter_map(row).collect()
}
