//! What tells this process to stop, or to read something again.

use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::exit::Exit;
use super::failure::Failure;

/// Ctrl-C, or what a service manager sends, from now on.
pub(super) fn stop() -> Result<impl Future<Output = ()> + Send + use<>, Failure> {
    signalled(&[SignalKind::interrupt(), SignalKind::terminate()])
}

/// The next of these signals, from now on.
fn signalled(kinds: &[SignalKind]) -> Result<impl Future<Output = ()> + Send + use<>, Failure> {
    let mut signals = kinds.iter().map(|kind| listen(*kind)).collect::<Result<Vec<_>, _>>()?;
    Ok(poll_fn(move |context| {
        let came = signals.iter_mut().any(|it| it.poll_recv(context).is_ready());
        if came { Poll::Ready(()) } else { Poll::Pending }
    }))
}

/// A signal, each time that it comes from now on.
pub(super) fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| {
        Failure::new(Exit::OsErr, format_args!("cannot listen for signals: {error}"))
    })
}

/// Tells of the first signal to stop; a second one ends the process, whatever keeps the step from ending.
pub(super) fn stopping() -> Result<oneshot::Receiver<()>, Failure> {
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
    // Where there is no such file, a closed terminal stops the step.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !is_hangup_ignored(&status) {
        kinds.push(SignalKind::hangup());
    }
    let first = signalled(&kinds)?;
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        first.await;
        let second = signalled(&kinds);
        eprintln!("proofgate: stopping; once more ends it at once");
        // The step may have ended.
        let _: Result<(), ()> = tell.send(());
        if let Ok(second) = second {
            second.await;
            std::process::exit(Exit::Failed.code().into());
        }
    });
    Ok(told)
}

/// Whether a process was started to go on when its terminal is closed, as by nohup, by what Linux says of it
/// (proc_pid_status(5)).
fn is_hangup_ignored(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let signals = ignored.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
    signals.is_some_and(|signals| signals >> (SignalKind::hangup().as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_started_with_nohup_is_told_apart() {
        let status =
            |mask: &str| format!("Name:\tproofgate\nSigBlk:\t0\nSigIgn:\t{mask}\nSigCgt:\t1\n");
        assert!(is_hangup_ignored(&status("0000000000000001")));
        assert!(is_hangup_ignored(&status("0000000000001001")));
        assert!(!is_hangup_ignored(&status("0000000000001002")), "other signals");
        assert!(!is_hangup_ignored(&status("none")) && !is_hangup_ignored(""));
    }
}
