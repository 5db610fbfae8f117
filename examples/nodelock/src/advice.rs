//! What to do next: one sentence for each situation that something can be done about.

use nodelock::{ClockError, Error, ErrorKind, GraceReason, MachineReason, Status, Verdict};

/// What to do about a failure; none where the message says it all. What kept an authority from being reached comes
/// before what its kind says.
pub fn on(error: &Error) -> Option<&'static str> {
    let of_the_network = error.advice().filter(|advice| error.kind().advice() != Some(advice));
    of_the_network.or_else(|| on_error(error.kind()))
}

/// What to do about a kind of failure: the library's advice, or this program's where a command or an option helps.
pub fn on_error(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::WrongType => {
            "Take in what the vendor sends: a license, a receipt or a revocation. Requests and codes go to the vendor."
        }
        ErrorKind::WrongProduct => {
            "Check --product (NODELOCK_PRODUCT), or ask the vendor for the right file."
        }
        ErrorKind::UntrustedSigner => {
            "Check the root keys (--root, --roots, NODELOCK_ROOTS): they must be this vendor's."
        }
        ErrorKind::WrongMachine | ErrorKind::WrongRequest => {
            "A file for another computer or another store: check --store. Or show this one's request with `nodelock \
             request`, and have the vendor answer that. A check-in that was refused: `nodelock status` says what to \
             do."
        }
        ErrorKind::GivenUp => {
            "That seat was given back. Ask for a new one with `nodelock request LICENSE-KEY`."
        }
        ErrorKind::AlreadyActive => {
            "`nodelock request` without a key shows a pending request again and `nodelock cancel` takes it back; \
             --replace-request does so for a new one. --replace-license keeps a valid license until the new one is \
             installed; `nodelock deactivate` gives it back now."
        }
        ErrorKind::NotPending => "Ask for a seat with `nodelock request LICENSE-KEY` first.",
        ErrorKind::NotActive => {
            "There is nothing to give back. `nodelock status` says what there is, `nodelock code` shows earlier codes."
        }
        ErrorKind::TooManyOutstanding => {
            "Hand them in: `nodelock check-in` does so online. By hand: send the vendor what `nodelock code --format \
             file --seat SEAT` writes of each, then `nodelock receipt FILE` with the receipt."
        }
        ErrorKind::UnreadableCode => {
            "Compare the license key with the one you received: 25 letters and digits in five groups."
        }
        ErrorKind::Corrupt => {
            "Do not delete the store: its device key can prove whose seat it was. `nodelock recover` takes a new seat \
             in place of the lost one."
        }
        ErrorKind::NoLocks => {
            "Choose a folder on a disk of this machine with --store. A shared folder can be mounted with locks, too. \
             Nothing was lost."
        }
        ErrorKind::ReadOnly => {
            "Make the store's folder writable, or choose another with --store. Nothing was lost."
        }
        ErrorKind::AccessDenied => {
            "Check who owns the store's folder: what is root's there, `sudo chown -R USER FOLDER` gives back. Or \
             choose another with --store. Nothing was lost."
        }
        ErrorKind::Io => {
            "Check the disk, and that the store's folder can be there; --store names another. Nothing that was \
             confirmed is lost."
        }
        ErrorKind::LicenseWanted => {
            "Hand the whole file over: `nodelock check-in --offline` writes it. A QR code of a large license lacks a \
             part."
        }
        ErrorKind::UnknownSeat => "It is about a seat that this store does not know: check --store.",
        ErrorKind::Unreachable | ErrorKind::TimedOut | ErrorKind::ServerBusy | ErrorKind::ServerFailed => {
            "Try again later; nothing was lost. Or do it by hand: `request`, `install`, `deactivate --offline`."
        }
        ErrorKind::TlsUntrusted => {
            "Behind a proxy that inspects traffic, give its certificate with --trust. Otherwise somebody may be in \
             between: tell the vendor. Nothing was lost."
        }
        ErrorKind::TlsWrongHost => "Check --authority: another host answers there. Nothing was lost.",
        ErrorKind::BadReply => {
            "Check --authority, and whether a proxy or a log-in page answers in its place. Nothing was lost."
        }
        ErrorKind::NoFreeSeat => {
            "Give a seat back on another machine, or ask the vendor for more seats; `nodelock activate LICENSE-KEY` \
             asks again, and `check-in` for a seat that lapsed; `activate --instead-of SEAT` takes the place of a \
             silent computer. `nodelock cancel` takes the request back."
        }
        ErrorKind::DeploymentKeyRefused | ErrorKind::DeploymentKeyUsedUp => {
            "Ask the vendor for another one, and name its file with --deployment-key-file \
             (NODELOCK_DEPLOYMENT_KEY_FILE). The request is kept: `nodelock activate` sends it again."
        }
        ErrorKind::CrowdedHandle => {
            "Ask again with a new request: `nodelock cancel`, then `nodelock request LICENSE-KEY`."
        }
        ErrorKind::Unsupported => "Without a home directory, give a folder with --store.",
        kind => return kind.advice(),
    })
}

