//! The gateway that a command works through: the one that runs on the folder, or one that is opened for
//! the command and closed after it.

use std::collections::HashMap;

use chain::identifier::DepartmentId;
use crypto::VerifyingKey;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::exit::Exit;
use super::failure::Failure;
use crate::config::Config;
use crate::folder::{Folder, Holder};
use crate::http::local_client::LocalClient;
use crate::http::tls::Trust;
use crate::http::{BaseUrl, ClientLimits};
use crate::serving::{ChainAlone, Ended, ServeError, Serving};

/// A department's operator at its gateway.
#[derive(Debug)]
pub(super) struct Operator {
    /// The department's way into its gateway.
    pub(super) client: LocalClient,
    opened: Option<Opened>,
}

/// A gateway that runs as long as the command does.
#[derive(Debug)]
struct Opened {
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<Ended, ServeError>>,
}

impl Operator {
    /// The operator of the folder's department, or of the one that is named where there are several.
    pub(super) async fn at(
        folder: &Folder,
        department: Option<DepartmentId>,
    ) -> Result<Self, Failure> {
        let config = folder.config()?;
        let token = folder.department(&hosted(&config, department)?).token()?;
        match folder.holder()? {
            Some(holder) => Self::at_running(folder, &config, &holder, token),
            None => Self::at_opened(folder, config, token).await,
        }
    }

    /// The operator at the gateway that runs.
    pub(super) fn at_running(
        folder: &Folder,
        config: &Config,
        holder: &Holder,
        token: Zeroizing<String>,
    ) -> Result<Self, Failure> {
        let address = holder.address.as_deref().and_then(|address| address.parse().ok());
        let Some(base) = address else {
            if let Some(department) = holder.awaited.first() {
                return Err(not_admitted(folder, department));
            }
            let text =
                "a gateway has this folder and does not serve yet, or not any more; try again";
            return Err(Failure::new(Exit::TempFail, text));
        };
        Ok(Self { client: client(config, base, token)?, opened: None })
    }

    async fn at_opened(
        folder: &Folder,
        config: Config,
        token: Zeroizing<String>,
    ) -> Result<Self, Failure> {
        let serving = opened(folder, config.clone()).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, address) = oneshot::channel();
        let running = tokio::spawn(serving.run(
            move |base| {
                // Whoever waited for it is gone, and the command with it.
                let _: Result<(), BaseUrl> = tell.send(base.clone());
            },
            async move {
                let _: Result<(), oneshot::error::RecvError> = stopped.await;
            },
        ));
        match address.await {
            Ok(base) => Ok(Self {
                client: client(&config, base, token)?,
                opened: Some(Opened { stop, running }),
            }),
            Err(_) => match running.await {
                Ok(Err(error)) => Err(error.into()),
                _ => Err(Failure::new(Exit::Software, "the gateway ended at once")),
            },
        }
    }

    /// Closes what was opened, and waits until it is.
    pub(super) async fn close(self) -> Result<(), Failure> {
        let Some(Opened { stop, running }) = self.opened else { return Ok(()) };
        drop(stop);
        match running.await {
            Ok(ended) => Ok(ended.map(|_| ())?),
            Err(error) => Err(Failure::new(Exit::Software, error)),
        }
    }
}

/// The departments of the network with their signing keys, by the gateway's copy of the chain. Where no gateway
/// runs, that alone is opened: the keys that its configuration wants may not be there yet.
pub(super) async fn signing_keys(
    folder: &Folder,
    department: Option<DepartmentId>,
) -> Result<HashMap<DepartmentId, VerifyingKey>, Failure> {
    let config = folder.config()?;
    let id = hosted(&config, department)?;
    if let Some(holder) = folder.holder()? {
        let token = folder.department(&id).token()?;
        let operator = Operator::at_running(folder, &config, &holder, token)?;
        let departments = operator.client.departments().await?;
        return Ok(departments.into_iter().map(|it| (it.id, it.signing_key)).collect());
    }
    let alone = ChainAlone::open(folder, &config).await?;
    // Its copy of the chain may be of before it was approved, and follows from now on.
    let _late: Result<(), Elapsed> = timeout(alone.ledger().lag(), alone.admitted()).await;
    if let Some(department) = alone.awaited().first() {
        return Err(not_admitted(folder, department));
    }
    let chain = alone.ledger().snapshot();
    let members = chain.state().members().map(|member| &member.department);
    Ok(members.map(|it| (it.id, it.signing_key)).collect())
}

/// Opens the gateway of a folder whose departments are in the network.
async fn opened(folder: &Folder, config: Config) -> Result<Serving, Failure> {
    let serving = Serving::open(folder, config).await?;
    // Its copy of the chain may be of before it was approved, and follows from now on.
    let admitted = timeout(serving.shared().ledger.lag(), serving.admitted()).await;
    admitted.unwrap_or(Ok(()))?;
    match serving.awaited().first() {
        Some(department) => Err(not_admitted(folder, department)),
        None => Ok(serving),
    }
}

/// The message for a department that is not on the chain yet.
pub(super) fn not_admitted(folder: &Folder, department: &DepartmentId) -> Failure {
    let document = folder.department(department).document_file();
    Failure::new(
        Exit::TempFail,
        format_args!(
            "{department} is not a department of this network yet, by this gateway's copy of the chain: give {} to \
             the others, more than two thirds of whom must approve it (proofgate approve)",
            document.display()
        ),
    )
}

/// The way into a gateway on this machine; under TLS, into the one that shows the configured certificate.
fn client(
    config: &Config,
    base: BaseUrl,
    token: Zeroizing<String>,
) -> Result<LocalClient, Failure> {
    let client = LocalClient::new(base, token, ClientLimits::default());
    Ok(match &config.tls {
        Some(tls) => client.trusting(Trust::pinned(&tls.certificate).map_err(ServeError::from)?),
        None => client,
    })
}

/// The department that is meant.
pub(super) fn hosted(
    config: &Config,
    named: Option<DepartmentId>,
) -> Result<DepartmentId, Failure> {
    let list = || {
        let names: Vec<_> = config.departments.iter().map(DepartmentId::as_str).collect();
        names.join(", ")
    };
    match (named, config.departments.as_slice()) {
        (Some(id), hosted) if hosted.contains(&id) => Ok(id),
        (Some(id), _) => Err(Failure::new(
            Exit::NoHost,
            format_args!("this gateway does not host {id}; it hosts {}", list()),
        )),
        (None, [id]) => Ok(*id),
        (None, _) => Err(Failure::new(
            Exit::Usage,
            format_args!("this gateway hosts {}: say for which with --department", list()),
        )),
    }
}
