//! The command line: one command for each thing that a vendor does.

pub(crate) mod arguments;
mod bulk;
mod commands;
mod confirm;
mod customers;
mod desk;
mod events;
mod licenses;
mod mail;
mod output;
mod people;
mod products;
mod refusals;
mod requests;
mod seats;
mod webhooks;

use std::{path::Path, process::ExitCode, time::Duration};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use self::{
    arguments::{Arguments, Command},
    output::Report,
};
use crate::{failure::Failure, http};

/// How long the end waits for what nobody waits for any more, such as the lookup of a name.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// Runs the program on the arguments of the process. Returns its exit code: 0 done, 1 refused, 2 wrong usage, 3 an
/// order that was sold before.
pub fn main() -> ExitCode {
    let parsed = Arguments::command().try_get_matches().and_then(|matches| {
        let name = name(&matches);
        Ok((Arguments::from_arg_matches(&matches)?, name))
    });
    let (arguments, name) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") => {
            return finish(&Failure::Usage(error.kind().to_string()).into(), None, true);
        }
        Err(error) => error.exit(),
    };
    let mut runtime = match &arguments.command {
        Command::Serve(_) => {
            http::log::start();
            tokio::runtime::Builder::new_multi_thread()
        }
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let report = match runtime.enable_all().build() {
        Ok(runtime) => {
            let report = runtime.block_on(commands::run(&arguments.command, &arguments.installation, &name));
            runtime.shutdown_timeout(LEFT_BEHIND);
            report
        }
        Err(error) => Err(nodelock::Error::io("runtime", error).into()),
    };
    let out = match &arguments.command {
        Command::Activate { out, .. }
        | Command::CheckIn { out, .. }
        | Command::Redeem { out, .. }
        | Command::Renew { out, .. }
        | Command::Release { out, .. }
        | Command::Unrelease { out, .. } => out.file.as_deref(),
        _ => None,
    };
    finish(&report.unwrap_or_else(Report::from), out, arguments.installation.json)
}

/// What a command is called, with those that it stands below.
fn name(matches: &ArgMatches) -> String {
    let mut names = Vec::new();
    let mut below = matches.subcommand();
    while let Some((name, matches)) = below {
        names.push(name);
        below = matches.subcommand();
    }
    names.join(" ")
}

