//! `proofgate serve`

use tokio::signal::unix::{Signal, SignalKind};
use tracing::level_filters::LevelFilter;

use super::circuits::keys::Keys;
use super::failure::Failure;
use super::say;
use super::signals::{listen, stop};
use crate::folder::Folder;
use crate::http::BaseUrl;
use crate::http::tls::ServerTls;
use crate::log;
use crate::serving::Serving;

/// Runs the gateway of a folder until Ctrl-C, or what a service manager sends.
pub(super) async fn run(folder: &Folder) -> Result<(), Failure> {
    let config = folder.config()?;
    log::init(config.log, LevelFilter::INFO)?;
    let production = config.production;
    let (stop, hang_up) = (stop()?, listen(SignalKind::hangup())?);
    tokio::pin!(stop);
    let serving = tokio::select! {
        opened = Serving::open(folder, config) => opened?,
        () = &mut stop => return Ok(()),
    };
    tokio::spawn(renew(hang_up, serving.tls().cloned()));
    for department in serving.awaited() {
        say(format_args!("waiting until {department} is a department of this network"));
    }
    tokio::select! {
        waited = serving.wait() => waited?,
        () = &mut stop => return Ok(()),
    }
    let keys = Keys::started(folder, serving.imported_keys().clone(), production).summary();
    let network = *serving.shared().genesis.network();
    let tell = |base: &BaseUrl| {
        say(&keys);
        say(format_args!("serving on {base}"));
        tracing::info!(%base, %network, production, "serving");
    };
    let ended = serving.run(tell, &mut stop).await?;
    if ended.cut > 0 {
        tracing::warn!(
            cut = ended.cut,
            "not all was finished in time; it is taken up after the next start"
        );
    }
    Ok(())
}

/// Reads the certificate again at each SIGHUP: it lives for less time than the gateway runs. Without one the
/// signal says nothing, and does not end the gateway either.
async fn renew(mut hang_up: Signal, tls: Option<ServerTls>) {
    while hang_up.recv().await.is_some() {
        match tls.as_ref().map(ServerTls::reload) {
            Some(Ok(())) => tracing::info!("the certificate was read again"),
            Some(Err(error)) => tracing::error!(%error, "the certificate stays what it was"),
            None => tracing::info!("SIGHUP: there is no certificate to be read again"),
        }
    }
}
