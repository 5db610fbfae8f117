//! Health: whether it can do its work, how long its certificates last, whether the audit is whole, how it is copied.

use super::{
    super::super::{health, problem::Problem},
    Asked, Shown, Visitor,
    view::{Block, Cell, Content, Facts, Link, Notice, Row, Table, Tone},
    words::say,
};
use crate::{
    domain::rights::Act,
    keys,
    service::{self, VerifiedAudit},
};

/// How long before its end a certificate is warned of, in seconds.
const SOON: i64 = 30 * 24 * 60 * 60;

/// `GET /console/health`
pub(super) async fn page(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::Verify).await?;
    let (words, occasion) = (visitor.words, &visitor.caller.occasion);
    let service = &visitor.server.service;
    let notice = match (health::lacking(&visitor.server).await, service.restored_until(occasion.time)) {
        (Some(lacking), _) => Notice::new(Tone::Bad, words.cannot_work).line(lacking),
        (None, Some(until)) => {
            let until = super::view::words_of_time(until);
            Notice::new(Tone::Waiting, words.was_restored).line(say(words.restored_until, &[&until]))
        }
        (None, None) => Notice::new(Tone::Good, words.works),
    };
    let columns = [words.product, words.certificate, words.valid_from, words.expires];
    let mut certificates = Table::new(words.certificates, &columns, words.nothing_passes);
    for selling in &service.sellings().0 {
        let certificate = &selling.signer.certificate;
        let is_soon = keys::seconds_left(certificate, occasion.time) < SOON;
        let end = Cell::time(certificate.not_after);
        certificates.rows.push(Row::new(vec![
            Cell::new(&selling.name),
            Cell::code(certificate.serial.to_string()),
            Cell::time(certificate.not_before),
            if is_soon { end.class("bad") } else { end },
        ]));
    }
    let counts = service::count_by_state(service.database()).await?;
    let mut seats = Facts::new(words.seats);
    for (state, count) in counts {
        seats = seats.fact(words.of_seat_state(state), Cell::new(count.to_string()));
    }
    let command = if service.database().is_server() { words.backup_server } else { words.backup_file };
    let audit = match asked.says("audit") {
        // It reads all of it.
        "check" => audit(visitor).await?,
        _ => Block::Links(vec![Link::new("/console/health?audit=check", words.check_audit)]),
    };
    let backup = Facts::new(words.backup).fact(words.command, Cell::code(command));
    Ok(Content::new(words.health)
        .with(notice.block())
        .with(certificates.block())
        .with(seats.block())
        .with(audit)
        .with(backup.block())
        .with(Block::Text(words.about_backup.to_owned())))
}

/// Whether the chain over the audit holds.
async fn audit(visitor: &Visitor) -> Result<Block, Problem> {
    let words = visitor.words;
    let database = visitor.server.service.database();
    let VerifiedAudit { chain, found, .. } =
        service::verify_audit(database, &[], &visitor.caller.occasion).await?;
    let whole = match found {
        0 => Cell::new(words.audit_whole).class("good"),
        found => Cell::new(say(words.audit_broken, &[&found.to_string()])).class("bad"),
    };
    Ok(Facts::new(words.audit)
        .fact(words.state, whole)
        .fact(words.lines, Cell::new(chain.lines.to_string()))
        .fact(words.seals, Cell::new(chain.seals.to_string()))
        .fact(words.unsealed, Cell::new(chain.unsealed.to_string()))
        .block())
}