fn finish(report: &Report, out: Option<&Path>, as_json: bool) -> ExitCode {
    let printed = output::print(report, out, as_json);
    match (printed, &report.failure) {
        (Ok(()), None) => ExitCode::SUCCESS,
        (Ok(()), Some(failure)) => ExitCode::from(failure.exit_code()),
        (Err(failure), _) => {
            // What was done stays done; asked once more, the answer is the same.
            eprintln!("error: {}", failure.message());
            ExitCode::from(failure.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory as _;

    use super::{arguments::Arguments, commands::LOCAL};
    use crate::domain::rights::Act;

    /// What right each command asks for. The operator has all of them; none is for what changes and shows nothing.
    const COMMANDS: [(&str, Option<Act>); 84] = [
        ("account disable", Some(Act::Accounts)),
        ("account enable", Some(Act::Accounts)),
        ("account list", Some(Act::Accounts)),
        ("account new", Some(Act::Accounts)),
        ("account password", Some(Act::Accounts)),
        ("account quota", Some(Act::Accounts)),
        ("account role", Some(Act::Accounts)),
        ("account totp", Some(Act::Accounts)),
        ("activate", Some(Act::Activate)),
        ("audit list", Some(Act::ShowAudit)),
        ("audit verify", Some(Act::Verify)),
        ("backup", Some(Act::Ledger)),
        ("certificate new", Some(Act::Issuer)),
        ("certificate show", None),
        ("check-in", Some(Act::CheckIn)),
        ("customer edit", Some(Act::Sell)),
        ("customer erase", Some(Act::Erase)),
        ("customer list", Some(Act::ShowLicenses)),
        ("customer new", Some(Act::Sell)),
        ("customer show", Some(Act::ShowLicenses)),
        ("deployment-key list", Some(Act::Tokens)),
        ("deployment-key new", Some(Act::Tokens)),
        ("deployment-key revoke", Some(Act::Tokens)),
        ("event kinds", None),
        ("event list", Some(Act::ShowAudit)),
        ("extend-trial", Some(Act::ExtendTrial)),
        ("init", Some(Act::Ledger)),
        ("license add-key", Some(Act::Rekey)),
        ("license deactivate", Some(Act::Release)),
        ("license edit", Some(Act::Edit)),
        ("license extend", Some(Act::Extend)),
        ("license find", Some(Act::ShowLicenses)),
        ("license list", Some(Act::ShowLicenses)),
        ("license new", Some(Act::Sell)),
        ("license rekey", Some(Act::Rekey)),
        ("license reset", Some(Act::ResetCounters)),
        ("license resume", Some(Act::Resume)),
        ("license revoke-key", Some(Act::Rekey)),
        ("license send-key", Some(Act::SendKey)),
        ("license show", Some(Act::ShowLicenses)),
        ("license show-key", Some(Act::Rekey)),
        ("license suspend", Some(Act::Suspend)),
        ("license void", Some(Act::Edit)),
        ("list", Some(Act::ShowSeats)),
        ("mail list", Some(Act::Mails)),
        ("mail policy", Some(Act::Products)),
        ("mail replay", Some(Act::Mails)),
        ("mail sample", None),
        ("order list", Some(Act::ShowLicenses)),
        ("order show", Some(Act::ShowLicenses)),
        ("order void", Some(Act::Edit)),
        ("policy edit", Some(Act::Products)),
        ("policy retention", Some(Act::Products)),
        ("policy show", None),
        ("product edit", Some(Act::Products)),
        ("product list", None),
        ("product new", Some(Act::Products)),
        ("product show", None),
        ("prune", Some(Act::Ledger)),
        ("redeem", Some(Act::Redeem)),
        ("redeem-all", Some(Act::Redeem)),
        ("refusal list", Some(Act::ShowRefusals)),
        ("release", Some(Act::Release)),
        ("renew", Some(Act::Renew)),
        ("request approve", Some(Act::Approve)),
        ("request list", Some(Act::ShowSeats)),
        ("request refuse", Some(Act::Approve)),
        ("request show", Some(Act::ShowSeats)),
        ("restore", Some(Act::Ledger)),
        ("return", Some(Act::ReturnHeld)),
        // Whoever comes over HTTP is asked there.
        ("serve", None),
        ("token list", Some(Act::Tokens)),
        ("token new", Some(Act::Tokens)),
        ("token revoke", Some(Act::Tokens)),
        ("unrelease", Some(Act::Release)),
        ("verify", Some(Act::Verify)),
        ("vouch", Some(Act::Ledger)),
        ("webhook add", Some(Act::Webhooks)),
        ("webhook deliveries", Some(Act::Webhooks)),
        ("webhook list", Some(Act::Webhooks)),
        ("webhook remove", Some(Act::Webhooks)),
        ("webhook replay", Some(Act::Webhooks)),
        ("webhook secret", Some(Act::Webhooks)),
        ("webhook test", Some(Act::Webhooks)),
    ];

    #[test]
    fn each_command_has_a_rule() {
        fn leaves(of: &clap::Command, before: &str, found: &mut Vec<String>) {
            let mut commands = of.get_subcommands().filter(|command| command.get_name() != "help").peekable();
            if commands.peek().is_none() {
                found.push(before.trim().to_owned());
            }
            for command in commands {
                leaves(command, &format!("{before} {}", command.get_name()), found);
            }
        }
        let mut found = Vec::new();
        leaves(&Arguments::command(), "", &mut found);
        found.sort();
        let rules: BTreeMap<&str, Option<Act>> = COMMANDS.into_iter().collect();
        assert_eq!(found, rules.keys().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (name, _) in LOCAL {
            assert!(rules.contains_key(name), "there is no command {name}");
        }
    }
}
