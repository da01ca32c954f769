//! Real gateways in folders of their own, set up and worked with by commands alone.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long a gateway may take to do what it says on standard output.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs the binary on a folder.
pub(crate) fn proofgate(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary was built for this test")
}

/// Runs the binary on a folder, with something on standard input.
pub(crate) fn proofgate_told(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = command(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary was built for this test");
    // A command that fails early does not read what it is told.
    let _: std::io::Result<()> = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What a command that must succeed printed.
pub(crate) fn done(output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The binary on a folder, to be run.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofgate"));
    command.arg("--dir").arg(folder).args(arguments);
    command
}

/// A port of this machine that is free. It is below those that Linux gives to connections unless told otherwise,
/// and no other call of this process gets it, so that it is free still when it is listened on.
pub(crate) fn free_port() -> u16 {
    const BELOW_CONNECTIONS: std::ops::Range<u32> = 12_000..32_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let length = BELOW_CONNECTIONS.end - BELOW_CONNECTIONS.start;
    // Processes that run at the same time begin far from each other, though their ids are neighbours.
    let first = std::process::id().wrapping_mul(7_919);
    loop {
        let turn = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(turn < length, "no port is free");
        let port = BELOW_CONNECTIONS.start + first.wrapping_add(turn) % length;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// What this machine answers to `GET`, with its head.
pub(crate) fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Sends a process a signal, as `kill` names it.
pub(crate) fn signal(process: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A gateway's process. Killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) folder: PathBuf,
    child: Child,
    said: Receiver<String>,
    log: thread::JoinHandle<String>,
}

impl Gateway {
    /// Starts `proofgate serve` on a folder; it may not serve yet.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::run(folder, command(folder, &["serve"]))
    }

    /// As [`Self::start`], with everything in the log but sled's account of places in its file.
    pub(crate) fn tracing(folder: &Path) -> Self {
        let mut command = command(folder, &["serve"]);
        command.env("PROOFGATE_LOG", "trace,sled=info");
        Self::run(folder, command)
    }

    /// As [`Self::start`], where no file can grow beyond so many blocks of 512 bytes: as on a full disk,
    /// writing fails.
    pub(crate) fn start_within(folder: &Path, blocks: u32) -> Self {
        let serve = command(folder, &["serve"]);
        let mut command = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        command.args(["-c", &script, "sh"]).arg(serve.get_program()).args(serve.get_args());
        Self::run(folder, command)
    }

    fn run(folder: &Path, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built for this test");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Whoever waits for a line has it by then, or is gone.
                let _: Result<(), mpsc::SendError<String>> = sender.send(line);
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).expect("a pipe can be read");
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self { folder: folder.to_owned(), child, said, log }
    }

    /// Starts it and waits until it serves.
    pub(crate) fn serving(folder: &Path) -> Self {
        let gateway = Self::start(folder).served();
        gateway.unwrap_or_else(|(status, log)| panic!("{}: {status}: {log}", folder.display()))
    }

    /// Waits until it serves, or ends: with its status and log.
    pub(crate) fn served(mut self) -> Result<Self, (ExitStatus, String)> {
        while let Ok(line) = self.said.recv_timeout(PATIENCE) {
            if line.starts_with("serving on ") {
                return Ok(self);
            }
        }
        Err(self.ended())
    }

    /// Waits until it ends by itself: how it ended, and its log.
    pub(crate) fn closed(mut self) -> (ExitStatus, String) {
        while self.said.recv_timeout(PATIENCE).is_ok() {}
        // If it goes on all the same, the status tells of this.
        let _: std::io::Result<()> = self.child.kill();
        self.ended()
    }

    /// Waits for a line that begins so; what follows in it.
    pub(crate) fn says(&self, beginning: &str) -> String {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(beginning) {
                        return rest.to_owned();
                    }
                }
                Err(error) => panic!("{}: no {beginning:?}: {error}", self.folder.display()),
            }
        }
    }

    /// `kill -9`
    pub(crate) fn kill(mut self) -> String {
        // It may have ended by itself, which whoever looks at the log will see.
        let _: std::io::Result<()> = self.child.kill();
        self.ended().1
    }

    /// What a service manager does to stop it: how it ended, and its log.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.halt()
    }

    /// As [`Self::stop`], of one that another takes the place of.
    pub(crate) fn halt(&mut self) -> (ExitStatus, String) {
        signal(&self.child, "-TERM");
        self.ended()
    }

    /// What a service manager does to have it read its configuration again.
    pub(crate) fn hang_up(&self) {
        signal(&self.child, "-HUP");
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let log = std::mem::replace(&mut self.log, thread::spawn(String::new));
        (status, log.join().unwrap())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _: std::io::Result<()> = self.child.kill();
        let _: std::io::Result<ExitStatus> = self.child.wait();
    }
}
