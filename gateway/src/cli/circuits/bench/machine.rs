//! What the figures are measured on, and with what.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use crate::circuit_report::Machine;

/// This machine, as far as the system tells.
pub(super) fn this() -> Machine {
    let unknown = || "unknown".to_owned();
    let read = |path: &str| fs::read_to_string(path).ok();
    let processor = read("/proc/cpuinfo").and_then(|text| field(&text, "model name"));
    let memory = read("/proc/meminfo").and_then(|text| kibibytes(&text, "MemTotal"));
    let release = read("/etc/os-release")
        .and_then(|text| Some(text.split_once("PRETTY_NAME=\"")?.1.split_once('"')?.0.to_owned()))
        .unwrap_or_else(|| std::env::consts::OS.to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let system = match kernel {
        Some(kernel) => format!("{release}, kernel {}", kernel.trim()),
        None => release,
    };
    Machine {
        processor: processor.unwrap_or_else(unknown),
        threads: threads(),
        memory_bytes: memory,
        system,
        architecture: std::env::consts::ARCH.to_owned(),
    }
}

/// Logical processors that this process may use.
pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What this program is made of.
pub(super) fn versions() -> BTreeMap<String, String> {
    let versions = [
        ("proofgate", env!("CARGO_PKG_VERSION")),
        ("rustc", env!("PROOFGATE_RUSTC")),
        ("arkworks", env!("PROOFGATE_ARKWORKS")),
        ("build", env!("PROOFGATE_PROFILE")),
    ];
    versions.map(|(name, version)| (name.to_owned(), version.to_owned())).into()
}

/// What a reader must know of this program and this system.
pub(super) fn notes() -> Vec<String> {
    let mut notes = Vec::new();
    if cfg!(debug_assertions) {
        notes.push(
            "This program was built for development: a release build is quicker. These times say nothing of \
             one."
                .to_owned(),
        );
    }
    if peak().is_none() {
        notes.push("Memory is not reported: this system has no /proc/self/status.".to_owned());
    } else {
        notes.push(
            "Memory is the resident set of the process (VmRSS before, VmHWM after, of /proc/self/status): it \
             holds the program, the key and the matrices too, and what earlier phases left behind."
                .to_owned(),
        );
    }
    notes
}

/// Bytes that are resident now, from where the peak is counted anew if the system allows it.
pub(super) fn resident_from_here() -> Option<u64> {
    // Where it is refused, the peak is that of the process so far, which is no less.
    let _: std::io::Result<()> = fs::write("/proc/self/clear_refs", "5");
    status("VmRSS")
}

/// The most bytes that were resident.
pub(super) fn peak() -> Option<u64> {
    status("VmHWM")
}

fn status(name: &str) -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, name)
}

/// The value of the first `name: value` line.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let number: u64 = field(text, name)?.strip_suffix(" kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_their_whole_name() {
        let text = "VmHWMx:\t1 kB\nVmHWM:\t   5124 kB\nmodel name\t: A : B\n";
        assert_eq!(kibibytes(text, "VmHWM"), Some(5124 * 1024));
        assert_eq!(field(text, "model name").as_deref(), Some("A : B"));
        assert_eq!(kibibytes(text, "VmRSS"), None);
        assert_eq!(kibibytes("VmHWM: 3 MB", "VmHWM"), None);
        assert_eq!(kibibytes("VmHWM: 18446744073709551615 kB", "VmHWM"), None);
    }

    #[test]
    fn everything_is_known_of_this_build() {
        let versions = versions();
        assert!(versions["rustc"].starts_with("rustc 1."));
        assert!(versions["arkworks"].starts_with("0.6"));
        assert!(this().threads > 0);
    }
}