/// What to do about a license that is not usable, or will not be for long.
pub fn on_status(status: &Status) -> Option<&'static str> {
    Some(match status.verdict() {
        Verdict::Unlicensed { pending: false } if status.outstanding() == 0 => {
            "Ask for a seat with `nodelock request LICENSE-KEY`, and send the request to the vendor."
        }
        Verdict::Unlicensed { pending: true } => {
            "`nodelock request` shows the request again. When the license comes: `nodelock install FILE`."
        }
        Verdict::Unlicensed { .. } | Verdict::Deactivated | Verdict::Revoked { .. }
            if status.outstanding() > 0 =>
        {
            "`nodelock code` shows what frees the seat; hand it to the vendor. `nodelock request LICENSE-KEY` asks for \
             a new seat and carries it along."
        }
        Verdict::Deactivated => "To use it here again: `nodelock request LICENSE-KEY`.",
        Verdict::Revoked { .. } => "Ask the vendor why, or for another seat: `nodelock request LICENSE-KEY`.",
        Verdict::LeaseEnded { clock: Some(ClockError::Ahead(_)), .. }
        | Verdict::Expired { clock: Some(ClockError::Ahead(_)), .. } => {
            "Correct this machine's clock: the license may be usable then."
        }
        Verdict::Active if !status.renewal_due() => return None,
        Verdict::Grace { reason: GraceReason::MachineHidden, .. }
        | Verdict::WrongMachine { reason: MachineReason::HiddenTooLong } => {
            "Run it where this computer's hardware can be seen: outside of the container or sandbox that hides its \
             network cards or /sys. The seat need not be given back."
        }
        Verdict::Active
        | Verdict::Grace { .. }
        | Verdict::LeaseEnded { .. }
        | Verdict::WrongMachine { reason: MachineReason::GraceOver } => {
            "Renew it with `nodelock check-in`. Without a network: send the vendor what `nodelock check-in --offline` \
             writes, then `nodelock install FILE` with the answer."
        }
        Verdict::Expired { .. } => "Ask the vendor for a renewed license file, then `nodelock install FILE`.",
        Verdict::ClockSetBack { .. } => {
            "Check this machine's clock. If it is right, `nodelock check-in` brings the authority's word for it."
        }
        Verdict::NotYetValid { .. } => "Wait for that day. If it has come, check this machine's clock.",
        Verdict::WrongMachine { reason: MachineReason::DeviceKey } => {
            "Is the folder a copy from another computer? Then ask for a seat of this one's own, in another folder: \
             --store and `nodelock request LICENSE-KEY`. Otherwise put `device.key` back, or ask the vendor to release \
             the seat and then use `nodelock request LICENSE-KEY --replace-license`."
        }
        Verdict::WrongMachine { .. } => {
            "If this is the machine that was activated, give the seat back (`nodelock deactivate --offline`) and ask \
             for a new one."
        }
        Verdict::VersionNotCovered { .. } => {
            "Use an earlier version, or ask the vendor to extend the maintenance; then run `nodelock check-in`."
        }
        Verdict::Damaged { reason } => return on_error(*reason),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
