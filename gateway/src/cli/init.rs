//! `proofgate init`

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ::circuits::groth16::{ProvingKey, rng_from_seed};
use ::circuits::statement::CircuitId;
use chain::department::Role;
use chain::identifier::DepartmentId;
use chain::text::{self, Label, Origin};
use clap::Args;
use getrandom::SysRng;
use indicatif::ProgressBar;
use rand_core::{Rng as _, UnwrapErr};
use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use super::say;
use crate::folder::{Folder, NetworkPlan, Plan, read_genesis};
use crate::http::BaseUrl;

/// Arguments of `proofgate init`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The department's id: a-z, 0-9 and '-', beginning with a letter.
    #[arg(long)]
    department: DepartmentId,
    /// What people call it; the id if this is not given.
    #[arg(long)]
    name: Option<Label>,
    /// Where the gateway listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where others reach it; http:// and the address it listens on if this is not given.
    #[arg(long)]
    url: Option<text::BaseUrl>,
    /// The department enrols citizens' consent keys.
    #[arg(long)]
    registrar: bool,
    /// Found a new network of this name, whose chain this gateway keeps; proofgate.local/ID if this is
    /// not given.
    #[arg(long, conflicts_with_all = ["genesis", "follow"])]
    network: Option<Origin>,
    /// Join the network of this genesis file. Take it from somebody whom you believe.
    #[arg(long, requires = "follow")]
    genesis: Option<PathBuf>,
    /// A gateway of the network whose copy of the chain is followed, http://host:port.
    #[arg(long, requires = "genesis")]
    follow: Option<BaseUrl>,
    /// Print what was made as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Makes a gateway's folder.
pub(super) fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let plan = plan(&arguments)?;
    folder.check_empty()?;
    let keys = development_keys();
    let made = folder.init(&plan, &keys, &mut UnwrapErr(SysRng))?;
    let home = folder.department(&plan.department);
    let joined = matches!(plan.network, NetworkPlan::Join { .. });
    if arguments.json {
        say(format_args!(
            "{:#}",
            json!({
                "network": made.genesis.network(), "department": made.document,
                "genesis": folder.genesis_file(), "config": folder.config_file(),
                "document": home.document_file(), "joined": joined,
            })
        ));
        return Ok(());
    }
    let dir = folder.root().display();
    say(format_args!("{}: the gateway of {}, at {}", dir, plan.name, plan.url));
    say(format_args!("network {}", made.genesis.network()));
    say("keys      made, readable by you alone; keep a copy where only you can reach it");
    say(format_args!("settings  {}", folder.config_file().display()));
    say("proving   development keys: whoever has this folder could forge proofs under them");
    if joined {
        say(format_args!(
            "\nnext: give {} to the other departments, who approve it (proofgate approve FILE); meanwhile\n\
             proofgate --dir {dir} serve\nfollows the chain and waits for that",
            home.document_file().display()
        ));
    } else {
        say(format_args!(
            "\nnext: proofgate --dir {dir} serve\nOthers join with {} and this gateway's address.",
            folder.genesis_file().display()
        ));
    }
    Ok(())
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let id = arguments.department;
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None if arguments.listen.ip().is_unspecified() || arguments.listen.port() == 0 => {
            let text =
                "--url is needed: others cannot reach the address that the gateway listens on";
            return Err(Failure::new(Exit::Usage, text));
        }
        None => format!("http://{}", arguments.listen).parse().expect("an address makes a URL"),
    };
    url.as_str().parse::<BaseUrl>().map_err(|error| {
        Failure::new(Exit::Usage, format_args!("--url {}: {error}", url.as_str()))
    })?;
    let network = match (&arguments.genesis, &arguments.follow) {
        (Some(path), Some(follow)) => {
            NetworkPlan::Join { genesis: read_genesis(path)?, follow: follow.clone() }
        }
        _ => NetworkPlan::Found(match &arguments.network {
            Some(name) => name.clone(),
            None => format!("proofgate.local/{id}").parse().expect("a slug may stand in a name"),
        }),
    };
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => id.as_str().parse().expect("a slug is a label"),
    };
    let roles = arguments.registrar.then_some(Role::Registrar).into_iter().collect();
    Ok(Plan { department: id, name, url, listen: arguments.listen, roles, network })
}

/// A key a circuit, made here and now by one party.
pub(super) fn development_keys() -> HashMap<CircuitId, ProvingKey> {
    let one = |id: CircuitId| {
        let bar = ProgressBar::new_spinner()
            .with_message(format!("making a development proving key for {id}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        let mut seed = [0; 32];
        UnwrapErr(SysRng).fill_bytes(&mut seed);
        let key = id.development_key(&mut rng_from_seed(seed));
        bar.finish_and_clear();
        (id, key)
    };
    CircuitId::ALL.into_iter().map(one).collect()
}
